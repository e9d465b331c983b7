"""Everyday flows of outpatients over HTTP, named after situations; after each, the books and views agree."""

import pytest

from tests.builders import FACILITY_CODE
from tests.flows.hospital_day import Day, cash, open_day
from tests.web.live_visit import drug, item
from tests.web.site import Site, problem


@pytest.fixture
async def day(site: Site) -> Day:
    return await open_day(site)


async def test_insured_outpatient_pays_two_slips_and_a_late_second_consultation(day: Day) -> None:
    visit_id = await day.admit("LK-01")
    await day.order("LK-01", "KHAM-1", 150_000, slip="CD-1")
    await day.order("LK-01", "XN-1", 450_000, slip="CD-2")
    first = await day.tick(visit_id, "KHAM-1")
    assert not await day.is_cleared("CD-1")

    await day.transfer(await day.code(deposit_request_id=first["id"]), first["amount"])
    assert await day.is_cleared("CD-1")
    assert not await day.is_cleared("CD-2")
    second = await day.tick(visit_id, "XN-1")
    receipt = await day.collect(visit_id, cash(second["amount"]), deposit_request_id=second["id"])
    assert receipt["amount"] == second["amount"]
    assert await day.is_cleared("CD-2")

    await day.order("LK-01", "KHAM-2", 100_000, slip="CD-3")
    third = await day.tick(visit_id, "KHAM-2")
    await day.collect(visit_id, cash(third["amount"]), deposit_request_id=third["id"])
    for line, price, slip in (("KHAM-1", 150_000, "CD-1"), ("XN-1", 450_000, "CD-2"), ("KHAM-2", 100_000, "CD-3")):
        await day.perform("LK-01", line, price, slip=slip)
    bill = await day.discharge("LK-01", visit_id)

    assert bill["state"] == "closed"
    assert bill["shares"]["insurer"] > 0
    assert bill["final_bills"][-1]["owed"] == 0
    balances = await day.balances()
    assert balances.keys().isdisjoint({"deposit", "receivable_patient"})
    await day.check()


async def test_half_by_qr_and_half_in_cash_then_one_test_is_cancelled_and_refunded(day: Day) -> None:
    visit_id = await day.admit("LK-02")
    await day.order("LK-02", "A", 200_000, slip="CD-4")
    await day.order("LK-02", "B", 300_000, slip="CD-5")
    request = await day.tick(visit_id, "A", "B")
    half = request["amount"] // 2
    await day.transfer(await day.code(deposit_request_id=request["id"], amount=half), half)
    assert await day.states(visit_id) == {"A": "ordered", "B": "ordered"}
    await day.collect(visit_id, cash(request["amount"] - half), deposit_request_id=request["id"])
    assert await day.states(visit_id) == {"A": "cleared", "B": "cleared"}

    await day.perform("LK-02", "A", 200_000, slip="CD-4")
    returned = await day.send(
        "POST",
        f"/visits/{visit_id}/charges/B/refund",
        {"reason": "máy hỏng, người bệnh đồng ý", "room_confirmation": "Phòng XN: KTV Lan"},
    )
    # Without B the visit is under the 15 % line: the patient owes nothing, all of the money is free.
    assert returned["released"] == request["amount"]
    await day.check()
    in_cash = await day.refund(visit_id, request["amount"] - half, way="cash")
    await day.send("POST", f"/refunds/{in_cash['id']}/send", {})
    bill = await day.discharge("LK-02", visit_id)

    assert (bill["shares"]["patient"], bill["to_return"]) == (0, half)
    assert (await day.balances()).get("cash_drawer", 0) == 0
    await day.check()


async def test_relative_pays_with_an_edited_text_and_no_money_is_lost(day: Day) -> None:
    visit_id = await day.admit("LK-04")
    await day.order("LK-04", "A", 600_000, slip="CD-7")
    request = await day.tick(visit_id, "A")
    code = await day.code(deposit_request_id=request["id"])

    await day.transfer(f"chuyen tien kham cho me {code[:-1]}", request["amount"])

    assert not await day.is_cleared("CD-7")
    assert (await day.balances())["unallocated"] == request["amount"]
    reasons = [row["reason"] for row in (await day.send("GET", "/exceptions", by="head"))["items"]]
    assert reasons == ["no_reference"]
    await day.check()


async def test_referral_paper_at_noon_returns_what_was_collected_without_it(day: Day) -> None:
    visit_id = await day.admit("LK-05", is_provisional=True, MA_DOITUONG_KCB="3.1")
    await day.order("LK-05", "A", 1_000_000, slip="CD-8")
    request = await day.tick(visit_id, "A")
    await day.collect(visit_id, cash(request["amount"]), deposit_request_id=request["id"])
    before = (await day.account(visit_id))["account"]["shares"]["patient"]

    await day.admit("LK-05", is_provisional=False, MA_DOITUONG_KCB="1.1")
    after = (await day.account(visit_id))["account"]["shares"]["patient"]
    assert after < before
    await day.perform("LK-05", "A", 1_000_000, slip="CD-8")
    bill = await day.discharge("LK-05", visit_id)

    assert bill["final_bills"][-1]["released"] == before - after
    await day.check()


async def test_visit_is_reopened_after_payment_and_one_drug_crosses_the_15_percent_line(day: Day) -> None:
    # 15 % of the base salary is 379 500: a test of 300 000 is free, and with a drug of 100 000 the patient pays 20 %.
    visit_id = await day.admit("LK-06")
    await day.order("LK-06", "A", 300_000, slip="CD-9")
    await day.order("LK-06", "B", 50_000, slip="CD-9", item={**item("Giường theo yêu cầu", "50000"), "PHAM_VI": "2"})
    request = await day.tick(visit_id, "A", "B")
    assert request["amount"] == 50_000
    await day.collect(visit_id, cash(50_000), deposit_request_id=request["id"])
    await day.perform("LK-06", "A", 300_000, slip="CD-9")
    await day.order(
        "LK-06",
        "B",
        50_000,
        slip="CD-9",
        state="performed",
        item={**item("Giường theo yêu cầu", "50000"), "PHAM_VI": "2"},
    )
    first = await day.discharge("LK-06", visit_id)
    assert first["shares"]["patient"] == 50_000

    address = f"/facilities/{FACILITY_CODE}/visits/LK-06/charges/T-1"
    late = {"version": 1, "order_number": "DT-1", "item": drug("10", "10000"), "state": "performed"}
    problem(await day.call("PUT", address, late), 409, "visit_closed")
    await day.send("POST", f"/visits/{visit_id}/reopen", {"reason": "bác sĩ kê thêm thuốc"}, by="head")
    await day.send("PUT", address, late)
    problem(await day.call("POST", f"/visits/{visit_id}/final-bill", {}), 409, "money_owed")
    owed = (await day.send("GET", f"/visits/{visit_id}/final-bill"))["to_collect"]
    assert owed == 80_000  # 20 % of 400 000
    await day.collect(visit_id, cash(owed), amount=owed)
    second = await day.send("POST", f"/visits/{visit_id}/final-bill", {})

    assert second["shares"] == {"patient": 130_000, "insurer": 320_000, "other": 0, "private": 0, "total": 450_000}
    assert second["final_bills"][-1]["owed"] == 0
    await day.check()

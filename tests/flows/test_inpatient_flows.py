"""Everyday flows of stays and discharges over HTTP, named after situations; after each, books and views agree."""

import pytest

from tests.builders import FACILITY_CODE
from tests.flows.hospital_day import Day, cash, open_day
from tests.web.live_visit import drug
from tests.web.site import Site, problem

_ACCOUNT = {"bank_bin": "970436", "account_number": "0011223344", "holder": "NGUYEN VAN THU"}


@pytest.fixture
async def day(site: Site) -> Day:
    return await open_day(site)


async def test_three_weeks_inpatient_pays_six_deposits_two_of_them_to_one_saved_qr(day: Day) -> None:
    visit_id = await day.admit("LK-03", MA_LOAI_KCB="03", NGAY_VAO="202610121000")
    await day.order("LK-03", "PT-1", 9_000_000, slip="CD-6")
    standing = await day.code(visit_id=visit_id, is_standing=True)
    for amount in (500_000, 300_000):
        await day.transfer(standing, amount)
    for amount in (200_000, 100_000, 150_000, 50_000):
        await day.collect(visit_id, cash(amount), amount=amount)

    account = (await day.account(visit_id))["account"]
    assert account["deposit"]["held"] == 1_300_000
    await day.perform("LK-03", "PT-1", 9_000_000, slip="CD-6")
    bill = await day.send("GET", f"/visits/{visit_id}/final-bill")
    assert (bill["deposit"], bill["to_collect"]) == (1_300_000, 500_000)  # 20 % of 9 000 000 is 1 800 000
    await day.check()
    await day.collect(visit_id, cash(500_000), amount=500_000)
    await day.override(visit_id, "bed_day_missing", reason="giường tính theo gói phẫu thuật")
    closed = await day.discharge("LK-03", visit_id)

    assert closed["final_bills"][-1]["owed"] == 0
    assert (await day.balances()).keys().isdisjoint({"deposit", "receivable_patient"})
    await day.check()


async def test_discharge_with_a_surplus_returns_it_to_a_bank_account(day: Day) -> None:
    visit_id = await day.admit("LK-12")
    await day.order("LK-12", "A", 600_000, slip="CD-12")
    await day.transfer(await day.code(visit_id=visit_id, is_standing=True), 1_000_000)
    await day.perform("LK-12", "A", 600_000, slip="CD-12")
    bill = await day.discharge("LK-12", visit_id)
    assert (bill["shares"]["patient"], bill["to_return"]) == (120_000, 880_000)  # 20 % of 600 000
    await day.check()

    refund = await day.refund(visit_id, 880_000, way="manual_transfer", destination=_ACCOUNT)
    order = {
        "refund_ids": [refund["id"]],
        "bank_account_id": await day.bank_account_id(),
        "layout": "generic",
    }
    written = await day.send("POST", "/payment-orders", order)
    content = await day.call("GET", f"/payment-orders/{written['id']}/file")
    assert refund["reference"] in content.text
    confirm = f"/refunds/{refund['id']}/confirm"
    problem(await day.call("POST", confirm, {"bank_reference": "FT1"}), 409, "second_person_required")
    await day.check()
    await day.send("POST", confirm, {"bank_reference": "FT26333000111"}, by="head")

    assert (await day.send("GET", f"/refunds/{refund['id']}"))["state"] == "done"
    assert (await day.send("GET", f"/visits/{visit_id}/final-bill"))["to_return"] == 0
    assert (await day.send("GET", "/closed-visits-with-money"))["items"] == []
    await day.check()


async def test_discharge_is_blocked_by_a_drug_on_its_way_and_released_when_it_is_back(day: Day) -> None:
    visit_id = await day.admit("LK-07")
    address = f"/facilities/{FACILITY_CODE}/visits/LK-07/charges/T-1"
    body = {"version": 1, "order_number": "DT-2", "kind": "drug", "item": drug(), "stage": "issued"}
    await day.send("PUT", address, body)
    await day.admit("LK-07", NGAY_RA="202611021700")

    found = await day.send("GET", f"/visits/{visit_id}/discharge-clearance")
    assert "drug_issued" in [blocker["kind"] for blocker in found["blockers"]]
    assert all(blocker["way_out"] for blocker in found["blockers"])
    refused = await day.call("POST", f"/visits/{visit_id}/final-bill", {})
    assert refused.status_code == 409
    await day.send("PUT", address, {**body, "version": 2, "stage": "received", "state": "performed"})
    bill = await day.send("POST", f"/visits/{visit_id}/final-bill", {})

    assert bill["state"] == "closed"
    await day.check()


async def test_unknown_patient_of_the_night_is_merged_with_history(day: Day) -> None:
    unknown = await day.admit("LK-10", patient={"is_unknown": True})
    known = await day.admit("LK-11")
    await day.collect(unknown, cash(30_000), amount=30_000)
    ids = [(await day.account(visit))["account"]["patient_id"] for visit in (unknown, known)]

    await day.send("POST", f"/patients/{ids[0]}/merge", {"into": ids[1], "reason": "người nhà mang giấy tờ"})

    merged = (await day.account(unknown))["account"]
    assert merged["patient_id"] == ids[1]
    assert merged["deposit"]["held"] == 30_000
    await day.check()

"""Flows in which another payer than the patient pays, over HTTP; after each, the books and views agree."""

import pytest

from tests.flows.hospital_day import Day, cash, open_day
from tests.web.site import Site, problem


@pytest.fixture
async def day(site: Site) -> Day:
    return await open_day(site)


async def test_clinic_pays_for_a_companys_check_up_with_one_transfer(day: Day) -> None:
    # Three employees without insurance; the clinic of the company answers for the whole bill and pays it at once.
    visits = {}
    for number, price in ((1, 300_000), (2, 450_000), (3, 250_000)):
        ma_lk = f"LK-KSK-{number}"
        patient = {"HO_TEN": f"Nhân viên {number}", "SO_CCCD": f"00108000001{number}"}
        visits[ma_lk] = await day.admit(ma_lk, cards=[], MA_DOITUONG_KCB="9", patient=patient)
        await day.order(ma_lk, "KSK", price, slip=f"KSK-{number}", state="performed")
        problem(await day.call("POST", f"/visits/{visits[ma_lk]}/final-bill", {}), 409, "money_owed")
        await day.owe(visits[ma_lk], "Phòng khám Công ty May", reason="công ty trả theo hợp đồng khám sức khỏe")
        await day.discharge(ma_lk, visits[ma_lk])
    await day.check()
    invoices = (await day.send("GET", "/invoices"))["items"]
    assert sum(invoice["owed"] for invoice in invoices) == 1_000_000
    assert (await day.balances())["receivable_patient"] == 1_000_000

    code = await day.code(invoice_ids=[invoice["id"] for invoice in reversed(invoices)])
    await day.transfer(code, 600_000)
    await day.check()
    await day.transfer(code, 400_000)

    assert [each["owed"] for each in (await day.send("GET", "/invoices"))["items"]] == [0, 0, 0]
    assert "receivable_patient" not in await day.balances()
    assert (await day.send("GET", "/closed-visits-with-money"))["items"] == []
    await day.check()


async def test_guarantee_is_confirmed_lower_than_requested(day: Day) -> None:
    visit_id = await day.admit("LK-13")
    await day.order("LK-13", "A", 2_000_000, slip="CD-13", state="performed")
    requested = await day.send(
        "POST",
        f"/visits/{visit_id}/guarantees",
        {"payer": "Bảo hiểm Tư", "reference": "BL-2026-13", "limit": 400_000},
    )
    assert (await day.bill(visit_id))["to_collect"] == 400_000, "a request alone moves nothing"
    await day.admit("LK-13", NGAY_RA="202611021700")
    blocked = problem(await day.call("POST", f"/visits/{visit_id}/final-bill", {}), 409, "discharge_blocked")
    assert "guarantee_unconfirmed" in str(blocked)

    await day.send("POST", f"/guarantees/{requested['id']}/confirm", {"amount": 150_000})
    bill = await day.bill(visit_id)
    assert (bill["guaranteed"], bill["to_collect"]) == (150_000, 250_000)
    assert "receivable_guarantor" not in await day.balances(), "the final bill posts it"
    await day.check()
    await day.collect(visit_id, cash(250_000), amount=250_000)
    closed = await day.send("POST", f"/visits/{visit_id}/final-bill", {})

    assert (closed["state"], closed["guaranteed"], closed["paid"], closed["to_collect"]) == (
        "closed",
        150_000,
        250_000,
        0,
    )
    assert (await day.balances())["receivable_guarantor"] == 150_000
    await day.check()

    paid = await day.send(
        "POST", "/guarantee-payments", {"payer": "Bảo hiểm Tư", "parts": [cash(150_000)], "amount": 150_000}
    )

    assert (paid["purpose"], paid["amount"]) == ("guarantee", 150_000)
    assert "receivable_guarantor" not in await day.balances()
    assert (await day.send("GET", "/guarantee-receivables?state=owed"))["items"] == []
    await day.check()


async def test_company_guarantees_check_ups_and_pays_them_with_one_receipt(day: Day) -> None:
    owed = {}
    for number, price in ((1, 300_000), (2, 450_000)):
        ma_lk = f"LK-KSK-{number}"
        patient = {"HO_TEN": f"Nhân viên {number}", "SO_CCCD": f"00108000002{number}"}
        visit_id = await day.admit(ma_lk, cards=[], MA_DOITUONG_KCB="9", patient=patient)
        await day.order(ma_lk, "KSK", price, slip=f"KSK-{number}", state="performed")
        body = {"payer": "Công ty May", "reference": f"HD-2026/{number}", "limit": price}
        made = await day.send("POST", f"/visits/{visit_id}/guarantees", body)
        await day.send("POST", f"/guarantees/{made['id']}/confirm", {"amount": price})
        await day.discharge(ma_lk, visit_id)
        owed[made["id"]] = price
    await day.check()
    listed = (await day.send("GET", "/guarantee-receivables?payer=Công ty May"))["items"]
    assert {each["id"]: each["owed"] for each in listed} == owed
    problem(
        await day.call("POST", "/guarantee-payments", {"payer": "Công ty Dệt", "parts": [cash(1)]}),
        409,
        "guarantees_paid",
    )

    await day.send("POST", "/guarantee-payments", {"payer": "Công ty May", "parts": [cash(500_000)]})
    await day.check()
    await day.send("POST", "/guarantee-payments", {"payer": "Công ty May", "parts": [cash(250_000)]})

    assert (await day.send("GET", "/guarantee-receivables?state=owed"))["items"] == []
    assert (await day.balances()).get("receivable_guarantor", 0) == 0
    await day.check()

"""Payers pay what they owe for guarantees, over HTTP: the events that make entries, for `test_entries.py`."""

from typing import Any

from tests.flows.entry_acts import Hospital
from tests.flows.hospital_day import cash

PAYER = "Công ty Dệt"


async def guaranteed_bill(hospital: Hospital, amount: int) -> str:
    """The id of a guarantee that a final bill has counted; what is left is a debt of the patient."""
    visit_id = await hospital.charged()
    body = {"payer": PAYER, "reference": f"BL-{hospital.visits}", "limit": amount}
    made = await hospital.send(f"/visits/{visit_id}/guarantees", body)
    await hospital.send(f"/guarantees/{made['id']}/confirm", {"amount": amount})
    await hospital.day.owe(visit_id, "Nguyễn Thị Con", reason="chờ công ty trả")
    await hospital.close(visit_id)
    guarantee_id: str = made["id"]
    return guarantee_id


async def pay(hospital: Hospital, *parts: dict[str, Any], by: str = "cashier") -> Any:
    return await hospital.send("/guarantee-payments", {"payer": PAYER, "parts": list(parts)}, by=by)


async def assign(hospital: Hospital, amount: int) -> tuple[str, str]:
    """Money without a code comes and is assigned to the payer; returns the exception and the bank's transaction."""
    transaction = await hospital.transfer("cong ty det tra", amount)
    [listed] = [
        each
        for each in (await hospital.send("/exceptions", method="GET", by="head"))["items"]
        if each["amount"] == amount
    ]
    payment = await hospital.send(f"/payments/{listed['payment_id']}", method="GET")
    decision = {
        "version": 1,
        "action": "assign_to_payer",
        "reason": "công ty báo đã chuyển",
        "payer": PAYER,
        "amount": amount,
        "bank_reference": payment["bank_reference"],
    }
    await hospital.send(f"/exceptions/{listed['id']}/decide", decision, by="head")
    return listed["id"], transaction


async def money_of_payers(hospital: Hospital) -> None:
    """A payer pays in cash, by card, by transfer, and with its credit."""
    await guaranteed_bill(hospital, 90_000)
    await hospital.news()
    await pay(hospital, cash(10_000), hospital.card(10_000, "BL0001"))
    transfer = {"method": "transfer", "amount": 80_000, "bank_account_id": hospital.bank_id, "reference": "BL-CK-1"}
    await pay(hospital, transfer, by="head")
    await guaranteed_bill(hospital, 5_000)
    await hospital.send("/guarantee-payments/apply-credit", {"payer": PAYER})


async def voided_receipts_of_payers(hospital: Hospital) -> None:
    await guaranteed_bill(hospital, 50_000)
    made = [await pay(hospital, hospital.card(10_000, "BL0002")), await pay(hospital, cash(45_000))]
    await hospital.news()
    for receipt in made:
        await hospital.send(f"/receipts/{receipt['id']}/void", {"reason": "nhầm công ty"}, by="head")


async def assigned_money_of_payers(hospital: Hospital) -> None:
    """A transfer is assigned and reverted; another one is assigned and taken back by the bank."""
    exception_id, _ = await assign(hospital, 71_000)
    await hospital.send(f"/exceptions/{exception_id}/revert", {"version": 2, "reason": "gán nhầm"}, by="head")
    _, transaction = await assign(hospital, 72_000)
    await hospital.take_back(72_000, original=transaction, transaction="BACK-BL")


async def written_off_guarantee(hospital: Hospital) -> None:
    """A part is paid, the rest is written off; then all charges are cancelled and both are taken back."""
    [owed] = (await hospital.send(f"/guarantee-receivables?state=owed&payer={PAYER}", method="GET"))["items"]
    await pay(hospital, cash(1_000))
    await hospital.news()
    await hospital.send(f"/guarantees/{owed['id']}/write-off", {"reason": "công ty phá sản"}, by="cashier")
    await hospital.approve("guarantee_write_off")
    await hospital.reopen(owed["visit_id"])
    await hospital.cancel_all(owed["ma_lk"])
    await hospital.close(owed["visit_id"])

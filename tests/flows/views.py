"""The views of one hospital compared: accounts, bills, invoices, payments, requests, receipts, drawer and ledger."""

from collections.abc import Collection
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.web.site import Site

_ROLES = (
    "deposit",
    "receivable_patient",
    "receivable_guarantor",
    "patient_credit",
    "unallocated",
    "refund_in_transit",
    "cash_drawer",
    "clearing",
)


async def assert_views_agree(site: Site, visit_ids: Collection[str], shift_id: str) -> None:
    """Every view of the visits, the money and the drawer states the same amounts.

    `visit_ids` are all visits of the hospital; `shift_id` is its only shift.
    """
    accounts = [(await site.read(f"/v1/visits/{each}/account")) for each in visit_ids]
    bills = [await site.read(f"/v1/visits/{each}/final-bill") for each in visit_ids]
    for account, bill in zip(accounts, bills, strict=True):
        _assert_bill_agrees(account, bill)
    invoices = await _all(site, "/v1/invoices")
    payments = await _all(site, "/v1/payments")
    ledger = await _balances(site)
    positions = [payment["position"] for payment in payments]
    assert all(sum(each["position"].values()) == each["amount"] for each in payments)
    assert _sum(positions, "on_deposits") == _held(accounts) == ledger["deposit"]
    assert _sum(positions, "on_invoices") == _sum(invoices, "paid")
    assert _sum(positions, "credit") == _sum(bills, "credit") == ledger["patient_credit"]
    assert _sum(positions, "unallocated") == ledger["unallocated"]
    assert _sum(positions, "refund_reserved") == ledger["refund_in_transit"]
    assert _sum(invoices, "owed") == ledger["receivable_patient"]
    await _assert_invoices_agree(bills, invoices)
    await _assert_drawer_agrees(site, shift_id, ledger)
    await _assert_statements_agree(site, ledger)


def _assert_bill_agrees(account: dict[str, Any], bill: dict[str, Any]) -> None:
    shares = account["account"]["shares"]
    charges = [charge for charge in account["charges"] if charge["state"] != "cancelled"]
    assert shares == bill["shares"]
    assert shares["patient"] == _rounded(charge["patient_amount"] for charge in charges)
    assert shares["total"] == _rounded(charge["hospital_amount"] for charge in charges)
    assert shares["total"] == sum(shares[name] for name in ("patient", "insurer", "other", "private"))
    borne = bill["guaranteed"] + bill["exempted"] + bill["written_off"]
    money = bill["paid"] + bill["deposit"] + bill["credit"]
    assert shares["patient"] - borne - money == bill["to_collect"] - bill["to_return"]
    deposit = account["account"]["deposit"]
    assert deposit["held"] == deposit["received"] - deposit["applied"] - deposit["returned"] == bill["deposit"]
    for request in account["requests"]:
        assert request["remaining"] == request["amount"] - request["received"]


async def _assert_invoices_agree(bills: list[dict[str, Any]], invoices: list[dict[str, Any]]) -> None:
    for bill in bills:
        own = [each for each in invoices if each["visit_id"] == bill["visit_id"]]
        assert _sum(own, "paid") == bill["paid"]
        for each in own:
            assert each["owed"] == each["shares"]["patient"] + each["corrections"] - each["paid"], each
        if bill["state"] == "closed":
            last = bill["final_bills"][-1]
            assert _sum(own, "owed") <= last["owed"], "what came later only lowers what is owed"
            assert bill["to_collect"] == max(0, _sum(own, "owed") - bill["credit"])


async def _assert_drawer_agrees(site: Site, shift_id: str, ledger: dict[str, int]) -> None:
    shift = await site.read(f"/v1/shifts/{shift_id}")
    receipts = await _all(site, "/v1/receipts")
    assert shift["cash"] == _sum(shift["events"], "amount") == ledger["cash_drawer"]
    assert {each["id"] for each in shift["receipts"]} == {each["id"] for each in receipts if each["shift_id"]}
    numbers = sorted(int(each["number"].rsplit("-")[-1]) for each in receipts if each["direction"] == "in")
    assert numbers == list(range(1, len(numbers) + 1)), "the numbers have no gap"


async def _assert_statements_agree(site: Site, ledger: dict[str, int]) -> None:
    """The statement of each account closes with its balance."""
    closing: dict[str, int] = {}
    for row in (await site.read("/v1/ledger/balances"))["accounts"]:
        role, subject = row["account"]["role"], row["account"]["subject"]
        if role in _ROLES:
            address = f"/v1/ledger/accounts/{role}/statement" + (f"?subject={subject}" if subject else "")
            closing[role] = closing.get(role, 0) + (await site.read(address))["closing"]
    assert closing == {role: ledger[role] for role in closing}


async def _balances(site: Site) -> dict[str, int]:
    sums = dict.fromkeys(_ROLES, 0)
    document = await site.read("/v1/ledger/balances")
    assert document["debit"] == document["credit"]
    for row in document["accounts"]:
        role = row["account"]["role"]
        sums[role] = sums.get(role, 0) + row["balance"]
    return sums


async def _all(site: Site, address: str) -> list[dict[str, Any]]:
    document = await site.read(f"{address}?limit=100")
    assert document["next_cursor"] is None
    items: list[dict[str, Any]] = document["items"]
    return items


def _held(accounts: list[dict[str, Any]]) -> int:
    return sum(int(each["account"]["deposit"]["held"]) for each in accounts)


def _sum(rows: list[dict[str, Any]], name: str) -> int:
    return sum(int(row[name]) for row in rows)


def _rounded(amounts: Any) -> int:
    exact = sum((Decimal(amount) for amount in amounts), Decimal(0))
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))

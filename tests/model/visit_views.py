"""What must hold after every step: each view of the service shows the money of the record, and all sum equally.

Source: docs/visit-accounts.md; docs/design.md §5, Where money goes.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.model.visit_record import Record, Visit
from tests.model.visit_service import Clinic

_ALLOCATED = """
    SELECT coalesce(sum(amount), 0) FROM allocation
    WHERE organization_id = $1 AND {column} = $2 AND reverses_id IS NULL
        AND NOT EXISTS (SELECT FROM allocation AS later WHERE later.organization_id = $1
            AND later.reverses_id = allocation.id)
"""


class Views:
    """The views of one organization, read once after a step."""

    def __init__(self, clinic: Clinic, record: Record) -> None:
        self._clinic, self._record = clinic, record
        self._accounts = {visit: clinic.read(f"/visits/{visit}/account") for visit in record.visits}
        self._bills = {visit: clinic.read(f"/visits/{visit}/final-bill") for visit in record.visits}
        self._payments = clinic.items("/payments")
        self._invoices = clinic.items("/invoices")
        self._receivables = clinic.items("/guarantee-receivables?state=all")
        self._payer_payments = clinic.items("/guarantee-payments")
        self._balances = _by_role(clinic.read("/ledger/balances"))

    def check(self) -> None:
        """Every rule of the module."""
        for visit in self._record.visits.values():
            self._check_visit(visit)
            self._check_requests(visit)
        self._check_invoices()
        self._check_payments()
        self._check_payers()
        self._check_ledger()
        self._check_receipts()
        self._check_refunds()
        self._check_closed()
        self._check_drawer()
        assert self._clinic.service.mismatches(self._clinic.hospital.organization_id) == {}

    def _check_visit(self, visit: Visit) -> None:
        """The money of a visit is in its deposit, on its invoices, credit, or on its way back."""
        account, bill = self._accounts[visit.id], self._bills[visit.id]
        held = account["account"]["deposit"]["held"]
        assert held >= 0
        assert bill["deposit"] == held
        assert held + bill["paid"] + bill["credit"] + account["refunds_waiting"] == visit.money
        assert min(bill["guaranteed"], bill["exempted"], bill["written_off"], bill["paid"], bill["credit"]) >= 0
        borne = bill["guaranteed"] + bill["exempted"] + bill["written_off"] + bill["paid"]
        rest = bill["shares"]["patient"] - borne - held - bill["credit"]
        assert bill["to_collect"] - bill["to_return"] == rest
        assert bill["state"] == account["account"]["state"]
        if bill["state"] == "open":
            assert bill["shares"] == account["account"]["shares"]
        if not account["account"]["price_error"]:
            amounts = [each["patient_amount"] for each in account["charges"] if each["state"] != "cancelled"]
            exact = sum((Decimal(each or 0) for each in amounts), Decimal(0))
            assert abs(exact - account["account"]["shares"]["patient"]) <= Decimal("0.5")
        assert {each["line"] for each in account["charges"]} == set(visit.lines)

    def _check_requests(self, visit: Visit) -> None:
        account = self._accounts[visit.id]
        requests = self._clinic.items(f"/deposit-requests?visit_id={visit.id}")
        waiting = {each["id"] for each in requests if each["state"] in ("requested", "partly")}
        assert {each["id"] for each in account["requests"]} == waiting
        for each in requests:
            assert each["received"] >= 0
            assert (each["received"] >= each["amount"]) == (each["state"] == "paid"), each
            assert each["remaining"] == (each["amount"] - each["received"] if each["id"] in waiting else 0)
        closed = account["account"]["state"] == "closed"
        assert not (closed and waiting), "the final bill withdraws the requests"

    def _check_invoices(self) -> None:
        """owed = share + corrections − allocations."""
        organization_id = self._clinic.hospital.organization_id
        owed: Counter[str] = Counter()
        paid: Counter[str] = Counter()
        for invoice in self._invoices:
            allocated = self._clinic.service.value(
                organization_id, _ALLOCATED.format(column="invoice_id"), organization_id, invoice["id"]
            )
            assert invoice["paid"] == allocated
            assert invoice["owed"] == invoice["shares"]["patient"] + invoice["corrections"] - allocated
            assert invoice["owed"] >= 0
            owed[invoice["visit_id"]] += invoice["owed"]
            paid[invoice["visit_id"]] += invoice["paid"]
        for visit_id, bill in self._bills.items():
            assert bill["paid"] == paid[visit_id]
            if bill["state"] == "closed":
                assert bill["final_bills"]
                assert bill["to_collect"] == max(0, owed[visit_id] - bill["credit"])
        listed = {each["visit_id"]: each["owed"] for each in self._clinic.items("/debts") if each["state"] == "agreed"}
        assert all(owed[visit_id] == amount for visit_id, amount in listed.items())

    def _check_payments(self) -> None:
        """Refunds are at most the payments; the positions sum to the deposits, invoices, credits and refunds."""
        sums: Counter[str] = Counter()
        for payment in self._payments:
            position = payment["position"]
            assert min(position.values()) >= 0
            assert sum(position.values()) == payment["amount"], "a payment is whole somewhere"
            assert position["refunded"] + position["refund_reserved"] <= payment["amount"]
            sums.update(position)
        accounts, bills = self._accounts.values(), self._bills.values()
        assert sums["on_deposits"] == sum(each["account"]["deposit"]["held"] for each in accounts)
        assert sums["on_invoices"] == sum(each["paid"] for each in bills)
        assert sums["credit"] == self._credit()
        assert sums["on_guarantees"] == sum(each["paid"] for each in self._receivables)
        assert sums["unallocated"] == self._record.unallocated
        assert sums["refund_reserved"] == sum(each["refunds_waiting"] for each in accounts)

    def _credit(self) -> int:
        """Credit of patients and of payers."""
        of_patients = sum(int(each["credit"]) for each in self._bills.values())
        return of_patients + sum(int(each["credit"]) for each in self._payer_payments)

    def _check_payers(self) -> None:
        """The money of payers is on guarantees or is their credit; a guarantee is paid at most once."""
        placed = sum(each["on_guarantees"] + each["credit"] for each in self._payer_payments)
        assert placed == self._record.payer_money
        for each in self._receivables:
            assert each["owed"] == each["billed"] - each["paid"] - each["written_off"] >= 0, each
        billed = sum(each["billed"] for each in self._receivables)
        if all(bill["state"] == "closed" for bill in self._bills.values()):
            assert billed == sum(each["guaranteed"] for each in self._bills.values())

    def _check_ledger(self) -> None:
        accounts, bills = self._accounts.values(), self._bills.values()
        held = sum(each["account"]["deposit"]["held"] for each in accounts)
        expected = {
            "deposit": held,
            "receivable_patient": sum(each["owed"] for each in self._invoices),
            "receivable_guarantor": sum(each["owed"] for each in self._receivables),
            "patient_credit": self._credit(),
            "unallocated": self._record.unallocated,
            "refund_in_transit": sum(each["refunds_waiting"] for each in accounts),
            "cash_drawer": self._record.drawer,
            "clearing": self._record.provider + self._record.card,
            "bad_debt": sum(each["written_off"] for each in self._bills.values() if each["state"] == "closed")
            + sum(each["written_off"] for each in self._receivables),
        }
        found = {role: self._balances[role] for role in expected}
        if any(bill["state"] == "open" for bill in bills):
            del expected["bad_debt"], found["bad_debt"]  # a reopened visit is booked again by its next final bill
        assert found == expected

    def _check_receipts(self) -> None:
        """The numbers of each series have no gap, and what is valid is what was answered."""
        receipts = self._clinic.items("/receipts")
        for series in ("PT", "PC"):
            numbers = sorted(
                int(each["number"].split("-")[1]) for each in receipts if each["number"].startswith(series)
            )
            assert numbers == list(range(1, len(numbers) + 1))
        valid = {
            each["id"]: each["amount"] for each in receipts if each["state"] == "valid" and each["direction"] == "in"
        }
        assert valid == {each["id"]: each["amount"] for each in self._record.receipts}

    def _check_refunds(self) -> None:
        listed = {each["id"]: each for each in self._clinic.items("/refunds")}
        assert {refund.id: refund.state for refund in self._record.refunds} == {
            refund_id: each["state"] for refund_id, each in listed.items()
        }

    def _check_closed(self) -> None:
        """The list of closed visits with money shows what their bills show."""
        listed = {each["visit_id"]: each for each in self._clinic.items("/closed-visits-with-money")}
        for visit_id, bill in self._bills.items():
            owed = sum(each["owed"] for each in self._invoices if each["visit_id"] == visit_id)
            expected = (bill["deposit"], bill["credit"], owed)
            if bill["state"] == "open" or not any(expected):
                assert visit_id not in listed, listed[visit_id]
                continue
            each = listed[visit_id]
            assert (each["deposit"], each["credit"], each["owed"]) == expected

    def _check_drawer(self) -> None:
        """The drawer is the sum of its events, and the balance of its account."""
        total = 0
        for shift_id in self._record.shifts:
            shift = self._clinic.read(f"/shifts/{shift_id}")
            total += sum(event["amount"] for event in shift["events"])
            if shift["state"] == "open":
                assert shift["cash"] == self._record.drawer
        assert total == self._record.drawer >= 0


def _by_role(balances: dict[str, Any]) -> Counter[str]:
    assert balances["debit"] == balances["credit"]
    sums: Counter[str] = Counter()
    for row in balances["accounts"]:
        sums[row["account"]["role"]] += row["balance"]
    return sums

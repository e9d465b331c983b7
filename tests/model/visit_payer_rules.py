"""Rules of payers: money for guarantees at the desk, their credit, and what is written off."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.visit_bill_rules import BillRules
from tests.model.visit_cash_rules import CashRules
from tests.model.visit_machine import CASHIERS, PICK

PAYER = "Bảo hiểm Tư"
METHODS = st.sampled_from(["cash", "cash", "card"])


class PayerRules(CashRules, BillRules):
    """What a payer pays for the guarantees of all visits."""

    @rule(number=PICK, amount=st.sampled_from([20_000, 45_000, 60_000]))
    def bill_a_payer(self, number: int, amount: int) -> None:
        """A visit closes with a confirmed guarantee, and its payer pays at once."""
        body = {"payer": PAYER, "reference": f"BL-{self.clinic.number()}", "limit": 45_000}
        path = f"/visits/{self.visit(number).id}/guarantees"
        if (guarantee := self.act("guarantee", "POST", path, body)) is None:
            return
        self.record.guarantees.append(guarantee["id"])
        self.clinic.do("POST", f"/guarantees/{guarantee['id']}/confirm", {"amount": 45_000})
        self.discharge(number, by="cashier", pays="debt")
        self.open_shift("cashier", "left", 0)  # refused where it is open
        self.pay_guarantees("cashier", "cash", amount)

    @precondition(lambda self: self.record.guarantees)
    @rule(by=CASHIERS, method=METHODS, amount=st.sampled_from([20_000, 45_000, 100_400]))
    def pay_guarantees(self, by: str, method: str, amount: int) -> None:
        part: dict[str, object] = {"method": method, "amount": amount}
        if method == "card":
            part |= {"terminal_id": self.clinic.terminal_id, "approval_code": f"A{self.clinic.number()}"}
        body = {"payer": PAYER, "parts": [part]}
        if (receipt := self.act("guarantee payment", "POST", "/guarantee-payments", body, by=by)) is not None:
            self.record.receive(receipt)

    @precondition(lambda self: self.record.payer_money)
    @rule()
    def use_credit_of_payer(self) -> None:
        self.act("credit of payer", "POST", "/guarantee-payments/apply-credit", {"payer": PAYER})

    @precondition(lambda self: self.record.guarantees)
    @rule(number=PICK, is_approved=st.sampled_from([True, True, False]))
    def write_off_guarantee(self, number: int, is_approved: bool) -> None:
        guarantee_id = self.pick(self.record.guarantees, number)
        path = f"/guarantees/{guarantee_id}/write-off"
        if self.act("guarantee write-off", "POST", path, {"reason": "công ty phá sản"}) is None:
            return
        answer = self.approve(guarantee_id, is_approved=is_approved)
        assert answer is not None
        assert answer.status < 400, answer.document

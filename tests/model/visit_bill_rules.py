"""Rules of the final bill: guarantees, exemptions, line refunds, closing, reopening, debts and write-offs."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.visit_machine import CASHIERS, LINES, PICK, VisitMachine
from tests.model.visit_record import Visit


class BillRules(VisitMachine):
    """What closes a visit, and what bears a part of its patient share."""

    @rule(number=PICK, limit=st.sampled_from([60_000, 400_000]))
    def request_guarantee(self, number: int, limit: int) -> None:
        body = {"payer": "Bảo hiểm Tư", "reference": f"BL-{self.clinic.number()}", "limit": limit}
        path = f"/visits/{self.visit(number).id}/guarantees"
        if (guarantee := self.act("guarantee", "POST", path, body)) is not None:
            self.record.guarantees.append(guarantee["id"])

    @precondition(lambda self: self.record.guarantees)
    @rule(number=PICK, decision=st.sampled_from(["confirm", "confirm", "reject", "withdraw"]))
    def decide_guarantee(self, number: int, decision: str) -> None:
        guarantee_id = self.pick(self.record.guarantees, number)
        body: dict[str, object] = {"amount": 45_000} if decision == "confirm" else {"reason": "hết hạn mức"}
        self.act(f"guarantee {decision}", "POST", f"/guarantees/{guarantee_id}/{decision}", body)

    @rule(number=PICK, amount=st.sampled_from([6_000, 300_000]), is_approved=st.sampled_from([True, True, False]))
    def exempt(self, number: int, amount: int, is_approved: bool) -> None:
        body = {"fund": "poor_patients", "amount": amount, "reason": "hộ nghèo"}
        if (exemption := self.act("exemption", "POST", f"/visits/{self.visit(number).id}/exemptions", body)) is None:
            return
        answer = self.approve(exemption["id"], is_approved=is_approved)
        assert answer is not None
        assert answer.status < 400, answer.document

    @rule(number=PICK, line=LINES, is_released=st.booleans())
    def refund_line(self, number: int, line: str, is_released: bool) -> None:
        visit = self.visit(number)
        body = {"reason": "bệnh nhân từ chối", "room_confirmation": "Phòng XN", "is_released": is_released}
        if self.act("line refund", "POST", f"/visits/{visit.id}/charges/{line}/refund", body) is not None:
            visit.lines[line].state = "cancelled"

    @rule(number=PICK)
    def close(self, number: int) -> None:
        self.act("final bill", "POST", f"/visits/{self.visit(number).id}/final-bill", {})

    @rule(number=PICK, by=CASHIERS, pays=st.sampled_from(["cash", "cash", "debt"]))
    def discharge(self, number: int, by: str, pays: str) -> None:
        """Everything that is unfinished is finished, what is owed is paid or agreed: the visit closes."""
        visit = self.visit(number)
        if self.account(visit)["account"]["state"] == "closed":
            return
        self._finish(visit)
        owed = self.bill(visit)["to_collect"]
        if owed and pays == "cash":
            body = {"amount": owed, "parts": [{"method": "cash", "amount": owed}]}
            if (receipt := self.act("collect", "POST", f"/visits/{visit.id}/collections", body, by=by)) is None:
                return
            self.record.receive(receipt)
        elif owed:
            self._agree_debt(visit)
        bill = self.act("discharge", "POST", f"/visits/{visit.id}/final-bill", {})
        assert bill is not None, "every blocker has its way out"
        assert bill["state"] == "closed"
        assert bill["final_bills"][-1]["owed"] == (0 if pays == "cash" else owed)

    def _finish(self, visit: Visit) -> None:
        """Perform what is ordered, decide guarantees, withdraw requests and cancel codes."""
        visit.discharged = True
        assert self.send_header(visit)
        for line, known in visit.lines.items():
            if known.state != "cancelled":
                assert self.put_line(visit, line, known.price, state="performed")
        for guarantee in self.clinic.read(f"/visits/{visit.id}/guarantees")["items"]:
            if guarantee["state"] == "requested":
                self.clinic.do("POST", f"/guarantees/{guarantee['id']}/reject", {"reason": "không trả lời"})
        for request in self.account(visit)["requests"]:
            self.clinic.do("POST", f"/deposit-requests/{request['id']}/withdraw")
        for blocker in self.clinic.read(f"/visits/{visit.id}/discharge-clearance")["blockers"]:
            if blocker["kind"] == "qr_waiting":
                self.clinic.do("POST", f"/intents/{blocker['line']}/cancel")
            else:
                body = {"kind": blocker["kind"], "line": blocker["line"], "reason": "trưởng quầy đồng ý"}
                self.clinic.do("POST", f"/visits/{visit.id}/discharge-overrides", body, by="head")

    @rule(number=PICK)
    def reopen(self, number: int) -> None:
        path = f"/visits/{self.visit(number).id}/reopen"
        self.act("reopen", "POST", path, {"reason": "bổ sung thuốc"}, by="head")

    @rule(number=PICK)
    def agree_debt(self, number: int) -> None:
        self._agree_debt(self.visit(number))

    def _agree_debt(self, visit: Visit) -> None:
        guarantor = {"name": "Nguyễn Thị Con", "relation": "con"}
        body = {"due_on": "2099-12-31", "reason": "gia đình khó khăn", "guarantor": guarantor}
        if (debt := self.act("debt", "POST", f"/visits/{visit.id}/debts", body)) is not None:
            self.record.debts.append(debt["id"])

    @precondition(lambda self: self.record.debts)
    @rule(number=PICK)
    def withdraw_debt(self, number: int) -> None:
        self.act("withdraw debt", "POST", f"/debts/{self.pick(self.record.debts, number)}/withdraw")

    @precondition(lambda self: self.record.debts)
    @rule(number=PICK, is_approved=st.sampled_from([True, True, False]))
    def write_off(self, number: int, is_approved: bool) -> None:
        debt_id = self.pick(self.record.debts, number)
        if self.act("write-off", "POST", f"/debts/{debt_id}/write-off", {"reason": "không thể trả"}) is None:
            return
        answer = self.approve(debt_id, is_approved=is_approved)
        assert answer is not None
        assert answer.status < 400, answer.document

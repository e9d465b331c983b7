"""Rules of the desk: shifts, collections, voids, hand-overs, and refunds in every way."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from providers.contract import Outcome
from tests.model.visit_machine import CASHIERS, PARTS, PICK, VisitMachine, share_of
from tests.model.visit_record import Refund
from tests.visit_accounts.refunds import answered

ACCOUNT = {"bank_bin": "970436", "account_number": "0011223344", "holder": "NGUYEN VAN AN"}
NOTES = st.sampled_from([{}, {"100000": 3}, {"500000": 1, "1000": 7}])

METHODS = st.sampled_from(["cash", "cash", "card", "both"])


class CashRules(VisitMachine):
    """What cashiers, their head and the treasurer do with cash."""

    @rule(by=CASHIERS, counted=st.sampled_from(["left", "left", "other"]), issued=st.sampled_from([0, 200_000]))
    def open_shift(self, by: str, counted: str, issued: int) -> None:
        opening = self.record.drawer + issued + (0 if counted == "left" else 30_000)
        body = {"desk_id": self.clinic.desk_id, "opening_float": opening, "issued_float": issued}
        if (
            shift := self.act("open shift", "POST", "/shifts", {**body, "difference_reason": "chưa rõ"}, by=by)
        ) is None:
            return
        self.record.shifts.append(shift["id"])
        self.record.drawer = opening

    @precondition(lambda self: self.record.shifts)
    @rule(by=CASHIERS, counted=st.none() | NOTES)
    def end_shift(self, by: str, counted: dict[str, int] | None) -> None:
        """The count is right where the notes can sum to the drawer, and otherwise booked as over or short."""
        notes = {"100": self.record.drawer // 100} if counted is None else counted
        body = {"counted": notes, "difference_reason": "chưa rõ"}
        if self.act("end shift", "POST", f"/shifts/{self.record.shifts[-1]}/end", body, by=by) is not None:
            self.record.drawer = sum(int(note) * number for note, number in notes.items())

    @rule(counted=NOTES)
    def force_close(self, counted: dict[str, int]) -> None:
        body = {"counted": counted, "reason": "thu ngân về sớm"}
        if self.act("force", "POST", f"/shifts/{self.record.shifts[-1]}/force-close", body, by="head") is not None:
            self.record.drawer = sum(int(note) * number for note, number in counted.items())

    @rule(number=PICK)
    def close_shift(self, number: int) -> None:
        self.act("close shift", "POST", f"/shifts/{self.pick(self.record.shifts, number)}/close", by="head")

    @rule(by=CASHIERS, amount=st.sampled_from([20_000, 350_000]), way=st.sampled_from(["paid-in", "paid-out"]))
    def move_change(self, by: str, amount: int, way: str) -> None:
        body = {"amount": amount, "reason": "đổi tiền lẻ"}
        if self.act(way, "POST", f"/shifts/{self.record.shifts[-1]}/{way}", body, by=by) is not None:
            self.record.drawer += amount if way == "paid-in" else -amount

    @rule(by=CASHIERS, amount=st.sampled_from([40_000, 300_000]))
    def hand_over(self, by: str, amount: int) -> None:
        body = {"shift_id": self.record.shifts[-1], "amount": amount}
        if (sent := self.act("hand over", "POST", "/hand-overs", body, by=by)) is not None:
            self.record.hand_overs.append((sent["id"], amount))
            self.record.drawer -= amount

    @precondition(lambda self: self.record.hand_overs)
    @rule(number=PICK, is_accepted=st.booleans())
    def decide_hand_over(self, number: int, is_accepted: bool) -> None:
        sent_id, amount = self.pick(self.record.hand_overs, number)
        decision, body = ("accept", None) if is_accepted else ("reject", {"reason": "đếm thiếu"})
        if self.act(decision, "POST", f"/hand-overs/{sent_id}/{decision}", body, by="treasurer") is None:
            return
        self.record.hand_overs.remove((sent_id, amount))
        self.record.drawer += 0 if is_accepted else amount

    @rule(number=PICK, by=CASHIERS, method=METHODS, amount=st.sampled_from([50_000, 136_000, 700_700]))
    def collect_advance(self, number: int, by: str, method: str, amount: int) -> None:
        self._collect(self.visit(number).id, {"amount": amount, "parts": self._parts(method, amount)}, by)

    @precondition(lambda self: self.record.requests)
    @rule(
        number=PICK, by=CASHIERS, method=st.sampled_from(["cash", "card", "both"]), how=PARTS, with_code=st.booleans()
    )
    def collect_for_request(self, number: int, by: str, method: str, how: str, with_code: bool) -> None:
        request = self.pick(self.record.requests, number)
        remaining = self.clinic.read(f"/deposit-requests/{request['id']}")["remaining"]
        parts = self._parts(method, share_of(remaining, how)) if remaining else []
        if with_code or not remaining:
            payments = [each for each in self.clinic.items("/payments") if each["intent_id"] is not None]
            parts += [{"method": "provider", "payment_id": each["id"]} for each in payments[:1]]
        self._collect(request["visit_id"], {"deposit_request_id": request["id"], "parts": parts}, by)

    @rule(number=PICK, by=CASHIERS, how=PARTS)
    def collect_for_invoice(self, number: int, by: str, how: str) -> None:
        invoices = [each for each in self.clinic.items("/invoices") if each["owed"]]
        if invoices:
            invoice = self.pick(invoices, number)
            parts = self._parts("cash", share_of(invoice["owed"], how))
            self._collect(invoice["visit_id"], {"invoice_id": invoice["id"], "parts": parts}, by)

    def _parts(self, method: str, amount: int) -> list[dict[str, Any]]:
        card = {"method": "card", "terminal_id": self.clinic.terminal_id, "approval_code": f"A{self.clinic.number()}"}
        half = max(1, amount // 2)
        return {
            "cash": [{"method": "cash", "amount": amount}],
            "card": [{**card, "amount": amount}],
            "both": [{"method": "cash", "amount": half}, {**card, "amount": amount - half or 1}],
        }[method]

    def _collect(self, visit_id: str, body: dict[str, object], by: str) -> None:
        """Take money, and send the same request again: nothing is taken twice."""
        key = f"collect-{self.clinic.number()}"
        path = f"/visits/{visit_id}/collections"
        if (receipt := self.act("collect", "POST", path, body, by=by, key=key)) is None:
            return
        again = self.clinic.send("POST", path, body, by=by, key=key)
        assert again.document["id"] == receipt["id"]
        self.record.receive(receipt)

    @precondition(lambda self: self.record.receipts)
    @rule(number=PICK)
    def void(self, number: int) -> None:
        receipt = self.pick(self.record.receipts, number)
        if self.act("void", "POST", f"/receipts/{receipt['id']}/void", {"reason": "nhầm"}, by="head") is not None:
            self.record.void(receipt)

    @rule(number=PICK, way=st.sampled_from(["cash", "manual_transfer"]), how=PARTS)
    def request_refund(self, number: int, way: str, how: str) -> None:
        visit = self.visit(number)
        bill = self.bill(visit)
        free = bill["credit"] + bill["deposit"]
        if free:
            self._refund({"visit_id": visit.id, "amount": share_of(free, how)}, way, visit.id)

    @rule(number=PICK, way=st.sampled_from(["provider", "provider", "cash", "manual_transfer"]), how=PARTS)
    def request_refund_of_payment(self, number: int, way: str, how: str) -> None:
        free = {}
        for payment in self.clinic.items("/payments"):
            free[payment["id"]] = payment["position"]["credit"] + payment["position"]["on_deposits"]
        payments = [payment_id for payment_id, amount in free.items() if amount]
        visits = [(each, self._visit_of(each)) for each in payments]
        known = [(payment_id, visit_id) for payment_id, visit_id in visits if visit_id]
        if known:
            payment_id, visit_id = self.pick(known, number)
            self._refund({"payment_id": payment_id, "amount": share_of(free[payment_id], how)}, way, visit_id)

    def _visit_of(self, payment_id: str) -> str:
        """The visit for which a payment came: by its code, or by its receipt."""
        intent_id = self.clinic.read(f"/payments/{payment_id}")["intent_id"]
        if intent_id is not None:
            code = self.clinic.read(f"/intents/{intent_id}")["reference_code"]
            return next(each.visit_id for each in self.record.codes if each.code == code)
        found = self.clinic.service.value(
            self.clinic.hospital.organization_id,
            "SELECT visit_id FROM receipt JOIN receipt_part ON receipt_part.organization_id = receipt.organization_id"
            " AND receipt_id = receipt.id WHERE receipt.organization_id = $1 AND payment_id = $2 LIMIT 1",
            self.clinic.hospital.organization_id,
            payment_id,
        )
        return "" if found is None else str(found)

    def _refund(self, source: dict[str, object], way: str, visit_id: str) -> None:
        body = {**source, "way": way, "reason": "hoàn tiền thừa"}
        if way == "manual_transfer":
            body["destination"] = ACCOUNT
        if (refund := self.act(f"refund {way}", "POST", "/refunds", body)) is not None:
            self.record.refunds.append(Refund(refund["id"], visit_id, refund["amount"], way, refund["state"]))

    @precondition(lambda self: self._refunds("requested"))
    @rule(number=PICK, is_approved=st.sampled_from([True, True, False]))
    def decide_refund(self, number: int, is_approved: bool) -> None:
        refund = self.pick(self._refunds("requested"), number)
        answer = self.approve(refund.id, is_approved=is_approved)
        assert answer is not None
        assert answer.status < 400, answer.document
        refund.state = "approved" if is_approved else "refused"

    @precondition(lambda self: self._refunds("approved", "sent", "unknown"))
    @rule(number=PICK, by=CASHIERS, outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN]))
    def send_refund(self, number: int, by: str, outcome: Outcome) -> None:
        refund = self.pick(self._refunds("approved", "sent", "unknown"), number)
        if refund.way == "provider":
            self._run_provider_refunds(outcome)
            return
        body = {"bank_account_id": self.clinic.bank_account_id} if refund.way == "manual_transfer" else {}
        if self.act(f"send {refund.way}", "POST", f"/refunds/{refund.id}/send", body, by=by) is None:
            return
        refund.state = "sent"
        if refund.way == "cash":
            [receipt] = [
                found
                for each in self.clinic.items("/receipts")
                if each["direction"] == "out"
                and (found := self.clinic.read(f"/receipts/{each['id']}"))["parts"][0]["refund_id"] == refund.id
            ]
            self.record.pay_out(refund, receipt)

    def _run_provider_refunds(self, outcome: Outcome) -> None:
        """The worker sends what is approved, and queries what was sent, an hour later."""
        self.service.clock.move(timedelta(hours=1))
        called = [each for each in self._refunds("approved", "sent", "unknown") if each.way == "provider"]
        self.service.refunds.answers[:] = [answered(outcome) for _ in called]
        self.service.send_refunds(self.clinic.hospital.organization_id)
        for refund in called:
            refund.state = self.clinic.read(f"/refunds/{refund.id}")["state"]
            self.successes[f"provider refund {refund.state}"] += 1
            if refund.state == "done":
                self.record.complete(refund)

    @precondition(lambda self: self._refunds("sent"))
    @rule(number=PICK, by=st.sampled_from(["head", "cashier"]))
    def confirm_refund(self, number: int, by: str) -> None:
        refund = self.pick(self._refunds("sent"), number)
        body = {"bank_reference": f"FT-OUT-{self.clinic.number()}"}
        if self.act("confirm refund", "POST", f"/refunds/{refund.id}/confirm", body, by=by) is not None:
            self.record.complete(refund)

    @precondition(lambda self: self.record.refunds)
    @rule(number=PICK, by=st.sampled_from(["head", "cashier"]))
    def cancel_refund(self, number: int, by: str) -> None:
        refund = self.pick(self.record.refunds, number)
        if (document := self.act("cancel refund", "POST", f"/refunds/{refund.id}/cancel", by=by)) is not None:
            refund.state = document["state"]

    def _refunds(self, *states: str) -> list[Refund]:
        return [each for each in self.record.refunds if each.state in states]

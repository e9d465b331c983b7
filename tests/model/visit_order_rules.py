"""Rules of the ward and of the sender: visits, charges in their versions, requests, codes and the bank's messages."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.builders import ACCOUNT_NAME
from tests.model.visit_machine import LINES, PARTS, PICK, PRICES, VisitMachine, share_of
from tests.model.visit_record import Code


class OrderRules(VisitMachine):
    """What a hospital information system, a desk and a bank send."""

    @precondition(lambda self: len(self.record.visits) < 3)
    @rule(is_inpatient=st.booleans(), is_provisional=st.booleans())
    def open_visit(self, is_inpatient: bool, is_provisional: bool) -> None:
        changes: dict[str, object] = {"MA_LOAI_KCB": "03"} if is_inpatient else {}
        if is_provisional:
            changes |= {"is_provisional": True, "MA_DOITUONG_KCB": "3.1"}
        self.admit(**changes).is_provisional = is_provisional

    @rule(number=PICK)
    def bring_the_paper(self, number: int) -> None:
        visit = self.visit(number)
        before, visit.is_provisional = visit.is_provisional, False
        if not self.send_header(visit):
            visit.is_provisional = before

    @rule(number=PICK, line=LINES, price=PRICES, state=st.sampled_from(["ordered", "ordered", "started", "performed"]))
    def put_charge(self, number: int, line: str, price: int, state: str) -> None:
        self.put_line(self.visit(number), line, price, state=state)

    @rule(number=PICK, line=LINES, price=PRICES)
    def put_charge_and_skip_a_version(self, number: int, line: str, price: int) -> None:
        visit = self.visit(number)
        if self.put_line(visit, line, price, state="ordered", skipped=1):
            known = visit.lines[line]
            self.send_line(visit, line, known.version - 1, price + 10_000, "ordered")  # the missing one comes late

    @rule(number=PICK, line=LINES, price=PRICES, older=st.integers(0, 2))
    def put_charge_in_an_older_version(self, number: int, line: str, price: int, older: int) -> None:
        visit = self.visit(number)
        if (known := visit.lines.get(line)) is not None and known.version > older:
            self.send_line(visit, line, known.version - older, price, known.state)

    @rule(number=PICK, line=LINES, is_decision=st.booleans())
    def cancel_charge(self, number: int, line: str, is_decision: bool) -> None:
        visit = self.visit(number)
        if line not in visit.lines:
            return
        if not is_decision:
            self.put_line(visit, line, visit.lines[line].price, state="cancelled")
            return
        address = f"{self.clinic.visit_path(visit.ma_lk)}/charges/{line}/cancel"
        if self.act("cancel charge", "POST", address, {"reason": "người bệnh từ chối"}) is not None:
            visit.lines[line].state = "cancelled"

    @rule(number=PICK, lines=st.lists(LINES, min_size=1, max_size=3, unique=True))
    def request_lines(self, number: int, lines: list[str]) -> None:
        self._request(number, {"lines": lines})

    @rule(number=PICK, amount=st.none() | st.sampled_from([50_000, 700_000]))
    def request_advance(self, number: int, amount: int | None) -> None:
        self._request(number, {} if amount is None else {"amount": amount})

    @precondition(lambda self: self.record.requests)
    @rule(number=PICK, amount=st.sampled_from([90_000, 600_000]), has_lines=st.booleans())
    def supersede_request(self, number: int, amount: int, has_lines: bool) -> None:
        earlier = self.pick(self.record.requests, number)
        position = list(self.record.visits).index(earlier["visit_id"])
        lines = [line["line"] for line in earlier["lines"]]
        body = {"lines": lines} if lines and has_lines else {"amount": amount}
        self._request(position, {**body, "supersedes": earlier["id"]})

    def _request(self, number: int, body: dict[str, object]) -> None:
        path = f"/visits/{self.visit(number).id}/deposit-requests"
        if (request := self.act("request", "POST", path, body)) is not None:
            self.record.requests.append(request)

    @precondition(lambda self: self.record.requests)
    @rule(number=PICK)
    def withdraw_request(self, number: int) -> None:
        request = self.pick(self.record.requests, number)
        self.act("withdraw request", "POST", f"/deposit-requests/{request['id']}/withdraw")

    @precondition(lambda self: self.record.requests)
    @rule(number=PICK, how=PARTS)
    def open_code_of_request(self, number: int, how: str) -> None:
        request = self.pick(self.record.requests, number)
        remaining = self.clinic.read(f"/deposit-requests/{request['id']}")["remaining"]
        body = {"deposit_request_id": request["id"], "amount": share_of(remaining, how)}
        self._code(request["visit_id"], body)

    @rule(number=PICK)
    def open_standing_code(self, number: int) -> None:
        visit = self.visit(number)
        self._code(visit.id, {"visit_id": visit.id, "is_standing": True})

    def _code(self, visit_id: str, body: dict[str, object]) -> None:
        intent = self.act("code", "POST", "/intents", {"account": ACCOUNT_NAME, **body})
        if intent is not None:
            self.record.codes.append(Code(intent["reference_code"], visit_id, intent["amount"] or None))

    @precondition(lambda self: self.record.codes)
    @rule(number=PICK, how=PARTS, amount=st.sampled_from([77_000, 500_000]))
    def transfer(self, number: int, how: str, amount: int) -> None:
        code = self.pick(self.record.codes, number)
        paid = amount if code.amount is None else share_of(code.amount, how)
        message = self.clinic.message(amount=paid, content=f"MBVCB.123.{code.code} VIEN PHI")

        word = self.clinic.deliver(message)

        assert word in ("ok", "amount_differs")
        self.successes["transfer"] += 1
        self.record.messages.append(message)
        self.record.transfer(code, paid)

    @rule(amount=st.sampled_from([77_000, 500_000]))
    def transfer_without_code(self, amount: int) -> None:
        message = self.clinic.message(amount=amount, content="chuc mau binh phuc")
        assert self.clinic.deliver(message) == "unknown_reference"
        self.record.messages.append(message)
        self.record.transfer(None, amount)

    @precondition(lambda self: self.record.messages)
    @rule(number=PICK, extra=st.sampled_from([0, 1_000]))
    def deliver_again(self, number: int, extra: int) -> None:
        message = self.pick(self.record.messages, number)
        self.clinic.deliver({**message, "amount": message["amount"] + extra})

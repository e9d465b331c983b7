"""The state of the machine over visit accounts, and what all its rules use."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from tests.builders import drug_line, service_line
from tests.model.visit_record import Line, Record, Visit
from tests.model.visit_service import Answer, VisitService
from tests.model.visit_views import Views
from tests.web.live_visit import header, without_stt

T = TypeVar("T")

PICK = st.integers(min_value=0, max_value=11)
"""Chooses among what there is: the remainder of the division by its number."""

PARTS = st.sampled_from(["all", "all", "half", "over"])
LINES = st.sampled_from(["A", "B", "C", "D"])
PRICES = st.sampled_from([20_000, 150_000, 333_333, 450_000])
CASHIERS = st.sampled_from(["cashier", "cashier", "cashier", "other"])


class VisitMachine(RuleBasedStateMachine):
    """One organization from its first visit on; after every step all views and the record agree."""

    service: ClassVar[VisitService]
    successes: ClassVar[Counter[str]] = Counter()
    refusals: ClassVar[Counter[str]] = Counter()

    @initialize(rounding_step=st.sampled_from([1, 1_000]))
    def open_desk(self, rounding_step: int) -> None:
        self.clinic = self.service.new_desk()
        self.record = Record()
        settings = {"rounding_step": rounding_step, "hides_expected_cash": False}
        code = self.clinic.hospital.facility_code
        self.clinic.do("PUT", f"/facilities/{code}/cash-settings", settings, by="head")
        shift = {"desk_id": self.clinic.desk_id, "opening_float": 500_000, "issued_float": 500_000}
        self.record.shifts.append(self.clinic.do("POST", "/shifts", shift)["id"])
        self.record.drawer = 500_000
        self.admit()
        self.put_line(self.visit(0), "A", 450_000, state="ordered")

    def teardown(self) -> None:
        if hasattr(self, "clinic"):
            self.clinic.close()

    @invariant()
    def views_agree(self) -> None:
        if hasattr(self, "record"):
            Views(self.clinic, self.record).check()

    def pick(self, things: Sequence[T], number: int) -> T:
        return things[number % len(things)]

    def visit(self, number: int) -> Visit:
        return self.pick(list(self.record.visits.values()), number)

    def act(
        self, name: str, method: str, path: str, body: object = None, *, by: str = "cashier", key: str | None = None
    ) -> dict[str, Any] | None:
        """Send a request; None where it is refused by name."""
        answer = self.clinic.send(method, path, body, by=by, key=key)
        if answer.status < 400:
            self.successes[name] += 1
            return answer.document
        self.refusals[f"{name}: {answer.code}"] += 1
        assert answer.code
        assert answer.document["detail"]
        return None

    def admit(self, **changes: object) -> Visit:
        """Open a visit."""
        ma_lk = f"LK{len(self.record.visits)}"
        document = self.clinic.do("PUT", self.clinic.visit_path(ma_lk), header(1, **changes))
        visit = self.record.visits[document["id"]] = Visit(document["id"], ma_lk)
        return visit

    def send_header(self, visit: Visit, **changes: object) -> bool:
        """Send the header of a visit in its next version."""
        facts: dict[str, object] = {"is_provisional": visit.is_provisional, **changes}
        if visit.discharged:
            facts["NGAY_RA"] = "202611021700"
        if visit.is_provisional:
            facts["MA_DOITUONG_KCB"] = "3.1"
        body = header(visit.version + 1, **facts)
        if self.act("header", "PUT", self.clinic.visit_path(visit.ma_lk), body) is None:
            return False
        visit.version += 1
        return True

    def put_line(self, visit: Visit, line: str, price: int, *, state: str, skipped: int = 0) -> bool:
        """Send a charge in its next version; lines C are drugs, lines D are outside the insurer's scope."""
        known = visit.lines.get(line)
        version = (0 if known is None else known.version) + 1 + skipped
        if self.send_line(visit, line, version, price, state) is None:
            return False
        visit.lines[line] = Line(version, price, state)
        return True

    def send_line(self, visit: Visit, line: str, version: int, price: int, state: str) -> dict[str, Any] | None:
        item = service_line(1, name=f"Dịch vụ {line}", group=1, price=str(price))
        if line == "C":
            item = drug_line(1, quantity="10", price=str(price // 10))
        if line == "D":
            item["PHAM_VI"] = "2"
        body = {
            "version": version,
            "order_number": f"{visit.ma_lk}-{line}",
            "item": without_stt(item),
            "state": state,
            **({"kind": "drug", "stage": "received"} if line == "C" else {}),
        }
        return self.act(f"charge {state}", "PUT", f"{self.clinic.visit_path(visit.ma_lk)}/charges/{line}", body)

    def account(self, visit: Visit) -> dict[str, Any]:
        return self.clinic.read(f"/visits/{visit.id}/account")

    def bill(self, visit: Visit) -> dict[str, Any]:
        return self.clinic.read(f"/visits/{visit.id}/final-bill")

    def approve(self, subject_id: str, *, is_approved: bool = True) -> Answer | None:
        """The head decides the waiting proposal about a subject."""
        waiting = self.clinic.items("/approvals?state=proposed")
        found = [each["id"] for each in waiting if each["subject_id"] == subject_id]
        if not found:
            return None
        decision = "approve" if is_approved else "reject"
        return self.clinic.send("POST", f"/approvals/{found[0]}/{decision}", {} if not is_approved else None, by="head")


def share_of(amount: int, how: str) -> int:
    """A part of an amount: all of it, a half, or more."""
    return {"all": amount, "half": max(1, amount // 2), "over": amount + 1_100}[how]

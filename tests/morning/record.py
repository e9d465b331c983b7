"""What happened in a simulated morning, written down by those who did it. The checks rely on it."""

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter

from providers.sandbox.message import SandboxMessage
from tests.morning.plan import Patient


@dataclass(slots=True)
class Visited:
    """One patient's visit: amounts in đồng, times in milliseconds.

    `due` is what the page requested; `expected_paid` what the patient has paid in the end and got no money back for.
    `released_ms` is from the callback's answer to the clearance of every order, `whole_ms` from its sending.
    """

    patient: Patient
    visit_id: str
    desk: str = ""
    due: int = 0
    code: str = ""
    transfers: list[SandboxMessage] = field(default_factory=list)
    cash: int = 0
    card: int = 0
    refunded: int = 0
    receipts: int = 0
    released_ms: float | None = None
    whole_ms: float | None = None
    acknowledged_at: float | None = None
    decided_at: float | None = None
    is_found_by_staff: bool = False
    returned_to_desk: list[str] = field(default_factory=list)

    @property
    def transferred(self) -> int:
        return sum(each.amount for each in self.transfers)

    @property
    def kept(self) -> int:
        """What the hospital has of the patient's money."""
        return self.transferred + self.cash + self.card - self.refunded


@dataclass(slots=True)
class Record:
    """Everything that happened."""

    visits: dict[int, Visited] = field(default_factory=dict)
    namesakes: list[Visited] = field(default_factory=list)
    messages: dict[tuple[str, str], float] = field(default_factory=dict)
    drawers: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    requests_ms: list[float] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    voided: int = 0
    found: dict[str, int] = field(default_factory=dict)

    def note_message(self, visit_id: str, order: str) -> None:
        """The room was sent the message that an order may be performed."""
        self.messages.setdefault((visit_id, order), perf_counter())

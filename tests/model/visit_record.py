"""What a desk knows of its money, written down from the answers it received, and not from the code.

Source: docs/visit-accounts.md, One store of money; Cash; Refunds.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Visit:
    """One visit: its lines with their versions, and the money that is the patient's or the hospital's by now."""

    id: str
    ma_lk: str
    version: int = 1
    is_provisional: bool = False
    discharged: bool = False
    lines: dict[str, "Line"] = field(default_factory=dict)
    money: int = 0
    """All money received for the visit less the money that has left again, in đồng."""


@dataclass(slots=True)
class Line:
    """A charge as it was sent last."""

    version: int
    price: int
    state: str


@dataclass(slots=True)
class Code:
    """A reference code under which money for a visit arrives. `amount` is None for a standing code."""

    code: str
    visit_id: str
    amount: int | None
    received: int = 0


@dataclass(slots=True)
class Refund:
    """A refund that was requested: the visit whose money it returns."""

    id: str
    visit_id: str
    amount: int
    way: str
    state: str


@dataclass(slots=True)
class Record:
    """All that was answered: visits, codes, receipts, refunds, and the cash in drawer and safe."""

    visits: dict[str, Visit] = field(default_factory=dict)
    codes: list[Code] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    shifts: list[str] = field(default_factory=list)
    hand_overs: list[tuple[str, int]] = field(default_factory=list)
    guarantees: list[str] = field(default_factory=list)
    debts: list[str] = field(default_factory=list)
    payer_money: int = 0
    unallocated: int = 0
    drawer: int = 0
    card: int = 0
    provider: int = 0

    def receive(self, receipt: dict[str, Any]) -> None:
        """A receipt for money in: its cash is in the drawer, all its money but that of providers is new."""
        self.receipts.append(receipt)
        self.drawer += _sum(receipt, "cash")
        self.card += _sum(receipt, "card")
        self._count(receipt, receipt["amount"] - _sum(receipt, "provider"))

    def void(self, receipt: dict[str, Any]) -> None:
        """A void receipt: its cash has left again; other money is credit and stays."""
        self.receipts.remove(receipt)
        self.drawer -= _sum(receipt, "cash")
        self._count(receipt, -_sum(receipt, "cash") - _sum(receipt, "rounding"))

    def _count(self, receipt: dict[str, Any], amount: int) -> None:
        """Money of the visit of a receipt, or of the payer where it is of no visit."""
        if receipt["visit_id"] is None:
            self.payer_money += amount
        else:
            self.visits[receipt["visit_id"]].money += amount

    def pay_out(self, refund: Refund, receipt: dict[str, Any]) -> None:
        """A refund in cash with its receipt."""
        refund.state = "done"
        self.drawer -= _sum(receipt, "cash")
        self.visits[refund.visit_id].money -= refund.amount

    def complete(self, refund: Refund) -> None:
        """A refund whose money has left a bank account or a provider."""
        refund.state = "done"
        self.visits[refund.visit_id].money -= refund.amount
        if refund.way == "provider":
            self.provider -= refund.amount

    def transfer(self, code: Code | None, amount: int) -> None:
        """Money that the bank reported."""
        self.provider += amount
        if code is None:
            self.unallocated += amount
        else:
            code.received += amount
            self.visits[code.visit_id].money += amount


def _sum(receipt: dict[str, Any], method: str) -> int:
    return sum(int(part["amount"]) for part in receipt["parts"] if part["method"] == method)

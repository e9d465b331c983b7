"""A small model of the money, written from the rules and not from the code: what must be owed, received and left over.

One organization. A bill has one invoice; a wish to collect names invoices in order.
Source: docs/design.md §5, Where money goes.
"""

from dataclasses import dataclass, field

_ORDER = {"pending": 1, "failed": 3, "cancelled": 3, "expired": 3, "succeeded": 4}


@dataclass(slots=True)
class Invoice:
    """The amount requested from the patient, and the amount received."""

    share: int
    paid: int = 0

    @property
    def owed(self) -> int:
        return self.share - self.paid


@dataclass(slots=True)
class Intent:
    """A wish to collect, by its code."""

    code: str
    amount: int
    invoices: list[str]
    received: int = 0
    state: str = "pending"

    def apply_outcome(self, state: str) -> None:
        """An outcome without money moves forwards only."""
        if _ORDER[state] > _ORDER[self.state]:
            self.state = state


@dataclass(slots=True)
class Delivered:
    """One message as the bank first sent it, and the word of the answer."""

    fields: dict[str, object]
    word: str

    @property
    def word_again(self) -> str:
        return "duplicate" if self.word == "ok" else self.word


@dataclass(slots=True)
class Money:
    """All of an organization's money."""

    invoices: dict[str, Invoice] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    received: int = 0
    credit: int = 0
    unallocated: int = 0

    def receive(self, intent_id: str, amount: int) -> str:
        """Money under a code; the word it is answered with."""
        intent = self.intents[intent_id]
        self.received += amount
        is_expected = amount in {intent.amount, intent.amount - intent.received}
        intent.received += amount
        if intent.received >= intent.amount:
            intent.state = "succeeded"
        rest = amount
        for invoice_id in intent.invoices:
            invoice = self.invoices[invoice_id]
            part = min(rest, invoice.owed)
            invoice.paid += part
            rest -= part
        self.credit += rest
        return "ok" if is_expected else "amount_differs"

    def receive_unmatched(self, amount: int) -> None:
        """Money of unknown purpose."""
        self.received += amount
        self.unallocated += amount

    def owed(self, invoice_ids: list[str]) -> int:
        return sum(self.invoices[invoice_id].owed for invoice_id in invoice_ids)

    def balances(self) -> dict[str, int]:
        """The expected balances of the accounts on their normal side; those of the insurer follow from the visits."""
        return {
            "clearing": self.received,
            "receivable_patient": sum(invoice.owed for invoice in self.invoices.values()),
            "patient_credit": self.credit,
            "unallocated": self.unallocated,
        }

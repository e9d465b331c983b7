"""Settlement files: a provider's own report of what it collected."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from providers.contract.callbacks import Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementLine:
    """One movement in a provider's own report of a day. `number` is the line of the file, from 1.

    `transaction` is what the provider calls it, as in the movement keys of its notices; `fee` is what it keeps.
    """

    number: int
    transaction: str
    reference: str | None
    amount: int
    movement: Movement
    occurred_at: datetime | None
    paid_out_on: date | None = None
    fee: int = 0
    bank_reference: str = ""
    provider_status: str = ""


class SettlementUnreadable(Exception):
    """A report that is not what its document promises; nothing of it counts. `line` is where, None for the whole."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.line = line


class SettlementFiles(ABC):
    """Reports what it collected, in files."""

    @abstractmethod
    def read_settlement(self, content: bytes) -> Iterable[SettlementLine]:
        """The movements of a report, checked as a whole before the first is given. Raises SettlementUnreadable."""

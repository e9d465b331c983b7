"""Settlement files: a provider's report of the payments that it collected.

`providers.csv_report` reads CSV reports, `providers.bank_collection.settlement` the files of banks.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO

from providers.contract.callbacks import Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementLine:
    """One movement in a provider's own report of a day. `number` is the line of the file, from 1.

    `transaction` is the provider's id, as in the movement keys of its notices; `fee` is the provider's fee.
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
    """A report that is not in its documented form; it is rejected. `line` is the faulty line, None for the whole."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.line = line


class SettlementFiles(ABC):
    """Reports its collected payments in files."""

    @abstractmethod
    def read_settlement(self, file: BinaryIO) -> Iterator[SettlementLine]:
        """The movements of a report, one at a time: memory does not grow with the file, which is at its first byte.

        The report is right only if the iteration ends: every fault, also the last one, raises SettlementUnreadable.
        """

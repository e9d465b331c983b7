"""The import of one file of a bank or provider: its states, its refusals, and the key of a settlement line.

Statements and their lines are in `statement.py`; `statement_chain.py` compares statements.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, NewType
from uuid import UUID

from billing.core.errors import InvalidValue, Refused, Unavailable

ImportId = NewType("ImportId", UUID)
BankAccountId = NewType("BankAccountId", UUID)

REFUSAL_LENGTH_MAX = 2_000


class ImportKind(StrEnum):
    """The sender of the file: the bank (statement) or a provider (settlement)."""

    STATEMENT = "statement"
    SETTLEMENT = "settlement"


class ImportState(StrEnum):
    """The state of an import. Only the lines of an active import count."""

    STAGING = "staging"
    ACTIVE = "active"
    REFUSED = "refused"
    DISCARDED = "discarded"


class ImportUnderWay(Unavailable):
    """Another import of the organization is under way; nothing was written."""

    code = "import_under_way"


class ImportDiscarded(Unavailable):
    """The lock of this import was lost, and another import discarded what it had staged."""

    code = "import_discarded"


class SettlementRefused(InvalidValue):
    """The settlement file is refused whole: the line, the problem and the action."""

    code = "settlement_unreadable"


class BankAccountUnknown(Refused):
    """A statement names a bank account that the organization does not have."""

    code = "bank_account_unknown"


class BankAccountAmbiguous(Refused):
    """Two banks have an account of this number; the caller names the provider account."""

    code = "bank_account_ambiguous"


class LinesNotDistinct(Refused):
    """Two different lines would have one key; nothing is guessed."""

    code = "lines_not_distinct"


class StatementRestated(Refused):
    """The statement is stored already with other texts: its lines would count the same money twice."""

    code = "statement_restated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """One file that was imported or refused, for display.

    `lines` counts the lines that are stored or repeated, `new_lines` those that no earlier file stated. While the
    import is staging they grow. `refusal` is empty unless the state is refused. `account` is the name of the provider
    account of a settlement file, `person` the name of the importing person; None for a command or a system.
    """

    id: ImportId
    kind: ImportKind
    state: ImportState
    account: str | None
    file_name: str
    file_hash: str
    profile: str
    is_intraday: bool
    lines: int
    new_lines: int
    refusal: str
    started_at: datetime
    ended_at: datetime | None
    person: str | None


class KeyedSettlementLine(NamedTuple):
    """A line of a settlement file, in the order of its columns, with its key in hexadecimal (`settlement_key`)."""

    key: str
    transaction: str
    reference: str
    movement: str
    amount: int
    fee: int
    bank_reference: str
    occurred_at: datetime | None
    paid_out_on: date | None
    row: int


def settlement_key(movement: str, transaction: str, *, amount: int, fee: int, ordinal: int) -> str:
    """The key, in hexadecimal, that recognises a settlement line in another report of its provider account.

    It names movement, transaction, amount and fee, and the ordinal among equal lines of the report. Days and bank
    references do not count: a later report of the same movement may state more of them.
    """
    text = f"{movement}\x1f{transaction}\x1f{amount}\x1f{fee}\x1f{ordinal}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""The ledger: accounts by purpose, postings that balance by construction, and the accounting date of an entry.

An account is identified by role and subject; its number in the chief accountant's chart is a separate, dated mapping.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import Refused
from billing.core.ids import EntryId, InvoiceId, PaymentId, ProviderAccountId, VisitId
from billing.core.money import Dong


class AccountRole(StrEnum):
    """The purpose of an account; the subject distinguishes accounts of one role."""

    RECEIVABLE_PATIENT = "receivable_patient"
    RECEIVABLE_INSURER = "receivable_insurer"
    RECEIVABLE_OTHER = "receivable_other"
    RECEIVABLE_PRIVATE = "receivable_private"
    REVENUE = "revenue"
    CLEARING = "clearing"
    UNALLOCATED = "unallocated"
    PATIENT_CREDIT = "patient_credit"
    UNEXPLAINED_OUTFLOW = "unexplained_outflow"
    CASH_DRAWER = "cash_drawer"


class Side(StrEnum):
    """The side of an account's normal balance."""

    DEBIT = "debit"
    CREDIT = "credit"


class AccountKind(StrEnum):
    """How the balance of an account is stored.

    `inline`: one locked row, with a floor that the database checks (a cash drawer, a deposit). `rollup`: nothing is
    locked; the balance is a snapshot plus the later postings (clearing, revenue, receivables). Source: docs/design.md
    §4, Accounts.
    """

    INLINE = "inline"
    ROLLUP = "rollup"


@dataclass(frozen=True, slots=True)
class AccountDefinition:
    """The initial state of an account of a role; number and name are proposals that the chief accountant may replace.

    `is_per_subject`: there is one account for each subject, created with it, and none for the organization as a whole.
    """

    normal_side: Side
    number: str
    name: str
    kind: AccountKind = AccountKind.ROLLUP
    is_per_subject: bool = False


CHART: Mapping[AccountRole, AccountDefinition] = {
    AccountRole.RECEIVABLE_PATIENT: AccountDefinition(Side.DEBIT, "131", "Phải thu người bệnh"),
    AccountRole.RECEIVABLE_INSURER: AccountDefinition(Side.DEBIT, "131", "Phải thu quỹ BHYT"),
    AccountRole.RECEIVABLE_OTHER: AccountDefinition(Side.DEBIT, "338", "Nguồn hỗ trợ khác"),
    AccountRole.RECEIVABLE_PRIVATE: AccountDefinition(Side.DEBIT, "131", "Phải thu bảo hiểm tư nhân"),
    AccountRole.REVENUE: AccountDefinition(Side.CREDIT, "531", "Doanh thu viện phí"),
    AccountRole.CLEARING: AccountDefinition(Side.DEBIT, "113", "Tiền đang chuyển", is_per_subject=True),
    AccountRole.UNALLOCATED: AccountDefinition(Side.CREDIT, "338", "Tiền về chưa rõ người nộp"),
    AccountRole.PATIENT_CREDIT: AccountDefinition(Side.CREDIT, "338", "Tiền nộp thừa của người bệnh"),
    AccountRole.UNEXPLAINED_OUTFLOW: AccountDefinition(Side.DEBIT, "138", "Tiền ra chờ xử lý"),
    AccountRole.CASH_DRAWER: AccountDefinition(
        Side.DEBIT, "1111", "Tiền mặt tại quầy", AccountKind.INLINE, is_per_subject=True
    ),
}
"""Source: docs/reference/hospital-money.md, section 5, after Circular 24/2024/TT-BTC; each use is a proposal."""


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """One account of an organization."""

    role: AccountRole
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One amount moved from the credited to the debited account, with its subjects."""

    debit: AccountKey
    credit: AccountKey
    amount: Dong
    visit_id: VisitId | None = None
    invoice_id: InvoiceId | None = None
    payment_id: PaymentId | None = None
    payer: str = ""

    def __post_init__(self) -> None:
        assert self.amount > 0, "a posting moves money"
        assert self.debit != self.credit, "a posting moves money between two accounts"


class EntryKind(StrEnum):
    """The business event an entry records."""

    INVOICE_ISSUED = "invoice_issued"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_REVERSED = "payment_reversed"
    OUTFLOW_MATCHED = "outflow_matched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One business event in the journal. Never edited; corrected by a further entry."""

    id: EntryId
    kind: EntryKind
    effective_at: datetime
    recorded_at: datetime
    accounting_date: date
    actor: Actor
    postings: tuple[Posting, ...]


class DayState(StrEnum):
    """Whether a business day accepts entries."""

    OPEN = "open"
    CLOSED = "closed"


class NoOpenDay(Refused):
    """Today is closed already: nothing can be booked before tomorrow opens."""

    code = "no_open_day"


def accounting_date(*, occurred_on: date, today: date, days: Mapping[date, DayState]) -> date:
    """The accounting date of an event: its own day if open, else the first open day after it, at most today.

    `days` are the days that were ever opened. An event in the future, or before the first day, is booked like an event
    of a closed day. Raises NoOpenDay. Source: docs/design.md §4, Days.
    """
    if occurred_on <= today and days.get(occurred_on) is DayState.OPEN:
        return occurred_on
    after = (day for day, state in days.items() if state is DayState.OPEN and occurred_on < day <= today)
    earliest = min(after, default=today if days.get(today) is DayState.OPEN else None)
    if earliest is None:
        raise NoOpenDay("today's books are closed")
    return earliest


def account_subject(account_id: UUID) -> str:
    """The subject of accounts that exist once for each provider account."""
    return str(account_id)


def clearing_account(account_id: ProviderAccountId) -> AccountKey:
    """The clearing account of money that a provider has reported and the bank has not: 113 of that provider account."""
    return AccountKey(AccountRole.CLEARING, account_subject(account_id))

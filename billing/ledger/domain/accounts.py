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
    SAFE = "safe"
    CASH_IN_TRANSIT = "cash_in_transit"
    BANK = "bank"
    CASH_ROUNDING = "cash_rounding"
    CASH_SHORT = "cash_short"
    CASH_OVER = "cash_over"
    DEPOSIT = "deposit"
    REFUND_IN_TRANSIT = "refund_in_transit"
    RECEIVABLE_GUARANTOR = "receivable_guarantor"
    EXEMPTION = "exemption"
    BAD_DEBT = "bad_debt"
    PAYMENT_FEES = "payment_fees"
    TOLERANCE_DIFFERENCE = "tolerance_difference"


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
    AccountRole.SAFE: AccountDefinition(Side.DEBIT, "1111", "Tiền mặt tại quỹ"),
    AccountRole.CASH_IN_TRANSIT: AccountDefinition(Side.DEBIT, "113", "Tiền mặt đang nộp quỹ"),
    AccountRole.BANK: AccountDefinition(Side.DEBIT, "1121", "Tiền gửi ngân hàng", is_per_subject=True),
    AccountRole.CASH_ROUNDING: AccountDefinition(Side.CREDIT, "711", "Chênh lệch làm tròn tiền mặt"),
    AccountRole.CASH_SHORT: AccountDefinition(Side.DEBIT, "138", "Thiếu quỹ chờ xử lý"),
    AccountRole.CASH_OVER: AccountDefinition(Side.CREDIT, "338", "Thừa quỹ chờ xử lý"),
    AccountRole.DEPOSIT: AccountDefinition(Side.CREDIT, "131", "Tạm thu, tạm ứng của người bệnh"),
    AccountRole.REFUND_IN_TRANSIT: AccountDefinition(Side.CREDIT, "338", "Tiền hoàn trả đang chuyển"),
    AccountRole.RECEIVABLE_GUARANTOR: AccountDefinition(Side.DEBIT, "131", "Phải thu bên bảo lãnh"),
    AccountRole.EXEMPTION: AccountDefinition(Side.DEBIT, "531", "Miễn giảm viện phí", is_per_subject=True),
    AccountRole.BAD_DEBT: AccountDefinition(Side.DEBIT, "642", "Nợ viện phí đã xóa"),
    AccountRole.PAYMENT_FEES: AccountDefinition(Side.DEBIT, "642", "Phí thanh toán"),
    AccountRole.TOLERANCE_DIFFERENCE: AccountDefinition(
        Side.DEBIT, "642", "Chênh lệch đối soát trong hạn mức", is_per_subject=True
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
    COUNTER_PAYMENT_RECEIVED = "counter_payment_received"
    ALLOCATION_MOVED = "allocation_moved"
    DEPOSIT_APPLIED = "deposit_applied"
    RECEIPT_VOIDED = "receipt_voided"
    RECEIPT_MOVED = "receipt_moved"
    FLOAT_ISSUED = "float_issued"
    CASH_PAID_IN = "cash_paid_in"
    CASH_PAID_OUT = "cash_paid_out"
    CASH_DIFFERENCE = "cash_difference"
    CASH_ROUNDED = "cash_rounded"
    HAND_OVER_SENT = "hand_over_sent"
    HAND_OVER_ACCEPTED = "hand_over_accepted"
    HAND_OVER_REJECTED = "hand_over_rejected"
    CASH_BANKED = "cash_banked"
    CARD_BATCH_CREDITED = "card_batch_credited"
    INVOICE_CORRECTED = "invoice_corrected"
    EXEMPTION_GRANTED = "exemption_granted"
    GUARANTEE_CONFIRMED = "guarantee_confirmed"
    GUARANTEE_PAID = "guarantee_paid"
    GUARANTEE_WRITTEN_OFF = "guarantee_written_off"
    DEBT_WRITTEN_OFF = "debt_written_off"
    REFUND_REQUESTED = "refund_requested"
    REFUND_REFUSED = "refund_refused"
    REFUND_SENT = "refund_sent"
    REFUND_RETURNED = "refund_returned"
    OUTFLOW_RETURNED = "outflow_returned"
    OPENING_BALANCES = "opening_balances"
    DUPLICATE_DECLARED = "duplicate_declared"
    DUPLICATE_REVERTED = "duplicate_reverted"
    BANK_CHARGE_BOOKED = "bank_charge_booked"
    BANK_LINES_MATCHED = "bank_lines_matched"
    MATCH_REVERTED = "match_reverted"


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


def account_subject(subject_id: UUID) -> str:
    """The subject of accounts that exist once for each provider account, desk, card terminal or bank account."""
    return str(subject_id)


def drawer_account(desk_id: UUID) -> AccountKey:
    """The cash of a desk: 1111, never below 0."""
    return AccountKey(AccountRole.CASH_DRAWER, account_subject(desk_id))


def terminal_account(terminal_id: UUID) -> AccountKey:
    """Card payments of a terminal that the bank has not credited: 113."""
    return AccountKey(AccountRole.CLEARING, account_subject(terminal_id))


def bank_clearing_account(bank_account_id: UUID) -> AccountKey:
    """Money that is expected on a bank account and that its statement has not shown: 113 of that bank account."""
    return AccountKey(AccountRole.CLEARING, account_subject(bank_account_id))


def clearing_account(account_id: ProviderAccountId) -> AccountKey:
    """The clearing account of money that a provider has reported and the bank has not: 113 of that provider account."""
    return AccountKey(AccountRole.CLEARING, account_subject(account_id))

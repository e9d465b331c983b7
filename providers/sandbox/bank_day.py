"""The bookings of the bank simulator: the lines of statement and settlement report that its transfers and cards cause.

A file fault makes statement, report and callbacks of one transfer disagree in one named way. `day_files` writes the
rows of a day as files.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from providers.sandbox.message import SandboxMessage

WITHHELD = 1_100
"""The fee that a fault withholds or states where the terms name none, in đồng."""
AMOUNT_BY = 10_000
"""The difference of `amount_low` and `amount_high`, in đồng."""
_ZONE = timezone(timedelta(hours=7))
_CARD_FEE_BASIS_POINTS = 100
_DAY = timedelta(days=1)


class FileFault(StrEnum):
    """A disagreement between callback, statement and settlement report about one transfer."""

    CALLBACK_MISSING = "callback_missing"  # statement and report have the transfer
    FEE_WITHHELD = "fee_withheld"  # the bank credits less; no fee is reported
    FEE_WRONG = "fee_wrong"  # the report states another fee than the terms
    AFTER_CUT_OFF = "after_cut_off"  # the bank books on the next day
    DUPLICATE_TRANSFER = "duplicate_transfer"  # the payer transfers twice, the second time without a callback
    RETURNED_TRANSFER = "returned_transfer"  # the bank takes the amount back
    AMOUNT_LOW = "amount_low"  # less is credited than was reported
    AMOUNT_HIGH = "amount_high"  # more is credited than was reported
    TEXT_UNREADABLE = "text_unreadable"  # the statement has neither code nor bank reference
    PROVIDER_ONLY = "provider_only"  # only the report has it
    BANK_ONLY = "bank_only"  # only the statement has it, without a code
    LEDGER_ONLY = "ledger_only"  # only the callback reported it
    PAYOUT_NOT_SEEN = "payout_not_seen"  # the report states a payout that the statement lacks


UNREPORTED = frozenset({FileFault.CALLBACK_MISSING, FileFault.PROVIDER_ONLY, FileFault.BANK_ONLY})
"""Faults of transfers without a callback."""


class Payouts(StrEnum):
    """How collected money reaches the bank account."""

    EACH = "each"  # each transfer is one line of the statement
    DAILY = "daily"  # one line on the next day, net of fees


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTerms:
    """The contract of the simulator: how money is paid out, and the fee of a transfer in đồng."""

    payouts: Payouts = Payouts.EACH
    fee_basis_points: int = 0
    fee_fixed: int = 0

    def fee(self, amount: int) -> int:
        """The fee of one transfer, rounded down."""
        return amount * self.fee_basis_points // 10_000 + self.fee_fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One transfer into the account, with the fault of its files, if any."""

    message: SandboxMessage
    fault: FileFault | None = None

    @property
    def day(self) -> date:
        """The Vietnamese day of the transfer."""
        return self.message.occurred_at.astimezone(_ZONE).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPayment:
    """One card payment at the terminal of the account."""

    approval_code: str
    amount: int
    occurred_at: datetime

    @property
    def day(self) -> date:
        """The Vietnamese day of the payment."""
        return self.occurred_at.astimezone(_ZONE).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """One line of the statement; `amount` is negative for money out."""

    booked_on: date
    amount: int
    reference: str
    text: str
    payer_name: str = ""
    payer_account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One line of the report of `reported_on`; `paid_out_on` is None where each transfer is paid by itself."""

    reported_on: date
    transaction: str
    reference: str
    status: str
    amount: int
    fee: int
    bank_reference: str
    occurred_at: datetime
    paid_out_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardBatchRow:
    """The batch of a day: its payments, and the fee that the acquirer keeps."""

    day: date
    batch_number: str
    payments: tuple[CardPayment, ...]
    gross: int
    fee: int


def report_rows(transfers: Iterable[Transfer], terms: FileTerms) -> list[ReportRow]:
    """The lines of the provider's reports, in the order of the transfers."""
    return [row for transfer in transfers for row in _reported(transfer, terms)]


def statement_rows(transfers: Sequence[Transfer], cards: Sequence[CardPayment], terms: FileTerms) -> list[StatementRow]:
    """The lines of the bank account of all days, oldest day first."""
    if terms.payouts is Payouts.EACH:
        rows = [row for transfer in transfers for row in _credited(transfer, terms)]
    else:
        rows = [*_payouts(transfers, terms), *(_unknown(each) for each in transfers if _is(each, FileFault.BANK_ONLY))]
    for batch in card_batches(cards):
        rows.append(
            StatementRow(
                booked_on=batch.day + _DAY,
                amount=batch.gross - batch.fee,
                reference=f"CB{batch.day:%Y%m%d}",
                text=f"THANH TOAN THE LO {batch.batch_number} NGAY {batch.day:%d/%m/%Y}",
            )
        )
    return sorted(rows, key=lambda row: row.booked_on)


def card_batches(cards: Iterable[CardPayment]) -> list[CardBatchRow]:
    """One batch of each day with card payments."""
    days: dict[date, list[CardPayment]] = defaultdict(list)
    for card in cards:
        days[card.day].append(card)
    batches = []
    for day, payments in sorted(days.items()):
        gross = sum(each.amount for each in payments)
        fee = gross * _CARD_FEE_BASIS_POINTS // 10_000
        batches.append(
            CardBatchRow(day=day, batch_number=f"{day:%y%m%d}", payments=tuple(payments), gross=gross, fee=fee)
        )
    return batches


def _is(transfer: Transfer, *faults: FileFault) -> bool:
    return transfer.fault in faults


def _reported(transfer: Transfer, terms: FileTerms) -> Iterator[ReportRow]:
    if _is(transfer, FileFault.BANK_ONLY, FileFault.LEDGER_ONLY):
        return
    message, fault = transfer.message, transfer.fault
    fee = terms.fee(message.amount) + (WITHHELD if fault is FileFault.FEE_WRONG else 0)
    reported_on = transfer.day + (_DAY if fault is FileFault.AFTER_CUT_OFF else timedelta())
    paid_out_on = reported_on + _DAY if terms.payouts is Payouts.DAILY else None
    if fault is FileFault.PAYOUT_NOT_SEEN:
        paid_out_on = reported_on + _DAY
    amount = message.amount
    if terms.payouts is Payouts.DAILY:
        amount += _amount_change(transfer)

    def row(status: str, suffix: str = "", fee: int = fee) -> ReportRow:
        return ReportRow(
            reported_on=reported_on,
            transaction=message.transaction_id + suffix,
            reference=message.reference or "",
            status=status,
            amount=amount,
            fee=fee,
            bank_reference=message.bank_reference + suffix,
            occurred_at=message.occurred_at,
            paid_out_on=paid_out_on,
        )

    yield row("SUCCEEDED")
    if fault is FileFault.DUPLICATE_TRANSFER:
        yield row("SUCCEEDED", "D")
    if fault is FileFault.RETURNED_TRANSFER:
        yield row("REVERSED", "R", fee=0)


def _credited(transfer: Transfer, terms: FileTerms) -> Iterator[StatementRow]:
    """The lines of one transfer that is paid by itself."""
    if _is(transfer, FileFault.PROVIDER_ONLY, FileFault.LEDGER_ONLY, FileFault.PAYOUT_NOT_SEEN):
        return
    if _is(transfer, FileFault.BANK_ONLY):
        yield _unknown(transfer)
        return
    message, fault = transfer.message, transfer.fault
    amount = message.amount + _amount_change(transfer)
    if fault is FileFault.FEE_WITHHELD:
        amount -= terms.fee(message.amount) or WITHHELD
    is_unreadable = fault is FileFault.TEXT_UNREADABLE

    def row(amount: int, text: str, suffix: str = "") -> StatementRow:
        return StatementRow(
            booked_on=transfer.day + (_DAY if fault is FileFault.AFTER_CUT_OFF else timedelta()),
            amount=amount,
            reference="" if is_unreadable else message.bank_reference + suffix,
            text=text,
            payer_name=message.payer.name if message.payer else "",
            payer_account=message.payer.account if message.payer else "",
        )

    yield row(amount, _unreadable(message.content) if is_unreadable else message.content)
    if fault is FileFault.DUPLICATE_TRANSFER:
        yield row(amount, message.content, "D")
    if fault is FileFault.RETURNED_TRANSFER:
        yield row(-amount, f"HOAN TRA GD {message.bank_reference} {message.content}", "R")


def _unknown(transfer: Transfer) -> StatementRow:
    return StatementRow(
        booked_on=transfer.day,
        amount=transfer.message.amount,
        reference=transfer.message.bank_reference,
        text="CHUYEN TIEN",
        payer_name=transfer.message.payer.name if transfer.message.payer else "",
        payer_account=transfer.message.payer.account if transfer.message.payer else "",
    )


def _payouts(transfers: Sequence[Transfer], terms: FileTerms) -> Iterator[StatementRow]:
    """One credit for each day of payout. A day with a `payout_not_seen` has none."""
    faults: dict[date, set[FileFault]] = defaultdict(set)
    net: dict[date, int] = defaultdict(int)
    merchant = ""
    for transfer in transfers:
        for row in _reported(transfer, terms):
            assert row.paid_out_on is not None, "the payouts are daily"
            sign = -1 if row.status == "REVERSED" else 1
            net[row.paid_out_on] += sign * row.amount - row.fee
            if transfer.fault is not None:
                faults[row.paid_out_on].add(transfer.fault)
        merchant = transfer.message.merchant_id or merchant
    for day, expected in net.items():
        amount = expected - (WITHHELD if FileFault.FEE_WITHHELD in faults[day] else 0)
        if FileFault.PAYOUT_NOT_SEEN in faults[day] or amount == 0:
            continue
        text = f"{merchant} THANH TOAN GIAO DICH NGAY {day - _DAY:%d/%m/%Y}"
        is_unreadable = FileFault.TEXT_UNREADABLE in faults[day]
        yield StatementRow(
            booked_on=day,
            amount=amount,
            reference="" if is_unreadable else f"PO{day:%Y%m%d}",
            text=_unreadable(text) if is_unreadable else text,
        )


def _amount_change(transfer: Transfer) -> int:
    return {FileFault.AMOUNT_LOW: -AMOUNT_BY, FileFault.AMOUNT_HIGH: AMOUNT_BY}.get(
        transfer.fault or FileFault.BANK_ONLY, 0
    )


def _unreadable(text: str) -> str:
    """The text as a broken export writes it: signs in place of letters and digits."""
    return "".join("?" if letter.isalnum() else letter for letter in text)

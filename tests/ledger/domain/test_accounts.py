"""The day an entry belongs to, and postings that move money between two accounts."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from billing.core.clock import business_date
from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Dong, Shares
from billing.invoices.domain.posting_rules import invoice_issued
from billing.ledger.domain.accounts import AccountKey, AccountRole, DayState, NoOpenDay, Posting, accounting_date

TODAY = date(2026, 11, 22)
OPEN, CLOSED = DayState.OPEN, DayState.CLOSED


def days_ago(number: int) -> date:
    return TODAY - timedelta(days=number)


@pytest.mark.parametrize(
    ("occurred_on", "days", "booked_on"),
    [
        (TODAY, {TODAY: OPEN}, TODAY),
        (days_ago(1), {days_ago(1): OPEN, TODAY: OPEN}, days_ago(1)),
        (days_ago(1), {days_ago(1): CLOSED, TODAY: OPEN}, TODAY),
        (days_ago(3), {days_ago(3): CLOSED, days_ago(2): CLOSED, days_ago(1): OPEN, TODAY: OPEN}, days_ago(1)),
        (days_ago(30), {days_ago(2): OPEN, TODAY: OPEN}, days_ago(2)),  # before the first day
        (TODAY + timedelta(days=2), {TODAY: OPEN}, TODAY),  # in the future
        (days_ago(1), {TODAY: OPEN}, TODAY),  # a day nobody opened
    ],
)
def test_event_is_booked_on_its_day_or_the_first_open_day_after(
    occurred_on: date, days: dict[date, DayState], booked_on: date
) -> None:
    assert accounting_date(occurred_on=occurred_on, today=TODAY, days=days) == booked_on


def test_nothing_is_booked_while_today_is_closed() -> None:
    with pytest.raises(NoOpenDay):
        accounting_date(occurred_on=TODAY, today=TODAY, days={TODAY: CLOSED})


def test_business_day_is_that_of_the_hospital() -> None:
    assert business_date(datetime(2026, 11, 21, 16, 59, tzinfo=UTC)) == date(2026, 11, 21)
    assert business_date(datetime(2026, 11, 21, 17, 0, tzinfo=UTC)) == date(2026, 11, 22)


@pytest.mark.parametrize("amount", [0, -1])
def test_posting_moves_an_amount_above_nothing(amount: int) -> None:
    with pytest.raises(AssertionError):
        Posting(debit=AccountKey(AccountRole.REVENUE), credit=AccountKey(AccountRole.UNALLOCATED), amount=Dong(amount))


def test_issuing_recognises_each_payer_with_a_share() -> None:
    shares = Shares(patient=Dong(75_900), other=Dong(0), insurer=Dong(303_601))

    postings = invoice_issued(shares, visit_id=VisitId(UUID(int=1)), invoice_id=InvoiceId(UUID(int=2)))

    assert [(one.debit.role, one.credit.role, one.amount) for one in postings] == [
        (AccountRole.RECEIVABLE_PATIENT, AccountRole.REVENUE, 75_900),
        (AccountRole.RECEIVABLE_INSURER, AccountRole.REVENUE, 303_601),
    ]


def test_guaranteed_part_is_a_receivable_of_its_own() -> None:
    shares = Shares(patient=Dong(1), other=Dong(0), insurer=Dong(0), private=Dong(2))

    postings = invoice_issued(shares, visit_id=VisitId(UUID(int=1)), invoice_id=InvoiceId(UUID(int=2)))

    assert [(one.debit.role, one.amount, one.payer) for one in postings] == [
        (AccountRole.RECEIVABLE_PATIENT, 1, "patient"),
        (AccountRole.RECEIVABLE_PRIVATE, 2, "private"),
    ]

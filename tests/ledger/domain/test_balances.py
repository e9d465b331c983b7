"""What an entry moves on accounts that carry their balance in a locked row."""

from dataclasses import replace
from uuid import UUID

from billing.core.ids import LedgerAccountId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, Posting
from billing.ledger.domain.balances import InlineMovement, inline_movements

FIRST = AccountKey(AccountRole.CASH_DRAWER, "desk 1")
SECOND = AccountKey(AccountRole.CASH_DRAWER, "desk 2")
PATIENT = AccountKey(AccountRole.RECEIVABLE_PATIENT)
ACCOUNTS = {
    SECOND: LedgerAccountId(UUID(int=1)),
    FIRST: LedgerAccountId(UUID(int=2)),
    PATIENT: LedgerAccountId(UUID(int=3)),
}
PAID_IN = Posting(debit=FIRST, credit=PATIENT, amount=Dong(100_000))


def test_accounts_without_a_locked_row_are_left_out() -> None:
    revenue = AccountKey(AccountRole.REVENUE)

    assert inline_movements([Posting(debit=PATIENT, credit=revenue, amount=Dong(1))], ACCOUNTS) == ()


def test_movements_of_an_account_are_summed_on_its_normal_side() -> None:
    paid_out = Posting(debit=PATIENT, credit=FIRST, amount=Dong(30_000))

    assert inline_movements([PAID_IN, paid_out], ACCOUNTS) == (InlineMovement(ACCOUNTS[FIRST], 70_000),)


def test_rows_are_moved_in_the_order_in_which_they_are_locked() -> None:
    moved = Posting(debit=SECOND, credit=FIRST, amount=Dong(30_000))

    assert inline_movements([PAID_IN, moved], ACCOUNTS) == (
        InlineMovement(ACCOUNTS[SECOND], 30_000),
        InlineMovement(ACCOUNTS[FIRST], 70_000),
    )


def test_what_cancels_out_locks_nothing() -> None:
    back = replace(PAID_IN, debit=PATIENT, credit=FIRST)

    assert inline_movements([PAID_IN, back], ACCOUNTS) == ()

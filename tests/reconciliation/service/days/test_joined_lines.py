"""Lines of several days that a person joins to one item: the results of all these days stay right."""

from datetime import timedelta

import pytest

from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.ledger.service.seal_rows import seal_once
from billing.reconciliation.domain.day_result import AccountKind, ItemKind
from billing.reconciliation.domain.match_rules import JOINED_WITHIN
from billing.reconciliation.domain.match_rules import ItemKind as MatchedKind
from billing.reconciliation.service.close_day import find_certificate, find_results
from billing.reconciliation.service.decide_matches import match_by_hand, revert_match
from billing.reconciliation.service.matching_by_hand import ManualMatch
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.service.days.days import DAY, close, fetch, pay, state
from tests.reconciliation.service.test_day_certificates import verify_day
from tests.reconciliation.statement_file import Line
from tests.visit_accounts.cashiers import ORGANIZATION, open_desk

_FIRST, _SECOND = OWED - 1_000, 1_000
_LATER, _UNMATCHED, _HELD = ItemKind.LINE_POSTED_LATER, ItemKind.LINE_UNMATCHED, ItemKind.PAYMENT_HELD


async def _results(flow: PaymentFlow, clock: StandingClock) -> list[list[tuple[ItemKind, int]]]:
    """What the bank account and 113 of the provider list on yesterday and today, where every residual is 0."""
    found = []
    for day in (business_date(clock()) - DAY, business_date(clock())):
        _, results = await find_results(flow.context, flow.hospital.organization_id, day)
        assert [each.residual for each in results.accounts] == [0] * len(results.accounts)
        found += [
            [(item.kind, item.amount) for item in each.items]
            for kind in (AccountKind.BANK_ACCOUNT, AccountKind.PROVIDER_ACCOUNT)
            for each in results.accounts
            if each.kind is kind
        ]
    return found


@pytest.mark.parametrize("is_first_day_closed", [False, True])
async def test_transfer_that_the_bank_shows_on_two_days_is_matched_with_its_payment(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress, is_first_day_closed: bool
) -> None:
    desk = await open_desk(database, flow.context)
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=_FIRST, day=day))
    clock.forward(DAY)
    if is_first_day_closed:
        await close(flow, day)
    await state(flow, Line(amount=_SECOND, day=day + DAY), opening=_FIRST)
    lines = await fetch(flow, "SELECT id FROM statement_line ORDER BY booked_on")
    [payment] = await fetch(flow, "SELECT id FROM payment")
    new = ManualMatch(
        line_id=lines[0], joined=lines[1:], items=[(MatchedKind.PAYMENT, payment)], reason="hai lần ghi có"
    )
    first_day = [[(_UNMATCHED, _FIRST)], [(_HELD, OWED)]]

    match_id = await match_by_hand(flow.context, ORGANIZATION, new, actor=desk.head)
    matched = await _results(flow, clock)
    await revert_match(flow.context, ORGANIZATION, match_id, reason="nhầm", actor=desk.head)
    reverted = await _results(flow, clock)
    await match_by_hand(flow.context, ORGANIZATION, new, actor=desk.head)

    joined = first_day if is_first_day_closed else [[(_LATER, _FIRST)], [(_HELD, OWED)]]
    assert matched == [*joined, [], []], "the sweep is on the second day"
    assert reverted == [*first_day, [(_UNMATCHED, _FIRST), (_UNMATCHED, _SECOND)], [(_HELD, OWED)]]
    assert await _results(flow, clock) == matched
    clock.forward(DAY)
    for each in (day, day + DAY)[is_first_day_closed:]:
        await close(flow, each)
    await seal_once(flow.context, ORGANIZATION)
    for each in (day, day + DAY):
        certificate = await find_certificate(flow.context, ORGANIZATION, each)
        verify_day.check(certificate.decode())
    await assert_books_are_right(flow.context.database)


async def test_lines_of_far_days_are_not_joined(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    desk = await open_desk(database, flow.context)
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=_FIRST, day=day - JOINED_WITHIN - timedelta(days=1)), Line(amount=_SECOND, day=day))
    lines = await fetch(flow, "SELECT id FROM statement_line ORDER BY booked_on")
    [payment] = await fetch(flow, "SELECT id FROM payment")
    new = ManualMatch(line_id=lines[0], joined=lines[1:], items=[(MatchedKind.PAYMENT, payment)], reason="hai lần")

    with pytest.raises(InvalidValue) as refused:
        await match_by_hand(flow.context, ORGANIZATION, new, actor=desk.head)

    assert refused.value.field == "line"

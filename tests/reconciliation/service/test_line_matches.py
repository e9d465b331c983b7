"""The statement that matches received money: it decides as `choose`, and compares references as the service does."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from billing.reconciliation.domain.match_rules import MatchState, RuleSet, choose
from billing.reconciliation.store.matching_lines import find_by_reference
from billing.reconciliation.store.open_lines import read_open_lines
from billing.reconciliation.store.stored_matches import end_matches
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow

_PAIRS = """
    SELECT line.item_id AS line_id, payment.item_id AS payment_id
    FROM match
    JOIN match_item AS line ON line.match_id = match.id AND line.item_kind = 'statement_line'
    JOIN match_item AS payment ON payment.match_id = match.id AND payment.item_kind = 'payment'
    WHERE match.rule = 'bank_reference'
"""

_ITEMS = """
    SELECT match.state, array_agg(item.item_kind ORDER BY item.item_kind) AS items
    FROM match JOIN match_item AS item ON item.match_id = match.id GROUP BY match.id, match.state ORDER BY match.id
"""


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def _chosen(own: MatchingFlow) -> set[tuple[UUID, UUID]]:
    """The pairs that the rule decides for all open lines together."""
    database, organization = own.flow.context.database, own.flow.hospital.organization_id
    from_day = own.today - timedelta(days=30)
    async with database.transaction(organization) as tx:
        lines = await read_open_lines(tx, from_day=from_day, after=UUID(int=0), at_most=1000)
        candidates = await find_by_reference(tx, lines, RuleSet(version=1))
    return {(each.line_id, each.item_id) for each in choose(candidates)}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_lines_and_payments_that_compete_are_decided_as_by_the_rule(own: MatchingFlow, seed: int) -> None:
    """References, amounts and days repeat, so that payments and lines compete."""
    random, now = Random(seed), own.flow.context.clock()
    notices = []
    for number in range(24):
        reference = f"5212.{random.randint(1, 5)}"
        notice = own.flow.notice(
            f"T{number}", "NOP TIEN", amount=OWED + random.choice((0, 1_000)), bank_reference=reference
        )
        keys = frozenset({f"transaction:T{number}", f"bank:{reference}"})
        occurred_at = now - timedelta(days=random.randint(0, 3))
        notices.append(replace(notice, movement_keys=keys, occurred_at=occurred_at))
    await own.flow.deliver(*notices)
    lines = [
        own.line(
            OWED + random.choice((0, 1_000)),
            f"NOP {number}",
            random.choice(("5212.{}", "52 12.{}", "５212.{}")).format(random.randint(1, 5)),
            days=-random.randint(0, 3),
        )
        for number in range(24)
    ]
    await own.statement(*sorted(lines, key=lambda line: line.day))
    expected = await _chosen(own)

    await own.match()

    assert {(row["line_id"], row["payment_id"]) for row in await own.fetch(_PAIRS)} == expected
    assert 0 < len(expected) < len(lines)
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("reference", ["FT-T1", "ft-t1", "FT- T1", "ＦＴ-Ｔ１"])
async def test_references_are_compared_in_one_normal_form(own: MatchingFlow, reference: str) -> None:
    await own.flow.deliver(own.flow.notice("T1", "NOP TIEN"))
    await own.statement(own.line(OWED, reference=reference))

    await own.match()

    assert len(await own.fetch(_PAIRS)) == 1


@pytest.mark.parametrize(("first", "second"), [("FT-T1", "ft-t1"), ("F T-T1", "FT-T1"), ("ft-t1", "ＦＴ-Ｔ１")])
async def test_lines_of_two_imports_with_one_reference_compete_however_it_is_written(
    own: MatchingFlow, first: str, second: str
) -> None:
    await own.flow.deliver(own.flow.notice("T1", "NOP TIEN"))
    imports = [
        await own.statement(own.line(OWED, "A", reference=first)),
        await own.statement(own.line(OWED, "B", reference=second)),
    ]

    for import_id in (*imports, None):
        await own.match(import_id)

    assert await own.fetch(_PAIRS) == []


@pytest.mark.parametrize("reference", ["NONREF", "000", "không có"])
async def test_placeholder_names_no_payment(own: MatchingFlow, reference: str) -> None:
    notice = own.flow.notice("T1", "NOP TIEN", bank_reference=reference)
    await own.flow.deliver(replace(notice, movement_keys=frozenset({"transaction:T1"})))
    await own.statement(own.line(OWED, reference=reference))

    await own.match()

    assert await own.fetch(_PAIRS) == []


@pytest.mark.parametrize("is_report", [False, True])
async def test_match_that_ends_while_it_takes_an_item_is_replaced(own: MatchingFlow, is_report: bool) -> None:
    """The match of the payment ends while its line joins it, or its report; the next run completes the new one."""
    await own.flow.deliver(own.flow.notice("T1", "NOP TIEN"))
    if is_report:
        await own.statement(own.line(OWED, reference="FT-T1"), is_intraday=True)
    else:
        await own.report(own.report_row("T1", OWED))
    await own.match()
    [first] = await own.fetch("SELECT id FROM match")
    if is_report:
        await own.report(own.report_row("T1", OWED))
    else:
        await own.statement(own.line(OWED, reference="FT-T1"))

    async with own.flow.context.database.transaction(own.flow.hospital.organization_id) as tx:
        at = own.flow.context.clock()
        await end_matches(tx, [(first["id"], None)], MatchState.SUPERSEDED, at=at, by=None, reason="by this test")
        running = asyncio.create_task(own.match())
        while not await tx.fetchval("SELECT count(*)::int FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
    await running
    await own.match()

    assert [(row["state"], row["items"]) for row in await own.fetch(_ITEMS)] == [
        ("superseded", ["payment", "settlement_line" if not is_report else "statement_line"]),
        ("live", ["payment", "settlement_line", "statement_line"]),
    ]
    await assert_books_are_right(own.flow.context.database)

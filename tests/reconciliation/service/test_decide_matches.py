"""Matches by persons in a real database: by hand, reverted, and matched again by a new rule set."""

import asyncio

import pytest

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, PersonId
from billing.core.money import Dong
from billing.ledger.domain.accounts import DayState
from billing.ops.approval_kinds import approve_proposal
from billing.reconciliation.domain.match_rules import (
    AlreadyMatched,
    AmountsDiffer,
    ItemKind,
    MatchEnded,
    MatchOnClosedDay,
    RuleSetChange,
)
from billing.reconciliation.service.decide_matches import (
    find_match,
    match_by_hand,
    propose_items,
    revert_match,
)
from billing.reconciliation.service.match_lines import run_matching
from billing.reconciliation.service.match_settings import propose_rules
from billing.reconciliation.service.matching_by_hand import ManualMatch
from tests.builders import add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.persons import actors
from tests.reconciliation.builders import SYSTEM, MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def paid(own: MatchingFlow, transaction: str = "T1", *, ma_lk: str = "LK0001") -> str:
    started = await own.flow.start_intent(ma_lk)
    await own.flow.deliver(own.flow.notice(transaction, f"{started.code} VIEN PHI"))
    return started.code


async def person(own: MatchingFlow) -> Actor:
    [row] = await own.fetch("SELECT id, person_id FROM api_key LIMIT 1")
    return Actor.key(row["id"], acting_for=PersonId(row["person_id"]))


async def by_hand(own: MatchingFlow, *items: tuple[ItemKind, object], reason: str = "sao kê giấy") -> object:
    [line] = await own.fetch("SELECT id FROM statement_line ORDER BY id LIMIT 1")
    new = ManualMatch(line_id=line["id"], items=items, reason=reason)  # type: ignore[arg-type]
    return await match_by_hand(own.flow.context, own.flow.hospital.organization_id, new, actor=await person(own))


async def payment_ids(own: MatchingFlow) -> list[object]:
    return [row["id"] for row in await own.fetch("SELECT id FROM payment ORDER BY id")]


async def revert(own: MatchingFlow, reason: str = "khớp nhầm") -> None:
    [row] = await own.fetch("SELECT id FROM match ORDER BY id DESC LIMIT 1")
    await revert_match(
        own.flow.context, own.flow.hospital.organization_id, row["id"], reason=reason, actor=await person(own)
    )


async def test_person_matches_a_line_without_names_and_it_is_swept(own: MatchingFlow) -> None:
    await paid(own)
    await own.statement(own.line(OWED, "CHUYEN TIEN"))
    await own.match()
    assert await own.matches() == []

    await by_hand(own, (ItemKind.PAYMENT, (await payment_ids(own))[0]))

    assert await own.matches() == [("manual", "live", (f"payment {OWED}", f"statement_line {OWED}"))]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_one_credit_of_two_payments_is_matched_with_both(own: MatchingFlow) -> None:
    await paid(own, "T1", ma_lk="LK1")
    await paid(own, "T2", ma_lk="LK2")
    await own.statement(own.line(2 * OWED))

    await by_hand(own, *((ItemKind.PAYMENT, each) for each in await payment_ids(own)))

    assert await own.balances("bank", "clearing") == [2 * OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_match_by_hand_of_another_amount_or_item_or_without_reason_is_refused(own: MatchingFlow) -> None:
    await paid(own)
    await own.statement(own.line(OWED - 1))
    payment = (ItemKind.PAYMENT, (await payment_ids(own))[0])

    with pytest.raises(AmountsDiffer):
        await by_hand(own, payment)
    with pytest.raises(NotFound):
        await by_hand(own, (ItemKind.REFUND, payment[1]))
    with pytest.raises(InvalidValue):
        await by_hand(own, payment, payment)
    with pytest.raises(InvalidValue):
        await by_hand(own, payment, reason=" x ")
    assert await own.matches() == []


async def test_matched_item_is_not_matched_twice(own: MatchingFlow) -> None:
    await paid(own)
    await own.statement(own.line(OWED, reference="FT-T1"), own.line(OWED, "B"))
    await own.match()
    [open_line] = await own.fetch("SELECT id FROM statement_line WHERE bank_reference = ''")
    new = ManualMatch(
        line_id=open_line["id"],
        items=[(ItemKind.PAYMENT, (await payment_ids(own))[0])],
        reason="nhầm",  # type: ignore[list-item]
    )

    with pytest.raises(AlreadyMatched):
        await match_by_hand(own.flow.context, own.flow.hospital.organization_id, new, actor=await person(own))
    with pytest.raises(NotFound):  # its line is matched
        await by_hand(own, (ItemKind.PAYMENT, (await payment_ids(own))[0]))


async def test_two_persons_match_one_line_at_once_and_one_wins(own: MatchingFlow) -> None:
    await paid(own, "T1", ma_lk="LK1")
    await paid(own, "T2", ma_lk="LK2")
    await own.statement(own.line(OWED))

    results = await asyncio.gather(
        *(by_hand(own, (ItemKind.PAYMENT, each)) for each in await payment_ids(own)), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in results if isinstance(each, Exception)) in (
        ["AlreadyMatched"],
        ["NotFound"],
    )
    assert await own.balances("bank") == [OWED]


async def test_reverted_match_takes_its_money_back_and_is_not_matched_again(own: MatchingFlow) -> None:
    await paid(own, "T1", ma_lk="LK1")
    await paid(own, "T2", ma_lk="LK2")
    await own.statement(own.line(OWED, reference="FT-T1"), own.line(OWED, reference="FT-T2"))
    await own.match()
    assert await own.balances("bank", "clearing") == [2 * OWED, 0]

    await revert(own)
    await own.match()

    assert [state for _, state, _ in await own.matches()] == ["live", "reverted"]
    assert await own.balances("bank", "clearing") == [OWED, OWED]
    await assert_books_are_right(own.flow.context.database)


async def test_reverted_match_is_reverted_once_and_matched_again_by_a_person(own: MatchingFlow) -> None:
    await paid(own)
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.match()
    await revert(own)

    with pytest.raises(MatchEnded):
        await revert(own)
    await by_hand(own, (ItemKind.PAYMENT, (await payment_ids(own))[0]))

    assert [state for _, state, _ in await own.matches()] == ["reverted", "live"]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_match_of_a_closed_day_is_not_reverted(own: MatchingFlow) -> None:
    await paid(own)
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.match()
    async with own.flow.context.database.transaction(own.flow.hospital.organization_id) as tx:
        await tx.execute(
            "UPDATE business_day SET state = $1, closed_at = $2", DayState.CLOSED.value, own.flow.context.clock()
        )

    with pytest.raises(MatchOnClosedDay):
        await revert(own)


async def test_new_rule_set_matches_again_what_no_person_made(own: MatchingFlow, database: DatabaseAddress) -> None:
    await paid(own, "T1", ma_lk="LK1")
    await paid(own, "T2", ma_lk="LK2")
    await own.statement(own.line(OWED), own.line(OWED + 5, reference="FT-T2"))
    await by_hand(own, (ItemKind.PAYMENT, (await payment_ids(own))[0]))
    await own.match()
    assert len(await own.matches()) == 1
    organization = own.flow.hospital.organization_id
    first, second = await actors(database, own.flow.context, ("mot", "Trần Thị Bình"), ("hai", "Lê Văn Cường"))
    proposed = await propose_rules(own.flow.context, organization, RuleSetChange(tolerance=Dong(10)), actor=first)
    await approve_proposal(own.flow.context, organization, proposed, actor=second)

    for expected in ((1, 0), (1, 1)):
        run = await run_matching(own.flow.context, organization, actor=SYSTEM, rematched=(own.today, own.today))
        assert (run.matches, run.superseded, run.rule_set) == (*expected, 2)

    live = [(rule, items) for rule, state, items in await own.matches() if state == "live"]
    assert [rule for rule, _ in live] == ["manual", "bank_reference"]
    assert await own.balances("bank", "clearing", "tolerance_difference") == [2 * OWED + 5, 0, -5]
    await assert_books_are_right(own.flow.context.database)


async def test_proposals_are_ranked_and_change_nothing(own: MatchingFlow) -> None:
    code = await paid(own, "T1", ma_lk="LK1")
    await paid(own, "T2", ma_lk="LK2")
    broken = code[:4] + ("A" if code[4] != "A" else "B") + code[5:]
    await own.statement(own.line(OWED, f"nop vien phi {broken}"))
    await own.match()
    assert await own.matches() == []
    [line] = await own.fetch("SELECT id FROM statement_line")

    proposals = await propose_items(own.flow.context, own.flow.hospital.organization_id, line["id"])

    assert [(each.item.code == code, each.difference) for each in proposals] == [(True, 0), (False, 0)]
    assert [list(each.reasons) for each in proposals] == [["amount", "similar_code", "day"], ["amount", "day"]]
    assert proposals[0].score > proposals[1].score
    assert await own.matches() == []


async def test_other_organization_sees_and_reverts_nothing(own: MatchingFlow, database: DatabaseAddress) -> None:
    await add_demo_hospital(database.owner_url, organization=2, facility_code="01002")
    await paid(own)
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.match()
    [row] = await own.fetch("SELECT id FROM match")
    [line] = await own.fetch("SELECT id FROM statement_line")
    other = OrganizationId(2)

    with pytest.raises(NotFound):
        await find_match(own.flow.context, other, row["id"])
    with pytest.raises(NotFound):
        await revert_match(own.flow.context, other, row["id"], reason="khớp nhầm", actor=await person(own))
    with pytest.raises(NotFound):
        await propose_items(own.flow.context, other, line["id"])
    assert (await run_matching(own.flow.context, other, actor=SYSTEM)).matches == 0

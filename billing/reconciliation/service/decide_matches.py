"""Matches by persons: match a line by hand, revert one match, and read matches and proposals.

A person accepts a proposal by matching its line with its item. A reverted pair is not matched again by a run. Each act
is a recorded decision with person and reason, and its entry. Source: docs/reconciliation.md, Matching.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import (
    OWN_ENTRY_RULES,
    AlreadyMatched,
    MatchEnded,
    MatchOfDecision,
    MatchOnClosedDay,
    MatchRule,
    MatchState,
    OpenLine,
)
from billing.reconciliation.domain.proposals import Proposal, rank_proposals
from billing.reconciliation.service.matching import take_back
from billing.reconciliation.service.matching_by_hand import (
    ManualMatch,
    require_open_line,
    write_manual_match,
)
from billing.reconciliation.store.open_lines import list_open_lines
from billing.reconciliation.store.proposals import read_line_text, read_proposed_items
from billing.reconciliation.store.stored_matches import (
    MatchedItem,
    StoredMatch,
    end_matches,
    list_match_ids,
    lock_matches,
    read_items,
    read_matches,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchDetails:
    """A match with its items."""

    match: StoredMatch
    items: Sequence[MatchedItem]


async def match_by_hand(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: ManualMatch,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Match an open line with open items of one clearing account and equal amount, and post its sweep.

    Raises NotFound, AlreadyMatched, AmountsDiffer, LineTentative, InvalidValue, PersonNeeded, NoOpenDay.
    """
    new.check()
    require_person(actor)
    try:
        async with context.database.transaction(organization_id, posting=True) as tx:
            earlier = await find_previous_result(tx, request)
            if earlier is not None:
                return earlier.subjects[0]
            match_id = await write_manual_match(tx, context, new, actor)
            await save_result(tx, request, [match_id], now=context.clock())
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "match_item_in_one_live_match":
            raise
        raise AlreadyMatched("another person or a run matched one of these items meanwhile", field="items") from error
    context.publish_change(organization_id)
    return match_id


async def revert_match(
    context: PaymentContext, organization_id: OrganizationId, match_id: UUID, *, reason: str, actor: Actor
) -> None:
    """End one match and take its sweep back; the other matches of its entry stay.

    Raises NotFound, MatchEnded, MatchOfDecision, MatchOnClosedDay, InvalidValue, PersonNeeded, NoOpenDay.
    """
    text = read_reason(reason)
    person = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        found = await lock_matches(tx, [match_id])
        if not found:
            raise NotFound("no such match", field="match_id")
        [match] = found
        if match.state is not MatchState.LIVE:
            by = f" by {match.ended_by}" if match.ended_by else ""
            raise MatchEnded(f"the match is {match.state} since {match.ended_at:%Y-%m-%d %H:%M:%S} UTC{by}")
        if match.rule in OWN_ENTRY_RULES:
            raise MatchOfDecision("this line was booked by a decision on its exception, which is reverted instead")
        if match.is_on_closed_day:
            raise MatchOnClosedDay("the day of this match is closed; its lines stay matched")
        ended = await take_back(tx, context, [match], actor=actor)
        count = await end_matches(tx, ended, MatchState.REVERTED, at=context.clock(), by=person, reason=text)
        assert count == 1, "the match is locked and live"
        await note(tx, context, actor, "match_reverted", ("match", match_id))
    context.publish_change(organization_id)


async def find_match(context: PaymentContext, organization_id: OrganizationId, match_id: UUID) -> MatchDetails:
    """A match with its items. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await _details(tx, [match_id])
    if not found:
        raise NotFound("no such match", field="match_id")
    return found[0]


async def list_matches(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    state: MatchState | None = None,
    rule: MatchRule | None = None,
    item_id: UUID | None = None,
) -> list[MatchDetails]:
    """Matches with their items, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        ids = await list_match_ids(tx, part, state=state, rule=rule, item_id=item_id)
        return sorted(await _details(tx, ids), key=lambda each: each.match.id, reverse=True)


async def propose_items(
    context: PaymentContext, organization_id: OrganizationId, line_id: UUID, *, at_most: int = 10
) -> list[Proposal]:
    """Items that an open line may be, the most likely first. A proposal changes nothing. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        line = await require_open_line(tx, line_id)
        text = await read_line_text(tx, line_id)
        items = await read_proposed_items(tx, line)
    return rank_proposals(line, text, items)[:at_most]


async def list_lines(
    context: PaymentContext, organization_id: OrganizationId, part: ListSlice, *, bank_account_id: UUID | None = None
) -> list[OpenLine]:
    """Statement lines without a live match, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_open_lines(tx, part, bank_account_id=bank_account_id)


async def _details(tx: Transaction, match_ids: Sequence[UUID]) -> list[MatchDetails]:
    matches = await read_matches(tx, match_ids)
    items: dict[UUID, list[MatchedItem]] = {}
    for item in await read_items(tx, match_ids):
        items.setdefault(item.match_id, []).append(item)
    return [MatchDetails(match=match, items=items.get(match.id, [])) for match in matches]

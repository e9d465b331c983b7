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
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId, RefundId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import (
    AlreadyMatched,
    AmountsDiffer,
    ItemKind,
    MatchEnded,
    MatchOfDecision,
    MatchOnClosedDay,
    MatchRule,
    MatchState,
    OpenLine,
)
from billing.reconciliation.domain.proposals import Proposal, rank_proposals
from billing.reconciliation.domain.sweep import Sweep
from billing.reconciliation.service.matching import complete_transfer, current_rules, take_back
from billing.reconciliation.service.sweeping import post_sweeps
from billing.reconciliation.store.declared_duplicates import lock_against_declaration
from billing.reconciliation.store.matches import NewItem, NewMatch, RunStamp, add_items, add_matches
from billing.reconciliation.store.matching_items import BankItem, read_posted_amounts
from billing.reconciliation.store.open_lines import list_open_lines, read_open_lines_of_ids
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

ITEMS_MAX = 100

_REASON_LENGTH = range(3, 1001)


class LineTentative(Refused):
    """The line is of an unfinished day; a complete statement confirms it first."""

    code = "line_tentative"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualMatch:
    """A line of the bank and the items that a person states it to be."""

    line_id: UUID
    items: Sequence[tuple[ItemKind, UUID]]
    reason: str

    def check(self) -> None:
        """Raises InvalidValue."""
        if not 1 <= len(self.items) <= ITEMS_MAX or len(set(self.items)) != len(self.items):
            raise InvalidValue(f"a match has 1 to {ITEMS_MAX} different items", field="items")
        if any(kind in (ItemKind.STATEMENT_LINE, ItemKind.SETTLEMENT_LINE) for kind, _ in self.items):
            raise InvalidValue("the items of a match are what the ledger expects at the bank", field="items")
        _check_reason(self.reason)


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
            match_id = await _write_manual(tx, context, new, actor)
            await save_result(tx, request, [match_id], now=context.clock())
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "match_item_in_one_live_match":
            raise
        raise AlreadyMatched("another person or a run matched one of these items meanwhile", field="items") from error
    context.publish_change(organization_id)
    return match_id


async def _write_manual(tx: Transaction, context: PaymentContext, new: ManualMatch, actor: Actor) -> UUID:
    line = await _open_line(tx, new.line_id)
    if line.is_tentative:
        raise LineTentative("the day of this line is unfinished; import the complete statement first", field="line_id")
    for kind, item_id in sorted(new.items):
        if kind is ItemKind.REFUND:
            await complete_transfer(tx, context, RefundId(item_id), line.bank_reference, actor=actor)
    await lock_against_declaration(tx, [item_id for kind, item_id in new.items if kind is ItemKind.PAYMENT])
    found = await read_posted_amounts(tx, new.items)
    missing = [item_id for kind, item_id in new.items if (kind, item_id) not in found]
    if missing:
        raise NotFound(f"the ledger expects no such item at a bank: {missing[0]}", field="items")
    items = [found[item] for item in new.items]
    if {item.bank_account_id for item in items} != {line.bank_account_id}:
        raise InvalidValue("an item is expected on another bank account than the line", field="items")
    if len({item.clearing_subject for item in items}) > 1:
        raise InvalidValue("the items of a match are of one clearing account", field="items")
    rules = await current_rules(tx, context)
    sweep = _sweep(line, items)
    if abs(sweep.difference) > rules.tolerance:
        raise AmountsDiffer(
            f"the line is {line.amount} đồng and the items are {sweep.expected}; the tolerance is {rules.tolerance}",
            field="items",
        )
    now = context.clock()
    match_id = context.ids.new()
    [entry_id] = await post_sweeps(tx, context, [sweep], actor=actor)
    match = NewMatch(
        id=match_id,
        rule=MatchRule.MANUAL,
        difference=sweep.difference,
        fee=sweep.fee,
        entry_id=entry_id,
        clearing_subject=sweep.clearing_subject,
        reason=new.reason.strip(),
    )
    await add_matches(tx, [match], RunStamp(run_id=match_id, rule_set=rules.version, actor=actor, at=now))
    line_item = NewItem(match_id=match_id, kind=ItemKind.STATEMENT_LINE, item_id=line.id, amount=line.amount)
    others = [
        NewItem(match_id=match_id, kind=item.item_kind, item_id=item.item_id, amount=item.expected) for item in items
    ]
    await add_items(tx, [line_item, *others])
    await note(tx, context, actor, "lines_matched", ("match", match_id))
    return match_id


def _sweep(line: OpenLine, items: Sequence[BankItem]) -> Sweep:
    return Sweep(
        booked_on=line.booked_on,
        bank_account_id=line.bank_account_id,
        clearing_subject=items[0].clearing_subject,
        amount=line.amount,
        expected=sum(item.expected for item in items),
        fee=sum(item.fee for item in items),
    )


async def revert_match(
    context: PaymentContext, organization_id: OrganizationId, match_id: UUID, *, reason: str, actor: Actor
) -> None:
    """End one match and take its sweep back; the other matches of its entry stay.

    Raises NotFound, MatchEnded, MatchOfDecision, MatchOnClosedDay, InvalidValue, PersonNeeded, NoOpenDay.
    """
    _check_reason(reason)
    person = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        found = await lock_matches(tx, [match_id])
        if not found:
            raise NotFound("no such match", field="match_id")
        [match] = found
        if match.state is not MatchState.LIVE:
            by = f" by {match.ended_by}" if match.ended_by else ""
            raise MatchEnded(f"the match is {match.state} since {match.ended_at:%Y-%m-%d %H:%M:%S} UTC{by}")
        if match.rule is MatchRule.BANK_CHARGE:
            raise MatchOfDecision("a bank charge is taken back by reverting the decision on its exception")
        if match.is_on_closed_day:
            raise MatchOnClosedDay("the day of this match is closed; its lines stay matched")
        ended = await take_back(tx, context, [match], actor=actor)
        count = await end_matches(tx, ended, MatchState.REVERTED, at=context.clock(), by=person, reason=reason.strip())
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
        line = await _open_line(tx, line_id)
        text = await read_line_text(tx, line_id)
        items = await read_proposed_items(tx, line)
    return rank_proposals(line, text, items)[:at_most]


async def list_lines(
    context: PaymentContext, organization_id: OrganizationId, part: ListSlice, *, bank_account_id: UUID | None = None
) -> list[OpenLine]:
    """Statement lines without a live match, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_open_lines(tx, part, bank_account_id=bank_account_id)


async def _open_line(tx: Transaction, line_id: UUID) -> OpenLine:
    found = await read_open_lines_of_ids(tx, [line_id])
    if not found:
        raise NotFound("no such line of the bank that is open", field="line_id")
    return found[0]


async def _details(tx: Transaction, match_ids: Sequence[UUID]) -> list[MatchDetails]:
    matches = await read_matches(tx, match_ids)
    items: dict[UUID, list[MatchedItem]] = {}
    for item in await read_items(tx, match_ids):
        items.setdefault(item.match_id, []).append(item)
    return [MatchDetails(match=match, items=items.get(match.id, [])) for match in matches]


def _check_reason(reason: str) -> None:
    if len(reason.strip()) not in _REASON_LENGTH:
        raise InvalidValue("a reason has 3 to 1000 characters", field="reason")

"""A step: a statement line matched by a person with items of the ledger, with its sweep.

Several lines of one account may be joined: they are swept together on the last of their days. `decide_matches.py`
matches by hand; a decision on an exception may name the items too (`decide_lines.py`). Source: docs/reconciliation.md,
Matching.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import RefundId
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import (
    JOINED_WITHIN,
    AmountsDiffer,
    ItemKind,
    MatchRule,
    MatchState,
    OpenLine,
)
from billing.reconciliation.domain.sweep import Sweep
from billing.reconciliation.service.matching import MatchChanged, complete_transfer, current_rules
from billing.reconciliation.service.sweeping import post_sweeps
from billing.reconciliation.store.declared_duplicates import lock_against_declaration
from billing.reconciliation.store.matches import NewItem, NewMatch, RunStamp, add_items, add_matches
from billing.reconciliation.store.matching_items import BankItem, read_posted_amounts
from billing.reconciliation.store.open_lines import read_open_lines_of_ids
from billing.reconciliation.store.settlements import lock_payouts
from billing.reconciliation.store.stored_matches import end_matches, lock_waiting_matches, read_items

ITEMS_MAX = 100
LINES_MAX = 20
"""Lines that one match joins."""


class LineTentative(Refused):
    """The line is of an unfinished day; a complete statement confirms it first."""

    code = "line_tentative"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualMatch:
    """A line of the bank and the items that a person states it to be; `joined` are further lines of the same money."""

    line_id: UUID
    items: Sequence[tuple[ItemKind, UUID]]
    reason: str
    joined: Sequence[UUID] = ()

    @property
    def line_ids(self) -> list[UUID]:
        """All its lines."""
        return [self.line_id, *self.joined]

    def check(self) -> None:
        """Raises InvalidValue."""
        if not 1 <= len(self.items) <= ITEMS_MAX or len(set(self.items)) != len(self.items):
            raise InvalidValue(f"a match has 1 to {ITEMS_MAX} different items", field="items")
        if any(kind in (ItemKind.STATEMENT_LINE, ItemKind.SETTLEMENT_LINE) for kind, _ in self.items):
            raise InvalidValue("the items of a match are what the ledger expects at the bank", field="items")
        if len(self.line_ids) > LINES_MAX or len(set(self.line_ids)) != len(self.line_ids):
            raise InvalidValue(f"a match joins at most {LINES_MAX} different lines", field="line")
        read_reason(self.reason)


async def write_manual_match(tx: Transaction, context: PaymentContext, new: ManualMatch, actor: Actor) -> UUID:
    """Match open lines with open items of one clearing account and equal amount, and post their sweep.

    Reports that confirm the items join the match. The unique index of matches refuses a line or item that was matched
    meanwhile. Raises NotFound, AmountsDiffer, LineTentative, InvalidValue, MatchChanged, NoOpenDay.
    """
    line, *others = [await require_open_line(tx, line_id) for line_id in new.line_ids]
    if line.is_tentative or any(each.is_tentative for each in others):
        raise LineTentative("the day of this line is unfinished; import the complete statement first", field="line_id")
    whole = _join(line, others)
    for kind, item_id in sorted(new.items):
        if kind is ItemKind.REFUND:
            await complete_transfer(tx, context, RefundId(item_id), line.bank_reference, actor=actor)
    if any(kind is ItemKind.PAYOUT for kind, _ in new.items):
        await lock_payouts(tx)
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
    sweep = _sweep(whole, items)
    if abs(sweep.difference) > rules.tolerance:
        raise AmountsDiffer(
            f"the line is {whole.amount} đồng and the items are {sweep.expected}; the tolerance is {rules.tolerance}",
            field="items",
        )
    now = context.clock()
    reported = await _take_reports(tx, new.items, at=now)
    match_id = context.ids.new()
    [entry_id] = await post_sweeps(tx, context, [sweep], actor=actor)
    match = NewMatch(
        id=match_id,
        rule=MatchRule.MANUAL,
        difference=sweep.difference,
        fee=sweep.fee,
        entry_id=entry_id,
        clearing_subject=sweep.clearing_subject,
        reason=read_reason(new.reason),
    )
    await add_matches(tx, [match], RunStamp(run_id=match_id, rule_set=rules.version, actor=actor, at=now))
    lines = [
        NewItem(match_id=match_id, kind=ItemKind.STATEMENT_LINE, item_id=each.id, amount=each.amount)
        for each in (line, *others)
    ]
    stated = [
        NewItem(match_id=match_id, kind=item.item_kind, item_id=item.item_id, amount=item.expected) for item in items
    ]
    reports = [item._replace(match_id=match_id) for item in reported]
    await add_items(tx, [*lines, *stated, *reports])
    await note(tx, context, actor, "lines_matched", ("match", match_id))
    return match_id


async def _take_reports(tx: Transaction, items: Sequence[tuple[ItemKind, UUID]], *, at: datetime) -> list[NewItem]:
    """End the matches of items with reports alone; returns their settlement lines, which the new match takes over."""
    waiting = await lock_waiting_matches(tx, items)
    if not waiting:
        return []
    found = [item for item in await read_items(tx, waiting) if item.item_kind is ItemKind.SETTLEMENT_LINE]
    reason = "matched by hand together with a line of the bank"
    ended = [(match_id, None) for match_id in waiting]
    if await end_matches(tx, ended, MatchState.SUPERSEDED, at=at, by=None, reason=reason) != len(waiting):
        raise MatchChanged("a match of these items has changed meanwhile; repeat the request")
    return [
        NewItem(match_id=item.match_id, kind=item.item_kind, item_id=item.item_id, amount=item.amount) for item in found
    ]


def _join(line: OpenLine, others: Sequence[OpenLine]) -> OpenLine:
    """The lines as one with their sum on the last of their days. Raises InvalidValue.

    Until that day the earlier lines are in the balance of the bank alone, and the item is in clearing: the results of
    their days list them as posted later.
    """
    for each in others:
        if (each.bank_account_id, each.amount > 0) != (line.bank_account_id, line.amount > 0):
            raise InvalidValue("joined lines are of one bank account and one direction", field="line")
    days = [line.booked_on, *(each.booked_on for each in others)]
    if max(days) - min(days) > JOINED_WITHIN:
        raise InvalidValue(f"joined lines are at most {JOINED_WITHIN.days} days apart", field="line")
    return line._replace(booked_on=max(days), amount=line.amount + sum(each.amount for each in others))


def _sweep(line: OpenLine, items: Sequence[BankItem]) -> Sweep:
    return Sweep(
        booked_on=line.booked_on,
        bank_account_id=line.bank_account_id,
        clearing_subject=items[0].clearing_subject,
        amount=line.amount,
        expected=sum(item.expected for item in items),
        fee=sum(item.fee for item in items),
    )


async def require_open_line(tx: Transaction, line_id: UUID) -> OpenLine:
    """A statement line without a live match. Raises NotFound."""
    found = await read_open_lines_of_ids(tx, [line_id])
    if not found:
        raise NotFound("no such line of the bank that is open", field="line_id")
    return found[0]

"""Write decided candidates as matches with their sweeps. A step.

A tentative line is matched without a sweep; `confirm_matches` posts it once a complete statement repeats the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import Unavailable
from billing.core.ids import EntryId, RefundId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import bank_clearing_account, clearing_account
from billing.payments.domain.reference_links import normal_reference
from billing.payments.domain.refund import RefundState
from billing.payments.service.context import PaymentContext
from billing.payments.service.refunding import complete, lock_with_money
from billing.payments.store.refunds import is_reference_used
from billing.reconciliation.domain.match_rules import Candidate, ItemKind, MatchRule, MatchState, OpenLine, RuleSet
from billing.reconciliation.domain.sweep import Sweep
from billing.reconciliation.service.sweeping import post_sweeps, post_totals
from billing.reconciliation.store.contested_lines import find_overruled_matches
from billing.reconciliation.store.declared_duplicates import lock_against_declaration, lock_holds
from billing.reconciliation.store.line_matches import LineMatches, ReceivedLines, match_received_lines
from billing.reconciliation.store.match_runs import add_rule_set, read_rule_set
from billing.reconciliation.store.matches import (
    NewItem,
    NewMatch,
    RunStamp,
    UnpostedMatch,
    add_items,
    add_matches,
    count_locked_live,
    post_matches,
    read_unposted,
)
from billing.reconciliation.store.matching_items import read_posted_amounts
from billing.reconciliation.store.matching_settlements import ReportMatches, match_settlement_lines
from billing.reconciliation.store.settlements import lock_payouts
from billing.reconciliation.store.stored_matches import StoredMatch, end_matches
from providers.references import is_placeholder


class MatchChanged(Unavailable):
    """A person ended or made a match of these lines meanwhile; the run reads them again."""

    code = "match_changed"


class Decided(NamedTuple):
    """A decided candidate with its line."""

    line: OpenLine
    candidate: Candidate

    @property
    def sweep(self) -> Sweep:
        """The entry part of this match."""
        return Sweep(
            booked_on=self.line.booked_on,
            bank_account_id=self.line.bank_account_id,
            clearing_subject=self.candidate.clearing_subject,
            amount=self.line.amount,
            expected=self.candidate.expected,
            fee=self.candidate.fee,
        )


class ConcernedLines(NamedTuple):
    """Lines of received money that a rule concerns. `first_day` is not later than the booking day of any."""

    rule: MatchRule
    line_ids: Sequence[UUID]
    first_day: date
    wants_line_ids: bool


async def current_rules(tx: Transaction, context: PaymentContext) -> RuleSet:
    """The newest rule set of the organization; the first one has the default tolerances and terms."""
    rules = await read_rule_set(tx)
    if rules is None:
        await add_rule_set(tx, RuleSet(version=1), by=None, at=context.clock())
        rules = await read_rule_set(tx)
    assert rules is not None, "it was stored now, or by another transaction"
    return rules


async def write_decided(
    tx: Transaction,
    context: PaymentContext,
    decided: Sequence[Decided],
    rule: MatchRule,
    stamp: RunStamp,
    *,
    reason: str = "",
) -> set[UUID]:
    """Match lines with their items and post the sweeps of confirmed lines; returns the lines that were matched.

    An item that waits with its settlement line keeps its match. A transfer of a refund is completed by its line. A
    payment that a person has declared a duplicate meanwhile is left out. Raises MatchChanged, NoOpenDay.
    """
    if not decided:
        return set()
    for each in decided:
        if each.candidate.item_kind is ItemKind.REFUND and not each.line.is_tentative:
            await complete_transfer(
                tx, context, RefundId(each.candidate.item_id), each.line.bank_reference, actor=stamp.actor
            )
    await _lock_payouts(tx, [each.candidate for each in decided])
    payments = [each.candidate.item_id for each in decided if each.candidate.item_kind is ItemKind.PAYMENT]
    declared = await lock_against_declaration(tx, payments)
    decided = [each for each in decided if each.candidate.item_id not in declared]
    joined = [each.candidate.match_id for each in decided if each.candidate.match_id is not None]
    if joined and await count_locked_live(tx, joined) != len(joined):
        raise MatchChanged("a match of these lines has changed meanwhile; repeat the request")
    confirmed = [each for each in decided if not each.line.is_tentative]
    entries = await post_sweeps(tx, context, [each.sweep for each in confirmed], actor=stamp.actor)
    entry_of = {each.line.id: entry_id for each, entry_id in zip(confirmed, entries, strict=True)}
    new, posted, items = [], [], []
    for each in decided:
        candidate, is_posted = each.candidate, not each.line.is_tentative
        match = NewMatch(
            id=candidate.match_id or context.ids.new(),
            rule=rule,
            reason=reason,
            difference=each.line.amount - candidate.expected,
            fee=candidate.fee,
            entry_id=entry_of.get(each.line.id),
            clearing_subject=candidate.clearing_subject if is_posted else None,
        )
        items.append(
            NewItem(match_id=match.id, kind=ItemKind.STATEMENT_LINE, item_id=each.line.id, amount=each.line.amount)
        )
        if candidate.match_id is None:
            new.append(match)
            items.append(
                NewItem(
                    match_id=match.id, kind=candidate.item_kind, item_id=candidate.item_id, amount=candidate.expected
                )
            )
        elif is_posted:
            posted.append(match)
    await add_matches(tx, new, stamp)
    if posted and await post_matches(tx, posted) != len(posted):
        raise MatchChanged("a match of these lines has changed meanwhile; repeat the request")
    await add_items(tx, items)
    return {each.line.id for each in decided}


async def _lock_payouts(tx: Transaction, candidates: Sequence[Candidate]) -> None:
    """Let no report add lines to these payouts. Raises MatchChanged where one has since their amounts were read."""
    gross = {
        (each.item_kind, each.item_id): each.expected + each.fee
        for each in candidates
        if each.item_kind is ItemKind.PAYOUT
    }
    if not gross:
        return
    await lock_payouts(tx)
    stated = await read_posted_amounts(tx, list(gross))
    if {key: item.expected + item.fee for key, item in stated.items()} != gross:
        raise MatchChanged("a report has changed a payout of these lines meanwhile; repeat the request")


async def match_received(
    tx: Transaction, context: PaymentContext, lines: ConcernedLines, *, rules: RuleSet, stamp: RunStamp
) -> LineMatches:
    """Match lines of received money with payments by a rule, in the database, and post the sweeps of confirmed lines.

    A payment that a person may declare a duplicate is left out at first: its hold is locked, and its line is matched by
    a second statement, which reads the declarations after the lock. Raises MatchChanged, NoOpenDay.
    """
    first = await _match_unheld(tx, context, lines, (), rules=rules, stamp=stamp)
    if not first.held_ids:
        await post_totals(tx, context, first.totals, actor=stamp.actor)
        return first
    locked = await lock_holds(tx, first.held_ids)
    held = lines._replace(line_ids=first.held_line_ids)
    second = await _match_unheld(tx, context, held, locked, rules=rules, stamp=stamp)
    await post_totals(tx, context, [*first.totals, *second.totals], actor=stamp.actor)
    return second._replace(
        matches=first.matches + second.matches, line_ids=[*(first.line_ids or ()), *(second.line_ids or ())]
    )


async def _match_unheld(
    tx: Transaction,
    context: PaymentContext,
    lines: ConcernedLines,
    locked: Sequence[UUID],
    *,
    rules: RuleSet,
    stamp: RunStamp,
) -> LineMatches:
    """One statement; payments whose hold is not among the locked ones are left out. Raises MatchChanged."""
    received = ReceivedLines(
        line_ids=lines.line_ids,
        rule=lines.rule,
        locked=locked,
        first_match_id=context.ids.series(),
        first_entry_id=context.ids.series(),
        wants_line_ids=lines.wants_line_ids,
    )
    matched = await match_received_lines(tx, received, rules, stamp)
    if matched.is_changed:
        raise MatchChanged("a match of these lines has changed meanwhile; repeat the request")
    return matched


async def match_reported(
    tx: Transaction, context: PaymentContext, import_id: UUID | None, stamp: RunStamp, *, after: UUID
) -> ReportMatches:
    """Match the next open settlement lines with the movements that they report, in the database; nothing is posted.

    Raises MatchChanged.
    """
    matched = await match_settlement_lines(tx, import_id, stamp, after=after, first_id=context.ids.series())
    if matched.is_changed:
        raise MatchChanged("a match of these lines has changed meanwhile; repeat the request")
    return matched


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedMatches:
    """How many tentative matches were posted, and how many ended since their item has changed."""

    posted: int
    ended: int


async def confirm_matches(
    tx: Transaction,
    context: PaymentContext,
    import_id: UUID | None,
    stamp: RunStamp,
    *,
    tolerance: Dong,
    at_most: int,
) -> ConfirmedMatches:
    """Post the sweeps of tentative matches whose lines are confirmed now. Raises MatchChanged, NoOpenDay.

    The match of an item that the bank is expected to show no more ends, and that of an item whose amount has changed by
    more than the tolerance: its provider pays out batches since, it was declared a duplicate, its refund failed, or a
    report added lines to the payout. So does the match of a line that the complete statement of its day does not have.
    Its line and its settlement line are open again.
    """
    unposted = await read_unposted(tx, import_id, at_most=at_most)
    overruled = await end_matches(
        tx,
        [(match_id, None) for match_id in await find_overruled_matches(tx, at_most=at_most)],
        MatchState.SUPERSEDED,
        at=stamp.at,
        by=None,
        reason="the complete statement of the day does not have this line",
    )
    if not unposted:
        return ConfirmedMatches(posted=0, ended=overruled)
    for each in unposted:
        if each.item_kind is ItemKind.REFUND:
            await complete_transfer(tx, context, RefundId(each.item_id), each.bank_reference, actor=stamp.actor)
    if any(each.item_kind is ItemKind.PAYOUT for each in unposted):
        await lock_payouts(tx)
    await lock_against_declaration(tx, [each.item_id for each in unposted if each.item_kind is ItemKind.PAYMENT])
    amounts = await read_posted_amounts(tx, [(each.item_kind, each.item_id) for each in unposted])
    expected: list[UnpostedMatch] = []
    for each in unposted:
        item = amounts.get((each.item_kind, each.item_id))
        if item is not None and abs(each.amount - item.expected) <= tolerance:
            expected.append(each)
    gone = {each.match_id for each in unposted} - {each.match_id for each in expected}
    sweeps = [
        Sweep(
            booked_on=each.booked_on,
            bank_account_id=each.bank_account_id,
            clearing_subject=amounts[each.item_kind, each.item_id].clearing_subject,
            amount=each.amount,
            expected=amounts[each.item_kind, each.item_id].expected,
            fee=amounts[each.item_kind, each.item_id].fee,
        )
        for each in expected
    ]
    entries = await post_sweeps(tx, context, sweeps, actor=stamp.actor)
    posted = [
        NewMatch(
            id=each.match_id,
            rule=MatchRule.BANK_REFERENCE,  # the rule of the match stays as it was
            difference=sweep.difference,
            fee=sweep.fee,
            entry_id=entry_id,
            clearing_subject=sweep.clearing_subject,
        )
        for each, sweep, entry_id in zip(expected, sweeps, entries, strict=True)
    ]
    if await post_matches(tx, posted) != len(posted):
        raise MatchChanged("a match of these lines has changed meanwhile; repeat the request")
    ended = await end_matches(
        tx,
        [(match_id, None) for match_id in sorted(gone)],
        MatchState.SUPERSEDED,
        at=stamp.at,
        by=None,
        reason="the bank is expected to show this item no more, or with another amount",
    )
    return ConfirmedMatches(posted=len(posted), ended=ended + overruled)


async def take_back(
    tx: Transaction, context: PaymentContext, matches: Sequence[StoredMatch], *, actor: Actor
) -> list[tuple[UUID, EntryId | None]]:
    """Post the reversed sweeps of locked matches; returns each with its entry, None if it has posted none."""
    posted = [match for match in matches if match.entry_id is not None]
    sweeps = []
    for match in posted:
        assert match.booked_on is not None, "a posted match has its line"
        assert match.bank_account_id is not None, "a posted match has its line"
        assert match.line_amount is not None, "a posted match has its line"
        assert match.clearing_subject is not None, "a posted match names its clearing account"
        sweeps.append(
            Sweep(
                booked_on=match.booked_on,
                bank_account_id=match.bank_account_id,
                clearing_subject=match.clearing_subject,
                amount=match.line_amount,
                expected=match.line_amount - match.difference,
                fee=match.fee,
            )
        )
    entries = await post_sweeps(tx, context, sweeps, actor=actor, is_reversed=True)
    entry_of = {match.id: entry_id for match, entry_id in zip(posted, entries, strict=True)}
    return [(match.id, entry_of.get(match.id)) for match in matches]


def with_lines(candidates: Sequence[Candidate], lines: Mapping[UUID, OpenLine]) -> list[Decided]:
    """Decided candidates with their lines."""
    return [Decided(line=lines[each.line_id], candidate=each) for each in candidates]


async def complete_transfer(
    tx: Transaction, context: PaymentContext, refund_id: RefundId, bank_reference: str, *, actor: Actor
) -> None:
    """Record that the money of a refund has left, if neither a person nor its provider has confirmed it.

    The line of the bank proves it: a later answer of the provider changes nothing. Its reference is kept where it names
    this transfer alone: a bank may repeat references, or state none.
    """
    refund, parts, _ = await lock_with_money(tx, refund_id)
    if refund.state not in (RefundState.SENT, RefundState.UNKNOWN):
        return
    reference = "" if is_placeholder(bank_reference) else normal_reference(bank_reference)
    if refund.bank_account_id is not None:
        left_from = bank_clearing_account(refund.bank_account_id)
        if await is_reference_used(tx, refund.bank_account_id, reference):
            reference = ""
    elif refund.provider_account_id is not None:
        left_from = clearing_account(refund.provider_account_id)
    else:
        return
    done = refund.complete(at=context.clock(), bank_reference=reference)
    await complete(tx, context, done, parts, left_from=left_from, actor=actor)

"""Actions of a decision on an open statement line: a bank charge, money without a callback, a line with its item.

These are steps. Each locks the exception, then writes the match of the line; the unique index of matches refuses a line
that a run has matched meanwhile. Source: docs/reconciliation.md, Exceptions.
"""

from billing.core.clock import noon_of
from billing.core.ids import EntryId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, account_subject
from billing.ledger.service.posting import post_entry
from billing.payments.domain.exception import ExceptionReason
from billing.payments.service.apply_notices import apply_deliveries
from billing.reconciliation.domain.exception_case import ActionNotPossible, Decision, DecisionEntry, DecisionFinal
from billing.reconciliation.domain.match_rules import Candidate, ItemKind, MatchRule, MatchState
from billing.reconciliation.service.bank_notices import line_delivery, line_name
from billing.reconciliation.service.deciding import Deciding, Effect, read_accounting_date
from billing.reconciliation.service.matching import Decided, current_rules, take_back, write_decided
from billing.reconciliation.service.matching_by_hand import ManualMatch, write_manual_match
from billing.reconciliation.store.confirmed_lines import read_booked
from billing.reconciliation.store.decided_lines import (
    DecidedLine,
    find_entry_of_line,
    find_item_of_line,
    find_line_to_book,
    find_match_of_entry,
    find_open_line,
    read_matchable_line,
)
from billing.reconciliation.store.matches import NewItem, NewMatch, RunStamp, add_items, add_matches
from billing.reconciliation.store.returned_items import is_returned
from billing.reconciliation.store.stored_matches import end_matches, lock_matches

_FEES = AccountKey(AccountRole.PAYMENT_FEES)
_BOOKABLE = (ExceptionReason.BANK_ONLY, ExceptionReason.CALLBACK_MISSING, ExceptionReason.DUPLICATE_TRANSFER)


async def book_charge(deciding: Deciding) -> Effect:
    """Book a fee or tax of the bank: D payment fees · C bank account, on the day of the line.

    Raises ActionNotPossible, ExceptionChanged.
    """
    tx, context = deciding.tx, deciding.context
    line = await lock_line(deciding)
    if line.amount > 0:
        raise ActionNotPossible("only money that left the account is a charge", field="action")
    amount = Dong(-line.amount)
    bank = AccountKey(AccountRole.BANK, account_subject(line.bank_account_id))
    entry_id = await post_entry(
        tx,
        context,
        EntryKind.BANK_CHARGE_BOOKED,
        [Posting(debit=_FEES, credit=bank, amount=amount)],
        actor=deciding.actor,
        effective_at=noon_of(line.booked_on),
    )
    assert entry_id is not None, "a charge has an amount"
    return await match_own_entry(deciding, line, MatchRule.BANK_CHARGE, entry_id)


async def match_own_entry(deciding: Deciding, line: DecidedLine, rule: MatchRule, entry_id: EntryId) -> Effect:
    """Match a locked line alone with the entry of the decision, which moved the bank account itself."""
    tx = deciding.tx
    match = NewMatch(
        id=deciding.context.ids.new(),
        rule=rule,
        entry_id=entry_id,
        clearing_subject=line.bank_account_id,
        reason=deciding.new.reason,
    )
    await add_matches(tx, [match], await _stamp(deciding))
    await add_items(tx, [NewItem(match_id=match.id, kind=ItemKind.STATEMENT_LINE, item_id=line.id, amount=line.amount)])
    return Effect(entries=(DecisionEntry(entry_id=entry_id, amount=Dong(abs(line.amount))),))


async def revert_charge(deciding: Deciding, decision: Decision, _decisions: tuple[Decision, ...]) -> Effect:
    """Take a booked charge back and open its line again: D bank account · C payment fees. Raises DecisionFinal."""
    tx, context = deciding.tx, deciding.context
    await deciding.lock_for_revert()
    (entry,) = decision.entries
    match_id = await find_match_of_entry(tx, entry.entry_id)
    if match_id is None or deciding.case.bank_account_id is None:
        raise DecisionFinal("the match of this charge was ended since")
    [match] = await lock_matches(tx, [match_id])
    if match.state is not MatchState.LIVE or match.line_id is None or await is_returned(tx, match.line_id):
        raise DecisionFinal("the bank has returned this charge, or its match was ended since")
    bank = AccountKey(AccountRole.BANK, account_subject(deciding.case.bank_account_id))
    posting = Posting(debit=bank, credit=_FEES, amount=entry.amount)
    entry_id = await post_entry(tx, context, EntryKind.BANK_CHARGE_BOOKED, [posting], actor=deciding.actor)
    assert entry_id is not None, "a charge has an amount"
    await end_matches(
        tx,
        [(match_id, entry_id)],
        MatchState.REVERTED,
        at=context.clock(),
        by=deciding.actor.person,
        reason=deciding.new.reason,
    )
    return Effect(entries=(DecisionEntry(entry_id=entry_id, amount=entry.amount),), is_closing=False)


async def revert_line_match(deciding: Deciding, decision: Decision, _decisions: tuple[Decision, ...]) -> Effect:
    """End the match of a decision and take its sweep back, unless a person ended it before. Raises DecisionFinal."""
    tx, context = deciding.tx, deciding.context
    await deciding.lock_for_revert()
    match_id = await find_match_of_entry(tx, decision.entries[0].entry_id) if decision.entries else None
    if match_id is None:
        return Effect(is_closing=False)
    [match] = await lock_matches(tx, [match_id])
    if match.state is not MatchState.LIVE:  # it ended while its row was waited for, and its sweep was taken back
        return Effect(is_closing=False)
    if match.is_on_closed_day:
        raise DecisionFinal("the day of the match is closed; its lines stay matched")
    ended = await take_back(tx, context, [match], actor=deciding.actor)
    await end_matches(
        tx, ended, MatchState.REVERTED, at=context.clock(), by=deciding.actor.person, reason=deciding.new.reason
    )
    return Effect(
        entries=tuple(
            DecisionEntry(entry_id=entry_id, amount=decision.entries[0].amount)
            for _, entry_id in ended
            if entry_id is not None
        ),
        is_closing=False,
    )


async def book_line(deciding: Deciding) -> Effect:
    """Book money that only the bank reports, by the rules of callbacks, and match it with its line.

    Money without a code becomes unallocated, with an exception of its own. Raises ActionNotPossible, ExceptionChanged.
    """
    tx, context = deciding.tx, deciding.context
    line = await lock_line(deciding)
    if line.amount < 0 or deciding.case.reason not in _BOOKABLE:
        raise ActionNotPossible("this line is not received money that we do not have", field="action")
    to_book = await find_line_to_book(tx, line.id)
    account = None if to_book is None else await context.accounts.find(tx.organization_id, to_book.account)
    if to_book is None or account is None:
        raise ActionNotPossible("no provider account reports this bank account line by line", field="action")
    await read_accounting_date(tx, context)  # opens today
    await apply_deliveries(tx, [line_delivery(context, account, to_book)], context)
    booked = (await read_booked(tx, [(account.id, line_name(to_book))])).get(line_name(to_book))
    if booked is None or booked.amount != line.amount:
        raise ActionNotPossible("a payment of ours has this bank reference; match the line with it", field="action")
    candidate = Candidate(
        line_id=line.id,
        item_kind=ItemKind.PAYMENT,
        item_id=booked.payment_id,
        expected=booked.amount,
        clearing_subject=booked.provider_account_id,
        rank=0,
    )
    return await match_decided(deciding, candidate)


async def match_line(deciding: Deciding) -> Effect:
    """Match a line with the items that the person names, else with the item that it may belong to, of the same amount.

    Raises ActionNotPossible, and for named items as `write_manual_match`.
    """
    if deciding.new.items:
        return await _match_named(deciding)
    candidate = await lock_with_item(deciding)
    line = await read_matchable_line(deciding.tx, candidate.line_id)
    rules = await current_rules(deciding.tx, deciding.context)
    if abs(line.amount - candidate.expected) > rules.tolerance:
        raise ActionNotPossible("the amounts differ by more than the tolerance", field="action")
    return await match_decided(deciding, candidate)


async def _match_named(deciding: Deciding) -> Effect:
    """Match the line, and those joined with it, with the items of the decision: one, or several that sum to it.

    The exceptions of joined lines close in the next round: their cause is gone.
    """
    new, tx = deciding.new, deciding.tx
    line_id = (await lock_line(deciding)).id
    named = ManualMatch(line_id=line_id, items=new.items, reason=new.reason, joined=new.joined)
    named.check()
    await write_manual_match(tx, deciding.context, named, deciding.actor)
    entry_id = await find_entry_of_line(tx, named.line_id)
    assert entry_id is not None, "the line of a complete statement is posted"
    amount = sum([(await read_matchable_line(tx, each)).amount for each in named.line_ids])
    return Effect(entries=(DecisionEntry(entry_id=entry_id, amount=Dong(abs(amount))),))


async def accept_fee(deciding: Deciding) -> Effect:
    """Accept what a provider kept: the part of a payout that is missing on its line is a fee.

    A fee that a report states is posted with its payout: the decision accepts it and posts nothing.
    Raises ActionNotPossible, ExceptionChanged.
    """
    if deciding.case.item_kind != ItemKind.STATEMENT_LINE:
        await deciding.lock()
        if deciding.case.reason not in (ExceptionReason.FEE_VARIANCE, ExceptionReason.FEE_DATA_MISSING):
            raise ActionNotPossible("this exception is not about a fee", field="action")
        return Effect()
    candidate = await lock_with_item(deciding)
    line = await read_matchable_line(deciding.tx, candidate.line_id)
    missing = candidate.expected - line.amount
    if candidate.item_kind is not ItemKind.PAYOUT or missing <= 0:
        raise ActionNotPossible("only a payout of which the provider kept a part has a fee to accept", field="action")
    kept = Candidate(
        line_id=line.id,
        item_kind=candidate.item_kind,
        item_id=candidate.item_id,
        expected=line.amount,
        clearing_subject=candidate.clearing_subject,
        rank=0,
        fee=candidate.fee + missing,
        match_id=candidate.match_id,
    )
    return await match_decided(deciding, kept)


async def lock_line(deciding: Deciding) -> DecidedLine:
    """Lock the exception, then find its open line. Raises ActionNotPossible, ExceptionChanged."""
    await deciding.lock()
    if deciding.case.item_kind != ItemKind.STATEMENT_LINE or deciding.case.item_id is None:
        raise ActionNotPossible("this exception is not about a statement line", field="action")
    line = await find_open_line(deciding.tx, deciding.case.item_id)
    if line is None:
        raise ActionNotPossible("this line is matched meanwhile", field="action")
    return line


async def lock_with_item(deciding: Deciding) -> Candidate:
    """Lock the exception, then find the item of ours that its line may belong to. Raises ActionNotPossible."""
    line = await lock_line(deciding)
    candidate = await find_item_of_line(deciding.tx, line.id)
    if candidate is None:
        raise ActionNotPossible("no payment or payout of ours fits this line", field="action")
    return candidate


async def match_decided(deciding: Deciding, candidate: Candidate) -> Effect:
    """Write the match with its sweep; the entries of the decision are that of the sweep."""
    tx = deciding.tx
    line = await read_matchable_line(tx, candidate.line_id)
    decided = [Decided(line=line, candidate=candidate)]
    stamp = await _stamp(deciding)
    if not await write_decided(tx, deciding.context, decided, MatchRule.MANUAL, stamp, reason=deciding.new.reason):
        raise ActionNotPossible("this payment was declared a duplicate meanwhile", field="action")
    entry_id = await find_entry_of_line(tx, candidate.line_id)
    if entry_id is None:
        return Effect()
    return Effect(entries=(DecisionEntry(entry_id=entry_id, amount=Dong(abs(line.amount))),))


async def _stamp(deciding: Deciding) -> RunStamp:
    rules = await current_rules(deciding.tx, deciding.context)
    return RunStamp(
        run_id=deciding.context.ids.new(),
        rule_set=rules.version,
        actor=deciding.actor,
        at=deciding.context.clock(),
    )

"""Book money that came back, or went back: the action of a decision on the statement line that returns it. Steps.

The money is locked first, then the exception. What was returned is owed again: a refund where it came from, an invoice
whose payment the bank took back. Source: docs/reconciliation.md, Returned transfers.
"""

from billing.core.clock import noon_of
from billing.core.errors import InvalidValue
from billing.core.ids import PaymentId, ProviderAccountId, RefundId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, account_subject
from billing.ledger.service.posting import post_entry
from billing.payments.domain.refund import RefundState
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.refunding import book_returned, lock_with_money
from billing.payments.store.unmatched_outflows import return_outflow
from billing.reconciliation.domain.exception_case import ActionNotPossible
from billing.reconciliation.domain.match_rules import Candidate, ItemKind, MatchRule
from billing.reconciliation.service.bank_notices import line_delivery, line_name
from billing.reconciliation.service.decide_lines import lock_line, match_decided, match_own_entry
from billing.reconciliation.service.deciding import Deciding, Effect, close_cases, read_accounting_date
from billing.reconciliation.store.decided_lines import DecidedLine
from billing.reconciliation.store.exceptions import lock_cases
from billing.reconciliation.store.returned_items import (
    ReturnedItem,
    find_booked_outflow,
    find_returned_items,
    read_line_of_payment,
    return_charge,
)


async def book_return(deciding: Deciding) -> Effect:
    """Book what a line returns: a refund, an outflow without a payment, a charge, or a payment that went back.

    The person names the item; without a name it is the only one that the line names. It is not reverted: the bank has
    moved the money. Raises ActionNotPossible, ExceptionChanged, InvalidValue.
    """
    item = await _find_item(deciding)
    match item.kind:
        case ItemKind.REFUND:
            return await _return_refund(deciding, RefundId(item.id))
        case ItemKind.OUTFLOW:
            return await _return_outflow(deciding, item)
        case ItemKind.STATEMENT_LINE:
            return await _return_charge(deciding, item)
        case _:
            return await _take_payment_back(deciding, PaymentId(item.id), item.provider_account_id)


async def _find_item(deciding: Deciding) -> ReturnedItem:
    new, case = deciding.new, deciding.case
    if case.item_kind != ItemKind.STATEMENT_LINE or case.item_id is None:
        raise ActionNotPossible("this exception is not about a statement line", field="action")
    found = await find_returned_items(deciding.tx, case.item_id)
    if len(new.items) > 1:
        raise InvalidValue("one line returns one item", field="items")
    if new.items:
        named = [each for each in found if (each.kind, each.id) == new.items[0]]
    else:
        named = [each for each in found if each.is_named]
    if len(named) != 1:
        raise ActionNotPossible(
            "this line returns no item of ours of this amount"
            if not found or new.items
            else "it is not certain what this line returns; name the item",
            field="items",
        )
    return named[0]


async def _return_refund(deciding: Deciding, refund_id: RefundId) -> Effect:
    """D bank account · C where the refund came from: credit, deposit or unallocated. The refund is `returned`."""
    tx = deciding.tx
    refund, parts, deposits = await lock_with_money(tx, refund_id)
    line = await lock_line(deciding)
    if refund.state is not RefundState.DONE:
        raise ActionNotPossible(f"this refund is {refund.state}; only one whose money left comes back", field="items")
    entry_id = await book_returned(
        tx,
        deciding.context,
        refund,
        parts,
        deposits,
        into=_bank(line),
        actor=deciding.actor,
        effective_at=noon_of(line.booked_on),
    )
    return await match_own_entry(deciding, line, MatchRule.RETURNED, entry_id)


async def _return_outflow(deciding: Deciding, item: ReturnedItem) -> Effect:
    """D bank account · C outflows without a payment: it waits for no payment any more."""
    if not await return_outflow(deciding.tx, item.id, at=deciding.context.clock()):
        raise ActionNotPossible("this outflow has a payment or came back before", field="items")
    line = await lock_line(deciding)
    posting = _posting(line, AccountKey(AccountRole.UNEXPLAINED_OUTFLOW))
    return await _post(deciding, line, EntryKind.OUTFLOW_RETURNED, posting)


async def _return_charge(deciding: Deciding, item: ReturnedItem) -> Effect:
    """D bank account · C payment fees."""
    line = await lock_line(deciding)
    if not await return_charge(deciding.tx, item.id, by_line=line.id):
        raise ActionNotPossible("this charge was taken back or returned before", field="items")
    posting = _posting(line, AccountKey(AccountRole.PAYMENT_FEES))
    return await _post(deciding, line, EntryKind.BANK_CHARGE_BOOKED, posting)


async def _take_payment_back(deciding: Deciding, payment_id: PaymentId, account_id: ProviderAccountId | None) -> Effect:
    """Money received that the bank took back: booked as an outflow by the rules of callbacks; its invoice owes again.

    A notice of the provider about the same outflow is a duplicate of it. Where the payment has the money no more, the
    outflow stays an exception of its own.
    """
    tx, context = deciding.tx, deciding.context
    assert deciding.case.item_id is not None, "the line was found before"
    assert account_id is not None, "a payment of a provider has its account"
    stated, keys = await read_line_of_payment(tx, deciding.case.item_id, payment_id)
    account = await context.accounts.find(tx.organization_id, stated.account)
    assert account is not None, "accounts are never removed"
    delivery = line_delivery(context, account, stated, reverses=keys)
    await read_accounting_date(tx, context)  # opens today
    await apply_deliveries(tx, [delivery], context)
    line = await lock_line(deciding)
    booked = await find_booked_outflow(tx, account_id, line_name(stated), delivery.id)
    if booked is None:
        raise ActionNotPossible("the names of this line belong to two movements; decide that exception", field="items")
    if booked.exception_id is not None and booked.payment_id is not None:
        cases = await lock_cases(tx, [booked.exception_id])
        await close_cases(tx, context, cases, reason="the reversal was decided with its statement line")
    candidate = Candidate(
        line_id=line.id,
        item_kind=ItemKind.OUTFLOW,
        item_id=booked.movement_id,
        expected=line.amount,
        clearing_subject=account_id,
        rank=0,
    )
    return await match_decided(deciding, candidate)


async def _post(deciding: Deciding, line: DecidedLine, kind: EntryKind, posting: Posting) -> Effect:
    entry_id = await post_entry(
        deciding.tx, deciding.context, kind, [posting], actor=deciding.actor, effective_at=noon_of(line.booked_on)
    )
    assert entry_id is not None, "a line has an amount"
    return await match_own_entry(deciding, line, MatchRule.RETURNED, entry_id)


def _bank(line: DecidedLine) -> AccountKey:
    return AccountKey(AccountRole.BANK, account_subject(line.bank_account_id))


def _posting(line: DecidedLine, credit: AccountKey) -> Posting:
    return Posting(debit=_bank(line), credit=credit, amount=Dong(line.amount))

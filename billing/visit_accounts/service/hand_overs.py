"""Hand cash over to the treasurer, accept or reject it, and pay cash of the safe into a bank account.

Source: docs/visit-accounts.md, Cash.
"""

from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId, ShiftId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, bank_clearing_account
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.journal import write_message
from billing.organizations.service.approvals import require_second_person
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.hand_over import HandOver, HandOverState, NewBankDeposit
from billing.visit_accounts.domain.shift import ShiftEventKind, WrongShift
from billing.visit_accounts.service.cash import CashMovement, lock_drawer, move_cash
from billing.visit_accounts.store.hand_overs import (
    add_bank_deposit,
    add_hand_over,
    has_bank_account,
    list_hand_overs,
    read_hand_over,
    write_decision,
)
from billing.visit_accounts.store.shifts import lock_latest_shift, read_drawer

_IN_TRANSIT = AccountKey(AccountRole.CASH_IN_TRANSIT)
_SAFE = AccountKey(AccountRole.SAFE)
_NOTES_MAX = 1000
_SLIP_MAX = 100


class BankSlipRecorded(Refused):
    """A deposit with this slip of the bank account was recorded before."""

    code = "bank_slip_recorded"


async def hand_over_cash(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    amount: Dong,
    *,
    notes: str = "",
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Send cash of one's own shift, also after its end, to the treasurer: D cash in transit · C drawer.

    Once the desk's next shift is open, the cash is part of that one and is handed over from it. A repeated `request`
    returns the earlier hand-over. Raises NotFound, WrongShift, NotEnoughCash, InvalidValue, PersonNeeded.
    """
    cashier = require_person(actor)
    if amount == 0 or len(notes) > _NOTES_MAX:
        raise InvalidValue(f"an amount above 0, and notes of at most {_NOTES_MAX} characters", field="amount")
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        drawer = await lock_drawer(tx, shift_id)
        drawer.shift.require_cashier(cashier)
        latest = await lock_latest_shift(tx, drawer.shift.desk_id)
        if latest is None or latest.id != shift_id:
            raise WrongShift("a later shift of the desk is open and holds this cash", field="shift_id")
        sent = HandOver(
            id=context.ids.new(),
            shift_id=shift_id,
            amount=amount,
            state=HandOverState.PENDING,
            notes=notes,
            requested_by=cashier,
            requested_at=context.clock(),
        )
        movement = CashMovement(
            kind=ShiftEventKind.HAND_OVER, amount=-amount, other=_IN_TRANSIT, entry_kind=EntryKind.HAND_OVER_SENT
        )
        await add_hand_over(tx, sent)
        await move_cash(tx, context, drawer, movement, actor=actor)
        await _announce(tx, context, sent, "hand_over_sent", actor)
        await save_result(tx, request, [sent.id], now=context.clock())
    return sent.id


async def accept_hand_over(
    context: PaymentContext, organization_id: OrganizationId, hand_over_id: UUID, *, actor: Actor
) -> None:
    """Put handed over cash into the safe: D safe · C cash in transit. By another person than who sent it.

    Raises NotFound, HandOverDecided, SecondPersonRequired, PersonNeeded.
    """
    async with context.database.transaction(organization_id, posting=True) as tx:
        sent = await _locked(tx, hand_over_id)
        accepted = sent.decide(HandOverState.ACCEPTED, by=require_person(actor), at=context.clock())
        await require_second_person(tx, sent.requested_by, actor)
        await write_decision(tx, accepted)
        posting = Posting(debit=_SAFE, credit=_IN_TRANSIT, amount=sent.amount)
        await post_entry(tx, context, EntryKind.HAND_OVER_ACCEPTED, [posting], actor=actor)
        await _announce(tx, context, accepted, "hand_over_accepted", actor)


async def reject_hand_over(
    context: PaymentContext, organization_id: OrganizationId, hand_over_id: UUID, *, reason: str, actor: Actor
) -> None:
    """Return handed over cash to the drawer of its desk, into the desk's latest shift: D drawer · C cash in transit.

    Raises NotFound, HandOverDecided, SecondPersonRequired, InvalidValue, PersonNeeded.
    """
    why = read_reason(reason, field="reason")
    async with context.database.transaction(organization_id, posting=True) as tx:
        found = await read_hand_over(tx, hand_over_id)
        if found is None:
            raise NotFound("no such hand-over", field="hand_over_id")
        desk_id = (await lock_drawer(tx, found.shift_id)).shift.desk_id
        latest = await lock_latest_shift(tx, desk_id)
        assert latest is not None, "the desk has the shift of the hand-over"
        sent = await _locked(tx, hand_over_id)
        rejected = sent.decide(HandOverState.REJECTED, by=require_person(actor), at=context.clock(), reason=why)
        await require_second_person(tx, sent.requested_by, actor)
        await write_decision(tx, rejected)
        movement = CashMovement(
            kind=ShiftEventKind.HAND_OVER_REJECTED,
            amount=sent.amount,
            other=_IN_TRANSIT,
            entry_kind=EntryKind.HAND_OVER_REJECTED,
            reason=why,
        )
        await move_cash(tx, context, await read_drawer(tx, latest), movement, actor=actor)
        await _announce(tx, context, rejected, "hand_over_rejected", actor)


async def deposit_at_bank(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: NewBankDeposit,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Record cash of the safe that was paid into a bank account: D 113 of the bank account · C safe.

    The statement line of the bank moves it to 1121 (`reconciliation/domain/sweep.py`).
    A repeated `request` returns the earlier deposit. Raises NotFound, BankSlipRecorded, InvalidValue, PersonNeeded.
    """
    by = require_person(actor)
    if new.amount == 0 or not 1 <= len(new.slip) <= _SLIP_MAX:
        raise InvalidValue("an amount above 0, and the number of the bank's slip", field="slip")
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        if not await has_bank_account(tx, new.bank_account_id):
            raise NotFound("no such bank account", field="bank_account_id")
        deposit_id = context.ids.new()
        is_new = await add_bank_deposit(tx, deposit_id, new, by=by, at=context.clock())
        if not is_new:
            raise BankSlipRecorded("this slip of the bank account was recorded before", field="slip")
        posting = Posting(debit=bank_clearing_account(new.bank_account_id), credit=_SAFE, amount=new.amount)
        await post_entry(tx, context, EntryKind.CASH_BANKED, [posting], actor=actor, item_id=deposit_id)
        await note(tx, context, actor, "cash_banked", ("bank_deposit", deposit_id))
        await save_result(tx, request, [deposit_id], now=context.clock())
    return deposit_id


async def find_hand_over(context: PaymentContext, organization_id: OrganizationId, hand_over_id: UUID) -> HandOver:
    """A hand-over with its decision. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        found = await read_hand_over(tx, hand_over_id)
    if found is None:
        raise NotFound("no such hand-over", field="hand_over_id")
    return found


async def list_all_hand_overs(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    shift_id: ShiftId | None = None,
    state: HandOverState | None = None,
) -> list[HandOver]:
    """Hand-overs, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await list_hand_overs(tx, part, shift_id=shift_id, state=state)


async def _locked(tx: Transaction, hand_over_id: UUID) -> HandOver:
    found = await read_hand_over(tx, hand_over_id, locked=True)
    if found is None:
        raise NotFound("no such hand-over", field="hand_over_id")
    return found


async def _announce(tx: Transaction, context: PaymentContext, sent: HandOver, action: str, actor: Actor) -> None:
    payload = {"hand_over_id": str(sent.id), "state": sent.state.value, "amount": sent.amount}
    await write_message(tx, context.ids.new(), topic="hand_over.updated", payload=payload)
    await note(tx, context, actor, action, ("hand_over", sent.id))

"""Card terminals and their daily batches: matched with our slips, booked as expected at the bank, with the fee.

Source: docs/visit-accounts.md, Cash; docs/reference/hospital-money.md §5.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.domain.accounts import (
    AccountKey,
    AccountRole,
    EntryKind,
    Posting,
    bank_clearing_account,
    terminal_account,
)
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.organizations.service.facilities import require_facility
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.card_batch import BatchAlreadyRecorded, compare_slips, compare_totals
from billing.visit_accounts.store.card_terminals import (
    CardBatch,
    CardTerminal,
    add_batch,
    add_terminal,
    lock_slips_without_batch,
    read_batch,
    read_terminals,
)
from billing.visit_accounts.store.hand_overs import has_bank_account

_TEXT_MAX = 40
_NAME_MAX = 100


class TerminalNumberTaken(Refused):
    """The organization has a terminal of this number."""

    code = "terminal_number_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTerminal:
    """A card terminal to add."""

    facility_code: str
    name: str
    terminal_number: str
    bank_account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A daily batch as the acquirer states it, in đồng; `slips` by approval code, or None if only counts are known."""

    terminal_id: UUID
    day: date
    batch_number: str
    count: int
    gross: Dong
    fee: Dong
    slips: Mapping[str, Dong] | None = None

    def check(self) -> None:
        """Raises InvalidValue."""
        if not 1 <= len(self.batch_number) <= _TEXT_MAX:
            raise InvalidValue(f"a batch number has 1 to {_TEXT_MAX} characters", field="batch_number")
        if self.count < 1 or self.gross == 0:
            raise InvalidValue("a batch has slips and an amount", field="gross")
        if self.fee > self.gross:
            raise InvalidValue("the fee is part of the gross amount", field="fee")
        if self.slips is not None and (len(self.slips), sum(self.slips.values())) != (self.count, self.gross):
            raise InvalidValue("the slips sum to the gross amount of the batch", field="slips")


async def add_card_terminal(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: NewTerminal,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Add a terminal. Raises NotFound, TerminalNumberTaken, InvalidValue."""
    if not (1 <= len(new.name) <= _NAME_MAX and 1 <= len(new.terminal_number) <= _TEXT_MAX):
        raise InvalidValue("a terminal has a name and a number", field="terminal_number")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        facility_id = await require_facility(tx, new.facility_code)
        if not await has_bank_account(tx, new.bank_account_id):
            raise NotFound("no such bank account", field="bank_account_id")
        terminal = CardTerminal(
            id=context.ids.new(),
            facility_id=facility_id,
            name=new.name,
            terminal_number=new.terminal_number,
            bank_account_id=new.bank_account_id,
        )
        if not await add_terminal(tx, terminal):
            raise TerminalNumberTaken("a terminal of this number exists", field="terminal_number")
        await note(tx, context, actor, "card_terminal_added", ("card_terminal", terminal.id))
        await save_result(tx, request, [terminal.id], now=context.clock())
    return terminal.id


async def list_card_terminals(
    context: PaymentContext, organization_id: OrganizationId, terminal_id: UUID | None = None
) -> list[CardTerminal]:
    """Every card terminal of the organization, or the one of an id."""
    async with context.database.transaction(organization_id) as tx:
        return await read_terminals(tx, terminal_id)


async def record_batch(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: NewBatch,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Record the batch of a terminal and day with its differences: D 113 of the bank account, D fees · C terminal.

    Slips whose amount is equal, or all open slips where the batch lists none and its total is ours, are in the batch.
    Raises NotFound, BatchAlreadyRecorded, InvalidValue, PersonNeeded.
    """
    new.check()
    person = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        bank_account_id = await _bank_account_of(tx, new.terminal_id)
        ours = await lock_slips_without_batch(tx, new.terminal_id, new.day)
        if new.slips is None:
            differences = compare_totals([slip.amount for slip in ours], slips=new.count, gross=new.gross)
            matched = [] if differences else ours
        else:
            differences = compare_slips({slip.approval_code: slip.amount for slip in ours}, new.slips)
            matched = [slip for slip in ours if new.slips.get(slip.approval_code) == slip.amount]
        batch = CardBatch(
            id=context.ids.new(),
            terminal_id=new.terminal_id,
            day=new.day,
            batch_number=new.batch_number,
            slips=new.count,
            gross=new.gross,
            fee=new.fee,
            net=Dong(new.gross - new.fee),
            recorded_by=person,
            recorded_at=context.clock(),
            differences=[{**asdict(each), "kind": each.kind.value} for each in differences],
        )
        if not await add_batch(tx, batch, payment_ids=[slip.payment_id for slip in matched]):
            raise BatchAlreadyRecorded(
                f"batch {new.batch_number} of this terminal and {new.day} was recorded before", field="batch_number"
            )
        await _post(tx, context, batch, bank_account_id, actor)
        await note(tx, context, actor, "card_batch_recorded", ("card_batch", batch.id))
        await save_result(tx, request, [batch.id], now=context.clock())
    return batch.id


async def find_batch(context: PaymentContext, organization_id: OrganizationId, batch_id: UUID) -> CardBatch:
    """A batch with its differences. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        batch = await read_batch(tx, batch_id)
    if batch is None:
        raise NotFound("no such card batch", field="batch_id")
    return batch


async def _bank_account_of(tx: Transaction, terminal_id: UUID) -> UUID:
    found = await read_terminals(tx, terminal_id)
    if not found or found[0].bank_account_id is None:
        raise NotFound("no such card terminal with a bank account", field="terminal_id")
    return found[0].bank_account_id


async def _post(
    tx: Transaction, context: PaymentContext, batch: CardBatch, bank_account_id: UUID, actor: Actor
) -> None:
    terminal = terminal_account(batch.terminal_id)
    debits = [(bank_clearing_account(bank_account_id), batch.net), (AccountKey(AccountRole.PAYMENT_FEES), batch.fee)]
    postings = [Posting(debit=key, credit=terminal, amount=amount) for key, amount in debits if amount > 0]
    await post_entry(tx, context, EntryKind.CARD_BATCH_CREDITED, postings, actor=actor, item_id=batch.id)

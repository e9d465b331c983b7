"""Receipts: list, read, reprint and void.

A void in the shift of the receipt returns its cash and ends the allocation of every other part, whose money becomes
credit of the patient: a payment is immutable. Source: docs/design.md §2, Receipt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import NotFound, Refused
from billing.core.ids import AllocationId, DepositRequestId, OrganizationId, PaymentId, ReceiptId, ShiftId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.invoices.domain.invoice import Invoice
from billing.invoices.store.invoices import lock_invoices, update_invoices
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_message
from billing.organizations.service.approvals import require_second_person
from billing.payments.domain.deposit import Deposit, DepositRequest
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import Destination, Move, MoveReason, PartAllocation
from billing.payments.service.allocation import move_money
from billing.payments.service.context import PaymentContext
from billing.payments.service.deposit_requests import apply_to_request
from billing.payments.service.webhook_messages import invoice_message
from billing.payments.store.allocations import end_refund, lock_allocations
from billing.payments.store.deposits import lock_deposits, lock_requests, update_deposits
from billing.payments.store.guarantee_receivables import lock_receivables_of_payments, update_receivables
from billing.payments.store.refund_needs import read_received_for_lines
from billing.visit_accounts.domain.receipt import (
    Direction,
    PartMethod,
    Receipt,
    ReceiptMoneyUsed,
    ReceiptPart,
    ReceiptState,
)
from billing.visit_accounts.domain.shift import Drawer, ShiftEventKind
from billing.visit_accounts.service.cash import REFUND_IN_TRANSIT, CashMovement, lock_drawer, move_cash
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.receipt_prints import find_by_token, read_print
from billing.visit_accounts.store.receipts import (
    count_print,
    list_receipts,
    read_receipt,
    read_requests_of_payments,
    void_receipt,
)

_ROUNDING = AccountKey(AccountRole.CASH_ROUNDING)


class ReceiptOfRefund(Refused):
    """A receipt of a refund is not voided: the money has left; collect it again."""

    code = "receipt_of_refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedReceipt:
    """A receipt with its printed form; `printed` is None once erased, or for an unused number."""

    receipt: Receipt
    printed: Mapping[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The locked rows that the money of a receipt is on."""

    visit_id: VisitId | None
    invoice: Invoice | None
    deposit: Deposit | None
    requests: Sequence[tuple[DepositRequest, Dong]]
    allocations: Sequence[PartAllocation]
    receivables: Mapping[UUID, GuaranteeReceivable]

    def sources(self, part: ReceiptPart, amount: Dong) -> list[PartAllocation]:
        """What of a payment is still on the target. Raises ReceiptMoneyUsed where it is less than the part."""
        found = [each for each in self.allocations if each.payment_id == part.payment_id and self._has(each)]
        if sum(each.amount for each in found) < amount:
            raise ReceiptMoneyUsed("the money of this receipt has moved on; return it by a refund")
        return found

    def by_visit(self, parts: Sequence[PartAllocation]) -> list[tuple[VisitId | None, list[PartAllocation]]]:
        """Parts of one payment with the visit that their posting names: for a payer that of each guarantee."""
        found: list[tuple[VisitId | None, list[PartAllocation]]] = []
        for part in parts:
            receivable = None if part.guarantee_id is None else self.receivables[part.guarantee_id]
            visit_id = self.visit_id if receivable is None else receivable.visit_id
            if found and found[-1][0] == visit_id:
                found[-1][1].append(part)
            else:
                found.append((visit_id, [part]))
        return found

    def _has(self, part: PartAllocation) -> bool:
        """Whether an allocation is on the target; a receipt of a payer has its guarantees, and its credit."""
        if self.invoice is not None:
            return part.invoice_id == self.invoice.id
        if self.deposit is not None:
            return part.deposit_id == self.deposit.id
        return part.target in (AllocationTarget.GUARANTEE, AllocationTarget.CREDIT)


async def find_receipt(
    context: PaymentContext, organization_id: OrganizationId, receipt_id: ReceiptId
) -> PrintedReceipt:
    """A receipt as it was printed. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        receipt = await read_receipt(tx, receipt_id)
        printed = await read_print(tx, receipt_id)
    if receipt is None:
        raise NotFound("no such receipt", field="receipt_id")
    return PrintedReceipt(receipt=receipt, printed=printed)


async def find_public_receipt(context: PaymentContext, organization_id: OrganizationId, token: str) -> PrintedReceipt:
    """The receipt of a public address, as it was printed. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        receipt_id = await find_by_token(tx, token)
        receipt = None if receipt_id is None else await read_receipt(tx, receipt_id)
        printed = None if receipt_id is None else await read_print(tx, receipt_id)
    if receipt is None:
        raise NotFound("no such receipt", field="token")
    return PrintedReceipt(receipt=receipt, printed=printed)


async def list_all_receipts(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    visit_id: VisitId | None = None,
    shift_id: ShiftId | None = None,
    state: ReceiptState | None = None,
) -> list[Receipt]:
    """Receipts without their parts, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await list_receipts(tx, part, visit_id=visit_id, shift_id=shift_id, state=state)


async def reprint_receipt(
    context: PaymentContext, organization_id: OrganizationId, receipt_id: ReceiptId, *, actor: Actor
) -> None:
    """Count one more print of a receipt. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        if await read_receipt(tx, receipt_id, locked=True) is None:
            raise NotFound("no such receipt", field="receipt_id")
        await count_print(tx, receipt_id, copies=1, at=context.clock())
        await note(tx, context, actor, "receipt_reprinted", ("receipt", receipt_id))


async def print_receipt(
    context: PaymentContext, organization_id: OrganizationId, receipt_id: ReceiptId, *, actor: Actor
) -> int:
    """Record a print: the first one, or one more copy; returns how many copies there are now. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        receipt = await read_receipt(tx, receipt_id, locked=True)
        if receipt is None:
            raise NotFound("no such receipt", field="receipt_id")
        copies = 0 if receipt.printed_at is None else 1
        await count_print(tx, receipt_id, copies=copies, at=context.clock())
        if copies:
            await note(tx, context, actor, "receipt_reprinted", ("receipt", receipt_id))
    context.publish_change(organization_id)
    return receipt.reprints + copies


async def void_issued_receipt(
    context: PaymentContext, organization_id: OrganizationId, receipt_id: ReceiptId, *, reason: str, actor: Actor
) -> None:
    """Void a receipt of a shift that is still open; another person than its cashier approves.

    Cash leaves the drawer and the target: D deposit or receivable · C refund in transit · C drawer. Other money becomes
    credit of the patient, or of the payer. Raises NotFound, ReceiptAlreadyVoid, ReceiptOfRefund, ShiftNotOpen,
    ReceiptMoneyUsed, NotEnoughCash, SecondPersonRequired, PersonNeeded, InvalidValue.
    """
    why = read_reason(reason, field="reason")
    async with context.database.transaction(organization_id, posting=True) as tx:
        found = await _read(tx, receipt_id)
        target = await _lock_target(tx, found)
        assert found.held_in is not None, "a receipt for money in is of a shift"
        drawer = await lock_drawer(tx, found.held_in)
        receipt = await _read(tx, receipt_id, locked=True)
        if receipt.held_in != drawer.shift.id:
            raise ReceiptMoneyUsed("the receipt was moved to another shift meanwhile; open it again")
        receipt.require_valid()
        drawer.shift.require_open()
        assert receipt.issued_by is not None, "a person issued the receipt"
        by = await require_second_person(tx, receipt.issued_by, actor)
        await _take_from_target(tx, context, receipt, target, actor=actor)
        await _take_from_drawer(tx, context, receipt, drawer, reason=why, actor=actor)
        await void_receipt(tx, receipt_id, reason=why, by=by, at=context.clock())
        payload = {"receipt_id": str(receipt.id), "number": receipt.written_number}
        await write_message(tx, context.ids.new(), topic="receipt.voided", payload=payload)
        await note(tx, context, actor, "receipt_voided", ("receipt", receipt_id))
    context.publish_change(organization_id)


async def _read(tx: Transaction, receipt_id: ReceiptId, *, locked: bool = False) -> Receipt:
    receipt = await read_receipt(tx, receipt_id, locked=locked)
    if receipt is None:
        raise NotFound("no such receipt", field="receipt_id")
    receipt.require_valid()
    if receipt.direction is Direction.OUT:
        raise ReceiptOfRefund("the cash of this receipt has left the drawer; a refund is not voided")
    return receipt


async def _lock_target(tx: Transaction, receipt: Receipt) -> _Target:
    """Lock account, charges, invoice, deposit, request and positions; a receipt names the same ones always."""
    invoice = deposit = None
    if receipt.deposit_id is not None and receipt.visit_id is not None:
        await lock_account(tx, receipt.visit_id)
        await lock_charges(tx, receipt.visit_id)
    if receipt.invoice_id is not None:
        invoice = (await lock_invoices(tx, [receipt.invoice_id]))[receipt.invoice_id]
    if receipt.deposit_id is not None:
        deposit = (await lock_deposits(tx, [receipt.deposit_id]))[receipt.deposit_id]
    payment_ids = [part.payment_id for part in receipt.parts if part.payment_id is not None]
    amounts = _amounts_by_request(receipt, await read_requests_of_payments(tx, payment_ids))
    locked = await lock_requests(tx, list(amounts))
    receivables = await lock_receivables_of_payments(tx, payment_ids)
    allocations = await lock_allocations(tx, payment_ids)
    return _Target(
        visit_id=receipt.visit_id,
        invoice=invoice,
        deposit=deposit,
        requests=[(locked[request_id], amount) for request_id, amount in sorted(amounts.items())],
        allocations=allocations,
        receivables=receivables,
    )


def _amounts_by_request(
    receipt: Receipt, of_payments: Mapping[PaymentId, DepositRequestId]
) -> dict[DepositRequestId, Dong]:
    """What the parts of a receipt count for requests: a provider's payment for that of its code."""
    amounts: dict[DepositRequestId, Dong] = {}
    for part in receipt.parts:
        request_id = receipt.deposit_request_id
        if part.method is PartMethod.PROVIDER and part.payment_id is not None:
            request_id = of_payments.get(part.payment_id)
        if request_id is not None:
            amounts[request_id] = Dong(amounts.get(request_id, 0) + part.amount)
    return amounts


async def _take_from_target(
    tx: Transaction, context: PaymentContext, receipt: Receipt, target: _Target, *, actor: Actor
) -> None:
    """Move the money of every part away from its target: cash to the refund that leaves now, the rest to credit."""
    receivables = dict(target.receivables)
    for part in receipt.parts:
        if part.payment_id is None:
            continue
        is_cash = part.method is PartMethod.CASH
        rest = receipt.credited(part)
        moves: list[Move] = []
        for visit_id, sources in target.by_visit(target.sources(part, rest)):
            destination = Destination(
                target=AllocationTarget.REFUND if is_cash else AllocationTarget.CREDIT,
                reason=MoveReason.RECEIPT_VOIDED,
                visit_id=visit_id,
            )
            amount = Dong(min(rest, sum(each.amount for each in sources)))
            moves += await move_money(tx, context, sources, amount, destination, actor=actor)
            rest = Dong(rest - amount)
        for move in moves:
            if move.source.guarantee_id is not None:
                owed_again = receivables[move.source.guarantee_id].give_back(move.amount)
                receivables[move.source.guarantee_id] = owed_again
        if is_cash:
            await _end_refunds(tx, context, moves)
    await update_receivables(tx, [one for key, one in receivables.items() if one != target.receivables[key]])
    if target.invoice is not None:
        invoice = target.invoice.deallocate(receipt.amount)
        await update_invoices(tx, [invoice])
        topic, payload = invoice_message(invoice)
        await write_message(tx, context.ids.new(), topic=topic, payload=payload)
    if target.deposit is not None:
        await update_deposits(tx, [target.deposit.give_back(receipt.amount)])
    for request, amount in target.requests:
        await apply_to_request(tx, context, request, Dong(-amount))
    if target.deposit is not None:
        # Free money of a deposit may have paid lines that no receipt names: what is left must still pay them.
        left = target.deposit.give_back(receipt.amount)
        counted = sum(each.for_lines for each in await read_received_for_lines(tx, left.id))
        if left.held + left.applied < counted:
            raise ReceiptMoneyUsed("the money of this receipt pays ordered lines; return them by a refund first")
        await update_clearance(tx, context, target.deposit.visit_id)


async def _end_refunds(tx: Transaction, context: PaymentContext, moves: Sequence[Move]) -> None:
    """The cash of moved money leaves now."""
    reserved = [
        PartAllocation(
            id=move.moved_id, payment_id=move.source.payment_id, target=AllocationTarget.REFUND, amount=move.amount
        )
        for move in moves
    ]
    await end_refund(tx, reserved, [AllocationId(context.ids.new()) for _ in reserved], at=context.clock())


async def _take_from_drawer(
    tx: Transaction, context: PaymentContext, receipt: Receipt, drawer: Drawer, *, reason: str, actor: Actor
) -> None:
    """Take cash and rounding back out of the drawer; what comes in, the reversal of a rounding down, comes first."""
    movements = [
        CashMovement(
            kind=ShiftEventKind.VOID,
            amount=part.amount if part.method is PartMethod.ROUNDING else -receipt.credited(part),
            other=_ROUNDING if part.method is PartMethod.ROUNDING else REFUND_IN_TRANSIT,
            entry_kind=EntryKind.RECEIPT_VOIDED,
            reason=reason,
            receipt_id=receipt.id,
            visit_id=receipt.visit_id,
            payment_id=part.payment_id,
        )
        for part in receipt.parts
        if part.method in (PartMethod.CASH, PartMethod.ROUNDING)
    ]
    for movement in sorted(movements, key=lambda movement: -movement.amount):
        drawer = await move_cash(tx, context, drawer, movement, actor=actor)

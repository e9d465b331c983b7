"""Take money at the desk for one target with several methods, on one numbered receipt. These are steps.

`lock_target` comes first, then the drawer, the number, the money and the paper: the lock order of
docs/visit-accounts.md. Posting rules: docs/reference/hospital-money.md §5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import PaymentId, ReceiptId
from billing.core.money import NOTHING, Dong
from billing.db.database import Transaction
from billing.db.series import take_numbers
from billing.invoices.domain.invoice import Invoice, InvoiceNotIssued, InvoiceState
from billing.invoices.store.invoices import lock_invoices
from billing.ledger.domain.accounts import (
    AccountKey,
    AccountRole,
    account_subject,
    drawer_account,
    terminal_account,
)
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import Deposit, DepositClosed, DepositRequest
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable
from billing.payments.domain.reallocation import PartAllocation
from billing.payments.service.allocation import CounterTarget, receive_counter_payment
from billing.payments.service.context import PaymentContext
from billing.payments.service.deposit_requests import apply_to_request
from billing.payments.service.webhook_messages import invoice_message
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.counter_payments import CounterPayment, PaymentMethod, find_booked_transfer
from billing.payments.store.deposits import lock_deposit_of_visit, lock_requests
from billing.payments.store.duplicate_candidates import lock_bank_accounts
from billing.visit_accounts.domain.collection import CollectedPart, Collection, PaymentNotOfTarget, change_of
from billing.visit_accounts.domain.receipt import (
    SERIES,
    Direction,
    OverCollection,
    PartMethod,
    PaymentHasReceipt,
    Purpose,
    Receipt,
    ReceiptPart,
    ReceiptState,
    SlipAlreadyRecorded,
    TransferAlreadyBooked,
)
from billing.visit_accounts.domain.shift import Drawer, ShiftEvent, ShiftEventKind, round_cash
from billing.visit_accounts.service.cash import issue_receipt, lock_own_drawer, move_cash, round_receipt
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.service.payer_collecting import lock_owed, pay_with_taken, record_payer
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.card_terminals import CardSlip, add_slip, read_terminals
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.desks import find_desk
from billing.visit_accounts.store.hand_overs import has_bank_account
from billing.visit_accounts.store.receipt_prints import read_print_head
from billing.visit_accounts.store.receipts import (
    find_receipt_of_payment,
    read_last_collection,
    read_requests_of_payments,
)
from billing.visit_accounts.store.shifts import add_event


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperNumber:
    """The number of a paper block under which a receipt was written, with its own time."""

    block_id: UUID
    series: str
    year: int
    number: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """Where collected money goes, locked: an invoice, a deposit with the request that it pays, or what a payer owes."""

    invoice: Invoice | None = None
    deposit: Deposit | None = None
    request: DepositRequest | None = None
    receivables: Sequence[GuaranteeReceivable] = ()

    @property
    def purpose(self) -> Purpose:
        """The purpose of its receipt."""
        if self.receivables:
            return Purpose.GUARANTEE
        return Purpose.DEPOSIT if self.invoice is None else Purpose.INVOICE

    def owed(self, collection: Collection) -> Dong:
        """The most that may be collected now."""
        if self.invoice is not None:
            return self.invoice.owed
        if self.request is not None:
            return self.request.remaining
        return collection.taken

    def is_target_of(self, part: PartAllocation) -> bool:
        """Whether an allocation is on this target."""
        if self.invoice is not None:
            return part.invoice_id == self.invoice.id
        return self.deposit is not None and part.deposit_id == self.deposit.id

    def after(self, amount: Dong) -> "Target":
        """The target after money was allocated to it; a payer's money is credit until it is paid."""
        return replace(
            self,
            invoice=None if self.invoice is None else self.invoice.allocate(amount),
            deposit=None if self.deposit is None else self.deposit.receive(amount),
        )


async def collect(
    tx: Transaction, context: PaymentContext, collection: Collection, *, paper: PaperNumber | None = None, actor: Actor
) -> Receipt:
    """Take the parts of a collection in the caller's open shift and issue the receipt.

    Raises NotFound, DepositClosed, InvoiceNotIssued, OverCollection, AmountMismatch, PaymentNotOfTarget,
    PaymentHasReceipt, TransferAlreadyBooked, NoOpenShift, TenderedTooLittle, SlipAlreadyRecorded, ReceiptNumberTaken,
    NoOpenDay.
    """
    collection.check()
    await _require_new_transfers(tx, context, collection)
    target = await lock_target(tx, collection)
    provider_parts = await _provider_parts(tx, collection, target)
    on_target = Dong(sum(part.amount for part in provider_parts))
    owed = target.owed(collection)
    if collection.taken > owed:
        raise OverCollection(await _over_collection(tx, collection, target, owed), field="parts")
    collection.check_amount(on_target=on_target)
    drawer = await lock_own_drawer(tx, actor)
    desk = await find_desk(tx, drawer.shift.desk_id)
    assert desk is not None, "a shift is at a desk"
    cash = next(iter(collection.of_method(PartMethod.CASH)), None)
    rounding = 0 if cash is None else round_cash(cash.amount, step=desk.rounding_step)
    change = NOTHING if cash is None else change_of(cash, rounding=rounding)
    now = context.clock()
    series, year, number = await _take_number(tx, paper, now=now)
    receipt = Receipt(
        id=ReceiptId(context.ids.new()),
        series=series,
        year=year,
        number=number,
        direction=Direction.IN,
        purpose=target.purpose,
        state=ReceiptState.VALID,
        amount=Dong(collection.taken + on_target),
        issued_at=now if paper is None else paper.issued_at,
        issued_by=actor.person,
        visit_id=collection.visit_id,
        shift_id=drawer.shift.id,
        block_id=None if paper is None else paper.block_id,
        deposit_id=None if target.deposit is None else target.deposit.id,
        deposit_request_id=None if target.request is None else target.request.id,
        invoice_id=None if target.invoice is None else target.invoice.id,
    )
    taking = _Taking(tx=tx, context=context, receipt=receipt, drawer=drawer, target=target, actor=actor)
    parts = [await taking.take(part) for part in collection.parts if part.method is not PartMethod.PROVIDER]
    if rounding:
        await taking.round(rounding)
        parts = [_with_rounding(part, rounding) for part in parts]
        parts.append(ReceiptPart(method=PartMethod.ROUNDING, amount=-rounding))
    await announce_target(tx, context, taking.target, collection.taken)
    receipt = replace(receipt, parts=(*parts, *provider_parts))
    printed = await read_print_head(tx, receipt)
    if collection.payer:
        printed |= await pay_with_taken(tx, context, collection.payer, receipt, target.receivables, actor=actor)
    if cash is not None:
        printed |= {"tendered": cash.amount + rounding + change, "change": change}
    await issue_receipt(tx, context, receipt, printed=printed, actor=actor)
    if collection.payer:
        await record_payer(tx, context, collection.payer, receipt, actor=actor)
    return receipt


async def _require_new_transfers(tx: Transaction, context: PaymentContext, collection: Collection) -> None:
    """Lock the bank accounts of confirmed transfers, first of all locks, and refuse one that is booked already."""
    transfers = [part for part in collection.of_method(PartMethod.TRANSFER) if part.bank_account_id is not None]
    if not transfers:
        return
    await lock_bank_accounts(tx, sorted({part.bank_account_id for part in transfers if part.bank_account_id}))
    for part in transfers:
        assert part.bank_account_id is not None, "a transfer names its bank account"
        booked = await find_booked_transfer(tx, part.bank_account_id, part.reference, part.amount, at=context.clock())
        if booked is not None:
            raise TransferAlreadyBooked(f"reference {part.reference} is booked as payment {booked}", field="parts")


def _with_rounding(part: ReceiptPart, rounding: int) -> ReceiptPart:
    """The cash part as the cash that was given."""
    return replace(part, amount=part.amount + rounding) if part.method is PartMethod.CASH else part


async def lock_target(tx: Transaction, collection: Collection) -> Target:
    """Lock what a collection pays. Raises NotFound, InvoiceNotIssued, DepositClosed, GuaranteesPaid."""
    if collection.payer:
        return Target(receivables=await lock_owed(tx, collection.payer, collection.guarantee_ids))
    if collection.invoice_id is not None:
        invoice = (await lock_invoices(tx, [collection.invoice_id])).get(collection.invoice_id)
        if invoice is None or invoice.visit_id != collection.visit_id:
            raise NotFound("no such invoice of this visit", field="invoice_id")
        if invoice.state is not InvoiceState.ISSUED:
            raise InvoiceNotIssued(f"invoice {invoice.number} is {invoice.state}", field="invoice_id")
        return Target(invoice=invoice)
    assert collection.visit_id is not None, "a collection without a payer is for a visit"
    account = await lock_account(tx, collection.visit_id)
    if account is None:
        raise NotFound("no open visit with this id", field="visit_id")
    await lock_charges(tx, collection.visit_id)
    deposit = await lock_deposit_of_visit(tx, collection.visit_id)
    if deposit is None:
        raise NotFound("no open visit with this id", field="visit_id")
    if not deposit.takes_money:
        raise DepositClosed(f"visit {account.ma_lk} has its final bill{account.ending}; collect for its invoice")
    if collection.deposit_request_id is None:
        return Target(deposit=deposit)
    request = (await lock_requests(tx, [collection.deposit_request_id])).get(collection.deposit_request_id)
    if request is None or request.deposit_id != deposit.id:
        raise NotFound("no such deposit request of this visit", field="deposit_request_id")
    return Target(deposit=deposit, request=request)


async def _over_collection(tx: Transaction, collection: Collection, target: Target, owed: Dong) -> str:
    """What is collected and owed, and whose money came last."""
    last = await read_last_collection(
        tx,
        invoice_id=None if target.invoice is None else target.invoice.id,
        deposit_id=None if target.deposit is None else target.deposit.id,
    )
    sentence = f"{collection.taken} đồng are collected, {owed} đồng are owed"
    if last is None:
        return sentence
    by = "" if last.issued_by is None else f", taken by {last.issued_by}"
    return f"{sentence}; the last money came at {last.recorded_at:%Y-%m-%d %H:%M:%S} UTC by {last.method}{by}"


async def announce_target(tx: Transaction, context: PaymentContext, target: Target, taken: Dong) -> None:
    """Count the money for the request and clear the lines that it pays, or announce what the invoice owes now."""
    if not taken:
        return
    if target.request is not None:
        await apply_to_request(tx, context, target.request, taken)
    if target.deposit is not None:
        await update_clearance(tx, context, target.deposit.visit_id)
    if target.invoice is not None:
        topic, payload = invoice_message(target.invoice)
        await write_message(tx, context.ids.new(), topic=topic, payload=payload)


async def _provider_parts(tx: Transaction, collection: Collection, target: Target) -> list[ReceiptPart]:
    """The parts of payments that came before, each with what of it is on the target; their positions are locked."""
    payment_ids = [part.payment_id for part in collection.of_method(PartMethod.PROVIDER) if part.payment_id is not None]
    if not payment_ids:
        return []
    allocations = await lock_allocations(tx, payment_ids)
    requests = await read_requests_of_payments(tx, payment_ids)
    parts = []
    for payment_id in payment_ids:
        amount = _on_target(allocations, target, payment_id)
        if amount == 0 or (target.request is not None and requests.get(payment_id) != target.request.id):
            raise PaymentNotOfTarget(f"no money of payment {payment_id} is on this target", field="parts")
        earlier = await find_receipt_of_payment(tx, payment_id)
        if earlier is not None:
            raise PaymentHasReceipt(f"payment {payment_id} is on receipt {earlier}", field="parts")
        parts.append(ReceiptPart(method=PartMethod.PROVIDER, amount=amount, payment_id=payment_id))
    return parts


def _on_target(allocations: Sequence[PartAllocation], target: Target, payment_id: PaymentId) -> Dong:
    return Dong(sum(each.amount for each in allocations if each.payment_id == payment_id and target.is_target_of(each)))


async def _take_number(tx: Transaction, paper: PaperNumber | None, *, now: datetime) -> tuple[str, int, int]:
    """Series, year and number of the receipt: the next of its series, or those of its paper."""
    if paper is not None:
        return paper.series, paper.year, paper.number
    series, year = SERIES[Direction.IN], business_date(now).year
    [number] = await take_numbers(tx, series=series, year=year)
    return series, year, number


@dataclass(slots=True, kw_only=True)
class _Taking:
    """Takes the parts of one receipt, one after the other; `drawer` and `target` follow."""

    tx: Transaction
    context: PaymentContext
    receipt: Receipt
    drawer: Drawer
    target: Target
    actor: Actor

    async def take(self, part: CollectedPart) -> ReceiptPart:
        """Book one part: D drawer, terminal or bank in transit · C deposit or receivable of the patient."""
        payment = CounterPayment(
            id=PaymentId(self.context.ids.new()),
            method=PaymentMethod(part.method.value),
            amount=part.amount,
            shift_id=None if part.method is PartMethod.TRANSFER else self.drawer.shift.id,
            reference=part.approval_code or part.reference,
            occurred_at=self.receipt.issued_at,
            allocations=(),
            bank_account_id=part.bank_account_id,
        )
        invoice, deposit = self.target.invoice, self.target.deposit
        entry_id = await receive_counter_payment(
            self.tx,
            self.context,
            payment,
            [CounterTarget(amount=part.amount, invoice=invoice, deposit=deposit)],
            debit=await self._debit(part),
            actor=self.actor,
        )
        self.target = self.target.after(part.amount)
        if part.method is PartMethod.CASH:
            self.drawer = self.drawer.move(part.amount)
            event = ShiftEvent(
                id=self.context.ids.new(),
                shift_id=self.drawer.shift.id,
                kind=ShiftEventKind.COLLECTION,
                amount=part.amount,
                recorded_at=self.context.clock(),
                receipt_id=self.receipt.id,
                entry_id=entry_id,
            )
            await add_event(self.tx, event, actor=self.actor)
        if part.method is PartMethod.CARD:
            await self._add_slip(part, payment)
        return ReceiptPart(method=part.method, amount=part.amount, payment_id=payment.id)

    async def round(self, rounding: int) -> None:
        """Book what cash rounding adds or takes off."""
        movement = round_receipt(self.receipt, rounding)
        self.drawer = await move_cash(self.tx, self.context, self.drawer, movement, actor=self.actor)

    async def _debit(self, part: CollectedPart) -> AccountKey:
        if part.method is PartMethod.CASH:
            return drawer_account(self.drawer.shift.desk_id)
        if part.terminal_id is not None:
            if not await read_terminals(self.tx, part.terminal_id):
                raise NotFound("no such card terminal", field="terminal_id")
            return terminal_account(part.terminal_id)
        assert part.bank_account_id is not None, "a transfer names its bank account"
        if not await has_bank_account(self.tx, part.bank_account_id):
            raise NotFound("no such bank account", field="bank_account_id")
        return AccountKey(AccountRole.CLEARING, account_subject(part.bank_account_id))

    async def _add_slip(self, part: CollectedPart, payment: CounterPayment) -> None:
        assert part.terminal_id is not None, "a card part names its terminal"
        slip = CardSlip(
            payment_id=payment.id,
            terminal_id=part.terminal_id,
            shift_id=self.drawer.shift.id,
            day=business_date(payment.occurred_at),
            approval_code=part.approval_code,
            amount=part.amount,
        )
        if not await add_slip(self.tx, slip):
            raise SlipAlreadyRecorded(
                f"approval code {part.approval_code} of this terminal was recorded on {slip.day}", field="parts"
            )

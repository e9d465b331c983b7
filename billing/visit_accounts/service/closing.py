"""Close the account of a visit at a price that was computed before: invoice, corrections, deposit, state. A step.

Requires a transaction with `posting=True` that holds the visit account and its charges locked. Locks here, in the lock
order: invoices, deposit, requests, guarantees, intents, positions of payments. Source: docs/visit-accounts.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from billing.checkout.store.intents import lock_open_intents_of_deposit, set_intent_state
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import InvoiceId
from billing.core.money import NOTHING, Dong, Shares, sum_shares
from billing.coverage.domain.pricing_authority import CollectedPrice
from billing.coverage.service.pricing_inputs import PricingInputs
from billing.db.database import Transaction
from billing.invoices.domain.correction import (
    BilledLine,
    Correction,
    changed_lines,
    limit_write_offs,
    price_corrections,
    reduction_corrections,
)
from billing.invoices.domain.invoice import CorrectionNeeded, Invoice, NothingToInvoice, shares_still_to_invoice
from billing.invoices.service.issuing import IssuedPrice, add_issued_invoice
from billing.invoices.store.corrections import (
    billed_line,
    lock_visit_invoices,
    read_billed_lines,
    read_billed_shares,
    read_reduced,
)
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import Deposit, DepositRequest, DepositState, RequestState
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import PartAllocation
from billing.payments.service.allocation import apply_deposit, release_deposit
from billing.payments.service.context import PaymentContext
from billing.payments.service.deposit_requests import write_request_changes
from billing.payments.service.webhook_messages import intent_message
from billing.payments.store.allocations import lock_visit_allocations
from billing.payments.store.deposits import lock_deposit_of_visit, lock_open_requests, update_deposits
from billing.payments.store.guarantee_receivables import lock_receivables_of_visit
from billing.payments.store.visit_payments import find_payments_of_visit
from billing.visit_accounts.domain.account import AccountState, VisitAccount
from billing.visit_accounts.domain.final_bill import FinalBill, MoneyOwed, bill_amounts
from billing.visit_accounts.domain.guarantee import BearersOfShare, GuaranteeState
from billing.visit_accounts.service.account_writes import announce_guarantee
from billing.visit_accounts.service.correcting import Corrections, correct_invoices, pay_with_credit
from billing.visit_accounts.service.discharge import require_discharge_clearance
from billing.visit_accounts.store.accounts import update_account
from billing.visit_accounts.store.final_bills import add_final_bill, read_final_bills
from billing.visit_accounts.store.guarantees import lock_bearers, update_guarantee
from billing.visits.domain.visit import Visit
from billing.visits.formats.visit_document import canonical, content_hash, write_patient, write_visit
from billing.visits.store.visits import NewVersion, Source, add_version, lock_visit_by_ma_lk, update_visit
from providers.contract import Outcome

_SOURCE = Source("account")


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedAccount:
    """An account with the visit that was built from it, and its price."""

    account: VisitAccount
    visit: Visit
    collected: CollectedPrice
    terms: PricingInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Locked:
    """The locked rows of a visit.

    `billed` are the shares of each invoice at its corrected price, the oldest first; `reduced` is the part that each
    invoice has of each reduction.
    """

    invoices: Sequence[Invoice]
    billed: Mapping[InvoiceId, Shares]
    reduced: Mapping[InvoiceId, Mapping[UUID, int]]
    deposit: Deposit | None
    requests: Sequence[DepositRequest]
    bearers: BearersOfShare
    intents: Sequence[Intent]
    credit: Sequence[PartAllocation]

    @property
    def covered(self) -> int:
        """The patient's own money that is not on an invoice yet."""
        return sum(part.amount for part in self.credit) + (NOTHING if self.deposit is None else self.deposit.held)


@dataclass(frozen=True, slots=True)
class _Bill:
    """The shares of the invoices at the new price: a further invoice was issued, or the earlier ones are corrected."""

    billed: Mapping[InvoiceId, Shares]
    issued: Invoice | None
    corrections: Sequence[Correction]
    lines: Sequence[BilledLine]


async def close_account(tx: Transaction, context: PaymentContext, priced: PricedAccount, *, actor: Actor) -> FinalBill:
    """Close a locked account; returns the final bill. Raises DischargeBlocked, MoneyOwed, NoOpenDay."""
    now, account = context.clock(), priced.account
    locked = await _lock(tx, account)
    await require_discharge_clearance(tx, account.visit_id, now=now)
    version = await _store_version(tx, context, priced)
    bill = await _bill_price(tx, context, priced, version, locked.billed, actor=actor)
    invoices = [*locked.invoices] if bill.issued is None else [*locked.invoices, bill.issued]
    shares = sum_shares(bill.billed.values())
    counted = frozenset(key for parts in locked.reduced.values() for key in parts)
    for one in locked.bearers.expired(business_date(now), counted):
        expired = one.end(GuaranteeState.EXPIRED)
        await update_guarantee(tx, expired, changed_by=None, at=now)
        await announce_guarantee(tx, context, expired, Actor.system(), "guarantee_expired")
    reductions = limit_write_offs(
        shares.patient,
        locked.bearers.reductions(business_date(now), counted),
        covered=sum(invoice.allocated for invoice in invoices) + locked.covered,
    )
    corrections = [*bill.corrections, *reduction_corrections(bill.billed, locked.reduced, reductions)]
    final_bill_id = context.ids.new()
    made = Corrections(
        visit_id=account.visit_id, corrections=corrections, lines=bill.lines, final_bill_id=final_bill_id
    )
    invoices = await correct_invoices(tx, context, invoices, made, actor=actor)
    invoices = await pay_with_credit(tx, context, invoices, locked.credit, actor)
    deposit, invoices = await _apply_deposit(tx, context, locked.deposit, invoices, actor)
    owed = Dong(sum(invoice.owed for invoice in invoices))
    if owed and not locked.bearers.has_agreed_debt:
        raise MoneyOwed(owed)
    released = await _close_deposit(tx, context, deposit, locked, actor)
    paid = Dong(sum(invoice.allocated for invoice in invoices))
    amounts = bill_amounts(shares, reductions, paid=paid)
    closed = replace(
        account.with_price(priced.collected.priced.shares, at=now),
        state=AccountState.CLOSED,
        version=account.version + 1,
        ended_at=now,
    )
    final = FinalBill(
        id=final_bill_id,
        visit_id=account.visit_id,
        number=len(await read_final_bills(tx, account.visit_id)) + 1,
        account_version=closed.version,
        visit_version=version,
        invoice_id=None if bill.issued is None else bill.issued.id,
        shares=shares,
        guaranteed=amounts.guaranteed,
        exempted=amounts.exempted,
        written_off=amounts.written_off,
        paid=paid,
        owed=owed,
        released=released,
        recorded_at=now,
    )
    await update_account(tx, closed)
    await add_final_bill(tx, final, actor)
    await note(tx, context, actor, "visit_closed", ("visit", account.visit_id))
    payload = {"visit_id": str(account.visit_id), "version": closed.version, "owed": owed, "released": released}
    await write_message(tx, context.ids.new(), topic="visit.closed", payload=payload)
    return final


async def _lock(tx: Transaction, account: VisitAccount) -> _Locked:
    invoices = await lock_visit_invoices(tx, account.visit_id)
    deposit = await lock_deposit_of_visit(tx, account.visit_id)
    requests = [] if deposit is None else await lock_open_requests(tx, deposit.id)
    bearers = await lock_bearers(tx, account.visit_id)
    receivables = await lock_receivables_of_visit(tx, account.visit_id)
    intents = [] if deposit is None else await lock_open_intents_of_deposit(tx, deposit.id)
    invoice_ids = [invoice.id for invoice in invoices]
    parts = await lock_visit_allocations(
        tx, invoice_ids, None if deposit is None else deposit.id, [one.guarantee_id for one in receivables]
    )
    own = set(await find_payments_of_visit(tx, account.visit_id))
    credit = [part for part in parts if part.target is AllocationTarget.CREDIT and part.payment_id in own]
    return _Locked(
        invoices=invoices,
        billed=await read_billed_shares(tx, account.visit_id),
        reduced=await read_reduced(tx, account.visit_id),
        deposit=deposit,
        requests=requests,
        bearers=bearers,
        intents=intents,
        credit=credit,
    )


async def _store_version(tx: Transaction, context: PaymentContext, priced: PricedAccount) -> int:
    """The version of the visit with the content of the account: the known one if it is equal, else a new one."""
    account, visit = priced.account, priced.visit
    row = await lock_visit_by_ma_lk(tx, account.facility_id, account.ma_lk)
    assert row is not None, "an account is of a visit"
    document = write_visit(visit)
    new_hash = content_hash(canonical({"visit": document, "patient": write_patient(visit.patient)}))
    if row.content_hash == new_hash:
        return row.version
    version = row.version if row.content_hash is None else row.version + 1
    await update_visit(tx, account.visit_id, visit, version=version)
    await add_version(
        tx,
        account.visit_id,
        NewVersion(version=version, content_hash=new_hash, source=_SOURCE, document=document),
        patient=visit.patient,
        recorded_at=context.clock(),
    )
    return version


async def _bill_price(
    tx: Transaction,
    context: PaymentContext,
    priced: PricedAccount,
    version: int,
    billed: Mapping[InvoiceId, Shares],
    *,
    actor: Actor,
) -> _Bill:
    """Issue an invoice of what is not invoiced yet, or correct the earlier invoices where a payer owes less."""
    whole, visit_id = priced.collected.priced.shares, priced.account.visit_id
    try:
        shares = shares_still_to_invoice(whole, list(billed.values()))
    except NothingToInvoice:
        return _Bill(billed, None, (), ())
    except CorrectionNeeded:
        corrections = price_corrections(whole, billed)
        before = await read_billed_lines(tx, visit_id)
        lines = changed_lines(before, [billed_line(line) for line in priced.collected.priced.lines])
        changes = {one.invoice_id: one.changes for one in corrections}
        corrected = {
            invoice_id: changes[invoice_id].apply_to(shares) if invoice_id in changes else shares
            for invoice_id, shares in billed.items()
        }
        return _Bill(corrected, None, corrections, lines)
    if not priced.collected.priced.lines:
        return _Bill(billed, None, (), ())
    issued = IssuedPrice(collected=priced.collected, terms=priced.terms, shares=shares)
    invoice = await add_issued_invoice(tx, context, visit_id, version, issued, actor=actor)
    return _Bill({**billed, invoice.id: shares}, invoice, (), ())


async def _apply_deposit(
    tx: Transaction, context: PaymentContext, deposit: Deposit | None, invoices: Sequence[Invoice], actor: Actor
) -> tuple[Deposit | None, list[Invoice]]:
    """Apply what the deposit holds to what the invoices owe, the oldest invoice first."""
    if deposit is None:
        return None, list(invoices)
    applied = []
    for invoice in invoices:
        amount = Dong(min(deposit.held, invoice.owed))
        deposit, after = await apply_deposit(tx, context, deposit, invoice, amount, actor=actor)
        applied.append(after)
    return deposit, applied


async def _close_deposit(
    tx: Transaction, context: PaymentContext, deposit: Deposit | None, locked: _Locked, actor: Actor
) -> Dong:
    """Release the surplus, close the deposit, withdraw its requests and cancel its codes; returns the surplus.

    Money that still arrives under a code becomes credit of the patient.
    """
    if deposit is None:
        return NOTHING
    surplus = deposit.held
    deposit = await release_deposit(tx, context, deposit, surplus, actor=actor)
    await update_deposits(tx, [deposit.with_state(DepositState.CLOSED)])
    await write_request_changes(
        tx,
        context,
        [(one, replace(one, state=RequestState.WITHDRAWN, version=one.version + 1)) for one in locked.requests],
    )
    for intent in locked.intents:
        cancelled = intent.with_outcome(Outcome.CANCELLED)
        await set_intent_state(tx, cancelled)
        topic, payload = intent_message(cancelled, owed=NOTHING)
        await write_message(tx, context.ids.new(), topic=topic, payload=payload)
        await note(tx, context, actor, "intent_cancelled", ("intent", intent.id))
    return surplus

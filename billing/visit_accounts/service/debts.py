"""Debts (nợ viện phí): a visit closes with money owed, and a person is liable for it; written off by two persons.

Source: docs/visit-accounts.md, Final bill.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.context import Context
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.invoices.domain.correction import Correction, CorrectionKind, Reduction, ShareChanges
from billing.invoices.store.corrections import lock_visit_invoices, read_visit_invoices
from billing.ledger.service.audit import note
from billing.organizations.service.approvals import Approval, ApprovalKind, propose, reject_proposed
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.guarantee import (
    Debt,
    DebtDecided,
    DebtExists,
    DebtNeeded,
    DebtState,
    NothingOwed,
)
from billing.visit_accounts.service.account_writes import lock_open_account
from billing.visit_accounts.service.correcting import Corrections, correct_invoices
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.guarantees import (
    ListedDebt,
    add_debt,
    find_debt,
    list_debts,
    lock_bearers,
    update_debt,
)

_GUARANTOR_FIELDS = frozenset({"name", "relation", "citizen_number", "phone", "address"})
_FIELD_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDebt:
    """Until when the debt is paid, why, and who is liable: name, and relation, citizen number, phone, address."""

    due_on: date
    reason: str
    guarantor: Mapping[str, str]


async def agree_debt(
    context: Context,
    organization_id: OrganizationId,
    visit_id: VisitId,
    new: NewDebt,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Agree that a visit may close with money owed; returns the id of the debt.

    Raises PersonNeeded, InvalidValue, NotFound, VisitClosed, DebtExists, idempotency errors.
    """
    person, now = require_person(actor), context.clock()
    text, guarantor = read_reason(new.reason), _guarantor(new.guarantor)
    if new.due_on < business_date(now):
        raise InvalidValue("a debt is due today or later", field="due_on")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        await lock_open_account(tx, visit_id)
        debt = Debt(
            id=context.ids.new(),
            visit_id=visit_id,
            due_on=new.due_on,
            reason=text,
            state=DebtState.AGREED,
            created_at=now,
            created_by=person,
        )
        if not await add_debt(tx, debt, guarantor):
            raise DebtExists("a debt is agreed for this visit")
        await note(tx, context, actor, "debt_agreed", ("debt", debt.id))
        await save_result(tx, request, [debt.id], now=now)
    context.publish_change(organization_id)
    return debt.id


async def withdraw_debt(context: Context, organization_id: OrganizationId, debt_id: UUID, *, actor: Actor) -> None:
    """Withdraw a debt that the visit does not need. Raises NotFound, DebtDecided, DebtNeeded."""
    async with context.database.transaction(organization_id) as tx:
        visit_id = (await _find(tx, debt_id)).visit_id
        # The approval is locked before its subject, as when it is decided.
        await reject_proposed(tx, context, ApprovalKind.WRITE_OFF, debt_id, actor)
        account = await lock_account(tx, visit_id)
        assert account is not None, "an account is never removed"
        owed = sum(invoice.owed for invoice in await lock_visit_invoices(tx, visit_id))
        debt = await _lock_agreed(tx, visit_id, debt_id)
        if account.state is AccountState.CLOSED and owed:
            raise DebtNeeded(f"the visit was closed with this debt; {owed} đồng are owed")
        await update_debt(tx, replace(debt, state=DebtState.WITHDRAWN))
        await note(tx, context, actor, "debt_withdrawn", ("debt", debt_id))
    context.publish_change(organization_id)


async def propose_write_off(
    context: Context, organization_id: OrganizationId, debt_id: UUID, *, reason: str, actor: Actor
) -> UUID:
    """Propose to write off what is still owed of a debt; another person decides. Returns the id of the approval.

    Raises PersonNeeded, InvalidValue, NotFound, DebtDecided, NothingOwed, ProposalWaiting.
    """
    require_person(actor)
    text = read_reason(reason)
    async with context.database.transaction(organization_id) as tx:
        debt = await _find(tx, debt_id)
        _require_agreed(debt)
        owed = sum(invoice.owed for invoice in await read_visit_invoices(tx, debt.visit_id))
        if not owed:
            raise NothingOwed("the invoices of this visit owe nothing")
        payload = {"visit_id": str(debt.visit_id), "owed": owed, "due_on": debt.due_on.isoformat(), "reason": text}
        return await propose(tx, context, ApprovalKind.WRITE_OFF, debt_id, payload=payload, actor=actor)


async def write_off_approved_debt(tx: Transaction, context: PaymentContext, approval: Approval, actor: Actor) -> None:
    """The effect of an approval: D bad debt · C receivable of the patient, for what is owed now. Raises NothingOwed."""
    visit_id = (await _find(tx, approval.subject_id)).visit_id
    await lock_account(tx, visit_id)
    invoices = await lock_visit_invoices(tx, visit_id)
    debt = await _lock_agreed(tx, visit_id, approval.subject_id)
    owed = Dong(sum(invoice.owed for invoice in invoices))
    if not owed:
        raise NothingOwed("the invoices of this visit owe nothing any more")
    source = Reduction(kind=CorrectionKind.WRITE_OFF, id=debt.id, amount=owed)
    corrections = [
        Correction(
            invoice_id=invoice.id,
            kind=CorrectionKind.WRITE_OFF,
            changes=ShareChanges(patient=-invoice.owed),
            source=source,
        )
        for invoice in invoices
        if invoice.owed
    ]
    await update_debt(tx, replace(debt, state=DebtState.WRITTEN_OFF, written_off=owed))
    made = Corrections(visit_id=visit_id, corrections=corrections)
    await correct_invoices(tx, context, invoices, made, actor=actor)
    await note(tx, context, actor, "debt_written_off", ("debt", debt.id))


async def list_all_debts(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    state: DebtState | None = None,
    visit_id: VisitId | None = None,
) -> list[ListedDebt]:
    """Debts with what is still owed, the newest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_debts(tx, part, state=state, visit_id=visit_id)


async def read_debt(context: Context, organization_id: OrganizationId, debt_id: UUID) -> ListedDebt:
    """One debt. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await list_debts(tx, ListSlice(limit=1), debt_id=debt_id)
    if not found:
        raise _unknown()
    return found[0]


async def _find(tx: Transaction, debt_id: UUID) -> Debt:
    debt = await find_debt(tx, debt_id)
    if debt is None:
        raise _unknown()
    return debt


async def _lock_agreed(tx: Transaction, visit_id: VisitId, debt_id: UUID) -> Debt:
    """The debt, locked after the account and the invoices of its visit. Raises DebtDecided."""
    (debt,) = (one for one in (await lock_bearers(tx, visit_id)).debts if one.id == debt_id)
    _require_agreed(debt)
    return debt


def _require_agreed(debt: Debt) -> None:
    if debt.state is not DebtState.AGREED:
        raise DebtDecided(f"the debt is {debt.state}")


def _guarantor(fields: Mapping[str, str]) -> dict[str, str]:
    guarantor = {name: " ".join(value.split()) for name, value in fields.items() if value.strip()}
    for name, value in guarantor.items():
        if name not in _GUARANTOR_FIELDS or len(value) > _FIELD_LENGTH_MAX or not value.isprintable():
            raise InvalidValue("this is no field of a guarantor, or it is too long", field=f"guarantor.{name}")
    if "name" not in guarantor:
        raise InvalidValue("a debt has a person who is liable for it", field="guarantor.name")
    return guarantor


def _unknown() -> NotFound:
    return NotFound("no such debt", field="debt_id")

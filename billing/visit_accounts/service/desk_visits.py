"""A visit as the cashier's desk shows it: patient, lines with shares and reasons, and the pay panel. Reads only.

Source: docs/ux.md, Cashier; docs/visit-accounts.md, The desk.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import DeskId, OrganizationId, ReceiptId, VisitId
from billing.core.money import NOTHING, ZERO, Dong
from billing.coverage.domain.price_result import AppliedRule, PricedVisit
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.payments.domain.deposit import Deposit
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import read_deposit_of_visit
from billing.visit_accounts.domain.account import AccountState, VisitAccount, require_account
from billing.visit_accounts.domain.charge import Charge, VisitContent
from billing.visit_accounts.domain.clearance import VisitFacts, clear_visit
from billing.visit_accounts.domain.desk_panel import (
    ArrivedMoney,
    DeskCode,
    DeskInvoice,
    DeskRequest,
    PanelFacts,
    PayPanel,
    choose_panel,
)
from billing.visit_accounts.domain.desk_visit import (
    DeskPatient,
    DeskTotals,
    LineStatus,
    OrderSlip,
    PatientWarning,
    SlipFacts,
    age_on,
    build_slips,
    card_warning,
    free_deposit,
    mask_card,
    running_dong,
    sum_slips,
)
from billing.visit_accounts.domain.guarantee import BearersOfShare
from billing.visit_accounts.domain.patient import PatientMoney, PatientRow
from billing.visit_accounts.service.account_pricing import price_lines
from billing.visit_accounts.service.visit_snapshot import build_visit, read_content, snapshot_document
from billing.visit_accounts.store.accounts import read_account
from billing.visit_accounts.store.clearance import read_visit_facts
from billing.visit_accounts.store.desk_panel import (
    read_arrived_money,
    read_desk_codes,
    read_desk_invoices,
    read_desk_requests,
)
from billing.visit_accounts.store.desk_receipts import DeskReceipt, read_receipts_of_visit
from billing.visit_accounts.store.desks import find_desk
from billing.visit_accounts.store.guarantees import read_bearers
from billing.visit_accounts.store.patients import read_money, read_patient

RECEIPTS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskView:
    """A visit at the desk. `reasons` are the rules applied to the whole visit; `owed_other` is of other visits."""

    account: VisitAccount
    patient: DeskPatient
    warnings: Sequence[PatientWarning]
    owed_other: Dong
    slips: Sequence[OrderSlip]
    totals: DeskTotals
    panel: PayPanel
    deposit_held: Dong
    free_deposit: Dong
    bearers: BearersOfShare
    receipts: Sequence[DeskReceipt]
    reasons: Sequence[AppliedRule] = ()
    issued: DeskReceipt | None = None

    @property
    def is_closed(self) -> bool:
        return self.account.state is AccountState.CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskChoice:
    """What the cashier has chosen on the page. `ticked` None ticks what is due; `issued` is a receipt just issued."""

    desk_id: DeskId | None = None
    ticked: frozenset[str] | None = None
    wants_other_method: bool = False
    issued: ReceiptId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The rows of a visit, read in one transaction."""

    account: VisitAccount
    content: VisitContent
    patient: PatientRow | None
    money: PatientMoney
    facts: VisitFacts | None
    deposit: Deposit | None
    requests: Sequence[DeskRequest]
    invoices: Sequence[DeskInvoice]
    codes: Sequence[DeskCode]
    arrived: Sequence[ArrivedMoney]
    bearers: BearersOfShare
    receipts: Sequence[DeskReceipt]
    rounding_step: int


async def find_desk_view(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    choice: DeskChoice,
    *,
    facility_codes: Collection[str] | None = None,
) -> DeskView:
    """The page of a visit. `facility_codes` are those that the caller reaches, None for all. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = await _reached(tx, visit_id, facility_codes)
        read = await _read(tx, account, choice)
    priced = await _price(context, organization_id, read)
    return _view(read, priced, choice, today=business_date(context.clock()))


async def require_target_of_visit(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    *,
    request_id: UUID | None = None,
    invoice_id: UUID | None = None,
    facility_codes: Collection[str] | None = None,
) -> None:
    """Check that the caller reaches a visit, and that a request or an invoice is of it. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        await _reached(tx, visit_id, facility_codes)
        if request_id is not None and all(each.id != request_id for each in await read_desk_requests(tx, visit_id)):
            raise NotFound("no such deposit request of this visit", field="request_id")
        if invoice_id is not None and all(each.id != invoice_id for each in await read_desk_invoices(tx, visit_id)):
            raise NotFound("no such invoice of this visit", field="invoice_id")


async def _reached(tx: Transaction, visit_id: VisitId, facility_codes: Collection[str] | None) -> VisitAccount:
    account = require_account(await read_account(tx, visit_id))
    if facility_codes is not None and account.facility_code not in facility_codes:
        raise NotFound("no such visit at your facilities", field="visit_id")
    return account


async def find_visit_document(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    *,
    facility_codes: Collection[str] | None = None,
) -> Mapping[str, object]:
    """The visit document of an account without the patient: its newest header and charges. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = await _reached(tx, visit_id, facility_codes)
        content = await read_content(tx, account)
    if not content.header:
        raise NotFound("the stored facts of this visit are erased", field="visit_id")
    document = snapshot_document(account, content)
    document.pop("patient", None)
    return document


async def _read(tx: Transaction, account: VisitAccount, choice: DeskChoice) -> _Read:
    visit_id = account.visit_id
    patient = await read_patient(tx, account.patient_id)
    desk = None if choice.desk_id is None else await find_desk(tx, choice.desk_id)
    is_closed = account.state is AccountState.CLOSED
    return _Read(
        account=account,
        content=await read_content(tx, account),
        patient=patient,
        money=PatientMoney(owed=NOTHING, held=NOTHING) if patient is None else await read_money(tx, patient),
        facts=None if is_closed else await read_visit_facts(tx, visit_id),
        deposit=await read_deposit_of_visit(tx, visit_id),
        requests=await read_desk_requests(tx, visit_id),
        invoices=await read_desk_invoices(tx, visit_id),
        codes=await read_desk_codes(tx, visit_id),
        arrived=await read_arrived_money(tx, visit_id),
        bearers=await read_bearers(tx, visit_id),
        receipts=await read_receipts_of_visit(tx, visit_id, at_most=RECEIPTS_MAX),
        rounding_step=1 if desk is None else desk.rounding_step,
    )


async def _price(context: PaymentContext, organization_id: OrganizationId, read: _Read) -> PricedVisit | None:
    """The price as of now with the applied rules; None where the header is erased or the visit has no price."""
    if not read.content.header or not any(not charge.is_cancelled for charge in read.content.charges.values()):
        return None
    try:
        visit = await build_visit(snapshot_document(read.account, read.content))
    except InvalidValue:
        return None
    async with context.database.transaction(organization_id, read_only=True) as tx:
        [terms] = await load_pricing_inputs(tx, context, [visit])
    # CPU only: callbacks must not wait for it.
    priced, _ = await asyncio.to_thread(price_lines, visit, terms)
    return priced


def _view(read: _Read, priced: PricedVisit | None, choice: DeskChoice, *, today: date) -> DeskView:
    account, charges = read.account, sorted(read.content.charges.values(), key=lambda each: (each.stt, each.line))
    is_closed = account.state is AccountState.CLOSED
    held = NOTHING if read.deposit is None else read.deposit.held
    free = NOTHING if is_closed else free_deposit(read.facts, held=held, requests=read.requests)
    slips = build_slips(
        charges,
        SlipFacts(
            facts=read.facts,
            clearances=() if read.facts is None else clear_visit(read.facts),
            requests=read.requests,
            priced={} if priced is None else {line.item.key: line for line in priced.lines},
            today=today,
        ),
        ticked=choice.ticked,
    )
    lines = [line for slip in slips for line in slip.lines if line.is_ticked]
    ticked = running_dong([line.patient or ZERO for line in lines])
    panel = choose_panel(
        PanelFacts(
            is_closed=is_closed,
            lines=tuple(line.line for line in lines),
            ticked=ticked,
            free_deposit=free,
            requests=read.requests,
            invoices=read.invoices,
            codes=read.codes,
            arrived=read.arrived,
            rounding_step=read.rounding_step,
            wants_other_method=choice.wants_other_method,
        )
    )
    own_owed = sum(invoice.owed for invoice in read.invoices)
    patient = _patient(read, priced, today=today)
    return DeskView(
        account=account,
        patient=patient,
        warnings=_warnings(read, patient, owes=read.money.owed > own_owed, slips=slips, today=today),
        owed_other=Dong(max(0, read.money.owed - own_owed)),
        slips=slips,
        totals=sum_slips(slips, ticked=ticked),
        panel=panel,
        deposit_held=held,
        free_deposit=free,
        bearers=read.bearers,
        receipts=read.receipts,
        reasons=() if priced is None else priced.reasons,
        issued=next((each for each in read.receipts if each.id == choice.issued), None),
    )


def _patient(read: _Read, priced: PricedVisit | None, *, today: date) -> DeskPatient:
    header, document = read.content.header, (read.patient.document if read.patient is not None else None) or {}
    card = _newest_card(header)
    levels = {line.level for line in priced.lines if line.fund} if priced is not None else set()
    birth = str(document.get("NGAY_SINH", ""))
    return DeskPatient(
        name=str(document.get("HO_TEN", "")),
        birth=birth,
        sex=str(document.get("GIOI_TINH", "")),
        age=age_on(birth, today),
        ma_lk=read.account.ma_lk,
        card=mask_card(card.code),
        card_valid_to=card.valid_to,
        benefit=levels.pop() if len(levels) == 1 else None,
        category=str(header.get("MA_DOITUONG_KCB", "")),
        is_inpatient=read.account.is_inpatient,
        is_emergency=read.account.is_emergency,
    )


@dataclass(frozen=True, slots=True)
class _StatedCard:
    """The newest card of a header as its sender states it."""

    code: str
    valid_to: date | None


def _newest_card(header: Mapping[str, Any]) -> _StatedCard:
    newest = max(header.get("cards") or [{}], key=lambda each: str(each.get("valid_from", "")))
    valid_to = newest.get("valid_to")
    code = "".join(str(newest.get("code", "")).replace("-", " ").split())
    return _StatedCard(code, date.fromisoformat(str(valid_to)) if valid_to else None)


def _warnings(
    read: _Read, patient: DeskPatient, *, owes: bool, slips: Sequence[OrderSlip], today: date
) -> list[PatientWarning]:
    account = read.account
    has_gap = account.gap_since is not None or any(_has_gap(charge) for charge in read.content.charges.values())
    unpriced = any(line.status is LineStatus.NOT_PRICED for slip in slips for line in slip.lines)
    found = {
        PatientWarning.PROVISIONAL: account.is_provisional,
        PatientWarning.OWES: owes,
        PatientWarning.PRICE_ERROR: unpriced,
        PatientWarning.VERSION_GAP: has_gap,
    }
    ends = card_warning(patient.card_valid_to, today=today)
    return [*([] if ends is None else [ends]), *(warning for warning, is_found in found.items() if is_found)]


def _has_gap(charge: Charge) -> bool:
    return charge.gap_since is not None and not charge.is_cancelled

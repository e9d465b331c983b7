"""The cost statement 01/KBCB: of a billed visit from what was frozen, of an open one as priced now. Use cases.

It contains the name and the whole card number, so every read writes an audit entry.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from billing.claims.service.billed_prices import price_as_invoiced, price_corrected
from billing.claims.store.billed_visits import read_billed_visit, read_corrected_visit
from billing.core.actor import Actor
from billing.core.errors import InvalidValue
from billing.core.ids import InvoiceId, OrganizationId, VisitId
from billing.coverage.domain.price_result import PricedLine
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.visit_accounts.domain.account import AccountState, VisitAccount, require_account
from billing.visit_accounts.domain.cost_statement import CostStatement, build_blocks
from billing.visit_accounts.service.account_pricing import price_lines
from billing.visit_accounts.service.visit_snapshot import build_visit, read_content, snapshot_document
from billing.visit_accounts.store.accounts import read_account
from billing.visit_accounts.store.cost_statements import StatementNames, find_newest_invoice, read_statement_names
from billing.visit_accounts.store.patients import read_patient
from billing.visits.domain.visit import Patient, Visit


async def find_cost_statement(
    context: PricingContext, organization_id: OrganizationId, visit_id: VisitId, *, actor: Actor
) -> CostStatement:
    """The statement of a visit. Raises NotFound, VisitErased, ClaimPriceChanged, InvalidValue where it has no price."""
    async with context.database.transaction(organization_id) as tx:
        account = require_account(await read_account(tx, visit_id))
        names = await read_statement_names(tx, account.facility_id)
        invoice_id = await find_newest_invoice(tx, visit_id)
        is_final = account.state is AccountState.CLOSED and invoice_id is not None
        if is_final and invoice_id is not None:
            visit, lines = await _billed(tx, context, invoice_id)
        else:
            visit, lines = await _as_of_now(tx, context, account)
        await note(tx, context, actor, "cost_statement_read", ("visit", visit_id))
    return _statement(visit, lines, names, department=account.department, is_final=is_final)


async def _billed(
    tx: Transaction, context: PricingContext, invoice_id: InvoiceId
) -> tuple[Visit, Sequence[PricedLine]]:
    billed = await read_billed_visit(tx, invoice_id)
    assert billed is not None, "the invoice was found in this transaction"
    corrected = await read_corrected_visit(tx, invoice_id)
    if corrected is not None:
        priced = await price_corrected(tx, context, billed, corrected)
    else:
        priced = await asyncio.to_thread(price_as_invoiced, billed)
    return priced.visit, priced.lines


async def _as_of_now(
    tx: Transaction, context: PricingContext, account: VisitAccount
) -> tuple[Visit, Sequence[PricedLine]]:
    content = await read_content(tx, account)
    visit = await build_visit(snapshot_document(account, content))
    stored = await read_patient(tx, account.patient_id)
    if stored is not None and stored.document is not None:
        document = stored.document
        visit = replace(
            visit,
            patient=Patient(
                name=stored.name,
                birth=str(document.get("NGAY_SINH", "")),
                sex=str(document.get("GIOI_TINH", "")),
                hospital_number=stored.hospital_number or "",
                address=str(document.get("DIA_CHI", "")),
            ),
        )
    [terms] = await load_pricing_inputs(tx, context, [visit])
    priced, error = await asyncio.to_thread(price_lines, visit, terms)
    if priced is None:
        raise InvalidValue(f"the visit has no price: {error}", field="visit_id")
    return visit, priced.lines


def _statement(
    visit: Visit, lines: Sequence[PricedLine], names: StatementNames, *, department: str, is_final: bool
) -> CostStatement:
    return CostStatement(
        visit=visit,
        facility=names.facility,
        organization=names.organization,
        department=department,
        blocks=build_blocks(visit, lines),
        is_final=is_final,
    )

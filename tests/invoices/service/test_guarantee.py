"""A private insurer that has guaranteed its part is billed for it; without a guarantee the patient pays and claims."""

from typing import Any

from billing.core.actor import Actor
from billing.invoices.domain.invoice_details import InvoiceDetails
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.invoices.service.reprice import reprice_invoices
from billing.ledger.service.balances import read_balances
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import service_line, visit_document
from tests.flow import OWED, PaymentFlow, assert_books_are_right

# The visit of the builders: 116 000 co-payment and 20 000 self-pay are the patient's. Half of it is insured.
HALF = {"covers": ["copay", "self_pay"], "coinsurance_pct": "50"}
GUARANTEED = HALF | {"guaranteed_by": "Bảo Việt"}


async def issue(flow: PaymentFlow, terms: dict[str, Any], *more: dict[str, Any]) -> InvoiceDetails:
    organization_id = flow.hospital.organization_id
    document = visit_document() | {"private_insurance": terms}
    document["lines"] += more
    taken = await record_visit(flow.context, organization_id, document, actor=Actor.system())
    assert taken is not None
    invoice_id = await issue_invoice(flow.context, organization_id, taken.id, actor=Actor.system())
    return await find_invoice(flow.context, organization_id, invoice_id)


async def receivables(flow: PaymentFlow) -> dict[str, int]:
    balances = await read_balances(flow.context, flow.hospital.organization_id)
    return {row.role: row.debit - row.credit for row in balances if row.role.startswith("receivable_")}


async def test_without_a_guarantee_the_patient_owes_the_whole(flow: PaymentFlow) -> None:
    invoice = await issue(flow, HALF)

    assert (invoice.owed, invoice.shares.private, invoice.guarantor) == (OWED, 0, "")
    await assert_books_are_right(flow.context.database)


async def test_guaranteed_part_is_owed_by_the_insurer_and_stays_when_the_patient_has_paid(flow: PaymentFlow) -> None:
    invoice = await issue(flow, GUARANTEED)
    assert (invoice.owed, invoice.shares.private, invoice.shares.insurer) == (68_000, 68_000, 464_000)
    assert invoice.guarantor == "Bảo Việt"

    started = await flow.intent([invoice.id])
    await flow.deliver(flow.notice("T1", started.code, amount=68_000))

    paid = await find_invoice(flow.context, flow.hospital.organization_id, invoice.id)
    assert (paid.owed, paid.allocated) == (0, 68_000)
    assert await receivables(flow) == {
        "receivable_patient": 0,
        "receivable_insurer": 464_000,
        "receivable_other": 0,
        "receivable_private": 68_000,
        "receivable_guarantor": 0,
    }
    await assert_books_are_right(flow.context.database)


async def test_further_invoice_collects_from_each_payer_what_came_since_up_to_the_limit(flow: PaymentFlow) -> None:
    # The limit of 75 000 lets the insurer pay 7 000 more of the further 20 000 of the patient.
    terms = GUARANTEED | {"limit": "75000"}
    first = await issue(flow, terms)
    second = await issue(flow, terms, service_line(9, name="Siêu âm", group=2, price="100000"))

    assert [(row.shares.patient, row.shares.private) for row in (first, second)] == [
        (68_000, 68_000),
        (13_000, 7_000),
    ]
    changes = [change async for each in reprice_invoices(flow.context.database) for change in each.outcome.changes]
    assert changes == []
    await assert_books_are_right(flow.context.database)

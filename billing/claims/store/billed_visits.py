"""The source of a claim file: an invoice with its price snapshot, and the personal data of its visit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.core.ids import InvoiceId, VisitId
from billing.db.database import Transaction
from billing.invoices.domain.correction import BilledLine
from billing.invoices.domain.invoice_details import InvoiceDetails
from billing.invoices.store.corrections import read_billed_lines
from billing.invoices.store.invoices import read_invoice
from billing.visits.domain.visit import Patient


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledVisit:
    """An invoice and the personal data of its visit in the invoiced version.

    `document` (with full card numbers), `patient` and `claim_file` are personal and None once erased; `claim_file` is
    the source file of the version, `claim_file_id` states whether there was one.
    """

    invoice: InvoiceDetails
    document: Mapping[str, Any] | None
    patient: Patient | None
    claim_file_id: UUID | None
    claim_file: bytes | None


_READ_BILLED = """
    SELECT visit_document.document, visit_version.claim_file_id, claim_file.content AS claim_file,
        visit_patient.visit_id IS NOT NULL AS has_patient, visit_patient.name, visit_patient.birth, visit_patient.sex,
        visit_patient.citizen_number, visit_patient.hospital_number, visit_patient.address, visit_patient.phone
    FROM invoice
    JOIN visit_version ON visit_version.organization_id = $1 AND visit_version.visit_id = invoice.visit_id
        AND visit_version.version = invoice.visit_version
    LEFT JOIN visit_document ON visit_document.organization_id = $1 AND visit_document.visit_id = invoice.visit_id
        AND visit_document.version = invoice.visit_version
    LEFT JOIN visit_patient ON visit_patient.organization_id = $1 AND visit_patient.visit_id = invoice.visit_id
    LEFT JOIN claim_file ON claim_file.organization_id = $1 AND claim_file.id = visit_version.claim_file_id
    WHERE invoice.organization_id = $1 AND invoice.id = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedVisit:
    """The version of a visit at whose price its newest invoice was corrected, with the lines as billed since.

    `document` is personal and None once erased.
    """

    document: Mapping[str, Any] | None
    lines: Sequence[BilledLine]


# An older invoice claims what was billed up to it; the newest one has the corrections that were made since.
_READ_CORRECTED = """
    SELECT invoice.visit_id, visit_document.document
    FROM invoice
    JOIN invoice AS any_invoice ON any_invoice.organization_id = $1 AND any_invoice.visit_id = invoice.visit_id
    JOIN correction ON correction.organization_id = $1 AND correction.invoice_id = any_invoice.id
        AND correction.kind = 'price' AND correction.id > invoice.id
    JOIN final_bill AS bill ON bill.organization_id = $1 AND bill.id = correction.final_bill_id
    LEFT JOIN visit_document ON visit_document.organization_id = $1 AND visit_document.visit_id = invoice.visit_id
        AND visit_document.version = bill.visit_version
    WHERE invoice.organization_id = $1 AND invoice.id = $2 AND NOT EXISTS (
        SELECT FROM invoice AS newer WHERE newer.organization_id = $1 AND newer.visit_id = invoice.visit_id
            AND newer.state = 'issued' AND newer.id > invoice.id)
    ORDER BY correction.id DESC LIMIT 1
"""


async def read_corrected_visit(tx: Transaction, invoice_id: InvoiceId) -> CorrectedVisit | None:
    """The visit as its newest invoice was corrected last; None where this invoice is older, or its price stands."""
    row = await tx.fetchrow(_READ_CORRECTED, tx.organization_id, invoice_id)
    if row is None:
        return None
    return CorrectedVisit(document=row["document"], lines=await read_billed_lines(tx, VisitId(row["visit_id"])))


async def read_billed_visit(tx: Transaction, invoice_id: InvoiceId) -> BilledVisit | None:
    """An invoice with all data of its claim; None where there is none. Reads personal data."""
    invoice = await read_invoice(tx, invoice_id)
    if invoice is None or invoice.document is None:
        return None
    row = await tx.fetchrow(_READ_BILLED, tx.organization_id, invoice_id)
    assert row is not None, "an invoice has a visit in a version"
    fields = ("name", "birth", "sex", "citizen_number", "hospital_number", "address", "phone")
    return BilledVisit(
        invoice=invoice,
        document=row["document"],
        patient=Patient(**{field: row[field] for field in fields}) if row["has_patient"] else None,
        claim_file_id=row["claim_file_id"],
        claim_file=row["claim_file"],
    )

"""The source of a claim file: an invoice with its price snapshot, and the personal data of its visit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.core.ids import InvoiceId
from billing.db.database import Transaction
from billing.invoices.domain.invoice import InvoiceState
from billing.visits.domain.visit import Patient, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledLine:
    """The amounts of one invoice line, two decimals, and its charge item."""

    table: Table
    number: int
    hospital_amount: Decimal
    insured_amount: Decimal
    level: Decimal
    self_pay: Decimal
    copay: Decimal
    fund: Decimal
    other_funds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledVisit:
    """An invoice and its visit in the invoiced version.

    `frozen` is the text that the price was computed from. `document` (with full card numbers), `patient` and
    `claim_file` are personal and None once erased; `claim_file` is the source file of the version, `claim_file_id`
    states whether there was one.
    """

    number: str
    state: InvoiceState
    frozen: str
    lines: Sequence[BilledLine]
    document: Mapping[str, Any] | None
    patient: Patient | None
    claim_file_id: UUID | None
    claim_file: bytes | None


_READ_BILLED = """
    SELECT invoice.number, invoice.state, invoice_snapshot.document AS frozen, visit_document.document,
        visit_version.claim_file_id, claim_file.content AS claim_file,
        visit_patient.visit_id IS NOT NULL AS has_patient, visit_patient.name, visit_patient.birth, visit_patient.sex,
        visit_patient.citizen_number, visit_patient.hospital_number, visit_patient.address, visit_patient.phone
    FROM invoice
    JOIN invoice_snapshot ON invoice_snapshot.organization_id = $1 AND invoice_snapshot.invoice_id = invoice.id
    JOIN visit_version ON visit_version.organization_id = $1 AND visit_version.visit_id = invoice.visit_id
        AND visit_version.version = invoice.visit_version
    LEFT JOIN visit_document ON visit_document.organization_id = $1 AND visit_document.visit_id = invoice.visit_id
        AND visit_document.version = invoice.visit_version
    LEFT JOIN visit_patient ON visit_patient.organization_id = $1 AND visit_patient.visit_id = invoice.visit_id
    LEFT JOIN claim_file ON claim_file.organization_id = $1 AND claim_file.id = visit_version.claim_file_id
    WHERE invoice.organization_id = $1 AND invoice.id = $2
"""

_READ_BILLED_LINES = """
    SELECT source_table, stt, hospital_amount, insured_amount, level, self_pay, copay, fund, other_funds
    FROM invoice_line
    WHERE organization_id = $1 AND invoice_id = $2
    ORDER BY line
"""


async def read_billed_visit(tx: Transaction, invoice_id: InvoiceId) -> BilledVisit | None:
    """An invoice with all data of its claim; None where there is none. Reads personal data."""
    row = await tx.fetchrow(_READ_BILLED, tx.organization_id, invoice_id)
    if row is None:
        return None
    lines = await tx.fetch(_READ_BILLED_LINES, tx.organization_id, invoice_id)
    fields = ("name", "birth", "sex", "citizen_number", "hospital_number", "address", "phone")
    return BilledVisit(
        number=row["number"],
        state=InvoiceState(row["state"]),
        frozen=row["frozen"],
        lines=[_line(dict(line)) for line in lines],
        document=row["document"],
        patient=Patient(**{field: row[field] for field in fields}) if row["has_patient"] else None,
        claim_file_id=row["claim_file_id"],
        claim_file=row["claim_file"],
    )


def _line(row: dict[str, Any]) -> BilledLine:
    return BilledLine(table=Table(row.pop("source_table")), number=row.pop("stt"), **row)

"""Corrections of invoices with their lines, and the invoices of a visit as corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Shares
from billing.coverage.domain.price_result import PricedLine
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.invoices.domain.correction import BilledLine, Correction, CorrectionKind
from billing.invoices.domain.invoice import Invoice
from billing.invoices.store.invoice_rows import invoice_of, shares_of

_LOCK_VISIT_INVOICES = """
    SELECT invoice_state.* FROM invoice_state WHERE organization_id = $1 AND visit_id = $2 AND state = 'issued'
    ORDER BY id FOR NO KEY UPDATE
"""


async def lock_visit_invoices(tx: Transaction, visit_id: VisitId) -> list[Invoice]:
    """Read the issued invoices of a visit, the oldest first, and lock their rows until the transaction ends."""
    return [invoice_of(row) for row in await tx.fetch(_LOCK_VISIT_INVOICES, tx.organization_id, visit_id)]


_READ_VISIT_INVOICES = """
    SELECT invoice_state.* FROM invoice_state WHERE organization_id = $1 AND visit_id = $2 AND state = 'issued'
    ORDER BY id
"""


async def read_visit_invoices(tx: Transaction, visit_id: VisitId) -> list[Invoice]:
    """The issued invoices of a visit, the oldest first."""
    return [invoice_of(row) for row in await tx.fetch(_READ_VISIT_INVOICES, tx.organization_id, visit_id)]


_BILLED_SHARES = """
    SELECT invoice.id, patient_share + coalesce(changed.patient, 0) AS patient_share,
        other_share + coalesce(changed.other, 0) AS other_share,
        insurer_share + coalesce(changed.insurer, 0) AS insurer_share,
        private_share + coalesce(changed.private, 0) AS private_share
    FROM invoice_state AS invoice
    LEFT JOIN LATERAL (
        SELECT sum(patient)::bigint AS patient, sum(other)::bigint AS other, sum(insurer)::bigint AS insurer,
            sum(private)::bigint AS private
        FROM correction WHERE organization_id = $1 AND invoice_id = invoice.id AND kind = 'price'
    ) AS changed ON true
    WHERE invoice.organization_id = $1 AND invoice.visit_id = $2 AND invoice.state = 'issued'
    ORDER BY invoice.id
"""


async def read_billed_shares(tx: Transaction, visit_id: VisitId) -> dict[InvoiceId, Shares]:
    """The shares of the issued invoices of a visit at their corrected price, the oldest first.

    To change them, lock the visit or its invoices in an earlier statement: a statement that waits for a lock reads the
    former corrections.
    """
    rows = await tx.fetch(_BILLED_SHARES, tx.organization_id, visit_id)
    return {InvoiceId(row["id"]): shares_of(row) for row in rows}


_REDUCED = """
    SELECT invoice.id, coalesce(guarantee_id, exemption_id, debt_id) AS source_id, -sum(patient)::bigint AS amount
    FROM invoice
    JOIN correction ON correction.organization_id = $1 AND correction.invoice_id = invoice.id
        AND correction.kind <> 'price'
    WHERE invoice.organization_id = $1 AND invoice.visit_id = $2 AND invoice.state = 'issued'
    GROUP BY 1, 2
"""


async def read_reduced(tx: Transaction, visit_id: VisitId) -> dict[InvoiceId, dict[UUID, int]]:
    """The part that each issued invoice of a visit has of each reduction, by its id, in đồng."""
    reduced: dict[InvoiceId, dict[UUID, int]] = {}
    for row in await tx.fetch(_REDUCED, tx.organization_id, visit_id):
        reduced.setdefault(InvoiceId(row["id"]), {})[row["source_id"]] = row["amount"]
    return reduced


_BILLED_LINES = """
    WITH newest AS (
        SELECT id FROM invoice WHERE organization_id = $1 AND visit_id = $2 AND state = 'issued'
        ORDER BY id DESC LIMIT 1
    ), part AS (
        SELECT source_table, stt, code, name, quantity, hospital_amount, insured_amount, self_pay, copay, fund,
            other_funds
        FROM invoice_line WHERE organization_id = $1 AND invoice_id = (SELECT id FROM newest)
        UNION ALL
        SELECT line.source_table, line.stt, line.code, line.name, line.quantity, line.hospital_amount,
            line.insured_amount, line.self_pay, line.copay, line.fund, line.other_funds
        FROM correction_line AS line
        JOIN correction ON correction.organization_id = $1 AND correction.id = line.correction_id
        JOIN invoice ON invoice.organization_id = $1 AND invoice.id = correction.invoice_id
        WHERE line.organization_id = $1 AND invoice.visit_id = $2 AND correction.id > (SELECT id FROM newest)
    )
    SELECT source_table AS table, stt, max(code) AS code, max(name) AS name, sum(quantity) AS quantity,
        sum(hospital_amount) AS hospital_amount, sum(insured_amount) AS insured_amount, sum(self_pay) AS self_pay,
        sum(copay) AS copay, sum(fund) AS fund, sum(other_funds) AS other_funds
    FROM part GROUP BY source_table, stt ORDER BY source_table, stt
"""


async def read_billed_lines(tx: Transaction, visit_id: VisitId) -> list[BilledLine]:
    """The lines of a visit as billed: those of its newest invoice with the corrections made since."""
    return [read_row(BilledLine, row) for row in await tx.fetch(_BILLED_LINES, tx.organization_id, visit_id)]


def billed_line(line: PricedLine) -> BilledLine:
    """A priced line with the amounts that a correction compares."""
    item = line.item
    return BilledLine(
        table=item.table, stt=item.number, code=item.code, name=item.name, quantity=item.quantity, **line.amounts
    )


_ADD_CORRECTIONS = """
    INSERT INTO correction (organization_id, id, invoice_id, final_bill_id, kind, guarantee_id, exemption_id, debt_id,
        patient, other, insurer, private, recorded_at)
    SELECT $1, id, invoice_id, $2, kind, CASE kind WHEN 'guarantee' THEN source_id END,
        CASE kind WHEN 'exemption' THEN source_id END, CASE kind WHEN 'write_off' THEN source_id END,
        patient, other, insurer, private, $3
    FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::bigint[], $9::bigint[], $10::bigint[],
        $11::bigint[]) AS t (id, invoice_id, kind, source_id, patient, other, insurer, private)
"""


async def add_corrections(
    tx: Transaction, corrections: Mapping[UUID, Correction], *, final_bill_id: UUID | None, at: datetime
) -> None:
    """Store corrections of invoices by id. The invoices themselves are written by `update_invoices`."""
    rows = [
        (
            *(key, one.invoice_id, one.kind.value, None if one.source is None else one.source.id),
            *(one.changes.patient, one.changes.other, one.changes.insurer, one.changes.private),
        )
        for key, one in corrections.items()
    ]
    await tx.execute(_ADD_CORRECTIONS, tx.organization_id, final_bill_id, at, *columns(rows, 8))


_ADD_CORRECTION_LINES = """
    INSERT INTO correction_line (organization_id, correction_id, source_table, stt, code, name, quantity,
        hospital_amount, insured_amount, self_pay, copay, fund, other_funds)
    SELECT $1, $2, source_table, stt, code, name, quantity, hospital_amount, insured_amount, self_pay, copay, fund,
        other_funds
    FROM unnest($3::text[], $4::int[], $5::text[], $6::text[], $7::numeric[], $8::numeric[], $9::numeric[],
        $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[])
        AS t (source_table, stt, code, name, quantity, hospital_amount, insured_amount, self_pay, copay, fund,
            other_funds)
"""


async def add_correction_lines(tx: Transaction, correction_id: UUID, lines: Sequence[BilledLine]) -> None:
    """Store the signed changes of the lines of a visit with a correction."""
    rows = [
        (
            *(one.table.value, one.stt, one.code, one.name, one.quantity, one.hospital_amount, one.insured_amount),
            *(one.self_pay, one.copay, one.fund, one.other_funds),
        )
        for one in lines
    ]
    await tx.execute(_ADD_CORRECTION_LINES, tx.organization_id, correction_id, *columns(rows, 11))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCorrection:
    """A correction of an invoice with its lines."""

    id: UUID
    invoice_id: InvoiceId
    number: str
    kind: CorrectionKind
    source_id: UUID | None
    patient: int
    other: int
    insurer: int
    private: int
    recorded_at: datetime
    lines: tuple[BilledLine, ...]


_READ_CORRECTIONS = """
    SELECT correction.id, correction.invoice_id, invoice.number, correction.kind,
        coalesce(guarantee_id, exemption_id, debt_id) AS source_id, patient, other, insurer, private, recorded_at,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('table', source_table, 'stt', stt, 'code', code, 'name', name,
                'quantity', quantity::text, 'hospital_amount', hospital_amount::text,
                'insured_amount', insured_amount::text, 'self_pay', self_pay::text, 'copay', copay::text,
                'fund', fund::text, 'other_funds', other_funds::text) ORDER BY source_table, stt), '[]')
         FROM correction_line AS line WHERE line.organization_id = $1 AND line.correction_id = correction.id) AS lines
    FROM correction
    JOIN invoice ON invoice.organization_id = $1 AND invoice.id = correction.invoice_id
    WHERE correction.organization_id = $1 AND invoice.visit_id = $2
    ORDER BY correction.id
"""


async def read_corrections(tx: Transaction, visit_id: VisitId) -> list[ListedCorrection]:
    """The corrections of the invoices of a visit, the oldest first."""
    rows = await tx.fetch(_READ_CORRECTIONS, tx.organization_id, visit_id)
    return [read_row(ListedCorrection, {**row}) for row in rows]

"""Invoices: the frozen bill, its lines and the inputs it was computed from."""

from collections.abc import Sequence

from billing.core.ids import InvoiceId, VisitId
from billing.coverage.domain.price_result import AppliedRule, PricedLine, PricedVisit
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.json_codec import encode_json
from billing.db.rows import extend, read_row
from billing.invoices.domain.invoice import Invoice
from billing.invoices.domain.invoice_details import InvoiceDetails, InvoiceLine, StoredSnapshot
from billing.invoices.store.invoice_rows import invoice_of

_HAS_OPEN_ACCOUNT = """
    SELECT 1 FROM visit_account WHERE organization_id = $1 AND visit_id = $2 AND state = 'open' FOR SHARE
"""


async def has_open_account(tx: Transaction, visit_id: VisitId) -> bool:
    """Whether a visit has an open visit account, which is then locked for reading until the transaction ends."""
    return await tx.fetchval(_HAS_OPEN_ACCOUNT, tx.organization_id, visit_id) is not None


_ADD_INVOICE = """
    INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version, patient_share,
        other_share, insurer_share, private_share, guarantor, owed, issued_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

_ADD_LINES = """
    INSERT INTO invoice_line (organization_id, invoice_id, line, source_table, stt, code, name, unit, cost_group,
        department, quantity, hospital_amount, insured_amount, level, self_pay, copay, fund, other_funds, reasons)
    SELECT $1, $2, line, source_table, stt, code, name, unit, cost_group, department, quantity, hospital_amount,
        insured_amount, level, self_pay, copay, fund, other_funds, reasons::jsonb
    FROM unnest($3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::int[], $10::text[],
        $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[],
        $18::numeric[], $19::text[])
        AS t (line, source_table, stt, code, name, unit, cost_group, department, quantity, hospital_amount,
            insured_amount, level, self_pay, copay, fund, other_funds, reasons)
"""

_ADD_SNAPSHOT = """
    INSERT INTO invoice_snapshot (organization_id, invoice_id, document, document_hash, policy_version, code_version,
        reasons)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def add_invoice(tx: Transaction, invoice: Invoice, priced: PricedVisit, snapshot: StoredSnapshot) -> None:
    """Store an invoice with the lines and rules of the priced visit, and its snapshot."""
    await tx.execute(
        _ADD_INVOICE,
        tx.organization_id,
        invoice.id,
        invoice.visit_id,
        invoice.visit_version,
        invoice.number,
        invoice.state.value,
        invoice.version,
        invoice.shares.patient,
        invoice.shares.other,
        invoice.shares.insurer,
        invoice.shares.private,
        invoice.guarantor,
        invoice.owed,
        invoice.issued_at,
    )
    rows = [_line(number, line) for number, line in enumerate(priced.lines, start=1)]
    await tx.execute(_ADD_LINES, tx.organization_id, invoice.id, *columns(rows, 17))
    await tx.execute(
        _ADD_SNAPSHOT,
        tx.organization_id,
        invoice.id,
        snapshot.document,
        snapshot.document_hash,
        snapshot.policy_version,
        snapshot.code_version,
        [_reason(reason) for reason in priced.reasons],
    )


_LOCK_INVOICES = """
    SELECT invoice_state.* FROM invoice_state
    WHERE organization_id = $1 AND id = ANY ($2::uuid[])
    ORDER BY id FOR NO KEY UPDATE
"""


async def lock_invoices(tx: Transaction, invoice_ids: Sequence[InvoiceId]) -> dict[InvoiceId, Invoice]:
    """Read invoices and lock their rows until the transaction ends; missing invoices are omitted."""
    rows = await tx.fetch(_LOCK_INVOICES, tx.organization_id, list(invoice_ids))
    return {InvoiceId(row["id"]): invoice_of(row) for row in rows}


_UPDATE_ALLOCATED = """
    UPDATE invoice SET corrections = t.corrections, allocated = t.allocated, owed = t.owed, version = t.version
    FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS t (id, version, corrections, allocated, owed)
    WHERE invoice.organization_id = $1 AND invoice.id = t.id
"""


async def update_invoices(tx: Transaction, invoices: Sequence[Invoice]) -> None:
    """Write the corrections and allocations of invoices that this transaction holds locked."""
    rows = [(one.id, one.version, one.corrections, one.allocated, one.owed) for one in invoices]
    await tx.execute(_UPDATE_ALLOCATED, tx.organization_id, *columns(rows, 5))


_READ_INVOICE = """
    SELECT invoice.*, visit.ma_lk,
        (SELECT reasons FROM invoice_snapshot WHERE invoice_snapshot.organization_id = $1
            AND invoice_snapshot.invoice_id = invoice.id) AS reasons,
        (SELECT document FROM invoice_snapshot WHERE invoice_snapshot.organization_id = $1
            AND invoice_snapshot.invoice_id = invoice.id) AS document,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('line', line, 'table', source_table, 'stt', stt, 'code', code,
                'name', name, 'unit', unit, 'group', cost_group, 'quantity', quantity::text,
                'hospital_amount', hospital_amount::text, 'insured_amount', insured_amount::text, 'level', level::text,
                'self_pay', self_pay::text, 'copay', copay::text, 'fund', fund::text,
                'other_funds', other_funds::text, 'reasons', reasons) ORDER BY line), '[]')
         FROM invoice_line WHERE invoice_line.organization_id = $1 AND invoice_line.invoice_id = invoice.id) AS lines
    FROM invoice_state AS invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    WHERE invoice.organization_id = $1 AND invoice.id = $2
"""


async def read_invoice(tx: Transaction, invoice_id: InvoiceId) -> InvoiceDetails | None:
    """An invoice with its frozen inputs and its lines, which have no breakdown yet; None where there is none."""
    row = await tx.fetchrow(_READ_INVOICE, tx.organization_id, invoice_id)
    if row is None:
        return None
    return extend(
        InvoiceDetails,
        invoice_of(row),
        ma_lk=row["ma_lk"],
        reasons=tuple(read_row(AppliedRule, reason) for reason in row["reasons"] or ()),
        lines=tuple(read_row(InvoiceLine, line) for line in row["lines"]),
        document=row["document"],
    )


def _line(number: int, line: PricedLine) -> tuple[object, ...]:
    item = line.item
    return (
        number,
        item.table.value,
        item.number,
        item.code,
        item.name,
        item.unit,
        item.group,
        item.department,
        item.quantity,
        line.hospital_amount,
        line.insured_amount,
        line.level,
        line.self_pay,
        line.copay,
        line.fund,
        line.other_funds,
        # As text: an array parameter would treat a list of lists as an array of two dimensions.
        encode_json([_reason(reason) for reason in line.reasons]),
    )


def _reason(reason: AppliedRule) -> dict[str, object]:
    variant = {"variant": reason.variant} if reason.variant else {}
    return {"rule": reason.rule, "operands": dict(reason.operands), **variant}

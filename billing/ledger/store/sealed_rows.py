"""The sealed rows by kind: finished transactions in a half-open range of their ids, in a fixed order.

Each query lists the permanent columns of a row. Columns that change later (the state of an invoice, the owner of an
exception) and columns that are erased after their retention (payer names, bodies) are excluded; the checks compare the
changing columns, and the audit contains each change by a person. Source: docs/ledger-verification.md.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from billing.db.database import Transaction
from billing.ledger.domain.seal import SealedKind, Value

PIECE = 5_000
"""Rows of one kind in memory at once; the first block after an upgrade contains all rows of the new kinds."""

_ENTRIES = """
    SELECT entry.id, entry.kind, entry.effective_at, entry.recorded_at, entry.accounting_date, entry.actor_kind,
        entry.actor_id, entry.acting_for, entry.transaction_id, reversal.reversed_entry_id, reversal.reason
    FROM journal_entry AS entry
    LEFT JOIN reversal ON reversal.organization_id = $1 AND reversal.entry_id = entry.id
    WHERE entry.organization_id = $1 AND entry.transaction_id >= $2 AND entry.transaction_id < $3
    ORDER BY entry.id
"""

_POSTINGS = """
    SELECT entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, department,
        payer, transaction_id
    FROM posting
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY entry_id, line
"""

_PAYMENTS = """
    SELECT id, provider_account_id, bank_account_id, delivery_id, intent_id, amount, provider_reference, bank_reference,
        occurred_at, recorded_at, transaction_id, method, shift_id
    FROM payment
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_ALLOCATIONS = """
    SELECT id, payment_id, target, invoice_id, amount, reverses_id, reason, recorded_at, transaction_id,
        coalesce(deposit_id, guarantee_id)
    FROM allocation
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_AUDITS = """
    SELECT id, recorded_at, actor_kind, actor_id, acting_for, action, subject_kind, subject_id, transaction_id
    FROM audit
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_CLOSINGS = """
    SELECT day, closed_at, actor_kind, actor_id, acting_for, entries, amount, transaction_id
    FROM day_closing
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY day
"""

_INVOICES = """
    SELECT id, visit_id, visit_version, number, patient_share, other_share, insurer_share, private_share, guarantor,
        transaction_id
    FROM invoice
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_INVOICE_LINES = """
    SELECT line.invoice_id, line.line, line.source_table, line.stt, line.code, line.name, line.unit, line.cost_group,
        line.department, line.quantity::text, line.hospital_amount, line.insured_amount, line.level, line.self_pay,
        line.copay, line.fund, line.other_funds, line.reasons::text
    FROM invoice
    JOIN invoice_line AS line ON line.organization_id = $1 AND line.invoice_id = invoice.id
    WHERE invoice.organization_id = $1 AND invoice.transaction_id >= $2 AND invoice.transaction_id < $3
    ORDER BY line.invoice_id, line.line
"""

_INVOICE_INPUTS = """
    SELECT input.invoice_id, sha256(convert_to(input.document, 'UTF8')), input.policy_version, input.code_version,
        input.reasons::text
    FROM invoice
    JOIN invoice_snapshot AS input ON input.organization_id = $1 AND input.invoice_id = invoice.id
    WHERE invoice.organization_id = $1 AND invoice.transaction_id >= $2 AND invoice.transaction_id < $3
    ORDER BY input.invoice_id
"""

_DELIVERIES = """
    SELECT id, provider_account_id, received_at, verdict, receipt_id, notices, transaction_id
    FROM delivery
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_EVENT_KEYS = """
    SELECT provider_account_id, key, fingerprint, delivery_id, transaction_id
    FROM event_key
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY provider_account_id, key COLLATE "C"
"""

_MOVEMENT_KEYS = """
    SELECT account_id, movement, key, movement_id, amount, transaction_id
    FROM movement_key
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY account_id, movement COLLATE "C", key COLLATE "C"
"""

_BANK_REFERENCES = """
    SELECT account_id, movement, reference, number, payment_id, provider_account_id, source, name, amount, booked_on,
        codes::text, transaction_id
    FROM bank_reference
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY account_id, movement COLLATE "C", reference COLLATE "C", number
"""

_UNMATCHED_OUTFLOWS = """
    SELECT id, provider_account_id, delivery_id, amount, keys::text, code, occurred_at, recorded_at, transaction_id
    FROM unmatched_outflow
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_EXCEPTIONS = """
    SELECT id, reason, amount, provider_account_id, delivery_id, payment_id, intent_id, opened_at, transaction_id
    FROM exception_case
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_DEAD_LETTERS = """
    SELECT id, provider_account_id, received_at, fault, verified_at, verified_by, transaction_id
    FROM dead_letter
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_APPROVALS = """
    SELECT id, kind, subject_id, payload::text, proposed_by, proposed_at, transaction_id
    FROM approval
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_BANK_ACCOUNTS = """
    SELECT id, bank_bin, account_number, holder, transaction_id
    FROM bank_account
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_LEDGER_ACCOUNTS = """
    SELECT id, role, subject, kind, normal_side, transaction_id
    FROM ledger_account
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_LEDGER_NUMBERS = """
    SELECT account_id, valid_from, number, name, transaction_id
    FROM ledger_number
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY account_id, valid_from
"""

_RECEIPTS = """
    SELECT id, series, year, number, direction, purpose, visit_id, shift_id, block_id, amount, issued_at, issued_by,
        deposit_id, deposit_request_id, invoice_id, transaction_id
    FROM receipt
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_RECEIPT_PARTS = """
    SELECT part.receipt_id, part.part, part.method, part.amount, part.payment_id, part.refund_id
    FROM receipt
    JOIN receipt_part AS part ON part.organization_id = $1 AND part.receipt_id = receipt.id
    WHERE receipt.organization_id = $1 AND receipt.transaction_id >= $2 AND receipt.transaction_id < $3
    ORDER BY part.receipt_id, part.part
"""

_RECEIPT_VOIDS = """
    SELECT receipt_id, reason, voided_at, voided_by, transaction_id
    FROM receipt_void
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY receipt_id
"""

_SHIFT_EVENTS = """
    SELECT id, shift_id, kind, amount, receipt_id, reason, entry_id, actor_kind, actor_id, acting_for, recorded_at,
        transaction_id
    FROM shift_event
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_FINAL_BILLS = """
    SELECT id, visit_id, number, account_version, visit_version, invoice_id, patient_share, other_share, insurer_share,
        private_share, guaranteed, exempted, written_off, paid, owed, released, actor_kind, actor_id, acting_for,
        recorded_at, transaction_id
    FROM final_bill
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_CORRECTIONS = """
    SELECT id, invoice_id, final_bill_id, kind, guarantee_id, exemption_id, debt_id, patient, other, insurer, private,
        recorded_at, transaction_id
    FROM correction
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_CORRECTION_LINES = """
    SELECT line.correction_id, line.source_table, line.stt, line.code, line.name, line.quantity::text,
        line.hospital_amount, line.insured_amount, line.self_pay, line.copay, line.fund, line.other_funds
    FROM correction
    JOIN correction_line AS line ON line.organization_id = $1 AND line.correction_id = correction.id
    WHERE correction.organization_id = $1 AND correction.transaction_id >= $2 AND correction.transaction_id < $3
    ORDER BY line.correction_id, line.source_table COLLATE "C", line.stt
"""

_DAY_CERTIFICATES = """
    SELECT day, content_hash, transaction_id
    FROM day_certificate
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY day
"""

_MONTH_CLOSINGS = """
    SELECT month, closed_at, actor_kind, actor_id, acting_for, days, entries, amount, content_hash, transaction_id
    FROM month_closing
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY month
"""

_LATER_COLUMNS: Mapping[SealedKind, tuple[Value, ...]] = {
    SealedKind.PAYMENT: ("provider", None),
    SealedKind.ALLOCATION: (None,),
}
"""The last columns of a kind, added after rows were sealed, with the values that leave them out of its line."""

_ROWS: Mapping[SealedKind, str] = {
    SealedKind.ENTRY: _ENTRIES,
    SealedKind.POSTING: _POSTINGS,
    SealedKind.PAYMENT: _PAYMENTS,
    SealedKind.ALLOCATION: _ALLOCATIONS,
    SealedKind.AUDIT: _AUDITS,
    SealedKind.CLOSING: _CLOSINGS,
    SealedKind.INVOICE: _INVOICES,
    SealedKind.INVOICE_LINE: _INVOICE_LINES,
    SealedKind.INVOICE_INPUT: _INVOICE_INPUTS,
    SealedKind.DELIVERY: _DELIVERIES,
    SealedKind.EVENT_KEY: _EVENT_KEYS,
    SealedKind.MOVEMENT_KEY: _MOVEMENT_KEYS,
    SealedKind.BANK_REFERENCE: _BANK_REFERENCES,
    SealedKind.UNMATCHED_OUTFLOW: _UNMATCHED_OUTFLOWS,
    SealedKind.EXCEPTION: _EXCEPTIONS,
    SealedKind.DEAD_LETTER: _DEAD_LETTERS,
    SealedKind.APPROVAL: _APPROVALS,
    SealedKind.BANK_ACCOUNT: _BANK_ACCOUNTS,
    SealedKind.LEDGER_ACCOUNT: _LEDGER_ACCOUNTS,
    SealedKind.LEDGER_NUMBER: _LEDGER_NUMBERS,
    SealedKind.RECEIPT: _RECEIPTS,
    SealedKind.RECEIPT_PART: _RECEIPT_PARTS,
    SealedKind.RECEIPT_VOID: _RECEIPT_VOIDS,
    SealedKind.SHIFT_EVENT: _SHIFT_EVENTS,
    SealedKind.FINAL_BILL: _FINAL_BILLS,
    SealedKind.CORRECTION: _CORRECTIONS,
    SealedKind.CORRECTION_LINE: _CORRECTION_LINES,
    SealedKind.DAY_CERTIFICATE: _DAY_CERTIFICATES,
    SealedKind.MONTH_CLOSING: _MONTH_CLOSINGS,
}


async def read_kind(
    tx: Transaction, kind: SealedKind, *, covers_from: int, covers_until: int
) -> AsyncIterator[Sequence[tuple[Value, ...]]]:
    """The rows of one kind in order, in pieces of PIECE rows; the pieces are from one database snapshot."""
    query = _ROWS[kind]
    rows = await tx.fetch(f"{query} LIMIT {PIECE + 1}", tx.organization_id, covers_from, covers_until)
    if len(rows) <= PIECE:
        yield [_values(kind, row) for row in rows]
        return
    async for piece in tx.stream(query, tx.organization_id, covers_from, covers_until, piece=PIECE):
        yield [_values(kind, row) for row in piece]


def _values(kind: SealedKind, row: asyncpg.Record) -> tuple[Value, ...]:
    values: tuple[Value, ...] = tuple(row.values())
    later = _LATER_COLUMNS.get(kind, ())
    return values[: -len(later)] if later and values[-len(later) :] == later else values


# Partitions are named after their month (0022), and the first ones are those of the month in which 0022 was applied.
_OLDEST_PARTITION = """
    SELECT min(right(partition.relname, 6)) AS oldest,
        (SELECT to_char(applied_at AT TIME ZONE 'UTC', 'YYYYMM') FROM schema_migration WHERE number = 22) AS first
    FROM pg_inherits
    JOIN pg_class AS partition ON partition.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = 'public.delivery'::regclass
"""

_A_DAY = timedelta(days=1)


async def read_departures(tx: Transaction) -> dict[SealedKind, datetime]:
    """By kind, the time until which sealed rows may have been dropped with their partition: deliveries only.

    Empty if no partition was dropped. A block may contain rows of the day before it was sealed.
    """
    row = await tx.fetchrow(_OLDEST_PARTITION)
    if row is None or row["oldest"] is None or row["first"] is None or row["oldest"] <= row["first"]:
        return {}
    return {SealedKind.DELIVERY: datetime.strptime(row["oldest"], "%Y%m").replace(tzinfo=UTC) + _A_DAY}

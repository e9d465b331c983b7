"""The statement that writes a batch: every row of every table at once, from one array for each column.

`_ROWS` lists the columns of each kind of row with their types. The arrays, their numbers and their order are generated
from it, for the statement and for its parameters. Parameters before the arrays: organization, time of recording, codes
and keys of the money received.
"""

from collections.abc import Mapping, Sequence

from billing.db.arrays import columns

_ROWS: Mapping[str, Mapping[str, str]] = {
    "delivery": {
        "id": "uuid",
        "account_id": "uuid",
        "received_at": "timestamptz",
        "verdict": "text",
        "receipt_id": "uuid",
        "notices": "int",
        "method": "text",
        "path_suffix": "text",
        "query": "text",
        "headers": "text",
        "body": "bytea",
        "source": "text",
    },
    "payment": {
        "id": "uuid",
        "account_id": "uuid",
        "bank_account_id": "uuid",
        "delivery_id": "uuid",
        "intent_id": "uuid",
        "amount": "bigint",
        "provider_reference": "text",
        "bank_reference": "text",
        "occurred_at": "timestamptz",
        "on_invoices": "bigint",
        "on_deposits": "bigint",
        "credit": "bigint",
        "unallocated": "bigint",
        "transfer_text": "text",
        "payer_name": "text",
        "payer_account": "text",
        "payer_bank": "text",
    },
    "allocation": {
        "id": "uuid",
        "payment_id": "uuid",
        "target": "text",
        "invoice_id": "uuid",
        "deposit_id": "uuid",
        "amount": "bigint",
        "reason": "text",
    },
    "invoice": {
        "id": "uuid",
        "version_before": "int",
        "version": "int",
        "allocated": "bigint",
        "owed": "bigint",
    },
    "intent": {
        "id": "uuid",
        "version_before": "int",
        "version": "int",
        "state": "text",
        "received": "bigint",
    },
    "entry": {
        "id": "uuid",
        "kind": "text",
        "effective_at": "timestamptz",
        "accounting_date": "date",
        "actor_kind": "text",
        "actor_id": "uuid",
    },
    "posting": {
        "entry_id": "uuid",
        "line": "int",
        "debit_account_id": "uuid",
        "credit_account_id": "uuid",
        "amount": "bigint",
        "visit_id": "uuid",
        "invoice_id": "uuid",
        "payment_id": "uuid",
        "payer": "text",
    },
    "exception": {
        "id": "uuid",
        "reason": "text",
        "amount": "bigint",
        "account_id": "uuid",
        "delivery_id": "uuid",
        "payment_id": "uuid",
        "intent_id": "uuid",
        "due_at": "timestamptz",
        "owner_id": "uuid",
    },
    "hold": {
        "payment_id": "uuid",
        "other_payment_id": "uuid",
    },
    "attached_key": {
        "account_id": "uuid",
        "movement": "text",
        "key": "text",
        "movement_id": "uuid",
        "amount": "bigint",
    },
    "message": {
        "id": "uuid",
        "topic": "text",
        "payload": "jsonb",
    },
    "audit_line": {
        "id": "uuid",
        "actor_id": "uuid",
        "action": "text",
        "subject_kind": "text",
        "subject_id": "uuid",
    },
}

_FIRST_ARRAY = 5


def _with_arrays(statement: str) -> str:
    """The statement with the arrays of each kind of row in place of its name in braces."""
    number = _FIRST_ARRAY
    for kind, types in _ROWS.items():
        arrays = ", ".join(f"${position}::{type_}[]" for position, type_ in enumerate(types.values(), start=number))
        statement = statement.replace(f"{{{kind}}}", f"unnest({arrays}) AS t ({', '.join(types)})")
        number += len(types)
    return statement


# Rows of one statement may refer to each other: foreign keys are checked when it ends.
_WRITE = _with_arrays("""
    WITH incoming AS (
        SELECT * FROM {delivery}
    ), deliveries AS (
        INSERT INTO delivery (organization_id, id, provider_account_id, received_at, verdict, receipt_id, notices)
        SELECT $1, id, account_id, received_at, verdict, receipt_id, notices FROM incoming
    ), bodies AS (
        INSERT INTO delivery_body (organization_id, id, method, path_suffix, query, headers, body, source_address)
        SELECT $1, id, method, path_suffix, query, headers::jsonb, body, source FROM incoming
    ), paid AS (
        SELECT * FROM {payment}
    ), payments AS (
        INSERT INTO payment (organization_id, id, provider_account_id, bank_account_id, delivery_id, intent_id, amount,
            provider_reference, bank_reference, occurred_at, recorded_at)
        SELECT $1, id, account_id, bank_account_id, delivery_id, intent_id, amount, provider_reference, bank_reference,
            occurred_at, $2
        FROM paid
    ), positions AS (
        INSERT INTO payment_position (organization_id, payment_id, amount, on_invoices, on_deposits, credit,
            unallocated)
        SELECT $1, id, amount, on_invoices, on_deposits, credit, unallocated FROM paid
    ), origins AS (
        INSERT INTO payment_origin (organization_id, payment_id, transfer_text, payer_name, payer_account, payer_bank)
        SELECT $1, id, transfer_text, payer_name, payer_account, payer_bank FROM paid
    ), allocations AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, deposit_id, amount, reason,
            recorded_at)
        SELECT $1, id, payment_id, target, invoice_id, deposit_id, amount, reason, $2
        FROM {allocation}
    ), invoices AS (
        UPDATE invoice SET allocated = t.allocated, owed = t.owed, version = t.version
        FROM {invoice}
        WHERE invoice.organization_id = $1 AND invoice.id = t.id AND invoice.version = t.version_before
        RETURNING invoice.id
    ), intents AS (
        UPDATE intent SET state = t.state, received = t.received, version = t.version
        FROM {intent}
        WHERE intent.organization_id = $1 AND intent.id = t.id AND intent.version = t.version_before
        RETURNING intent.id
    ), entries AS (
        INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind,
            actor_id)
        SELECT $1, id, kind, effective_at, $2, accounting_date, actor_kind, actor_id
        FROM {entry}
    ), postings AS (
        INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id,
            invoice_id, payment_id, payer)
        SELECT $1, entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, payer
        FROM {posting}
    ), cases AS (
        INSERT INTO exception_case (organization_id, id, reason, state, amount, provider_account_id, delivery_id,
            payment_id, intent_id, opened_at, due_at, owner_id)
        SELECT $1, id, reason, 'open', amount, account_id, delivery_id, payment_id, intent_id, $2, due_at,
            owner_id
        FROM {exception}
        ON CONFLICT DO NOTHING  -- the same disagreement reported again
    ), holds AS (
        INSERT INTO payment_hold (organization_id, payment_id, other_payment_id, held_at)
        SELECT $1, payment_id, other_payment_id, $2
        FROM {hold}
    ), attached AS (
        UPDATE movement_key SET movement_id = t.movement_id, amount = t.amount
        FROM {attached_key}
        WHERE movement_key.organization_id = $1 AND movement_key.account_id = t.account_id
            AND movement_key.movement = t.movement AND movement_key.key = t.key
    ), messages AS (
        INSERT INTO outbox (organization_id, id, topic, payload)
        SELECT $1, id, topic, payload
        FROM {message}
    ), audited AS (
        INSERT INTO audit (organization_id, id, recorded_at, actor_kind, actor_id, action, subject_kind, subject_id)
        SELECT $1, id, $2, 'provider', actor_id, action, subject_kind, subject_id
        FROM {audit_line}
    )
    SELECT (SELECT count(*) FROM invoices) AS invoices, (SELECT count(*) FROM intents) AS intents,
        (SELECT array_agg(id ORDER BY id) FROM unmatched_outflow
         WHERE organization_id = $1 AND payment_id IS NULL
            AND (code <> '' AND code = ANY ($3::text[]) OR keys && $4::text[])) AS outflows
""")

WRITE_BATCH = _WRITE


def arrays_of(rows: Mapping[str, Sequence[tuple[object, ...]]]) -> list[list[object]]:
    """The arrays of the statement, in its order, from the rows of each kind; an absent kind has no rows."""
    return [array for kind, types in _ROWS.items() for array in columns(rows.get(kind, ()), len(types))]

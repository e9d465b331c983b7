"""Open payment codes that received money may be for: those of its amount, and those whose code its text resembles.

Personal: the name of the patient is read to be compared and shown. Source: docs/personal-data.md.
"""

from collections.abc import Collection
from datetime import datetime

from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.target_proposals import NamedTarget, PaymentTarget

TARGETS_MAX = 300

# By code from the unique index; by amount from the index of codes that are open (intent_state in 0013), the standing
# codes of deposits included. An intent of several invoices gives one target for each invoice that owes.
_TARGETS = """
    WITH open_code AS (
        SELECT intent.id FROM intent
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($2::text[])
        UNION
        SELECT intent.id FROM intent
        WHERE intent.organization_id = $1 AND intent.state IN ('created', 'pending', 'unknown')
            AND intent.created_at >= $4 AND intent.created_at < $5 AND intent.amount = ANY ($3::bigint[])
    )
    SELECT intent.id AS intent_id, intent.reference_code AS code, visit.id AS visit_id, visit.ma_lk,
        invoice.id AS invoice_id, request.id AS deposit_request_id,
        coalesce(invoice.owed, greatest(0, request.amount - request.received)) AS owed,
        intent.created_at AS opened_at,
        coalesce(patient.name, identity.document ->> 'HO_TEN', '') AS patient,
        left(coalesce(patient.birth, identity.document ->> 'NGAY_SINH', ''), 4) AS birth_year
    FROM open_code
    JOIN intent ON intent.organization_id = $1 AND intent.id = open_code.id
    LEFT JOIN intent_invoice AS linked ON linked.organization_id = $1 AND linked.intent_id = intent.id
    LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = linked.invoice_id
    LEFT JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = intent.deposit_request_id
        AND request.state IN ('requested', 'partly')
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
    JOIN visit ON visit.organization_id = $1 AND visit.id = coalesce(invoice.visit_id, deposit.visit_id)
    LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
    LEFT JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = visit.id
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1
        AND identity.patient_id = account.patient_id
    WHERE coalesce(invoice.owed, greatest(0, request.amount - request.received), 0) > 0
    ORDER BY intent.created_at DESC, intent.id LIMIT $6
"""


async def read_targets(
    tx: Transaction, *, codes: Collection[str], amounts: Collection[Dong], since: datetime, until: datetime
) -> list[PaymentTarget]:
    """Targets that still owe: under one of the codes, or of one of the amounts and opened in the period."""
    rows = await tx.fetch(_TARGETS, tx.organization_id, list(codes), list(amounts), since, until, TARGETS_MAX)
    return [read_row(PaymentTarget, row) for row in rows]


# A person names a visit by MA_LK, an invoice by its number, or a payment code. An invoice or request that owes nothing
# is no target.
_NAMED = """
    WITH named AS (
        SELECT visit.id AS visit_id FROM visit WHERE visit.organization_id = $1 AND visit.ma_lk = $2
        UNION
        SELECT invoice.visit_id FROM invoice WHERE invoice.organization_id = $1 AND invoice.number = $2
        UNION
        SELECT coalesce(invoice.visit_id, deposit.visit_id) FROM intent
        LEFT JOIN intent_invoice AS linked ON linked.organization_id = $1 AND linked.intent_id = intent.id
        LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = linked.invoice_id
        LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
        WHERE intent.organization_id = $1 AND intent.reference_code = $2
    ), owing AS (
        SELECT invoice.visit_id, invoice.id AS invoice_id, NULL::uuid AS deposit_request_id, invoice.owed,
            invoice.issued_at AS opened_at, invoice.number
        FROM named JOIN invoice ON invoice.organization_id = $1 AND invoice.visit_id = named.visit_id
        WHERE invoice.state = 'issued' AND invoice.owed > 0
        UNION ALL
        SELECT deposit.visit_id, NULL, request.id, request.amount - request.received, request.requested_at, ''
        FROM named JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = named.visit_id
        JOIN deposit_request AS request ON request.organization_id = $1 AND request.deposit_id = deposit.id
        WHERE deposit.state = 'open' AND request.state IN ('requested', 'partly') AND request.amount > request.received
        UNION ALL
        SELECT deposit.visit_id, NULL, NULL, 0, deposit.opened_at, ''
        FROM named JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = named.visit_id
        WHERE deposit.state = 'open'
    )
    SELECT owing.visit_id, visit.ma_lk, owing.invoice_id, owing.deposit_request_id, owing.number, owing.owed,
        owing.opened_at, coalesce(patient.name, identity.document ->> 'HO_TEN', '') AS patient,
        left(coalesce(patient.birth, identity.document ->> 'NGAY_SINH', ''), 4) AS birth_year
    FROM owing
    JOIN visit ON visit.organization_id = $1 AND visit.id = owing.visit_id
    LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
    LEFT JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = visit.id
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1
        AND identity.patient_id = account.patient_id
    ORDER BY owing.opened_at DESC, visit.id LIMIT $3
"""


async def read_named_targets(tx: Transaction, name: str, *, at_most: int) -> list[NamedTarget]:
    """What the visits of a MA_LK, an invoice number or a payment code still owe, and their open deposits."""
    rows = await tx.fetch(_NAMED, tx.organization_id, name, at_most)
    return [read_row(NamedTarget, row) for row in rows]

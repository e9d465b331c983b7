"""The payment page: its token, its content, and the versions that show a change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from billing.core.ids import IntentId
from billing.db.database import Transaction

_ADD_PAGE = """
    INSERT INTO pay_page (organization_id, intent_id, token) VALUES ($1, $2, $3)
"""


async def add_pay_page(tx: Transaction, intent_id: IntentId, token: bytes) -> None:
    """Store the token of an intent's page; 16 random bytes."""
    await tx.execute(_ADD_PAGE, tx.organization_id, intent_id, token)


# The version is the sum of the versions of the intent and its invoices: each only grows, so every change changes the
# sum.
_READ_PAGE = """
    SELECT intent.id, intent.reference_code, intent.state, intent.amount, intent.received, intent.created_at,
        intent.expires_at,
        intent.instruction, account.name AS account, account.id AS account_id, bank.bank_bin, bank.account_number,
        bank.holder, organization.name AS hospital, coalesce(nullif(bills.phone, ''), organization.help_phone) AS phone,
        intent.version + bills.version AS version, bills.bills,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('amount', payment.amount, 'occurred_at', payment.occurred_at,
             'bank_reference', coalesce(nullif(payment.bank_reference, ''), payment.provider_reference))
             ORDER BY payment.occurred_at, payment.id), '[]')
         FROM payment WHERE payment.organization_id = $1 AND payment.intent_id = intent.id) AS payments,
        (SELECT coalesce(sum(position.credit), 0)::bigint
         FROM payment
         JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
         WHERE payment.organization_id = $1 AND payment.intent_id = intent.id) AS credit
    FROM pay_page
    JOIN organization ON organization.id = $1
    JOIN intent ON intent.organization_id = $1 AND intent.id = pay_page.intent_id
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = intent.provider_account_id
    LEFT JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id = account.bank_account_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(invoice.version), 0) AS version, max(facility.phone) AS phone,
            coalesce(jsonb_agg(jsonb_build_object('number', invoice.number, 'visit_number', visit.ma_lk,
                'patient', coalesce(patient.name, ''), 'owed', invoice.owed, 'patient_share', invoice.patient_share,
                'other_share', invoice.other_share, 'insurer_share', invoice.insurer_share,
                'private_share', invoice.private_share,
                'copay', parts.copay::text, 'self_pay', parts.self_pay::text, 'reasons', input.reasons)
                ORDER BY target.position), '[]') AS bills
        FROM intent_invoice AS target
        JOIN invoice ON invoice.organization_id = $1 AND invoice.id = target.invoice_id
        JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
        JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
        LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
        LEFT JOIN invoice_snapshot AS input ON input.organization_id = $1 AND input.invoice_id = invoice.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(copay), 0) AS copay, coalesce(sum(self_pay), 0) AS self_pay
            FROM invoice_line AS line WHERE line.organization_id = $1 AND line.invoice_id = invoice.id
        ) AS parts
        WHERE target.organization_id = $1 AND target.intent_id = intent.id
    ) AS bills
    WHERE pay_page.organization_id = $1 AND pay_page.token = $2
"""


async def read_pay_page(tx: Transaction, token: bytes) -> Mapping[str, Any] | None:
    """The content of the page of a token; None if there is none."""
    row = await tx.fetchrow(_READ_PAGE, tx.organization_id, token)
    return None if row is None else dict(row)


_READ_VERSIONS = """
    SELECT intent.id, intent.version + (
        SELECT coalesce(sum(invoice.version), 0) FROM intent_invoice AS target
        JOIN invoice ON invoice.organization_id = $1 AND invoice.id = target.invoice_id
        WHERE target.organization_id = $1 AND target.intent_id = intent.id) AS version
    FROM intent WHERE intent.organization_id = $1 AND intent.id = ANY ($2::uuid[])
"""


async def read_versions(tx: Transaction, intent_ids: Sequence[IntentId]) -> dict[IntentId, int]:
    """The versions of pages. Only committed rows are read: no watermark is needed."""
    rows = await tx.fetch(_READ_VERSIONS, tx.organization_id, list(intent_ids))
    return {IntentId(row["id"]): int(row["version"]) for row in rows}


_DESK_PHONES = """
    SELECT name, phone FROM facility WHERE organization_id = $1 AND phone <> ''
    UNION ALL
    SELECT name, help_phone FROM organization WHERE id = $1 AND help_phone <> ''
        AND NOT EXISTS (SELECT FROM facility WHERE organization_id = $1 AND phone <> '')
    ORDER BY name
"""


async def read_desk_phones(tx: Transaction) -> list[tuple[str, str]]:
    """Name and phone of each payment desk: of the facilities, else of the organization; empty if none is set."""
    return [(row["name"], row["phone"]) for row in await tx.fetch(_DESK_PHONES, tx.organization_id)]


# A poll that is due within $4 is left alone: it may be in flight, and its lease must not be ended.
_EXPEDITE_POLL = """
    INSERT INTO status_poll (organization_id, intent_id, provider_account_id, started_at, due_at)
    SELECT $1, id, provider_account_id, $3, $3 FROM intent
    WHERE organization_id = $1 AND id = $2 AND state IN ('pending', 'unknown', 'expired')
    ON CONFLICT (organization_id, intent_id) DO UPDATE SET due_at = $3
    WHERE (status_poll.polled_at IS NULL OR status_poll.polled_at <= $5)
        AND (status_poll.due_at > $4 OR status_poll.due_at IS NULL
            AND coalesce(status_poll.last_outcome, 'not_found') = 'not_found')
"""


async def expedite_poll_of(
    tx: Transaction, intent_id: IntentId, *, now: datetime, leases_end_by: datetime, last_polled_by: datetime
) -> None:
    """Make the poll of an open intent due now; does nothing if the provider was just polled."""
    await tx.execute(_EXPEDITE_POLL, tx.organization_id, intent_id, now, leases_end_by, last_polled_by)


_PAGE_OF = """
    SELECT encode(token, 'hex') FROM pay_page WHERE organization_id = $1 AND intent_id = $2
"""


async def read_page_token(tx: Transaction, intent_id: IntentId) -> str | None:
    """The token of an intent's page in hexadecimal digits; None for an intent that is older than pages."""
    found: str | None = await tx.fetchval(_PAGE_OF, tx.organization_id, intent_id)
    return found

"""Intents: our wishes to collect, with the invoices they collect for."""

from collections.abc import Mapping
from typing import Any

from billing.domain.ids import IntentId
from billing.domain.intent import Intent
from billing.storage.database import Transaction

_ADD_INTENT = """
    INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, received,
        created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (organization_id, reference_code) DO NOTHING
    RETURNING id
"""

_ADD_TARGETS = """
    INSERT INTO intent_invoice (organization_id, intent_id, position, invoice_id)
    SELECT $1, $2, position, invoice_id
    FROM unnest($3::uuid[]) WITH ORDINALITY AS t (invoice_id, position)
"""


async def add_intent(tx: Transaction, intent: Intent) -> bool:
    """Add an intent with its invoices in their order; False where its reference code was ever given before."""
    added = await tx.fetchval(
        _ADD_INTENT,
        tx.organization_id,
        intent.id,
        intent.account_id,
        intent.reference,
        intent.state.value,
        intent.version,
        intent.amount,
        intent.received,
        intent.created_at,
        intent.expires_at,
    )
    if added is None:
        return False
    await tx.execute(_ADD_TARGETS, tx.organization_id, intent.id, list(intent.invoices))
    return True


_INSTRUCT = """
    UPDATE intent SET instruction = $3,
        state = CASE WHEN state = 'created' THEN 'pending' ELSE state END,
        version = version + 1
    WHERE organization_id = $1 AND id = $2
"""


async def instruct_intent(tx: Transaction, intent_id: IntentId, instruction: Mapping[str, Any]) -> None:
    """Record how the payer pays. Money may have come meanwhile: a state that has moved on is left alone."""
    await tx.execute(_INSTRUCT, tx.organization_id, intent_id, dict(instruction))


_READ_INTENT = """
    SELECT intent.id, intent.reference_code, intent.state, intent.version, intent.amount, intent.received,
        intent.created_at, intent.expires_at, intent.instruction, provider_account.name AS account,
        (SELECT array_agg(invoice_id ORDER BY position) FROM intent_invoice
         WHERE intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id) AS invoices,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('id', payment.id, 'amount', payment.amount,
                'occurred_at', payment.occurred_at, 'on_invoices', position.on_invoices, 'credit', position.credit)
                ORDER BY payment.id), '[]')
         FROM payment
         JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
         WHERE payment.organization_id = $1 AND payment.intent_id = intent.id) AS payments
    FROM intent
    JOIN provider_account ON provider_account.organization_id = $1 AND provider_account.id = intent.provider_account_id
    WHERE intent.organization_id = $1 AND intent.id = $2
"""


async def read_intent(tx: Transaction, intent_id: IntentId) -> Mapping[str, Any] | None:
    """An intent with its invoices and the payments that came under its code; None where there is none."""
    row = await tx.fetchrow(_READ_INTENT, tx.organization_id, intent_id)
    return None if row is None else dict(row)

"""Rows of payment intents to domain values, and the amount that their invoices owe."""

from collections.abc import Sequence
from typing import Any

from billing.core.ids import IntentId, InvoiceId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.payments.domain.intent import Intent, IntentState


def intent_of(fields: Sequence[Any], invoices: Sequence[InvoiceId]) -> Intent:
    """An intent from its columns.

    id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at.
    """
    intent_id, account_id, reference, state, version, amount, received, created_at, expires_at = fields
    return Intent(
        id=intent_id,
        account_id=account_id,
        reference=reference,
        state=IntentState(state),
        version=version,
        amount=amount,
        received=received,
        invoices=tuple(invoices),
        created_at=created_at,
        expires_at=expires_at,
    )


_READ_OWED = """
    SELECT intent_invoice.intent_id, sum(invoice.owed)::bigint AS owed
    FROM intent_invoice
    JOIN invoice ON invoice.organization_id = $1 AND invoice.id = intent_invoice.invoice_id
    WHERE intent_invoice.organization_id = $1 AND intent_invoice.intent_id = ANY ($2::uuid[])
    GROUP BY intent_invoice.intent_id
"""


async def read_owed(tx: Transaction, intent_ids: Sequence[IntentId]) -> dict[IntentId, Dong]:
    """The amount that the invoices of each intent still owe, by any code."""
    rows = await tx.fetch(_READ_OWED, tx.organization_id, list(intent_ids))
    return {IntentId(row["intent_id"]): Dong(row["owed"]) for row in rows}

"""Rows of payment intents to domain values, and the amount that their targets owe."""

from collections.abc import Sequence
from typing import Any

from billing.core.ids import IntentId, InvoiceId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.payments.domain.intent import Intent, IntentState


def intent_of(fields: Sequence[Any], invoices: Sequence[InvoiceId]) -> Intent:
    """An intent from its columns.

    id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at, deposit_id,
    deposit_request_id, is_standing.
    """
    intent_id, account_id, reference, state, version, amount, received, created_at, expires_at, *target = fields
    deposit_id, request_id, is_standing = target
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
        deposit_id=deposit_id,
        deposit_request_id=request_id,
        is_standing=is_standing,
    )


_READ_OWED = """
    SELECT intent_id, owed FROM intent_due WHERE organization_id = $1 AND intent_id = ANY ($2::uuid[])
"""


async def read_owed(tx: Transaction, intent_ids: Sequence[IntentId]) -> dict[IntentId, Dong]:
    """The amount that the invoices, or the deposit request, of each intent still owe, by any code."""
    rows = await tx.fetch(_READ_OWED, tx.organization_id, list(intent_ids))
    return {IntentId(row["intent_id"]): Dong(row["owed"]) for row in rows}

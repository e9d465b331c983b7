"""Rows of payment intents to domain values."""

from collections.abc import Sequence
from typing import Any

from billing.core.ids import InvoiceId
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

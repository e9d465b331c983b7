"""Duplicate candidates: payments of another channel of the same bank account, and the lock under which they are found.

`event_keys.py` has the keys of a batch and its other locks. Source: docs/design.md §5, Duplicates.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import LockClass, Transaction
from billing.payments.domain.duplicate_candidates import DUPLICATE_WINDOW, DuplicateCandidate
from billing.payments.domain.event import PaymentEvent
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import Payment

# Equal money is common at a hospital (one registration fee): for each payment event only the nearest candidate, and
# only one that no code, bank reference or hold rules out.
_CANDIDATES = """
    SELECT candidate.*
    FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[])
        AS incoming (bank_account_id, provider_account_id, amount, occurred_at, bank_reference, code)
    JOIN LATERAL (
        SELECT payment.id, payment.provider_account_id, payment.bank_account_id, payment.delivery_id, payment.intent_id,
            payment.amount, payment.provider_reference, payment.bank_reference, payment.occurred_at,
            intent.reference_code, payment_position.unallocated = payment.amount AS is_unallocated
        FROM payment
        JOIN payment_position ON payment_position.organization_id = $1 AND payment_position.payment_id = payment.id
        LEFT JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
        WHERE payment.organization_id = $1 AND payment.bank_account_id = incoming.bank_account_id
            AND payment.amount = incoming.amount
            AND payment.occurred_at BETWEEN incoming.occurred_at - $8::interval AND incoming.occurred_at + $8::interval
            AND payment.provider_account_id IS DISTINCT FROM incoming.provider_account_id
            AND (payment.bank_reference = '' OR incoming.bank_reference = ''
                OR vienphi_normal_reference(payment.bank_reference) = vienphi_normal_reference(incoming.bank_reference))
            AND (intent.reference_code IS NULL OR incoming.code = '' OR intent.reference_code = incoming.code)
            AND NOT EXISTS (SELECT FROM payment_hold AS hold
                WHERE hold.organization_id = $1 AND hold.payment_id = payment.id)
            AND NOT EXISTS (SELECT FROM payment_hold AS hold
                WHERE hold.organization_id = $1 AND hold.other_payment_id = payment.id)
        ORDER BY payment.occurred_at
        LIMIT $9
    ) AS candidate ON true
"""

# A payment under a code that was booked from a statement line: its first names were reserved in its transaction. A
# notice of the provider that reported it since is known by its bank reference. Both are read from an index.
_OF_STATEMENT = """
    SELECT payment.id, payment.provider_account_id, payment.bank_account_id, payment.delivery_id, payment.intent_id,
        payment.amount, payment.provider_reference, payment.bank_reference, payment.occurred_at, intent.reference_code
    FROM intent
    JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
    WHERE intent.organization_id = $1 AND intent.id = ANY ($2::uuid[]) AND payment.method = 'provider'
        AND payment.bank_account_id IS NOT NULL
        AND EXISTS (SELECT FROM movement_key AS named
            WHERE named.organization_id = $1 AND named.transaction_id = payment.transaction_id
                AND named.movement_id = payment.id AND named.key LIKE 'statement:%')
        AND NOT EXISTS (SELECT FROM bank_reference AS used
            WHERE used.organization_id = $1 AND used.account_id = payment.bank_account_id
                AND used.movement = 'received'
                AND used.reference = vienphi_normal_reference(payment.bank_reference)
                AND used.payment_id = payment.id AND used.source <> 'statement')
        AND NOT EXISTS (SELECT FROM payment_hold AS hold
            WHERE hold.organization_id = $1 AND hold.payment_id = payment.id)
        AND NOT EXISTS (SELECT FROM payment_hold AS hold
            WHERE hold.organization_id = $1 AND hold.other_payment_id = payment.id)
    ORDER BY payment.occurred_at, payment.id
"""


async def find_payments_of_statement(tx: Transaction, intents: Collection[Intent]) -> list[DuplicateCandidate]:
    """Payments under locked intents that only statement lines state; a late notice of the provider may report them."""
    received = [intent.id for intent in intents if intent.received > 0]
    if not received:
        return []
    return [
        DuplicateCandidate(
            payment=_payment(row),
            bank_account_id=row["bank_account_id"],
            codes=frozenset({row["reference_code"]}),
            is_unallocated=False,
            is_of_statement=True,
        )
        for row in await tx.fetch(_OF_STATEMENT, tx.organization_id, received)
    ]


_LOCK_BANK_ACCOUNTS = """
    SELECT pg_advisory_xact_lock($1, hashtext(bank_account_id::text))
    FROM (SELECT DISTINCT unnest($2::uuid[]) AS bank_account_id ORDER BY 1) AS wanted
"""


async def lock_bank_accounts(tx: Transaction, bank_account_ids: Sequence[UUID]) -> None:
    """Let one batch at a time look for candidates on a bank account of several channels; before any key is reserved."""
    await tx.execute(_LOCK_BANK_ACCOUNTS, LockClass.BANK_ACCOUNT, list(bank_account_ids))


async def find_duplicate_candidates(
    tx: Transaction, payment_events: Sequence[PaymentEvent]
) -> list[DuplicateCandidate]:
    """Payments that events from another channel of the same bank account may report again."""
    incoming = {
        (
            payment_event.bank_account_id,
            payment_event.account_id,
            payment_event.amount,
            payment_event.notice.occurred_at,
            payment_event.notice.bank_reference,
            next(iter((*payment_event.codes.field, *payment_event.codes.direct)), ""),
        )
        for payment_event in payment_events
    }
    rows = await tx.fetch(
        _CANDIDATES, tx.organization_id, *columns(sorted(incoming, key=repr), 6), DUPLICATE_WINDOW, len(payment_events)
    )
    unique = {row["id"]: row for row in rows}
    return [
        DuplicateCandidate(
            payment=_payment(row),
            bank_account_id=row["bank_account_id"],
            codes=frozenset({row["reference_code"]} if row["reference_code"] else ()),
            is_unallocated=row["is_unallocated"],
        )
        for row in unique.values()
    ]


def _payment(row: asyncpg.Record) -> Payment:
    return Payment(
        id=row["id"],
        account_id=row["provider_account_id"],
        delivery_id=row["delivery_id"],
        intent_id=row["intent_id"],
        amount=Dong(row["amount"]),
        provider_reference=row["provider_reference"],
        bank_reference=row["bank_reference"],
        occurred_at=row["occurred_at"],
    )

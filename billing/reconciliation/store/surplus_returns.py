"""Requests of payers to return an excess: those that wait, their payments and decision; and terms that have passed."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import IntentId, PaymentId, PersonId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.exception import ExceptionReason
from billing.reconciliation.domain.surplus_return import SurplusPayment, SurplusReturn

_WAITING = """
    SELECT wish.intent_id, wish.chosen_at, intent.reference_code, extra.surplus AS amount, extra.last_received_at,
        extra.return_days, visit.id AS visit_id, coalesce(visit.ma_lk, '') AS ma_lk,
        coalesce(patient.name, '') AS patient
    FROM surplus_choice AS wish
    JOIN intent ON intent.organization_id = $1 AND intent.id = wish.intent_id
    JOIN intent_surplus AS extra ON extra.organization_id = $1 AND extra.intent_id = wish.intent_id
        AND extra.surplus > 0
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
    LEFT JOIN intent_invoice AS target ON target.organization_id = $1 AND target.intent_id = intent.id
        AND target.position = (SELECT min(position) FROM intent_invoice AS first WHERE first.organization_id = $1
            AND first.intent_id = intent.id)
    LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = target.invoice_id
    LEFT JOIN visit ON visit.organization_id = $1 AND visit.id = coalesce(deposit.visit_id, invoice.visit_id)
    LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
    WHERE wish.organization_id = $1 AND wish.choice = 'return' AND wish.accepted_at IS NULL
        AND wish.declined_at IS NULL
    ORDER BY wish.chosen_at, wish.intent_id LIMIT $2
"""


async def read_waiting(tx: Transaction, *, limit: int) -> list[SurplusReturn]:
    """The requests that wait for finance, the oldest first."""
    return [read_row(SurplusReturn, row) for row in await tx.fetch(_WAITING, tx.organization_id, limit)]


_PAYMENTS = """
    SELECT id FROM payment WHERE organization_id = $1 AND intent_id = $2 ORDER BY id
"""


async def find_payments(tx: Transaction, intent_id: IntentId) -> list[PaymentId]:
    """The payments under a code."""
    return [PaymentId(row["id"]) for row in await tx.fetch(_PAYMENTS, tx.organization_id, intent_id)]


_FREE = """
    SELECT payment.id AS payment_id,
        position.credit + CASE WHEN intent.deposit_id IS NULL THEN 0 ELSE position.on_deposits END AS free
    FROM payment
    JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    WHERE payment.organization_id = $1 AND payment.intent_id = $2
    ORDER BY payment.recorded_at DESC, payment.id DESC
"""

_SURPLUS = """
    SELECT surplus FROM intent_surplus WHERE organization_id = $1 AND intent_id = $2
"""


async def read_surplus(tx: Transaction, intent_id: IntentId) -> tuple[Dong, list[SurplusPayment]]:
    """What is in excess under a code, and its payments with what of each is free, the newest first."""
    surplus = await tx.fetchval(_SURPLUS, tx.organization_id, intent_id)
    rows = await tx.fetch(_FREE, tx.organization_id, intent_id)
    return Dong(int(surplus or 0)), [read_row(SurplusPayment, row) for row in rows]


_IS_WAITING = """
    SELECT accepted_at IS NULL AND declined_at IS NULL AND choice = 'return' FROM surplus_choice
    WHERE organization_id = $1 AND intent_id = $2 FOR NO KEY UPDATE
"""


async def lock_request(tx: Transaction, intent_id: IntentId) -> bool | None:
    """Lock the choice of a payer, whose payments are locked: whether a return waits; None where nothing was chosen."""
    found: bool | None = await tx.fetchval(_IS_WAITING, tx.organization_id, intent_id)
    return found


_ACCEPT = """
    UPDATE surplus_choice SET accepted_at = $3, accepted_by = $4 WHERE organization_id = $1 AND intent_id = $2
"""


async def accept_request(tx: Transaction, intent_id: IntentId, *, by: PersonId, at: datetime) -> None:
    """Record that a person has accepted a locked request."""
    await tx.execute(_ACCEPT, tx.organization_id, intent_id, at, by)


_DECLINE = """
    UPDATE surplus_choice SET declined_at = $3, declined_by = $4, decline_reason = $5
    WHERE organization_id = $1 AND intent_id = $2
"""


async def decline_request(tx: Transaction, intent_id: IntentId, *, reason: str, by: PersonId, at: datetime) -> None:
    """Record that a person has declined a locked request, and why."""
    await tx.execute(_DECLINE, tx.organization_id, intent_id, at, by, reason)


_OPEN_CASES = """
    SELECT id FROM exception_case
    WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]) AND state = 'open' AND reason = ANY ($3::text[])
"""


async def find_open_cases(
    tx: Transaction, payment_ids: Sequence[PaymentId], reasons: Sequence[ExceptionReason]
) -> list[UUID]:
    """The open exceptions of payments for these reasons; not locked."""
    names = [reason.value for reason in reasons]
    return [row["id"] for row in await tx.fetch(_OPEN_CASES, tx.organization_id, list(payment_ids), names)]


# Open exceptions are few: they are found first, and only their codes are examined.
_LAPSED = """
    SELECT payment.intent_id, one.id AS exception_id
    FROM exception_case AS one
    JOIN payment ON payment.organization_id = $1 AND payment.id = one.payment_id AND payment.intent_id IS NOT NULL
    JOIN intent_surplus AS extra ON extra.organization_id = $1 AND extra.intent_id = payment.intent_id
    LEFT JOIN surplus_choice AS wish ON wish.organization_id = $1 AND wish.intent_id = payment.intent_id
    WHERE one.organization_id = $1 AND one.state = 'open' AND one.reason = 'over_paid' AND extra.surplus > 0
        AND (extra.last_received_at AT TIME ZONE interval '7 hours')::date + extra.return_days < $2::date
        AND (wish.choice IS NULL OR wish.choice = 'keep' OR wish.declined_at IS NOT NULL)
    ORDER BY one.id LIMIT $3
"""


async def find_lapsed(tx: Transaction, *, today: date, at_most: int) -> dict[UUID, IntentId]:
    """Codes with an excess whose term has passed and whose return nobody waits for, by their open exception."""
    rows = await tx.fetch(_LAPSED, tx.organization_id, today, at_most)
    return {row["exception_id"]: IntentId(row["intent_id"]) for row in rows}


_KEEP = """
    INSERT INTO surplus_choice (organization_id, intent_id, choice, chosen_at, chosen_by)
    VALUES ($1, $2, 'keep', $3, 'term') ON CONFLICT (organization_id, intent_id) DO NOTHING
"""


async def keep_surplus(tx: Transaction, intent_id: IntentId, *, at: datetime) -> None:
    """Record that an excess is kept because its term has passed; an earlier choice stays."""
    await tx.execute(_KEEP, tx.organization_id, intent_id, at)

"""What must hold after whatever happened: each acknowledged transfer once and whole, nothing else, and the books."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import asyncpg

from billing.db.database import Database
from billing.ledger.service.verify import VERIFY_LIMITS
from tests.bench.stock import Stock
from tests.chaos.bank import BankRecord, Transfer
from tests.flow import find_mismatches

_MATCHING_S = 60.0
"""Several rounds of the worker's `match`."""

_WRONG_PAYMENTS = """
    SELECT coalesce(sent.reference, booked.reference) AS subject,
        format('sent %s for %s, booked %s for %s', sent.amount, sent.code, booked.amounts, booked.codes) AS words
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) AS sent (reference, organization_id, amount, code)
    FULL JOIN (
        SELECT payment.provider_reference AS reference, payment.organization_id, array_agg(payment.amount) AS amounts,
            array_agg(intent.reference_code) AS codes
        FROM payment LEFT JOIN intent
            ON intent.organization_id = payment.organization_id AND intent.id = payment.intent_id
        WHERE payment.method = 'provider'
        GROUP BY payment.provider_reference, payment.organization_id
    ) AS booked ON booked.reference = sent.reference AND booked.organization_id = sent.organization_id
    WHERE booked.amounts IS DISTINCT FROM ARRAY[sent.amount] OR booked.codes IS DISTINCT FROM ARRAY[sent.code]
"""

# What has no index by payment is counted once, and met by hash.
_HALF_WRITTEN = """
    WITH sent AS MATERIALIZED (
        SELECT organization_id, (payload ->> 'payment_id')::uuid AS payment_id, count(*) AS number
        FROM outbox WHERE topic = 'payment.received' GROUP BY 1, 2
    ), noted AS MATERIALIZED (
        SELECT organization_id, subject_id AS payment_id, count(*) AS number
        FROM audit WHERE action = 'payment_received' GROUP BY 1, 2
    ), named AS MATERIALIZED (
        SELECT organization_id, movement_id AS payment_id, count(*) AS number FROM movement_key GROUP BY 1, 2
    ), used AS MATERIALIZED (
        SELECT organization_id, payment_id, count(*) AS number FROM bank_reference GROUP BY 1, 2
    ), posted AS MATERIALIZED (
        SELECT DISTINCT organization_id, payment_id FROM posting WHERE payment_id IS NOT NULL
    )
    SELECT payment.provider_reference AS subject,
        'position, origin, allocations, delivery, body, event key, movement keys, bank references beyond, postings, '
            'message, audit: ' || has::text AS words
    FROM payment
    LEFT JOIN sent ON sent.organization_id = payment.organization_id AND sent.payment_id = payment.id
    LEFT JOIN noted ON noted.organization_id = payment.organization_id AND noted.payment_id = payment.id
    LEFT JOIN named ON named.organization_id = payment.organization_id AND named.payment_id = payment.id
    LEFT JOIN used ON used.organization_id = payment.organization_id AND used.payment_id = payment.id
    LEFT JOIN posted ON posted.organization_id = payment.organization_id AND posted.payment_id = payment.id
    CROSS JOIN LATERAL (SELECT
        (SELECT count(*) FROM payment_position AS p WHERE p.organization_id = payment.organization_id
            AND p.payment_id = payment.id) AS position,
        (SELECT count(*) FROM payment_origin AS p WHERE p.organization_id = payment.organization_id
            AND p.payment_id = payment.id) AS origin,
        (SELECT count(*) > 0 FROM allocation AS p WHERE p.organization_id = payment.organization_id
            AND p.payment_id = payment.id) AS allocations,
        (SELECT count(*) FROM delivery AS p WHERE p.organization_id = payment.organization_id
            AND p.id = payment.delivery_id) AS delivery,
        (SELECT count(*) FROM delivery_body AS p WHERE p.organization_id = payment.organization_id
            AND p.id = payment.delivery_id) AS body,
        (SELECT count(*) FROM event_key AS p WHERE p.organization_id = payment.organization_id
            AND p.provider_account_id = payment.provider_account_id
            AND p.key = 'received:' || payment.provider_reference || ':SUCCEEDED') AS event_key,
        named.number AS fact_keys,
        coalesce(used.number, 0) - (payment.bank_reference <> '')::int AS bank_references,
        posted.payment_id IS NOT NULL AS postings,
        sent.number AS message,
        noted.number AS audit
    ) AS has
    WHERE payment.method = 'provider' AND has::text <> '(1,1,t,1,1,1,1,0,t,1,1)'
    UNION ALL
    SELECT event_key.key, 'a key without its delivery' FROM event_key
    WHERE NOT EXISTS (SELECT FROM delivery
        WHERE delivery.organization_id = event_key.organization_id AND delivery.id = event_key.delivery_id)
    UNION ALL
    SELECT movement_key.key, 'a key without its payment' FROM movement_key
    WHERE movement = 'received' AND NOT EXISTS (SELECT FROM payment
        WHERE payment.organization_id = movement_key.organization_id AND payment.id = movement_key.movement_id)
"""


_WRONG_REFUNDS = """
    SELECT payment.provider_reference AS subject,
        format('refunds of %s were reported, %s is refunded', coalesce(reported.amount, 0), position.refunded) AS words
    FROM payment
    JOIN payment_position AS position
        ON position.organization_id = payment.organization_id AND position.payment_id = payment.id
    LEFT JOIN unnest($1::text[], $2::int[], $3::bigint[]) AS reported (reference, organization_id, amount)
        ON reported.reference = payment.provider_reference AND reported.organization_id = payment.organization_id
    WHERE payment.method = 'provider' AND position.refunded <> coalesce(reported.amount, 0)
"""

_UNEXPLAINED = """
    SELECT 'unexplained_outflow' AS subject, format('%s đồng in organization %s', sum(signed), organization_id) AS words
    FROM (
        SELECT posting.organization_id, CASE WHEN posting.debit_account_id = account.id THEN amount ELSE -amount END
            AS signed
        FROM ledger_account AS account
        JOIN posting ON posting.organization_id = account.organization_id
            AND account.id IN (posting.debit_account_id, posting.credit_account_id)
        WHERE account.role = 'unexplained_outflow'
    ) AS moved
    GROUP BY organization_id HAVING sum(signed) <> 0
"""


_WAITING_OUTFLOWS = """
    SELECT count(*) FROM unmatched_outflow WHERE payment_id IS NULL AND returned_at IS NULL
"""


async def find_wrongs(stock: Stock, record: BankRecord) -> list[str]:
    """Everything that does not hold, in words; every transfer must have been acknowledged before.

    A refund and its payment that were booked at the same time may have missed each other until the worker's next round.
    """
    wrongs = [*record.wrongs]
    reported = [*record.transfers, *record.refunds]
    wrongs += [f"{each} was never acknowledged" for each in reported if not record.acknowledged[each]]
    connection = await stock.connect()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_MATCHING_S):
                while await connection.fetchval(_WAITING_OUTFLOWS):
                    await asyncio.sleep(0.5)
        wrongs += await find_wrong_rows(connection, list(record.transfers.values()), list(record.refunds.values()))
    finally:
        await connection.close()
    return wrongs + await _mismatches(stock)


async def find_wrong_rows(
    connection: "asyncpg.Connection[asyncpg.Record]", transfers: Sequence[Transfer], refunds: Sequence[Transfer]
) -> list[str]:
    """Each visible payment that is not one of the transfers, or not whole, and each transfer without its payment."""
    rows = await connection.fetch(
        _WRONG_PAYMENTS,
        [transfer.transaction_id for transfer in transfers],
        [transfer.organization for transfer in transfers],
        [transfer.amount for transfer in transfers],
        [transfer.code for transfer in transfers],
    )
    rows += await connection.fetch(_HALF_WRITTEN)
    rows += await connection.fetch(
        _WRONG_REFUNDS,
        [refund.refund_of for refund in refunds],
        [refund.organization for refund in refunds],
        [refund.amount for refund in refunds],
    )
    rows += await connection.fetch(_UNEXPLAINED)
    return [f"{row['subject']}: {row['words']}" for row in rows]


async def _mismatches(stock: Stock) -> list[str]:
    database = await Database.open(stock.server.app_url, limits=VERIFY_LIMITS)
    try:
        return [
            f"the proof {name} has {number} mismatches" for name, number in (await find_mismatches(database)).items()
        ]
    finally:
        await database.close()

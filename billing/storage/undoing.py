"""Rows of a payment that leaves again: found, locked in the order of the house, and undone.

Apart from the statements of the callback path, since it is rare. An outflow whose payment is not known yet waits in
`unmatched_outflow`.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.domain.ids import (
    AllocationId,
    DeliveryId,
    IntentId,
    InvoiceId,
    PaymentId,
    ProviderAccountId,
    VisitId,
)
from billing.domain.intent import Intent
from billing.domain.invoice import Invoice
from billing.domain.money import Dong
from billing.domain.notice import FactKey, Telling
from billing.domain.payment import Place
from billing.domain.undoing import LiveAllocation, Outflow, PaidBefore, Undone
from billing.storage.database import Transaction
from billing.storage.rows import columns, intent_of, invoice_of
from providers.contract import Movement

# By the money's own names first; else the newest payment under the code from which this much has not left yet, one of
# the account that the money left before one of another; else the one payment under the bank reference that has so much
# left, since a bank reference is a weak name.
_FIND_PAYMENT = """
    SELECT id FROM (
        SELECT 1 AS choice, payment.id, payment.provider_account_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN fact_key ON fact_key.organization_id = $1 AND fact_key.account_id = named.account_id
            AND fact_key.movement = 'received' AND fact_key.key = named.key
        JOIN payment ON payment.organization_id = $1 AND payment.id = fact_key.fact_id
        UNION ALL
        SELECT 2, payment.id, payment.provider_account_id
        FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
        WHERE intent.organization_id = $1 AND intent.reference_code = $4
            AND position.amount - position.refunded - position.refund_reserved >= $5
        UNION ALL
        SELECT 3, referenced.id, referenced.provider_account_id
        FROM (
            SELECT DISTINCT payment.id, payment.provider_account_id, count(*) OVER () AS number
            FROM (
                SELECT DISTINCT used.payment_id
                FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
                JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
                    AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
            ) AS known
            JOIN payment ON payment.organization_id = $1 AND payment.id = known.payment_id
            JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
            WHERE position.amount - position.refunded - position.refund_reserved >= $5
        ) AS referenced
        WHERE referenced.number = 1
    ) AS found
    ORDER BY choice, provider_account_id = $6 DESC, id DESC
    LIMIT 1
"""


async def find_payment(tx: Transaction, outflow: Outflow) -> PaymentId | None:
    """The payment whose money has left; nothing is locked."""
    found: UUID | None = await tx.fetchval(
        _FIND_PAYMENT,
        tx.organization_id,
        *columns([(key.account_id, key.key) for key in outflow.names], 2),
        outflow.code,
        outflow.amount,
        outflow.account_id,
    )
    return None if found is None else PaymentId(found)


# The invoices and intents that a batch with money leaving may change, those of its payments included.
_LOCK_INVOICES_OF_BATCH = """
    SELECT id FROM invoice
    WHERE organization_id = $1 AND id IN (
        SELECT intent_invoice.invoice_id FROM intent
        JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($5::text[])
        UNION
        SELECT allocation.invoice_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN fact_key ON fact_key.organization_id = $1 AND fact_key.account_id = named.account_id
            AND fact_key.movement = 'received' AND fact_key.key = named.key
        JOIN allocation ON allocation.organization_id = $1 AND allocation.payment_id = fact_key.fact_id
        UNION
        SELECT allocation.invoice_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
            AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
        JOIN allocation ON allocation.organization_id = $1 AND allocation.payment_id = used.payment_id
        UNION
        SELECT allocation.invoice_id
        FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        JOIN allocation ON allocation.organization_id = $1 AND allocation.payment_id = payment.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($4::text[]))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_INTENTS_OF_BATCH = """
    SELECT id FROM intent
    WHERE organization_id = $1 AND (reference_code = ANY ($4::text[]) OR id IN (
        SELECT payment.intent_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN fact_key ON fact_key.organization_id = $1 AND fact_key.account_id = named.account_id
            AND fact_key.movement = 'received' AND fact_key.key = named.key
        JOIN payment ON payment.organization_id = $1 AND payment.id = fact_key.fact_id
        UNION
        SELECT payment.intent_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
            AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
        JOIN payment ON payment.organization_id = $1 AND payment.id = used.payment_id))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_POSITIONS_OF_BATCH = """
    SELECT payment_id FROM payment_position
    WHERE organization_id = $1 AND payment_id IN (
        SELECT fact_key.fact_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN fact_key ON fact_key.organization_id = $1 AND fact_key.account_id = named.account_id
            AND fact_key.movement = 'received' AND fact_key.key = named.key
        UNION
        SELECT used.payment_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
            AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
        UNION
        SELECT payment.id FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($4::text[]))
    ORDER BY payment_id FOR NO KEY UPDATE
"""


async def lock_for_outflows(tx: Transaction, tellings: Sequence[Telling], *, codes: Sequence[str]) -> None:
    """Hold, in the order of the house, all that a batch may change in which money leaves; `codes` are all its codes.

    Called before the batch locks what its money received may change: both are then held at once, in one order, and no
    two batches wait for each other in a circle.
    """
    leaving = [telling for telling in tellings if telling.takes_money_out]
    names = {(key.account_id, key.key) for telling in leaving for key in telling.reverses or telling.traces}
    theirs = sorted({code for telling in leaving for code in (*telling.codes.field, *telling.codes.direct)})
    found = columns(sorted(names, key=repr), 2)
    await tx.fetch(_LOCK_INVOICES_OF_BATCH, tx.organization_id, *found, theirs, codes)
    await tx.fetch(_LOCK_INTENTS_OF_BATCH, tx.organization_id, *found, codes)
    await tx.fetch(_LOCK_POSITIONS_OF_BATCH, tx.organization_id, *found, theirs)


_ADD_UNMATCHED = """
    INSERT INTO unmatched_outflow (organization_id, id, provider_account_id, delivery_id, amount, keys, code,
        occurred_at, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_unmatched_outflow(tx: Transaction, outflow: Outflow, *, at: datetime) -> None:
    """Keep money that left before its payment is known, with the names that lead to the payment."""
    await tx.execute(
        _ADD_UNMATCHED,
        tx.organization_id,
        outflow.id,
        outflow.account_id,
        outflow.delivery_id,
        outflow.amount,
        sorted(outflow_key(key) for key in outflow.names),
        outflow.code,
        outflow.occurred_at,
        at,
    )


_READ_UNMATCHED = """
    SELECT id, provider_account_id, delivery_id, amount, keys, code, occurred_at
    FROM unmatched_outflow
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND payment_id IS NULL
    ORDER BY id
"""


async def read_unmatched_outflows(tx: Transaction, outflow_ids: Sequence[PaymentId]) -> list[Outflow]:
    """Those of the outflows named that are not matched yet, the oldest first."""
    return [
        Outflow(
            id=PaymentId(row["id"]),
            account_id=ProviderAccountId(row["provider_account_id"]),
            delivery_id=DeliveryId(row["delivery_id"]),
            amount=Dong(row["amount"]),
            occurred_at=row["occurred_at"],
            names=frozenset(_name_of(key) for key in row["keys"]),
            code=row["code"],
        )
        for row in await tx.fetch(_READ_UNMATCHED, tx.organization_id, list(outflow_ids))
    ]


_FIND_MATCHABLE = """
    SELECT outflow.id
    FROM unmatched_outflow AS outflow
    WHERE outflow.organization_id = $1 AND outflow.payment_id IS NULL AND outflow.recorded_at > $2
        AND (EXISTS (SELECT FROM unnest(outflow.keys) AS named (key)
                JOIN fact_key ON fact_key.organization_id = $1 AND fact_key.movement = 'received'
                    AND fact_key.account_id = left(named.key, 36)::uuid AND fact_key.key = substr(named.key, 38)
                JOIN payment_position AS position ON position.organization_id = $1
                    AND position.payment_id = fact_key.fact_id
                WHERE position.amount - position.refunded - position.refund_reserved >= outflow.amount)
            OR EXISTS (SELECT FROM unnest(outflow.keys) AS named (key)
                JOIN bank_reference AS used ON used.organization_id = $1 AND used.movement = 'received'
                    AND used.account_id = left(named.key, 36)::uuid AND used.reference = substr(named.key, 43)
                    AND substr(named.key, 38, 5) = 'bank:'
                JOIN payment_position AS position ON position.organization_id = $1
                    AND position.payment_id = used.payment_id
                WHERE position.amount - position.refunded - position.refund_reserved >= outflow.amount)
            OR EXISTS (SELECT FROM intent
                JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
                JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
                WHERE intent.organization_id = $1 AND outflow.code <> '' AND intent.reference_code = outflow.code
                    AND position.amount - position.refunded - position.refund_reserved >= outflow.amount))
    ORDER BY outflow.id
    LIMIT $3
"""


async def find_matchable_outflows(tx: Transaction, *, since: datetime, at_most: int) -> list[PaymentId]:
    """Outflows recorded after a moment whose payment is in the books by now; nothing is locked."""
    rows = await tx.fetch(_FIND_MATCHABLE, tx.organization_id, since, at_most)
    return [PaymentId(row["id"]) for row in rows]


_MATCH = """
    UPDATE unmatched_outflow SET payment_id = $3, matched_at = $4
    WHERE organization_id = $1 AND id = $2 AND payment_id IS NULL
"""


async def match_outflow(tx: Transaction, outflow_id: PaymentId, payment_id: PaymentId, *, at: datetime) -> bool:
    """Record the payment of an outflow; False where another transaction has matched it."""
    return await tx.execute(_MATCH, tx.organization_id, outflow_id, payment_id, at) == "UPDATE 1"


def outflow_key(key: FactKey) -> str:
    """A name of money received as it stands in `unmatched_outflow.keys`."""
    return f"{key.account_id}/{key.key}"


def _name_of(key: str) -> FactKey:
    account_id, _, name = key.partition("/")
    return FactKey(UUID(account_id), Movement.RECEIVED, name)


_LOCK_INVOICES = """
    SELECT id, visit_id, visit_version, number, state, version, patient_share, other_share, insurer_share,
        private_share, corrections, allocated, issued_at
    FROM invoice
    WHERE organization_id = $1 AND id IN (
        SELECT invoice_id FROM allocation WHERE organization_id = $1 AND payment_id = $2 AND invoice_id IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_INTENT = """
    SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at
    FROM intent
    WHERE organization_id = $1 AND id = (SELECT intent_id FROM payment WHERE organization_id = $1 AND id = $2)
    FOR NO KEY UPDATE
"""

_TARGETS = """
    SELECT invoice_id FROM intent_invoice WHERE organization_id = $1 AND intent_id = $2 ORDER BY position
"""

_LOCK_POSITION = """
    SELECT payment_id FROM payment_position WHERE organization_id = $1 AND payment_id = $2 FOR NO KEY UPDATE
"""

# After the position is locked, in a later statement: nobody adds to these any more.
_LIVE_ALLOCATIONS = """
    SELECT allocation.id, allocation.kind, allocation.amount, allocation.invoice_id, bill.visit_id
    FROM allocation
    LEFT JOIN LATERAL (
        SELECT visit_id FROM invoice WHERE invoice.organization_id = $1 AND invoice.id = allocation.invoice_id
    ) AS bill ON true
    WHERE allocation.organization_id = $1 AND allocation.payment_id = $2 AND allocation.undoes IS NULL
        AND NOT EXISTS (SELECT FROM allocation AS undoing
            WHERE undoing.organization_id = $1 AND undoing.undoes = allocation.id)
    ORDER BY allocation.id DESC
"""


async def lock_payment(tx: Transaction, payment_id: PaymentId) -> PaidBefore:
    """Hold the invoices, the intent and the position of a payment, in this order, and read where its money stands."""
    invoices: dict[InvoiceId, Invoice] = {
        InvoiceId(row["id"]): invoice_of(tuple(row))
        for row in await tx.fetch(_LOCK_INVOICES, tx.organization_id, payment_id)
    }
    row = await tx.fetchrow(_LOCK_INTENT, tx.organization_id, payment_id)
    intent: Intent | None = None
    if row is not None:
        targets = await tx.fetch(_TARGETS, tx.organization_id, row["id"])
        intent = intent_of(tuple(row), [InvoiceId(target["invoice_id"]) for target in targets])
    await tx.fetch(_LOCK_POSITION, tx.organization_id, payment_id)
    live = await tx.fetch(_LIVE_ALLOCATIONS, tx.organization_id, payment_id)
    return PaidBefore(
        payment_id=payment_id,
        allocations=[
            LiveAllocation(
                AllocationId(part["id"]),
                Place(part["kind"]),
                Dong(part["amount"]),
                part["invoice_id"],
                None if part["visit_id"] is None else VisitId(part["visit_id"]),
            )
            for part in live
        ],
        invoices=invoices,
        intent=intent,
    )


_WRITE_UNDONE = """
    WITH undone AS (
        INSERT INTO allocation (organization_id, id, payment_id, kind, invoice_id, amount, undoes, reason, recorded_at)
        SELECT $1, t.undo_id, $2, t.kind, t.invoice_id, t.amount, t.undoes, 'money_left_unasked', $3
        FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::bigint[])
            AS t (undo_id, undoes, kind, invoice_id, amount)
    ), put_back AS (
        INSERT INTO allocation (organization_id, id, payment_id, kind, invoice_id, amount, reason, recorded_at)
        SELECT $1, t.id, $2, t.kind, t.invoice_id, t.amount, 'rest_of_undone', $3
        FROM unnest($9::uuid[], $10::text[], $11::uuid[], $12::bigint[]) AS t (id, kind, invoice_id, amount)
    )
    UPDATE payment_position SET on_invoices = on_invoices - $13, credit = credit - $14,
        unallocated = unallocated - $15, refunded = refunded + $13 + $14 + $15
    WHERE organization_id = $1 AND payment_id = $2
"""

_UPDATE_INVOICES = """
    UPDATE invoice SET allocated = t.allocated, owed = t.owed, version = t.version
    FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::bigint[]) AS t (id, version, allocated, owed)
    WHERE invoice.organization_id = $1 AND invoice.id = t.id
"""

_UPDATE_INTENT = """
    UPDATE intent SET state = $3, received = $4, version = $5 WHERE organization_id = $1 AND id = $2
"""


async def write_undone(tx: Transaction, undone: Undone, *, at: datetime) -> None:
    """Write what money that left leads to; every row is held by `lock_payment`."""
    sums = dict.fromkeys(Place, 0)
    for taken in undone.taken:
        sums[taken.allocation.place] += taken.amount
    undos = [
        (one.undo_id, one.allocation.id, one.allocation.place.value, one.allocation.invoice_id, one.allocation.amount)
        for one in undone.taken
    ]
    rests: Sequence[tuple[object, ...]] = [
        (one.rest_id, one.allocation.place.value, one.allocation.invoice_id, one.allocation.amount - one.amount)
        for one in undone.taken
        if one.rest_id is not None
    ]
    await tx.execute(
        _WRITE_UNDONE,
        tx.organization_id,
        undone.payment_id,
        at,
        *columns(undos, 5),
        *columns(rests, 4),
        sums[Place.INVOICE],
        sums[Place.CREDIT],
        sums[Place.UNALLOCATED],
    )
    await tx.execute(
        _UPDATE_INVOICES,
        tx.organization_id,
        *columns([(one.id, one.version, one.allocated, one.owed) for one in undone.invoices], 4),
    )
    if undone.intent is not None:
        intent = undone.intent
        intent_id: IntentId = intent.id
        await tx.execute(
            _UPDATE_INTENT, tx.organization_id, intent_id, intent.state.value, intent.received, intent.version
        )

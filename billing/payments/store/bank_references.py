"""Weak names of money: a bank reference of several events, and the values that distinguish their payments.

`event_keys.reserve_keys` reserves the first use of a reference and `event_keys.lock_batch_state` reads the earlier
uses. This module adds the lock and the further uses of a reference that was used before. Source: docs/design.md §5,
Strong and weak names.
"""

from collections.abc import Sequence

from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.payments.domain.event import PaymentEvent, ReferenceUse
from billing.payments.store.event_keys import ReservedKeys

# The reservation of the same key waits for the first user of a reference; later users wait here. Only later statements
# read the rows that they add.
_LOCK = """
    SELECT FROM bank_reference AS used
    JOIN unnest($2::uuid[], $3::text[], $4::text[]) AS named (account_id, movement, reference)
        ON used.account_id = named.account_id AND used.movement = named.movement AND used.reference = named.reference
    WHERE used.organization_id = $1 AND used.number = 1
    ORDER BY used.account_id, used.movement, used.reference
    FOR NO KEY UPDATE OF used
"""


async def lock_references(tx: Transaction, new: Sequence[PaymentEvent], reserved: ReservedKeys) -> None:
    """Let one batch at a time decide the payment of a bank reference that was used before; usually there is none."""
    keys = {
        payment_event.reference_key
        for payment_event in new
        if payment_event.moves_money
        and payment_event.reference_key is not None
        and payment_event.reference_key not in reserved.references
    }
    if keys:
        named = [(key.account_id, key.movement.value, key.reference) for key in sorted(keys)]
        await tx.fetch(_LOCK, tx.organization_id, *columns(named, 3))


_ADD = """
    INSERT INTO bank_reference (organization_id, account_id, movement, reference, number, payment_id,
        provider_account_id, source, name, amount, booked_on, codes)
    SELECT $1, t.account_id, t.movement, t.reference,
        (SELECT max(used.number) FROM bank_reference AS used
         WHERE used.organization_id = $1 AND used.account_id = t.account_id AND used.movement = t.movement
            AND used.reference = t.reference)
        + row_number() OVER (PARTITION BY t.account_id, t.movement, t.reference ORDER BY t.place),
        t.payment_id, t.provider_account_id, t.source, t.name, t.amount, t.booked_on,
        string_to_array(t.codes, ' ')
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::bigint[],
        $10::date[], $11::text[]) WITH ORDINALITY AS t (account_id, movement, reference, payment_id,
        provider_account_id, source, name, amount, booked_on, codes, place)
"""

_MOVE = """
    UPDATE bank_reference AS used SET payment_id = t.payment_id
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[])
        AS t (account_id, movement, reference, payment_id, provider_account_id, name)
    WHERE used.organization_id = $1 AND used.account_id = t.account_id AND used.movement = t.movement
        AND used.reference = t.reference AND used.provider_account_id = t.provider_account_id AND used.name = t.name
"""


async def write_references(tx: Transaction, added: Sequence[ReferenceUse], moved: Sequence[ReferenceUse]) -> None:
    """Add further uses of references whose lock is held, and correct the payment of a reserved one."""
    if moved:
        rows = [
            (use.key.account_id, use.key.movement.value, use.key.reference, use.payment_id, use.account_id, use.name)
            for use in moved
        ]
        await tx.execute(_MOVE, tx.organization_id, *columns(rows, 6))
    if added:
        await tx.execute(_ADD, tx.organization_id, *columns([reference_row(use) for use in added], 10))


def reference_row(use: ReferenceUse) -> tuple[object, ...]:
    """A use as columns in the order of the statements: account_id, movement, reference, payment_id … codes."""
    return (
        use.key.account_id,
        use.key.movement.value,
        use.key.reference,
        use.payment_id,
        use.account_id,
        use.source,
        use.name,
        use.amount,
        use.booked_on,
        " ".join(sorted(use.codes)),
    )

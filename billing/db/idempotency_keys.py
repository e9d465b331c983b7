"""Idempotency keys: the result of a creating request, stored in the transaction that creates."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.db.database import Transaction

_TRY_LOCK = """
    SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(chr(10), $1::int, $2::text, $3::text, $4::text), 0))
"""


async def try_lock_key(tx: Transaction, *, caller: str, route: str, key: str) -> bool:
    """Lock a key until the transaction ends; False if another transaction holds it."""
    return await tx.fetchval(_TRY_LOCK, tx.organization_id, caller, route, key) is True


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A stored key: the hash of its request, whether it created anything new, and the created subjects."""

    request_hash: bytes
    is_new: bool
    subjects: tuple[UUID, ...]


_READ_KEY = """
    SELECT request_hash, is_new, subjects FROM idempotency_key
    WHERE organization_id = $1 AND caller = $2 AND route = $3 AND key = $4
"""


async def read_key(tx: Transaction, *, caller: str, route: str, key: str) -> KeyRow | None:
    """The result of a key; None if it was never stored."""
    row = await tx.fetchrow(_READ_KEY, tx.organization_id, caller, route, key)
    return None if row is None else KeyRow(bytes(row["request_hash"]), row["is_new"], tuple(row["subjects"]))


# Without a synchronous standby it costs one flush of the WAL.
_CONFIRM = """
    SELECT pg_logical_emit_message(true, 'vienphi', ''::text)
"""


async def confirm_key(tx: Transaction) -> None:
    """Let COMMIT wait for the synchronous standby although nothing was written.

    The commit that stored the key may itself be of unknown outcome: its wait was cancelled, or this server recovered
    from a crash, or is cut off from its standbys. A commit waits for everything written before it, but one that wrote
    nothing waits for nothing.
    """
    await tx.fetchval(_CONFIRM)


_ADD_KEY = """
    INSERT INTO idempotency_key (organization_id, caller, route, key, request_hash, is_new, subjects, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def add_key(tx: Transaction, result: KeyRow, *, caller: str, route: str, key: str, recorded_at: datetime) -> None:
    """Store the result of a key; its lock must be held."""
    await tx.execute(
        _ADD_KEY,
        tx.organization_id,
        caller,
        route,
        key,
        result.request_hash,
        result.is_new,
        list(result.subjects),
        recorded_at,
    )

"""Asking once: a creating request carries a key, and the same request under the same key creates nothing twice.

The first thing a creating use case does in its transaction is to look for the request, the last to keep it: both or
neither are committed. A rejection saves nothing, so a rejected request may be sent again under its key. Source:
docs/decisions/0006-idempotency-keys.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.db.database import Transaction
from billing.db.idempotency_keys import KeyRow, add_key, read_key, try_lock_key


class RequestStillRunning(Refused):
    """A request under this key has not ended yet; ask again in a moment."""

    code = "request_still_running"


class IdempotencyKeyReused(InvalidValue):
    """The key has been used for another request."""

    code = "idempotency_key_reused"


@dataclass(slots=True, kw_only=True)
class IdempotentRequest:
    """One creating request: who asks for what under which key, and a hash of all that was sent.

    `earlier` is filled in by the use case where the same request was answered before; it has created nothing then.
    """

    caller: str
    route: str
    key: str
    request_hash: bytes
    earlier: KeyRow | None = None


async def find_previous_result(tx: Transaction, request: IdempotentRequest | None) -> KeyRow | None:
    """What this request led to when it was first made; None where it is the first, whose key is then held.

    Raises RequestStillRunning and IdempotencyKeyReused.
    """
    if request is None:
        return None
    if not await try_lock_key(tx, caller=request.caller, route=request.route, key=request.key):
        raise RequestStillRunning("a request with this Idempotency-Key is under way; ask again in a moment")
    # In a later statement than the lock: whoever held it before has committed, and is seen.
    request.earlier = await read_key(tx, caller=request.caller, route=request.route, key=request.key)
    if request.earlier is not None and request.earlier.request_hash != request.request_hash:
        raise IdempotencyKeyReused("this Idempotency-Key was used for a request with another body")
    return request.earlier


async def save_result(
    tx: Transaction, request: IdempotentRequest | None, subjects: Sequence[UUID], *, now: datetime, is_new: bool = True
) -> None:
    """Keep what a request led to, with what it created. `is_new` is False where all of it was known before."""
    if request is None:
        return
    await add_key(
        tx,
        caller=request.caller,
        route=request.route,
        key=request.key,
        request_hash=request.request_hash,
        is_new=is_new,
        subjects=subjects,
        recorded_at=now,
    )

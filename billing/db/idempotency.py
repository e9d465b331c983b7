"""Idempotency: a creating request carries a key, and a repeat under the same key creates nothing.

A creating use case first looks for the request in its transaction and last stores it: both or neither are committed. A
rejection stores nothing, so a rejected request may be sent again under its key. A repeat is answered only once the
stored result is on the synchronous standby. Source: docs/decisions/0006-idempotency-keys.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.db.database import Transaction
from billing.db.idempotency_keys import KeyRow, add_key, confirm_key, read_key, try_lock_key


class RequestStillRunning(Refused):
    """A request under this key is still running; repeat it later."""

    code = "request_still_running"


class IdempotencyKeyReused(InvalidValue):
    """The key has been used for another request."""

    code = "idempotency_key_reused"


@dataclass(slots=True, kw_only=True)
class IdempotentRequest:
    """One creating request: caller, route, key, and a hash of the whole content.

    The use case sets `earlier` if the same request was answered before; it has created nothing then.
    """

    caller: str
    route: str
    key: str
    request_hash: bytes
    earlier: KeyRow | None = None


async def find_previous_result(tx: Transaction, request: IdempotentRequest | None) -> KeyRow | None:
    """The result of the first run of this request; None if this is the first, and its key is then locked.

    Raises RequestStillRunning and IdempotencyKeyReused.
    """
    if request is None:
        return None
    if not await try_lock_key(tx, caller=request.caller, route=request.route, key=request.key):
        raise RequestStillRunning("a request with this Idempotency-Key is still running; repeat it in a few seconds")
    # In a later statement than the lock: the earlier holder has committed, and its row is visible.
    request.earlier = await read_key(tx, caller=request.caller, route=request.route, key=request.key)
    if request.earlier is not None and request.earlier.request_hash != request.request_hash:
        raise IdempotencyKeyReused("this Idempotency-Key was used for a request with another body")
    if request.earlier is not None:
        await confirm_key(tx)
    return request.earlier


async def save_result(
    tx: Transaction, request: IdempotentRequest | None, subjects: Sequence[UUID], *, now: datetime, is_new: bool = True
) -> None:
    """Store the result of a request, with its created subjects. `is_new` is False if all of it was known before."""
    if request is None:
        return
    await add_key(
        tx,
        KeyRow(request.request_hash, is_new, tuple(subjects)),
        caller=request.caller,
        route=request.route,
        key=request.key,
        recorded_at=now,
    )

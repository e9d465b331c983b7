"""Decides what is a dead letter: whether a delivery caused its error, and how such a delivery is stored.

The decision depends on the cause, not on the class of the exception. Some errors cannot come from a value at all; for
the others the intake writes a probe, a delivery of the same account, kind and time without content. Source:
docs/design.md §5, point 7.
"""

from dataclasses import replace
from traceback import walk_tb

import asyncpg

from billing.core.errors import BillingError, CommitUnknown, Unavailable
from billing.core.ids import DeliveryId
from billing.db.database import Transaction
from billing.payments.service.payment_events import Delivery
from billing.payments.store.dead_letters import Verified, add_dead_letter
from providers.contract import Notice
from providers.notice_json import write_notices


async def store_dead_letter(tx: Transaction, delivery: Delivery, *, fault: str) -> None:
    """Store a delivery with its verified notices, and the time and method of verification; it reserves no key."""
    account, callback = delivery.account, delivery.callback
    await add_dead_letter(
        tx,
        delivery.id,
        account.id,
        callback,
        kept_headers=account.evidence_headers,
        fault=fault,
        verified=Verified(
            notices=write_notices(delivery.notices),
            at=callback.received_at,
            by=_verification(account.provider.signed_part),
        ),
    )


def _verification(signed_part: str) -> str:
    """How a delivery was verified: by its signature over what the provider signs, or by a credential alone."""
    return "credential" if signed_part == "none" else f"signature over {signed_part}"


def probe_of(delivery: Delivery, probe_id: DeliveryId) -> Delivery:
    """A delivery of the same account, movements, outcomes and times without names or references."""
    notices = tuple(
        Notice(
            event_key=f"probe:{probe_id}:{number}",
            outcome=notice.outcome,
            provider_status="",
            occurred_at=notice.occurred_at,
            amount=1,
            movement=notice.movement,
            movement_keys=frozenset({f"transaction:probe:{probe_id}:{number}"} if notice.movement_keys else ()),
            fingerprint=b"probe",
            names_other_account=notice.names_other_account,
        )
        for number, notice in enumerate(delivery.notices)
    )
    callback = replace(
        delivery.callback, path_suffix="", raw_query="", query=(), headers=(), body=b"", source_address=""
    )
    return replace(delivery, id=probe_id, callback=callback, notices=notices)


def is_ours(error: Exception) -> bool:
    """Whether an error concerns the whole batch and no delivery: the database, its locks, disk or grants.

    A violation without the name of a constraint is a missing partition; one raised by our guards (restrict_violation)
    concerns days and states; a foreign key names rows of ours.
    """
    if isinstance(error, asyncpg.CheckViolationError):
        return error.constraint_name is None
    if isinstance(error, (asyncpg.RestrictViolationError, asyncpg.ForeignKeyViolationError)):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return not may_be_data(error)
    return isinstance(error, (Unavailable, CommitUnknown, OSError, MemoryError, asyncpg.InterfaceError))


def may_be_data(error: Exception) -> bool:
    """Whether an error may come from a value of the delivery (the intake finds out) or of our books.

    Any other error, for example a KeyError, is a fault of our code: the delivery is not acknowledged, and the provider
    delivers it again.
    """
    data = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
    return isinstance(error, (*data, BillingError, ValueError, ArithmeticError))


def place_of(error: Exception) -> list[str]:
    """The last code locations of an error, innermost last: a log line needs them to find the cause."""
    frames = list(walk_tb(error.__traceback__))[-3:]
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in frames]

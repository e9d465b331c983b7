"""Steps of every import: the lock, the beginning, the end, and the removal of rows of imports that ended early.

One import of an organization is under way at a time. Its rows are committed in chunks and count for nothing until
`activate` changes its state. A killed import is discarded by the next one. Source: docs/design.md §4, Watermarks.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from billing.core.actor import Actor
from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import LockClass, Transaction
from billing.ledger.service.audit import note
from billing.reconciliation.domain.file_import import (
    REFUSAL_LENGTH_MAX,
    ImportDiscarded,
    ImportId,
    ImportState,
    ImportUnderWay,
)
from billing.reconciliation.store.imports import (
    count_lines,
    delete_rows,
    discard_staged,
    end_import,
    find_ended_with_rows,
)

ROWS_DELETED_AT_ONCE = 5_000

SUBJECT = "reconciliation_import"


@asynccontextmanager
async def lock_imports(context: Context, organization_id: OrganizationId) -> AsyncIterator[None]:
    """Hold the lock of the organization's imports; the process that ends releases it. Raises ImportUnderWay."""
    async with context.database.session_lock(LockClass.IMPORT, organization_id) as is_held:
        if not is_held:
            raise ImportUnderWay("another file of this organization is imported now; repeat the import after it")
        yield


async def remove_ended(tx: Transaction, context: Context) -> bool:
    """Discard what a killed import left, and delete some of its rows; False once none are left.

    The caller holds the lock, and repeats this until it is False, each time in a transaction of its own.
    """
    await discard_staged(tx, at=context.clock())
    for import_id in await find_ended_with_rows(tx):
        if await delete_rows(tx, import_id, at_most=ROWS_DELETED_AT_ONCE):
            return True
    return False


async def count_chunk(tx: Transaction, import_id: ImportId, *, lines: int, new_lines: int, profile: str) -> None:
    """Add a chunk to the import's counts. Raises ImportDiscarded where another import has taken the lock."""
    if not await count_lines(tx, import_id, lines=lines, new_lines=new_lines, profile=profile):
        raise _discarded()


async def activate(tx: Transaction, context: Context, import_id: ImportId, action: str, actor: Actor) -> None:
    """Make the rows of a staged import count, and record who imported them. Raises ImportDiscarded."""
    if not await end_import(tx, import_id, ImportState.ACTIVE, at=context.clock()):
        raise _discarded()
    await note(tx, context, actor, action, (SUBJECT, import_id))


async def refuse(tx: Transaction, context: Context, import_id: ImportId, refusal: str, actor: Actor) -> None:
    """Record that a file was refused whole; the caller removes its rows with `remove_ended`. Raises ImportDiscarded."""
    reason = refusal if len(refusal) <= REFUSAL_LENGTH_MAX else f"{refusal[: REFUSAL_LENGTH_MAX - 1]}…"
    if not await end_import(tx, import_id, ImportState.REFUSED, at=context.clock(), refusal=reason):
        raise _discarded()
    await note(tx, context, actor, "import_refused", (SUBJECT, import_id))


async def discard(tx: Transaction, context: Context, import_id: ImportId) -> None:
    """Give up a staged import after an error that is no refusal; the next import deletes its rows."""
    await end_import(tx, import_id, ImportState.DISCARDED, at=context.clock())


def _discarded() -> ImportDiscarded:
    return ImportDiscarded("the lock of this import was lost; import the file again")


async def remove_all_ended(context: Context, organization_id: OrganizationId) -> None:
    """Discard what a killed import left and delete its rows, some in each transaction of its own."""
    is_left = True
    while is_left:
        async with context.database.transaction(organization_id) as tx:
            is_left = await remove_ended(tx, context)


async def give_up(context: Context, organization_id: OrganizationId, import_id: ImportId, cause: Exception) -> None:
    """Discard an import after an error; where the database cannot be reached, the next import does it."""
    try:
        async with context.database.transaction(organization_id) as tx:
            await discard(tx, context, import_id)
    except Unavailable as error:
        cause.add_note(f"the import stays in staging: {error.detail}")

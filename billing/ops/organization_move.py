"""Moves one organization from one cell to another while it is used.

Each step finds what an interrupted run has left, so `move_organization` is repeated until it ends; until the source
states `left`, `cancel_move` reverses it. The source goes on while the target copies and follows; then the organization
stands still while both sides are compared. Source: docs/decisions/0025-cells.md.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

from billing.core.ids import OrganizationId
from billing.db.move_states import (
    MoveState,
    StoredMove,
    add_move,
    change_move,
    close_tables,
    count_copied,
    delete_move,
    drop_slot,
    find_lost_slots,
    find_sessions_without_cells,
    is_subscribed,
    lock_organization,
    publish,
    read_bytes_behind,
    read_move,
    read_position,
    rebase_organization,
    subscribe,
    unlock_organization,
    unpublish,
    unsubscribe,
)
from billing.db.move_tables import (
    Part,
    connect_admin,
    delete_rows,
    find_rows,
    find_taken,
    make_partitions_since,
    read_migrations,
    read_partitions,
    read_seal_head,
    read_watermark,
)
from billing.ops.move_sides import Move, MoveIncomplete, MoveRefused, Report, Side, catch_up, compare, open_move

_LOCK_WAIT_MS = 250
_CLOSE_WAIT_MS = 100
_BEHIND_MAX_BYTES = 1_000_000
_PAUSE_S = 0.2
_LOST_LOOKS = 15
_CATCH_UP_MAX_S = 2.0
_ATTEMPTS_MAX = 60
_OVERRUNS_MAX = 3
_OVERRUN_PAUSE_S = 3.0
STANDSTILL_MAX_S = 1.0
"""How long an organization stands still at most, by default; a comparison that is not done by then is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResult:
    """A completed move. `standstill_s` is None if an earlier run has flipped it; `shift` is that of transaction ids."""

    tables: int
    rows: int
    seal_number: int
    standstill_s: float | None
    shift: int | None


_SERVED = (MoveState.LEAVING, MoveState.ARRIVED)

_HAS_ORGANIZATION = """
    SELECT EXISTS (SELECT FROM organization WHERE id = $1)
"""


async def find_source(organization_id: OrganizationId, cells: Sequence[Side], target: Side) -> Side:
    """The cell that serves an organization, or that it has left for the target. Raises MoveRefused."""
    for side in cells:
        if side.cell == target.cell:
            continue
        connection = await connect_admin(side.url)
        try:
            stored = await read_move(connection, organization_id)
            has_rows = await connection.fetchval(_HAS_ORGANIZATION, organization_id)
        finally:
            connection.terminate()
        if has_rows and (stored is None or stored.state in _SERVED or stored.other_cell == target.cell):
            return side
    raise MoveRefused(f"no cell but {target.cell} has organization {organization_id}")


async def move_organization(
    organization_id: OrganizationId,
    source: Side,
    target: Side,
    *,
    report: Report,
    standstill_max_s: float = STANDSTILL_MAX_S,
    timeout_s: float = 6 * 3600.0,
) -> MoveResult:
    """Move an organization, or go on with an interrupted move, until the target serves it.

    `timeout_s` is for the copy. Raises MoveRefused, MoveIncomplete, and the errors of a lost connection, after which
    the command is repeated.
    """
    async with open_move(organization_id, source, target, report) as move:
        result: MoveResult | None = None
        stored = await read_move(move.source, organization_id)
        if stored is None or stored.state is not MoveState.LEFT:
            await _check(move)
            await _begin(move)
            while not await _copy(move, timeout_s):
                move.report("a crash of the target has left a table that cannot go on; the copy begins again")
                await unsubscribe(move.target, organization_id)
                await _begin(move)
            result = await _stand_still(move, standstill_max_s)
        elif stored.other_cell != target.cell:
            raise MoveRefused(f"the organization has moved from {source.cell} to {stored.other_cell}")
        await _finish(move)
        if result is None:
            number, _ = await read_seal_head(move.target, organization_id)
            return MoveResult(tables=len(move.tables), rows=0, seal_number=number, standstill_s=None, shift=None)
        return result


async def cancel_move(organization_id: OrganizationId, source: Side, target: Side, *, report: Report) -> None:
    """Reverse a move before its flip: the copy is deleted, and the source goes on as before. Raises MoveRefused."""
    async with open_move(organization_id, source, target, report) as move:
        stored = await read_move(move.source, organization_id)
        if stored is not None and stored.state is MoveState.LEFT:
            raise MoveRefused(f"the organization is already served by {stored.other_cell}")
        if stored is None or stored != StoredMove(MoveState.LEAVING, target.cell):
            raise MoveRefused(f"the organization is not moving from {source.cell} to {target.cell}")
        arriving = await _read_arriving(move)
        await unsubscribe(move.target, organization_id)
        await unpublish(move.source, organization_id)
        await drop_slot(move.source, organization_id)
        if arriving is not None:
            await delete_rows(move.target, move.tables, organization_id)
            await delete_move(move.target, organization_id)
        await delete_move(move.source, organization_id)
        report("cancelled")


async def _check(move: Move) -> None:
    """Refuse a move that could not end. Raises MoveRefused."""
    source, target = move.sides
    if source.cell == target.cell:
        raise MoveRefused(f"the organization is in {source.cell} already")
    if await read_migrations(move.source) != await read_migrations(move.target):
        raise MoveRefused(f"{source.cell} and {target.cell} have different migrations; run vienphi migrate in both")
    if await move.source.fetchval("SELECT current_setting('wal_level')") != "logical":
        raise MoveRefused(f"wal_level of {source.cell} is not logical; set it and restart PostgreSQL")
    if not await move.source.fetchval(_HAS_ORGANIZATION, move.organization_id):
        raise MoveRefused(f"{source.cell} has no organization {move.organization_id}")
    taken = await find_taken(move.source, move.target, move.organization_id)
    if taken:
        raise MoveRefused(f"{target.cell} has assigned to another organization: {', '.join(taken)}")
    for side, connection in zip(move.sides, (move.source, move.target), strict=True):
        names = await find_sessions_without_cells(connection)
        if names:
            raise _without_cells(side, names)


def _without_cells(side: Side, names: Sequence[str]) -> MoveRefused:
    return MoveRefused(
        f"programs without the setting cells are connected to {side.cell}: {', '.join(names)}; restart them"
    )


async def _read_arriving(move: Move) -> StoredMove | None:
    """The state in the target, None where the move has not begun there.

    Raises MoveRefused for that of another or an ended move, and where the organization has left its rows there.
    """
    source, target = move.sides
    arriving = await read_move(move.target, move.organization_id)
    if arriving is not None and arriving.state is MoveState.LEFT:
        if arriving.is_cleared:
            return None
        raise MoveRefused(
            f"{target.cell} still has the rows that the organization left there; delete them first:"
            f" vienphi organization clear {move.organization_id} --cell {target.cell}"
        )
    if arriving is not None and (
        arriving.other_cell != source.cell or arriving.state not in (MoveState.ARRIVING, MoveState.READY)
    ):
        raise MoveRefused(f"{target.cell} states {arriving.state} with {arriving.other_cell}")
    return arriving


async def _begin(move: Move) -> None:
    """State the move in both cells, make the partitions, and subscribe."""
    source, target = move.sides
    organization_id = move.organization_id
    arriving = await _read_arriving(move)
    found = [] if arriving is not None else await find_rows(move.target, move.tables, organization_id)
    if found:
        raise MoveRefused(f"{target.cell} has rows of the organization: {', '.join(found[:5])}")
    stored = await read_move(move.source, organization_id)
    if stored is None:
        await add_move(move.source, organization_id, MoveState.LEAVING, other_cell=target.cell)
    elif stored.state is MoveState.ARRIVED:
        await change_move(move.source, organization_id, MoveState.LEAVING, other_cell=target.cell)
    elif stored != (leaving := StoredMove(MoveState.LEAVING, target.cell)):
        raise MoveRefused(f"{source.cell} states {stored.state} with {stored.other_cell}, not {leaving.state}")
    if arriving is None and await read_move(move.target, organization_id) is None:
        await add_move(move.target, organization_id, MoveState.ARRIVING, other_cell=source.cell)
    else:
        await change_move(move.target, organization_id, MoveState.ARRIVING, other_cell=source.cell)
    missing = await read_partitions(move.source) - await read_partitions(move.target)
    if missing:
        await make_partitions_since(move.target, min(name.rpartition("_")[2] for name in missing))
    if not await is_subscribed(move.target, organization_id):
        await drop_slot(move.source, organization_id)
        await delete_rows(move.target, move.tables, organization_id)
        await publish(move.source, move.tables, organization_id)
        await subscribe(move.target, organization_id, source.url)
    move.report(f"copying {len(move.tables)} tables")


async def _copy(move: Move, timeout_s: float) -> bool:
    """Wait until every table is copied and the target is close behind; False where a table waits for a lost slot.

    Raises MoveIncomplete.
    """
    ends_at = monotonic() + timeout_s
    reported = -1
    lost: frozenset[str] = frozenset()
    looks = 0
    while True:
        copied, tables = await count_copied(move.target, move.organization_id)
        if copied == tables == len(move.tables):
            position = await read_position(move.source)
            behind = await read_bytes_behind(move.source, move.organization_id, position)
            if behind is not None and behind < _BEHIND_MAX_BYTES:
                return True
        # A table that has just ended is without a slot for an instant.
        still_lost = await find_lost_slots(move.source, move.target, move.organization_id)
        looks = looks + 1 if lost & still_lost else 0
        lost = still_lost
        if looks == _LOST_LOOKS:
            return False
        if copied // 20 != reported // 20:
            move.report(f"copied {copied} of {tables} tables")
            reported = copied
        if monotonic() > ends_at:
            raise MoveIncomplete(f"{copied} of {tables} tables are copied; repeat the command to go on")
        await asyncio.sleep(_PAUSE_S)


async def _stand_still(move: Move, standstill_max_s: float) -> MoveResult:
    """Stop the organization, compare both sides and flip. Raises MoveRefused where they differ, MoveIncomplete."""
    organization_id = move.organization_id
    watermark = await read_watermark(move.source, organization_id)
    older = await _compare_older(move, watermark)
    # The same statements before: afterwards their plans and pages are at hand.
    newer = Part(is_older=False, watermark=watermark)
    await compare(move, newer)
    overruns = 0
    without_cells: Sequence[str] = ()
    for _ in range(_ATTEMPTS_MAX):
        started = monotonic()
        is_locked = await lock_organization(move.holder, organization_id, wait_ms=_LOCK_WAIT_MS)
        # A program without cells does not wait for the lock: what it wrote after the comparison would be lost.
        without_cells = await find_sessions_without_cells(move.holder) if is_locked else []
        if is_locked and not without_cells and await catch_up(move, standstill_max_s / 2):
            try:
                async with asyncio.timeout(standstill_max_s - (monotonic() - started)):
                    rows = await _compare_newer(move, newer)
            except TimeoutError:
                overruns += 1
            else:
                return replace(await _flip(move, started), rows=rows + older)
        await unlock_organization(move.holder, organization_id)
        if overruns == _OVERRUNS_MAX:
            raise MoveIncomplete(
                f"the comparison takes longer than {standstill_max_s:g} s; allow more with --standstill, or cancel"
            )
        await asyncio.sleep(_PAUSE_S if not overruns else _OVERRUN_PAUSE_S)
    if without_cells:
        raise _without_cells(move.sides[0], without_cells)
    raise MoveIncomplete("transactions of the organization last too long, or the target does not catch up; repeat")


async def _compare_older(move: Move, watermark: int) -> int:
    """Compare the rows that change no more while the organization is used; returns their number.

    Raises MoveRefused, MoveIncomplete.
    """
    for _ in range(_ATTEMPTS_MAX):
        if await catch_up(move, _CATCH_UP_MAX_S):
            break
    else:
        raise MoveIncomplete("the target does not catch up; repeat the command")
    contents = await compare(move, Part(is_older=True, watermark=watermark))
    differing = [name for name in contents[0] if contents[0][name] != contents[1].get(name)]
    if differing:
        raise MoveRefused(f"the two cells differ in {', '.join(differing)}; nothing has changed: cancel the move")
    return sum(each.rows for each in contents[0].values())


async def _compare_newer(move: Move, newer: Part) -> int:
    """Compare all rows but the older ones, and the heads of the seals. Raises MoveRefused."""
    contents = await compare(move, newer)
    differing = [name for name in contents[0] if contents[0][name] != contents[1].get(name)]
    heads = [await read_seal_head(each, move.organization_id) for each in (move.source, move.target)]
    if differing or heads[0] != heads[1]:
        raise MoveRefused(
            f"the two cells differ in {', '.join(differing) or 'the head of the seals'};"
            " nothing has changed: cancel the move"
        )
    return sum(each.rows for each in contents[0].values())


async def _flip(move: Move, started: float) -> MoveResult:
    """Let the target serve the organization, and then state that it has left the source."""
    source, target = move.sides
    organization_id = move.organization_id
    async with move.target.transaction():
        shift = await rebase_organization(move.target, organization_id)
        await change_move(move.target, organization_id, MoveState.READY, other_cell=source.cell)
    # The session that holds the locks: had they been lost, this statement would be too.
    await change_move(move.holder, organization_id, MoveState.LEFT, other_cell=target.cell)
    await unlock_organization(move.holder, organization_id)
    standstill_s = monotonic() - started
    move.report(f"flipped after a standstill of {standstill_s * 1000:.0f} ms")
    number, _ = await read_seal_head(move.target, organization_id)
    return MoveResult(tables=len(move.tables), rows=0, seal_number=number, standstill_s=standstill_s, shift=shift)


async def _finish(move: Move) -> None:
    """Drop the replication, close the source's tables to the organization, and state that it has arrived."""
    organization_id = move.organization_id
    arriving = await read_move(move.target, organization_id)
    if arriving is None or arriving.state is MoveState.ARRIVING:
        # Only where the target has lost its last commits; the source has every row.
        raise MoveRefused(f"{move.sides[0].cell} has left the organization, and {move.sides[1].cell} does not have it")
    await unsubscribe(move.target, organization_id)
    await unpublish(move.source, organization_id)
    for _ in range(_ATTEMPTS_MAX):
        if not await close_tables(move.source, move.tables, organization_id, wait_ms=_CLOSE_WAIT_MS):
            break
        await asyncio.sleep(_PAUSE_S)
    else:
        raise MoveIncomplete("tables of the source are in use all the time; repeat the command")
    if arriving.state is MoveState.READY:
        await change_move(move.target, organization_id, MoveState.ARRIVED, other_cell=move.sides[0].cell)
    move.report("arrived")

"""Deletes the rows that an organization has left in a cell, after a comparison with the cell that serves it.

A moved row is in the books of the new cell, with its seal; what stays behind is a copy, which erasure and retention no
longer reach. Each step finds what an interrupted run has left, so `clear_organization` is repeated until it ends.
Source: docs/decisions/0025-cells.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from billing.core.errors import Refused
from billing.core.ids import OrganizationId
from billing.db.move_clearing import (
    LeftRows,
    begin_clearing,
    compare_left_rows,
    delete_batch,
    end_clearing,
    read_left_tables,
)
from billing.db.move_states import MoveState, lock_move, open_tables, read_move
from billing.db.move_tables import connect_admin, read_migrations
from billing.ops.move_sides import Move, MoveIncomplete, Report, Side, open_move

_OPEN_WAIT_MS = 100
_ATTEMPTS_MAX = 60
_PAUSE_S = 0.2
_NAMED_MAX = 5


class ClearRefused(Refused):
    """The rows are not deleted: the cell serves the organization, or the new cell lacks some of them."""

    code = "clear_refused"


async def find_serving(organization_id: OrganizationId, source: Side, cells: Mapping[str, Side]) -> Side:
    """The cell where the organization is, by the statements of the cells that it has left. Raises ClearRefused."""
    side = source
    for _ in cells:
        connection = await connect_admin(side.url)
        try:
            stored = await read_move(connection, organization_id)
        finally:
            connection.terminate()
        if stored is None or stored.state is not MoveState.LEFT:
            break
        if stored.other_cell not in cells:
            raise ClearRefused(f"the setting cells has no {stored.other_cell}, where the organization is")
        side = cells[stored.other_cell]
    if side == source:
        raise ClearRefused(f"organization {organization_id} has not left {source.cell}, or has moved back")
    if stored is None or stored.state is not MoveState.ARRIVED:
        raise ClearRefused(f"the move to {side.cell} has not ended; repeat vienphi organization move")
    return side


async def clear_organization(
    organization_id: OrganizationId,
    source: Side,
    serving: Side,
    *,
    report: Report,
    confirm: Callable[[int], bool],
    note: Callable[[str], Awaitable[None]],
) -> int:
    """Delete the rows of an organization in `source`; returns their number. The organization is served meanwhile.

    `confirm` decides before the first deletion; it receives the number of rows. `note` records an action in the audit
    of the organization, in the cell that serves it. Raises ClearRefused, MoveRefused while another command moves the
    organization, MoveIncomplete, and the errors of a lost connection, after which it is repeated.
    """
    async with open_move(organization_id, source, serving, report) as move:
        await _check(move)
        stored = await read_move(move.source, organization_id)
        if stored is not None and stored.is_cleared:
            await _open(move)
            report(f"{source.cell} has no row of the organization any more")
            return 0
        found = await _compare(move)
        rows = sum(each.rows for each in found)
        if not confirm(rows):
            raise ClearRefused("not confirmed; nothing was deleted")
        await note("cell_clearing_begun")
        await begin_clearing(move.holder, organization_id)
        deleted = 0
        for each in found:
            while count := await delete_batch(move.source, each.table, organization_id):
                deleted += count
        await end_clearing(move.holder, organization_id)
        await _open(move)
        await note("cell_cleared")
        return deleted


async def _check(move: Move) -> None:
    """Check under the locks of both cells what `find_serving` read. Raises ClearRefused."""
    source, serving = move.sides
    if not await lock_move(move.target, move.organization_id):
        raise ClearRefused(f"another command is moving the organization from {serving.cell}")
    left = await read_move(move.source, move.organization_id)
    arrived = await read_move(move.target, move.organization_id)
    if left is None or left.state is not MoveState.LEFT:
        raise ClearRefused(f"organization {move.organization_id} has not left {source.cell}, or has moved back")
    if arrived is None or arrived.state is not MoveState.ARRIVED:
        raise ClearRefused(f"{serving.cell} does not serve the organization, or its move has not ended")
    if await read_migrations(move.source) != await read_migrations(move.target):
        raise ClearRefused(f"{source.cell} and {serving.cell} have different migrations; run vienphi migrate")


async def _compare(move: Move) -> Sequence[LeftRows]:
    """Every table with rows. Raises ClearRefused where the new cell lacks a row that nobody may have deleted."""
    source, serving = move.sides
    there = await read_left_tables(move.target)
    found = []
    for name, table in (await read_left_tables(move.source)).items():
        compared = await compare_left_rows(
            move.source, move.target, table, move.organization_id, is_there=name in there
        )
        if compared.rows:
            found.append(compared)
    lacking = [each for each in found if each.absent and each.table.name in there and not each.table.is_purged]
    if lacking:
        named = ", ".join(f"{each.absent} of {each.table.name}" for each in lacking[:_NAMED_MAX])
        raise ClearRefused(f"{serving.cell} lacks rows that {source.cell} has: {named}; nothing was deleted")
    for each in found:
        if each.absent:
            move.report(f"{each.table.name}: {each.absent} rows are past their retention in {serving.cell}")
    move.report(
        f"{source.cell} has {sum(each.rows for each in found)} rows in {len(found)} tables;"
        f" {serving.cell} has all of them but those past their retention"
    )
    return found


async def _open(move: Move) -> None:
    """Drop the policies that refuse the organization: each costs every query of the cell. Raises MoveIncomplete."""
    for _ in range(_ATTEMPTS_MAX):
        if not await open_tables(move.source, move.organization_id, wait_ms=_OPEN_WAIT_MS):
            return
        await asyncio.sleep(_PAUSE_S)
    raise MoveIncomplete("tables of the old cell are in use all the time; repeat the command")

"""The two sides of a move of an organization: their connections, and the steps that need both at one time.

`organization_move.py` has the order of the steps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from billing.core.errors import Refused, Unavailable
from billing.core.ids import OrganizationId
from billing.db.move_states import lock_move, read_bytes_behind, read_position
from billing.db.move_tables import (
    AdminConnection,
    Content,
    MovedTable,
    Part,
    connect_admin,
    read_contents,
    read_moved_tables,
)

COMPARED_AT_ONCE = 2
"""Connections for each side that hash tables during the standstill."""

_SHORT_PAUSE_S = 0.002
_RESERVE_ATTEMPTS = 25
_RESERVE_PAUSE_S = 0.2


class MoveRefused(Refused):
    """The organization cannot move, or the two sides differ: nothing has changed for its users."""

    code = "move_refused"


class MoveIncomplete(Unavailable):
    """A step did not end in its time. The command is repeated; until the flip it may be cancelled."""

    code = "move_incomplete"


@dataclass(frozen=True, slots=True)
class Side:
    """One cell of a move, with the address of its superuser."""

    cell: str
    url: str


Report = Callable[[str], None]
"""Receives one line for each step."""


@dataclass(slots=True, kw_only=True)
class Move:
    """The connections of a move, each of a superuser; `holder` has the locks of the standstill."""

    organization_id: OrganizationId
    sides: tuple[Side, Side]
    source: AdminConnection
    target: AdminConnection
    holder: AdminConnection
    compared: tuple[Sequence[AdminConnection], Sequence[AdminConnection]]
    tables: Sequence[MovedTable]
    report: Report


@asynccontextmanager
async def open_move(organization_id: OrganizationId, source: Side, target: Side, report: Report) -> AsyncIterator[Move]:
    """Connect to both cells and reserve the move. Raises MoveRefused while another command moves the organization."""
    opened: list[AdminConnection] = []

    async def connect(side: Side) -> AdminConnection:
        connection = await connect_admin(side.url)
        opened.append(connection)
        return connection

    try:
        holder = await connect(source)
        for attempt in range(_RESERVE_ATTEMPTS):
            if await lock_move(holder, organization_id):
                break
            if attempt + 1 == _RESERVE_ATTEMPTS:
                raise MoveRefused("another command is moving this organization")
            await asyncio.sleep(_RESERVE_PAUSE_S)  # the session of a command that was killed ends soon
        reader = await connect(source)
        yield Move(
            organization_id=organization_id,
            sides=(source, target),
            source=reader,
            target=await connect(target),
            holder=holder,
            compared=(
                [await connect(source) for _ in range(COMPARED_AT_ONCE)],
                [await connect(target) for _ in range(COMPARED_AT_ONCE)],
            ),
            tables=await read_moved_tables(reader),
            report=report,
        )
    finally:
        for connection in opened:
            connection.terminate()


async def catch_up(move: Move, timeout_s: float) -> bool:
    """Wait until the target has every commit of the source so far; False where it has not in this time."""
    position = await read_position(move.holder)
    ends_at = monotonic() + timeout_s
    while monotonic() < ends_at:
        behind = await read_bytes_behind(move.source, move.organization_id, position)
        if behind is not None and behind <= 0:
            return True
        await asyncio.sleep(_SHORT_PAUSE_S)
    return False


async def compare(move: Move, part: Part) -> list[Mapping[str, Content]]:
    """The content of a part of the tables on both sides, some tables at a time on each."""

    async def read(connections: Sequence[AdminConnection]) -> Mapping[str, Content]:
        parts = await asyncio.gather(
            *(
                read_contents(connection, move.tables[number :: len(connections)], move.organization_id, part)
                for number, connection in enumerate(connections)
            )
        )
        return {name: content for part in parts for name, content in part.items()}

    return list(await asyncio.gather(*(read(connections) for connections in move.compared)))

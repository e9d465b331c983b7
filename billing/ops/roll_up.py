"""The roll-up of a province: what the outboxes of all cells have reported since the last time, summed.

The cursor is one position for each organization. Transaction ids of an organization only grow, also when it moves to
another cell (decision 0025), so a position holds in whichever cell the organization is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.ops.roll_up_rows import BEGINNING, DaySum, OutboxPosition, read_day_sums

Cursor = Mapping[OrganizationId, OutboxPosition]


@dataclass(frozen=True, slots=True)
class OrganizationSums:
    """The new sums of one organization."""

    organization_id: OrganizationId
    sums: Sequence[DaySum]


async def roll_up(database: Database, cursor: Cursor) -> tuple[Sequence[OrganizationSums], Cursor]:
    """The new messages of every organization of every cell, summed by day and topic, and the next cursor.

    A message is in one roll-up if the next cursor is stored, and in several otherwise. Raises Unavailable.
    """
    found = []
    following = dict(cursor)
    for organization_id in await database.list_organizations():
        async with database.transaction(organization_id, read_only=True) as tx:
            sums, position = await read_day_sums(tx, organization_id, cursor.get(organization_id, BEGINNING))
        following[organization_id] = position
        if sums:
            found.append(OrganizationSums(organization_id, sums))
    return found, following

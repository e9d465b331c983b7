"""What the primary states for the check of its backups: the WAL segment that it writes, and the printed anchors."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.ids import OrganizationId
from billing.db.database import Database, ReadTransaction
from billing.db.rows import read_row
from billing.ledger.domain.anchor import Anchor
from billing.ledger.store.days import read_closings
from billing.ledger.store.seals import read_head_of_day


@dataclass(frozen=True, slots=True)
class WalPosition:
    """The segment that the primary writes now, and the size of its segments."""

    segment: str
    segment_bytes: int


_POSITION = """
    SELECT pg_walfile_name(pg_current_wal_lsn()) AS segment,
        pg_size_bytes(current_setting('wal_segment_size'))::int AS segment_bytes
"""


async def read_wal_position(reader: ReadTransaction) -> WalPosition:
    """Where the primary writes."""
    row = await reader.fetchrow(_POSITION)
    assert row is not None, "a statement without FROM has a row"
    return read_row(WalPosition, row)


async def find_last_anchors(database: Database, organizations: Sequence[OrganizationId]) -> list[Anchor]:
    """The hash on the last closing paper of each organization that has closed a day."""
    anchors = []
    for organization_id in organizations:
        async with database.transaction(organization_id, read_only=True) as tx:
            closings = await read_closings(tx, before=None, limit=1)
            head = await read_head_of_day(tx, closings[0].day) if closings else None
        if head is not None:
            anchors.append(Anchor(closings[0].day, head.hash))
    return anchors

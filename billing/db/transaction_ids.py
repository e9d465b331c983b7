"""Compares stored transaction ids with those of the server: are watermarks still valid?

After a dump is restored into another cluster the server counts from the beginning again, and a new row would be below
stored watermarks: it would be missing from balances and under no seal, without an error. So the service does not start
until the ids are shifted beyond the stored ones (`vienphi ledger rebase`). Source: docs/design.md §4, Watermarks;
docs/decisions/0008-transaction-numbers-after-a-restore.md.
"""

from datetime import datetime

from billing.core.errors import Refused
from billing.db.database import Database, ReadTransaction


class ClusterMismatch(Refused):
    """The database was restored into another cluster: stored transaction numbers lie beyond the server's."""

    code = "cluster_mismatch"


class OtherSessionsConnected(Refused):
    """The ids are shifted only while no other session is connected."""

    code = "other_sessions_connected"


# Two statements in this order: every id stored when the first runs is below the id that the second reads.
_LARGEST_STORED = """
    SELECT vienphi_largest_transaction_id()
"""

_NEXT = """
    SELECT vienphi_next_transaction_id()
"""


async def check_transaction_ids(database: Database) -> None:
    """Check that the server has already assigned every stored id. Runs before anything is written.

    Raises ClusterMismatch.
    """
    async with database.system_transaction() as reader:
        stored = await reader.fetchval(_LARGEST_STORED)
        following = await reader.fetchval(_NEXT)
    if stored >= following:
        raise ClusterMismatch(
            f"transaction {stored} is stored, but the server gives {following} next: this database was restored into"
            " another cluster; run vienphi ledger rebase"
        )


_NUMBERS = """
    SELECT vienphi_watermark() AS watermark, vienphi_next_transaction_id() AS following
"""


async def read_numbers(reader: ReadTransaction) -> tuple[int, int]:
    """The watermark, below which every transaction is over, and the id that will be assigned next."""
    row = await reader.fetchrow(_NUMBERS)
    assert row is not None, "a statement without FROM answers one row"
    return row["watermark"], row["following"]


# Sessions of other roles show few columns, but their presence; the server's own workers have no user.
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
"""

_REBASE = """
    SELECT vienphi_rebase($1)
"""


async def rebase(reader: ReadTransaction, *, at: datetime) -> int | None:
    """Shift all further ids beyond the stored ones, as the owner; returns the shift, None if none is needed.

    Rows stay as they are, so snapshots and seals keep their ranges. Raises OtherSessionsConnected.
    """
    others = await reader.fetchval(_OTHERS)
    if others:
        raise OtherSessionsConnected(f"{others} other sessions are connected; stop the service and its workers first")
    shift: int | None = await reader.fetchval(_REBASE, at)
    return shift

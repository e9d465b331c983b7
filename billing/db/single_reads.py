"""Reads of one statement: one round trip instead of BEGIN, statement and COMMIT.

Outside a transaction block a statement is a transaction of its own. This one sets its organization itself, for as long
as it runs, and then reads: the next user of the connection starts without an organization, as after a transaction.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import asyncpg

from billing.core.ids import OrganizationId
from billing.db.connections import Connections, name_error
from billing.db.tenant_setting import check_organization
from billing.tracing import transaction_span


class TenantReader(Protocol):
    """Statements of one organization that return rows: of a transaction, or each for itself."""

    @property
    def organization_id(self) -> OrganizationId:
        """The organization whose rows are visible."""

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Every row of the answer."""

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of the answer, or None."""

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """The first column of the first row, or None."""


class SingleReads:
    """Each call is a read-only transaction; row security shows the rows of the organization and no others."""

    __slots__ = ("_connections", "_is_cell", "organization_id")

    def __init__(self, connections: Connections, organization_id: OrganizationId, *, is_cell: bool = False) -> None:
        check_organization(organization_id)
        self._connections = connections
        self._is_cell = is_cell
        self.organization_id = organization_id

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Every row of the answer. A column has a name of its own, and the rows are in no order.

        Raises DatabaseUnavailable, DatabaseBusy or the SQL error of the statement.
        """
        return await fetch_each(self._connections, query, [(self.organization_id, arguments)], is_cell=self._is_cell)

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """The only row of the answer, or None. Raises what `fetch` raises."""
        rows = await self.fetch(query, *arguments)
        assert len(rows) <= 1, "a single row was expected"
        return rows[0] if rows else None

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """The first column of the only row, or None. Raises what `fetch` raises."""
        row = await self.fetchrow(query, *arguments)
        return None if row is None else row[0]


async def fetch_each(
    connections: Connections,
    query: str,
    requests: Sequence[tuple[OrganizationId, Sequence[object]]],
    *,
    is_cell: bool = False,
) -> list[asyncpg.Record]:
    """The rows of a query for several organizations, in one read-only transaction and one round trip.

    Each request is a statement of its own with its organization and its arguments, as many in all: row security shows
    it the rows of that organization. In one of several cells each checks that its organization is there. Raises what
    `SingleReads.fetch` raises.
    """
    for organization_id, _ in requests:
        check_organization(organization_id)
    statement = _with_tenant(query, len(requests[0][1]) + 1, is_cell=is_cell)
    parameters = [(*arguments, str(organization_id)) for organization_id, arguments in requests]
    with transaction_span():
        connection = await connections.acquire()
        try:
            if len(parameters) == 1:
                rows = await connection.fetch(statement, *parameters[0])
            else:
                rows = await connection.fetchmany(statement, parameters)
        except BaseException as error:
            named = name_error(connection, error)
            await connections.discard(connection)
            if named is error:
                raise
            raise named from error
        await connections.give_back(connection)
        return rows


# The query is the inner side of a nested loop whose outer side sets the organization. The reference in OFFSET makes the
# order certain: the inner side depends on the outer row, so the server has set the organization before it opens the
# first scan of the query. If it had not, row security would show no row. Neither side can be merged with the other:
# set_config is volatile, and a subquery with OFFSET is kept apart.
@lru_cache(maxsize=64)
def _with_tenant(query: str, position: int, *, is_cell: bool) -> str:
    """The statement of a query; the parameter in `position` is the organization as text."""
    entered = f", vienphi_enter_cell(${position}::text::int, false) AS entered" if is_cell else ""
    return f"""
        SELECT answer.*
        FROM (
            SELECT set_config('vienphi.organization', ${position}::text, true) AS organization,
                set_config('transaction_read_only', 'on', true) AS is_read_only{entered}
        ) AS tenant
        CROSS JOIN LATERAL (SELECT * FROM ({query}) AS found OFFSET length(tenant.organization) * 0) AS answer
    """  # noqa: S608 - a query is a constant of a store

"""What must hold after a move: every payment once in the cell of its organization, no row lost, both cells isolated."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import asyncpg

from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.db.move_tables import connect_admin, read_moved_tables
from billing.db.role_checks import check_role
from billing.devserver.embedded import SUPERUSER
from billing.ledger.service.verify import VERIFY_LIMITS
from tests.chaos.bank import BankRecord
from tests.chaos.checks import find_wrong_rows
from tests.flow import find_mismatches
from tests.move.clusters import Cell


async def find_wrong_payments(record: BankRecord, places: Mapping[int, Cell]) -> list[str]:
    """The rows of each organization in its cell, read under row security as its owner."""
    wrongs = [*record.wrongs]
    reported = [*record.transfers, *record.refunds]
    wrongs += [f"{each} was never acknowledged" for each in reported if not record.acknowledged[each]]
    for organization, place in places.items():
        connection = await asyncpg.connect(place.owner_url)
        await connection.execute(f"SET vienphi.organization = '{organization:d}'")
        found = await find_wrong_rows(
            connection,
            [each for each in record.transfers.values() if each.organization == organization],
            [each for each in record.refunds.values() if each.organization == organization],
        )
        await connection.close()
        wrongs += [f"organization {organization}: {each}" for each in found]
    return wrongs


async def find_lost_rows(organization: int, source: Cell, target: Cell) -> list[str]:
    """Rows of append-only tables that the old cell has and the new one has not."""
    old, new = [await connect_admin(each.url(SUPERUSER)) for each in (source, target)]
    wrongs = []
    for table in ("payment", "journal_entry", "audit", "seal", "event_key"):
        key = "number" if table == "seal" else "key" if table == "event_key" else "id"
        query = f"SELECT {key}::text AS key FROM {table} WHERE organization_id = $1"
        before, after = [{row["key"] for row in await each.fetch(query, organization)} for each in (old, new)]
        if before - after:
            wrongs.append(f"organization {organization}: {len(before - after)} rows of {table} were lost")
    await old.close()
    await new.close()
    return wrongs


async def find_reachable_rows(place: Cell, organization: OrganizationId) -> list[str]:
    """Tables of a cell in which the app role or the owner reaches rows of an organization that has left it.

    The owner may list the organizations of a cell, also those that have left.
    """
    admin = await connect_admin(place.url(SUPERUSER))
    tables = await read_moved_tables(admin)
    others = [
        row["id"] for row in await admin.fetch("SELECT id FROM organization WHERE id <> $1 LIMIT 1", organization)
    ]
    await admin.close()
    wrongs = []
    for url in (place.app_url, place.owner_url):
        connection = await asyncpg.connect(url)
        for setting in ("", str(organization), *(str(each) for each in others)):
            await connection.execute(f"SET vienphi.organization = '{setting}'")
            for table in tables:
                if url == place.owner_url and table.name == "organization" and setting != str(organization):
                    continue
                query = f"SELECT count(*) FROM {table.name} WHERE {table.filter(organization)}"
                with suppress(asyncpg.InsufficientPrivilegeError, asyncpg.LockNotAvailableError):
                    if rows := await connection.fetchval(query):
                        wrongs.append(f"'{setting}' reaches {rows} rows of {table.name} in {url}")
        await connection.close()
    return wrongs


async def find_open_rows(place: Cell, organizations: Sequence[OrganizationId], *, is_durable: bool = True) -> list[str]:
    """Rows that the app role sees without an organization, or of another one; and a role that may not serve."""
    app = await asyncpg.connect(place.app_url)
    admin = await connect_admin(place.url(SUPERUSER))
    tables = await read_moved_tables(admin)
    await admin.close()
    wrongs = []
    for organization in ("", *(str(each) for each in organizations)):
        await app.execute(f"SET vienphi.organization = '{organization}'")
        for table in tables:
            try:
                rows = await app.fetchval(
                    f"SELECT count(*) FROM {table.name} WHERE {table.column}::text <> $1", organization
                )
            except asyncpg.InsufficientPrivilegeError:
                continue
            if rows:
                wrongs.append(f"{organization or 'nobody'} sees {rows} rows of others in {table.name}")
    await app.close()
    database = await Database.open(place.app_url, limits=VERIFY_LIMITS)
    await check_role(database, allow_unsafe_durability=not is_durable)
    wrongs += [
        f"the proof {name} has {number} mismatches" for name, number in (await find_mismatches(database)).items()
    ]
    await database.close()
    return wrongs

"""A server with a generated month: its ledger in the database, its files in a folder, its truth in both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.context import Ids, utc_now
from billing.db.database import Database
from billing.db.migrator import migrate
from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from billing.organizations.service.setup import Setup
from tests.bench.reconcile_cards import load_batches
from tests.bench.reconcile_files import MonthFiles, WrittenLine, write_month
from tests.bench.reconcile_ledger import MonthAccounts, add_gateway, load_ledger, load_truth
from tests.bench.reconcile_month import DAYS, Month
from tests.builders import DemoHospital, add_demo_hospital

ORGANIZATION = OrganizationId(1)
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}


@dataclass(frozen=True, slots=True)
class MonthServer:
    """One hospital and its month. `superuser_url` sees the truth, `app_url` is that of the service."""

    hospital: DemoHospital
    app_url: str
    owner_url: str
    superuser_url: str
    month: Month
    accounts: MonthAccounts
    files: MonthFiles

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """As the superuser."""
        return await asyncpg.connect(self.superuser_url)


@asynccontextmanager
async def generated_month(lines: int, folder: Path, *, is_durable: bool = False) -> AsyncIterator[MonthServer]:
    """A migrated server with the month that ended yesterday: `lines` collections, their files in `folder`."""
    with EmbeddedPostgres(durable=is_durable, settings=SETTINGS) as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        database = await Database.open(server.owner_url)
        gateway = await add_gateway(Setup(database, utc_now, Ids(utc_now)), hospital)
        await database.close()
        connection = await asyncpg.connect(server.url(SUPERUSER))
        month = Month(
            lines=lines,
            first_day=business_date(utc_now()) - timedelta(days=DAYS + 1),
            prefix=await connection.fetchval("SELECT prefix FROM organization_prefix"),
            account_number=hospital.settings.account_number,
        )
        accounts = MonthAccounts(hospital.account_id, gateway, await connection.fetchval("SELECT id FROM bank_account"))
        notes: list[WrittenLine] = []
        files = write_month(month, month.items(), folder, notes.append)
        await load_truth(connection, month.items(), notes)
        await load_ledger(connection, month, accounts)
        await load_batches(connection, month, accounts.bank_account)
        await connection.close()
        yield MonthServer(hospital, server.app_url, server.owner_url, server.url(SUPERUSER), month, accounts, files)

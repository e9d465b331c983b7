"""Provider accounts made ready: read from the database, given their settings and secret, kept for a short while."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from billing.domain.ids import OrganizationId
from billing.services.context import Clock, ProviderAccount
from billing.storage.database import Database
from billing.storage.organizations import ProviderAccountRow, find_provider_account
from providers.contract import Provider

KEPT = timedelta(seconds=30)
"""How long an account is used as read: a change of settings takes effect within this time."""

KEPT_MAX = 10_000

BuildProvider = Callable[[str, Mapping[str, object], str | None], Provider]
"""Makes a provider of a name from its settings and the name of its secret; `app` knows how."""


class StoredProviderAccounts:
    """Finds provider accounts in the database and builds their providers."""

    def __init__(self, database: Database, build: BuildProvider, clock: Clock) -> None:
        self._database = database
        self._build = build
        self._clock = clock
        self._kept: dict[tuple[OrganizationId, str], tuple[datetime, ProviderAccount | None]] = {}
        self._unknown: dict[tuple[OrganizationId, str], tuple[datetime, ProviderAccount | None]] = {}
        self._reading: dict[tuple[OrganizationId, str], asyncio.Future[ProviderAccount | None]] = {}

    async def find(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """The account of that name, active or not; None where there is none."""
        now = self._clock()
        key = (organization_id, name)
        for memory in (self._kept, self._unknown):
            kept = memory.get(key)
            if kept is not None and abs(now - kept[0]) < KEPT:
                return kept[1]
        # Whoever asks while the account is being read waits for that reading: one transaction, however many ask.
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._read(key))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def _read(self, key: tuple[OrganizationId, str]) -> ProviderAccount | None:
        now = self._clock()
        organization_id, name = key
        async with self._database.transaction(organization_id) as tx:
            row = await find_provider_account(tx, name)
        account = None if row is None else self._ready(row)
        # Whoever tries out names must not push out the accounts that exist.
        memory = self._unknown if account is None else self._kept
        memory.pop(key, None)
        if len(memory) >= KEPT_MAX:
            del memory[next(iter(memory))]
        memory[key] = (now, account)
        return account

    def _ready(self, row: ProviderAccountRow) -> ProviderAccount:
        return ProviderAccount(
            id=row.id,
            organization_id=row.organization_id,
            name=row.name,
            provider=self._build(row.provider, row.settings, row.secret_name),
            bank_account_id=row.bank_account_id,
            channels=row.channels,
            is_active=row.is_active,
        )

"""Provider accounts made ready: read from the database, given their settings and secret, kept for a short while."""

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

    async def find(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """The active account of that name; None where there is none."""
        now = self._clock()
        kept = self._kept.get((organization_id, name))
        if kept is not None and abs(now - kept[0]) < KEPT:
            return kept[1]
        async with self._database.transaction(organization_id) as tx:
            row = await find_provider_account(tx, name)
        account = None if row is None else self._ready(row)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[organization_id, name] = (now, account)
        return account

    def _ready(self, row: ProviderAccountRow) -> ProviderAccount:
        return ProviderAccount(
            id=row.id,
            organization_id=row.organization_id,
            name=row.name,
            provider=self._build(row.provider, row.settings, row.secret_name),
            bank_account_id=row.bank_account_id,
            channels=row.channels,
        )

"""Provider accounts made ready: read from the database, given their settings and secrets, kept for a short while.

An account that cannot be made ready is refused alone: whoever needs it is told so, and `unusable` names it. It is
looked at again after KEPT, so that a secret that was put right is found without a restart.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from billing.domain.ids import OrganizationId
from billing.services.context import AccountUnusable, Clock, ProviderAccount, allow_all
from billing.storage.database import Database
from billing.storage.organizations import (
    ProviderAccountRow,
    find_provider_account,
    read_account_names,
    read_organizations,
)
from providers.contract import Callback, Provider

KEPT = timedelta(seconds=30)
"""How long an account is used as read: a change of settings takes effect within this time."""

KEPT_MAX = 10_000

log = structlog.get_logger(__name__)

Key = tuple[OrganizationId, str]


@dataclass(frozen=True, slots=True)
class BuiltProvider:
    """A provider of one account, and whether it lets a callback come from where it came from."""

    provider: Provider
    allows: Callable[[Callback], bool] = allow_all


BuildProvider = Callable[[ProviderAccountRow], BuiltProvider]
"""Makes the provider of an account as it is stored; `app` knows how. Raises AccountUnusable."""


CheckAccount = Callable[[ProviderAccountRow], None]
"""Checks an account as it shall be stored, also where its secrets are not at hand. Raises AccountUnusable."""


class StoredProviderAccounts:
    """Finds provider accounts in the database and builds their providers. Without `check`, building is the check."""

    def __init__(
        self, database: Database, build: BuildProvider, clock: Clock, *, check: CheckAccount | None = None
    ) -> None:
        self._database = database
        self._build = build
        self._check = check
        self._clock = clock
        self._kept: dict[Key, tuple[datetime, ProviderAccount | None]] = {}
        self._unknown: dict[Key, tuple[datetime, ProviderAccount | None]] = {}
        self._unusable: dict[Key, tuple[datetime, AccountUnusable]] = {}
        self._reading: dict[Key, asyncio.Future[ProviderAccount | None]] = {}

    async def find(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """The account of that name, active or not; None where there is none. Raises AccountUnusable."""
        now = self._clock()
        key = (organization_id, name)
        for memory in (self._kept, self._unknown):
            kept = memory.get(key)
            if kept is not None and abs(now - kept[0]) < KEPT:
                return kept[1]
        refused = self._unusable.get(key)
        if refused is not None and abs(now - refused[0]) < KEPT:
            raise AccountUnusable(refused[1].detail)
        # Whoever asks while the account is being read waits for that reading: one transaction, however many ask.
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._read(key))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def check_all(self) -> Mapping[str, str]:
        """Look at every account of the installation; those that cannot be used are logged and named."""
        async with self._database.installation() as reader:
            organizations = await read_organizations(reader)
        for organization_id in organizations:
            async with self._database.transaction(organization_id) as tx:
                names = await read_account_names(tx)
            for name in names:
                try:
                    await self.find(organization_id, name)
                except AccountUnusable as refusal:
                    log.error("account_unusable", organization=organization_id, account=name, reason=refusal.detail)
        return self.unusable()

    def unusable(self) -> Mapping[str, str]:
        """Accounts that could not be made ready when they were last looked for, with what is wrong."""
        return {
            f"{organization_id}/{name}": refusal.detail
            for (organization_id, name), (_, refusal) in sorted(self._unusable.items())
        }

    def build(self, row: ProviderAccountRow) -> ProviderAccount:
        """An account of a row, stored or not. Raises AccountUnusable."""
        built = self._build(row)
        return ProviderAccount(
            id=row.id,
            organization_id=row.organization_id,
            name=row.name,
            provider=built.provider,
            bank_account_id=row.bank_account_id,
            channels=row.channels,
            is_active=row.is_active,
            allows=built.allows,
        )

    def check(self, row: ProviderAccountRow) -> None:
        """Check an account as it shall be stored, with the secrets that are at hand. Raises AccountUnusable."""
        if self._check is None:
            self.build(row)
        else:
            self._check(row)

    async def _read(self, key: Key) -> ProviderAccount | None:
        now = self._clock()
        organization_id, name = key
        async with self._database.transaction(organization_id) as tx:
            row = await find_provider_account(tx, name)
        try:
            account = None if row is None else self.build(row)
        except AccountUnusable as refusal:
            self._unusable[key] = (now, refusal)
            self._kept.pop(key, None)
            raise
        self._unusable.pop(key, None)
        # Whoever tries out names must not push out the accounts that exist.
        memory = self._unknown if account is None else self._kept
        memory.pop(key, None)
        if len(memory) >= KEPT_MAX:
            del memory[next(iter(memory))]
        memory[key] = (now, account)
        return account

"""Loads provider accounts: reads them from the database, builds them with settings and secrets, and caches them.

An account that cannot be built is rejected alone: its callers receive an error, and `unusable` lists it. It is built
again after CACHE_TTL, so that a corrected secret is found without a restart.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Generic, TypeVar

import structlog

from billing.core.ids import OrganizationId
from billing.db.context import Clock
from billing.db.database import Database
from billing.organizations.service.context import AccountUnusable, ProviderAccount, allow_all
from billing.organizations.store.organizations import ProviderAccountRow, find_provider_account, read_account_names
from providers.contract import Callback, Provider

CACHE_TTL = timedelta(seconds=30)
"""How long an account is cached: a change of settings takes effect within this time."""

KEPT_MAX = 10_000

KNOWN_FOR = timedelta(seconds=1)
"""How long a set of names is cached: an added account is found after this time at the latest."""

MISSES_PER_S = 10
"""How many unknown names a second cause the names to be read before KNOWN_FOR is over."""

T = TypeVar("T")

log = structlog.get_logger(__name__)

Key = tuple[OrganizationId, str]


@dataclass(frozen=True, slots=True)
class BuiltProvider:
    """A provider of one account, and the check of the source address of a callback."""

    provider: Provider
    allows: Callable[[Callback], bool] = allow_all


BuildProvider = Callable[[ProviderAccountRow], BuiltProvider]
"""Builds the provider of a stored account; `app` implements it. Raises AccountUnusable."""


CheckAccount = Callable[[ProviderAccountRow], None]
"""Checks an account before it is stored, also if its secrets are not available. Raises AccountUnusable."""


class KnownAccounts:
    """The names of all provider accounts of the installation, active or not.

    They are read as whole sets, once in KNOWN_FOR for each organization. An unknown name is looked up in the database
    at once, so that a new account accepts its first callback, but at most MISSES_PER_S times a second, however many
    unknown names are tried.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._organizations = _Kept(self._read_organizations, clock)
        self._names: dict[OrganizationId, _Kept[Set[str]]] = {}
        self._clock = clock
        self._misses: deque[float] = deque(maxlen=MISSES_PER_S)

    async def has(self, organization_id: OrganizationId, name: str) -> bool:
        """Whether there is an account of that name. Raises Unavailable."""
        if not await self._contains(self._organizations, organization_id):
            return False
        if organization_id not in self._names:
            self._names[organization_id] = _Kept(lambda: self._read_names(organization_id), self._clock)
        return await self._contains(self._names[organization_id], name)

    async def _contains(self, kept: "_Kept[Set[T]]", wanted: T) -> bool:
        return wanted in await kept.value() or (self._may_look_again() and wanted in await kept.value(is_fresh=True))

    def _may_look_again(self) -> bool:
        now = monotonic()
        if len(self._misses) == MISSES_PER_S and now - self._misses[0] < 1:
            return False
        self._misses.append(now)
        return True

    async def _read_organizations(self) -> Set[OrganizationId]:
        return frozenset(await self._database.list_organizations())

    async def _read_names(self, organization_id: OrganizationId) -> frozenset[str]:
        async with self._database.transaction(organization_id, read_only=True) as tx:
            return frozenset(await read_account_names(tx))


class _Kept(Generic[T]):
    """A value that is read again after KNOWN_FOR; concurrent callers wait for one read."""

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._kept: tuple[datetime, T] | None = None
        self._reading: asyncio.Future[T] | None = None

    async def value(self, *, is_fresh: bool = False) -> T:
        now = self._clock()
        if not is_fresh and self._kept is not None and abs(now - self._kept[0]) < KNOWN_FOR:
            return self._kept[1]
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read_at(now))
        return await asyncio.shield(self._reading)

    async def _read_at(self, now: datetime) -> T:
        value = await self._read()
        self._kept = (now, value)
        return value


class StoredProviderAccounts:
    """Finds provider accounts in the database and builds their providers. Without `check`, building is the check."""

    def __init__(
        self,
        database: Database,
        build: BuildProvider,
        clock: Clock,
        *,
        check: CheckAccount | None = None,
        known: KnownAccounts | None = None,
    ) -> None:
        self._database = database
        self._build = build
        self._check = check
        self._clock = clock
        self._known = known or KnownAccounts(database, clock)
        self._kept: dict[Key, tuple[datetime, ProviderAccount]] = {}
        self._unusable: dict[Key, tuple[datetime, AccountUnusable]] = {}
        self._reading: dict[Key, asyncio.Future[ProviderAccount | None]] = {}

    async def find(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """The account of that name, active or not; None if there is none. Raises AccountUnusable."""
        now = self._clock()
        key = (organization_id, name)
        kept = self._kept.get(key)
        if kept is not None and abs(now - kept[0]) < CACHE_TTL:
            return kept[1]
        refused = self._unusable.get(key)
        if refused is not None and abs(now - refused[0]) < CACHE_TTL:
            raise AccountUnusable(refused[1].detail)
        # Concurrent callers wait for one read of the account: one transaction for any number of callers.
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._read(key))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def find_known(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """As `find`, for names from anonymous clients: an unknown name costs no transaction of its own.

        An added account is found after KNOWN_FOR at the latest. Raises AccountUnusable.
        """
        key = (organization_id, name)
        is_known = key in self._kept or key in self._unusable
        if not is_known and not await self._known.has(organization_id, name):
            return None
        return await self.find(organization_id, name)

    async def check_all(self) -> Mapping[str, str]:
        """Build every account of the installation; the unusable ones are logged and returned."""
        for organization_id in await self._database.list_organizations():
            async with self._database.transaction(organization_id) as tx:
                names = await read_account_names(tx)
            for name in names:
                try:
                    await self.find(organization_id, name)
                except AccountUnusable as refusal:
                    log.error("account_unusable", organization=organization_id, account=name, reason=refusal.detail)
        return self.unusable()

    def unusable(self) -> Mapping[str, str]:
        """Accounts that could not be built at their last look-up, with the error."""
        return {
            f"{organization_id}/{name}": refusal.detail
            for (organization_id, name), (_, refusal) in sorted(self._unusable.items())
        }

    def build(self, row: ProviderAccountRow) -> ProviderAccount:
        """Build an account from a row, stored or not. Raises AccountUnusable."""
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
        """Check an account before it is stored, with the available secrets. Raises AccountUnusable."""
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
        self._kept.pop(key, None)
        if account is None:
            return None
        if len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (now, account)
        return account

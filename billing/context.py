"""What every use case is given: the database, the clock, ids, the providers and what is in force.

Nothing here decides; it is put together once in `app` and in tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import randbits
from typing import Protocol
from uuid import UUID, uuid5

import structlog
from asyncpg.pgproto import pgproto

from billing.core.errors import Unavailable
from billing.core.ids import LedgerAccountId, OrganizationId, ProviderAccountId, uuid7_number
from billing.core.reference_code import Grammar, organization_grammar
from billing.coverage.domain.parameters import Figures
from billing.coverage.domain.policy import Policy
from billing.db.background import Background
from billing.db.database import Database, Transaction
from billing.ledger.domain.accounts import AccountKey
from billing.ledger.store.ledger_accounts import read_ledger_accounts
from billing.ledger.store.seal_export import SealExport
from billing.organizations.store.organizations import ProviderAccountRow, read_prefixes
from billing.payments.domain.exception import ExceptionTerms
from billing.payments.store.exceptions import read_exception_terms
from providers.addresses import AddressRules
from providers.contract import Callback, Callbacks, Provider

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_SCOPES = UUID("6c0b7c52-5a7e-5d0e-9d0b-0f6d3f3b9a10")
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 74
_SET_BACK_MAX_MS = 10_000

BOOKS_KEPT = timedelta(seconds=30)
"""How long prefixes and accounts are used as read; a prefix or term given meanwhile is known after this time."""

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The moment now, with its zone."""
    return datetime.now(UTC)


class Ids:
    """UUIDv7 ids that grow within one process, also within a millisecond and when the clock is set back."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = randbits) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last = (0, 0)
        self._step = 1  # from one id to the next within a millisecond; drawn anew for each

    def new(self) -> UUID:
        """A fresh id of this moment (RFC 9562 §6.2, method 2), in the driver's form, which it need not convert."""
        moment_ms = (self._clock() - _EPOCH) // _MILLISECOND
        last_ms, last_bits = self._last
        if last_ms > moment_ms + _SET_BACK_MAX_MS:
            # The clock had run far ahead. Ids of that future would fit no partition; those of now do.
            log.warning("clock_was_ahead", ahead_ms=last_ms - moment_ms)
            last_ms = 0
        if moment_ms > last_ms:
            # The top bit is left free, so that counting up within a millisecond cannot run over.
            self._last = (moment_ms, self._random_bits(_RANDOM_BITS - 1))
            self._step = 1 + self._random_bits(16)
        else:
            self._last = (last_ms, last_bits + self._step)
        return pgproto.UUID(uuid7_number(*self._last).to_bytes(16, "big"))


def allow_all(_callback: Callback) -> bool:
    """Where callbacks may come from anywhere."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """A contract with a provider, ready to be called. `channels` counts the contracts of its bank account.

    An account that is no longer active starts no payment, but what its old codes bring is still taken. `allows` says
    whether a callback comes from where its settings let callbacks come from.
    """

    id: ProviderAccountId
    organization_id: OrganizationId
    name: str
    provider: Provider
    bank_account_id: UUID | None
    channels: int
    is_active: bool = True
    allows: Callable[[Callback], bool] = allow_all

    @property
    def evidence_headers(self) -> frozenset[str]:
        """Headers that are kept with a delivery because they prove it."""
        return self.provider.evidence_headers if isinstance(self.provider, Callbacks) else frozenset()

    def id_scopes(self, payee: Sequence[tuple[str, str]]) -> tuple[UUID, ...]:
        """Owners of a transaction's id: this account, and the wider whole inside which the provider gives ids, if any.

        Two accounts on one merchant share the second, so that money both tell of is booked once.
        """
        scope = self.provider.id_scope if isinstance(self.provider, Callbacks) else ""
        if not scope:
            return (self.id,)
        named = sorted(payee) if scope.endswith("/payee") else []
        return self.id, uuid5(_ID_SCOPES, repr([scope, *named]))


class AccountUnusable(Unavailable):
    """The provider of an account cannot be made from its settings and secrets; the other accounts go on."""

    code = "account_unusable"


class ProviderAccounts(Protocol):
    """Finds provider accounts by name."""

    async def find(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """The account of that name, active or not; None where there is none. Raises AccountUnusable."""

    async def find_known(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """As `find`, for names that anybody may try: an unknown one costs no transaction of its own."""

    def build(self, row: ProviderAccountRow) -> ProviderAccount:
        """An account of a row, stored or not. Raises AccountUnusable."""

    def check(self, row: ProviderAccountRow) -> None:
        """Check an account as it shall be stored, with the secrets that are at hand. Raises AccountUnusable."""

    def unusable(self) -> Mapping[str, str]:
        """Accounts that could not be made ready when they were last looked for, with what is wrong."""


@dataclass(frozen=True, slots=True)
class Books:
    """What seldom changes while an organization works: code prefixes, ledger accounts, its terms of exceptions."""

    prefixes: tuple[str, ...]
    grammar: Grammar
    accounts: dict[AccountKey, LedgerAccountId]
    exception_terms: Mapping[str, ExceptionTerms]
    read_at: datetime


def tell_nobody(_organization_id: OrganizationId) -> None:
    """Where no page is open: nobody waits for a hint."""


@dataclass(slots=True, kw_only=True)
class Context:
    """The service's surroundings. Books are read once for each organization and again where they lack an account.

    `bank_names` are by BIN. `public_base_url` is where patients and providers reach this service; empty where nobody
    has said it. `outgoing` is what the operator lets settings of providers lead to. `note_change` is told after a
    commit that something of an organization changed; it returns at once and never raises (`hinting.py`).
    `background` holds the tasks of the process that must not end. `unreachable` counts payments that could not be
    started because a provider could not be reached. `seal_export` is the file of heads (None: none).
    """

    database: Database
    accounts: ProviderAccounts
    clock: Clock = utc_now
    ids: Ids = field(default_factory=lambda: Ids(utc_now))
    figures: Figures
    policy: Policy
    bank_names: Mapping[str, str] = field(default_factory=dict)
    public_base_url: str = ""
    outgoing: AddressRules = field(default_factory=AddressRules)
    note_change: Callable[[OrganizationId], None] = tell_nobody
    background: Background = field(default_factory=Background)
    unreachable: int = 0
    seal_export: SealExport | None = None
    _books: dict[OrganizationId, Books] = field(default_factory=dict)

    async def books_with_new_prefixes(self, tx: Transaction, books: Books) -> Books:
        """The books given, read again where the organization has other prefixes by now."""
        if tuple(await read_prefixes(tx)) == books.prefixes:
            return books
        self._books.pop(tx.organization_id, None)
        return await self.books(tx, *books.accounts)

    async def books(self, tx: Transaction, *needed: AccountKey) -> Books:
        """The books of the transaction's organization, with the accounts named."""
        known = self._books.get(tx.organization_id)
        now = self.clock()
        if known is not None and abs(now - known.read_at) < BOOKS_KEPT and all(key in known.accounts for key in needed):
            return known
        prefixes = tuple(await read_prefixes(tx))
        books = Books(
            prefixes=prefixes,
            grammar=organization_grammar(prefixes),
            accounts=await read_ledger_accounts(tx),
            exception_terms=await read_exception_terms(tx),
            read_at=now,
        )
        missing = [key for key in needed if key not in books.accounts]
        assert not missing, f"ledger accounts are made with what they are for: {missing}"
        self._books[tx.organization_id] = books
        return books

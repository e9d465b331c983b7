"""Setting up: an organization with its facility, books, bank account and provider account, and keys for programs.

Runs with the owner's role. Each function may be called once for what it sets up; a second time is refused by key.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.domain.bookkeeping import clearing_account
from billing.domain.ids import ApiKeyId, FacilityId, LedgerAccountId, OrganizationId, PersonId, ProviderAccountId
from billing.domain.keys import hash_secret, write_key
from billing.domain.ledger import CHART, AccountKey, AccountRole, business_date
from billing.domain.reference import PREFIXES, PrefixesExhausted, prefix_of
from billing.services.context import Clock, Ids
from billing.storage.access import add_key, add_person
from billing.storage.database import Database, Transaction
from billing.storage.organizations import (
    add_bank_account,
    add_facility,
    add_ledger_accounts,
    add_organization,
    add_prefix,
    add_provider_account,
)

_SECRET_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrganization:
    """The legal unit and its first facility."""

    id: OrganizationId
    name: str
    tax_code: str
    facility_code: str
    facility_name: str
    technical_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBankAccount:
    """An account of the organization at a bank."""

    bank_bin: str
    account_number: str
    holder: str


class Setup:
    """Sets up organizations. `database` must be opened with the owner's role."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def add_organization(self, new: NewOrganization) -> None:
        """Add an organization with its facility, a code prefix and its ledger accounts."""
        now = self._clock()
        today = business_date(now)
        async with self._database.transaction(new.id) as tx:
            await add_organization(tx, name=new.name, tax_code=new.tax_code, created_at=now)
            await self._give_prefix(tx, now)
            await add_facility(
                tx,
                FacilityId(self._ids.new()),
                code=new.facility_code,
                name=new.facility_name,
                valid_from=today,
                technical_level=new.technical_level,
            )
            accounts = [
                (LedgerAccountId(self._ids.new()), AccountKey(role))
                for role in CHART
                if role is not AccountRole.CLEARING
            ]
            await add_ledger_accounts(tx, accounts, valid_from=today)

    async def add_provider_account(
        self,
        organization_id: OrganizationId,
        *,
        name: str,
        provider: str,
        bank_account: NewBankAccount,
        settings: Mapping[str, object],
        secret_name: str,
    ) -> ProviderAccountId:
        """Add a contract with a provider, its bank account and its clearing account."""
        account_id = ProviderAccountId(self._ids.new())
        bank_account_id: UUID = self._ids.new()
        async with self._database.transaction(organization_id) as tx:
            await add_bank_account(
                tx,
                bank_account_id,
                bank_bin=bank_account.bank_bin,
                account_number=bank_account.account_number,
                holder=bank_account.holder,
            )
            await add_provider_account(
                tx,
                account_id,
                name=name,
                provider=provider,
                bank_account_id=bank_account_id,
                settings=settings,
                secret_name=secret_name,
            )
            await add_ledger_accounts(
                tx,
                [(LedgerAccountId(self._ids.new()), clearing_account(account_id))],
                valid_from=business_date(self._clock()),
            )
        return account_id

    async def add_key(
        self, organization_id: OrganizationId, *, person_name: str, expires_at: datetime | None = None
    ) -> str:
        """Add a person and a key that acts for them; the key is returned once and never stored."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        person_id = PersonId(self._ids.new())
        async with self._database.transaction(organization_id) as tx:
            await add_person(tx, person_id, name=person_name, roles=["cashier"])
            await add_key(
                tx,
                ApiKeyId(self._ids.new()),
                person_id=person_id,
                secret_hash=hash_secret(secret),
                created_at=self._clock(),
                expires_at=expires_at,
            )
        return write_key(organization_id, secret)

    async def _give_prefix(self, tx: Transaction, now: datetime) -> None:
        """Give the first prefix that is free, beginning at a place of the organization's own."""
        for step in range(PREFIXES):
            if await add_prefix(tx, prefix=prefix_of((tx.organization_id + step) % PREFIXES), given_at=now):
                return
        raise PrefixesExhausted(f"all {PREFIXES} prefixes of reference codes are given out")

"""Sets up an organization with its facility, books, bank account and provider account, and keys for programs.

Runs with the owner's role. Existing items are rejected with an error.
"""

import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError

from billing.core.actor import Actor, Role
from billing.core.approvals import person_name as clean_name
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import ApiKeyId, FacilityId, LedgerAccountId, OrganizationId, PersonId, ProviderAccountId
from billing.core.reference_code import PREFIXES, PrefixesExhausted, prefix_of
from billing.db.context import Clock, Ids
from billing.db.database import Database, Transaction
from billing.db.tenants import NO_ORGANIZATION, require_organization
from billing.ledger.domain.accounts import CHART, AccountKey, clearing_account
from billing.ledger.store.journal import write_audit
from billing.ledger.store.ledger_accounts import add_ledger_accounts
from billing.organizations.domain.api_key import hash_secret, write_key
from billing.organizations.service.setup_refusals import MALFORMED, TAKEN
from billing.organizations.store.api_keys import (
    KeyRow,
    PersonRow,
    add_key,
    add_person,
    find_persons,
    grant_roles,
    mark_key_revoked,
    read_all_persons,
    read_keys,
    rename_person,
)
from billing.organizations.store.organizations import (
    ListedAccount,
    ListedOrganization,
    NewFacility,
    add_bank_account,
    add_facility,
    add_organization,
    add_prefix,
    add_provider_account,
    find_bank_account,
    find_organization,
    list_provider_accounts,
    set_facility_phone,
)
from providers.addresses import AddressRefused, AddressRules, check_settings

_SECRET_BYTES = 24
_KEY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class AlreadySetUp(Refused):
    """The number, tax code, name or bank account is in use."""

    code = "already_set_up"


class TwoKeysAlive(Refused):
    """Two valid keys of one name exist: one must end before a further one begins."""

    code = "two_keys_alive"


class KeyNameTaken(Refused):
    """The valid keys of a name act for another person."""

    code = "key_name_taken"


class NameTaken(Refused):
    """Another person of the organization has this name, in any spelling."""

    code = "name_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrganization:
    """The legal unit and its first facility; `help_phone` is the phone of the payment desk, shown to patients.

    A training organization is used to practise: bank simulator, numbers of its own, a watermark on every page.
    """

    id: OrganizationId
    name: str
    tax_code: str
    facility_code: str
    facility_name: str
    technical_level: str
    help_phone: str = ""
    is_training: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBankAccount:
    """An account of the organization at a bank."""

    bank_bin: str
    account_number: str
    holder: str


class Setup:
    """Sets up organizations. `database` must be opened with the owner's role."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, outgoing: AddressRules | None = None) -> None:
        self._outgoing = outgoing or AddressRules()
        self._database = database
        self._clock = clock
        self._ids = ids

    async def add_organization(self, new: NewOrganization) -> None:
        """Add an organization with its facility, a code prefix and its ledger accounts."""
        now = self._clock()
        today = business_date(now)
        async with self._setting_up(new.id) as tx:
            await add_organization(
                tx,
                name=new.name,
                tax_code=new.tax_code,
                help_phone=new.help_phone,
                created_at=now,
                is_training=new.is_training,
            )
            await self._give_prefix(tx, now)
            await add_facility(
                tx,
                FacilityId(self._ids.new()),
                NewFacility(code=new.facility_code, name=new.facility_name, technical_level=new.technical_level),
                valid_from=today,
            )
            accounts = [
                (LedgerAccountId(self._ids.new()), AccountKey(role))
                for role, terms in CHART.items()
                if not terms.is_per_subject
            ]
            await add_ledger_accounts(tx, accounts, valid_from=today)

    async def add_facility(
        self, organization_id: OrganizationId, *, code: str, name: str, technical_level: str, phone: str = ""
    ) -> None:
        """Add a further site. Raises AlreadySetUp, NotFound, InvalidValue."""
        today = business_date(self._clock())
        async with self._setting_up(organization_id) as tx:
            facility_id = FacilityId(self._ids.new())
            new = NewFacility(code=code, name=name, technical_level=technical_level, phone=phone)
            await add_facility(tx, facility_id, new, valid_from=today)

    async def set_facility_phone(self, organization_id: OrganizationId, *, code: str, phone: str) -> None:
        """Set the phone that patients of a facility see; empty: the organization's. Raises NotFound, InvalidValue."""
        async with self._setting_up(organization_id) as tx:
            if not await set_facility_phone(tx, code=code, phone=phone):
                raise NotFound(f"no facility {code} in organization {organization_id}")

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
        """Add a contract with a provider, its bank account and its clearing account.

        A known bank account with the same holder is reused: the contracts are its channels. Raises InvalidValue for a
        setting with an address that `outgoing` does not allow, AlreadySetUp, NotFound.
        """
        try:
            await check_settings(settings, self._outgoing)
        except AddressRefused as refusal:
            raise InvalidValue(str(refusal), field="settings") from None
        account_id = ProviderAccountId(self._ids.new())
        async with self._setting_up(organization_id) as tx:
            await require_organization(tx)
            bank_account_id = await self._bank_account(tx, bank_account)
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

    async def list_organizations(self) -> list[ListedOrganization]:
        """Every organization of the installation, by its number."""
        numbers = await self._database.list_organizations()
        found = []
        for number in numbers:
            async with self._database.transaction(number, read_only=True) as tx:
                found.append(await find_organization(tx))
        return [organization for organization in found if organization is not None]

    async def list_provider_accounts(self, organization_id: OrganizationId) -> list[ListedAccount]:
        """The accounts of an organization, by name. Raises NotFound."""
        async with self._database.transaction(organization_id, read_only=True) as tx:
            await require_organization(tx)
            return await list_provider_accounts(tx)

    async def add_key(
        self,
        organization_id: OrganizationId,
        *,
        person_name: str,
        name: str = "desk",
        roles: Collection[Role] = (Role.CASHIER,),
        expires_at: datetime | None = None,
        facility_codes: Collection[str] | None = None,
    ) -> str:
        """Create a key for a program that acts for a person; the key is returned once and never stored.

        An unknown person name, in any spelling, is added; a known person is granted the roles. Two keys of one name may
        be valid at once, so that one replaces the other without a pause; both act for the same person.
        `facility_codes` limits it to some facilities. Raises InvalidValue, KeyNameTaken, TwoKeysAlive.
        """
        if not _KEY_NAME.fullmatch(name):
            raise InvalidValue("a key's name is small letters, digits and hyphens, at most 40", field="name")
        if not roles:
            raise InvalidValue("name at least one role", field="roles")
        now = self._clock()
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        try:
            async with self._database.transaction(organization_id) as tx:
                slot, person_id = await self._free_slot(tx, name, now)
                person_id = await self._person(tx, person_name, roles, person_id)
                key = KeyRow(
                    id=ApiKeyId(self._ids.new()),
                    name=name,
                    slot=slot,
                    person_id=person_id,
                    person_name=person_name,
                    roles=frozenset(roles),
                    created_at=now,
                    expires_at=expires_at,
                    revoked_at=None,
                    facility_codes=frozenset(facility_codes) if facility_codes else None,
                )
                await add_key(tx, key, secret_hash=hash_secret(secret))
        except UniqueViolationError as error:
            raise TwoKeysAlive(f"another key or person of this name was added at the same moment: {name}") from error
        except ForeignKeyViolationError as error:
            raise NotFound(NO_ORGANIZATION, field="organization") from error
        return write_key(organization_id, secret)

    async def list_keys(self, organization_id: OrganizationId) -> list[KeyRow]:
        """Every key ever created, by name and age; none contains its secret. Raises NotFound."""
        async with self._database.transaction(organization_id) as tx:
            await require_organization(tx)
            return await read_keys(tx)

    async def revoke_key(self, organization_id: OrganizationId, key_id: ApiKeyId) -> None:
        """Revoke a key; it still works for a few seconds if it was just used. Raises NotFound."""
        async with self._database.transaction(organization_id) as tx:
            if not await mark_key_revoked(tx, key_id, at=self._clock()):
                raise NotFound("no such key is alive", field="key_id")

    async def list_persons(self, organization_id: OrganizationId) -> list[PersonRow]:
        """All persons of the organization, by name. Raises NotFound."""
        async with self._database.transaction(organization_id) as tx:
            await require_organization(tx)
            return await read_all_persons(tx)

    async def rename_person(self, organization_id: OrganizationId, person_id: PersonId, name: str) -> None:
        """Rename a person; no other may have the name. Raises NotFound, InvalidValue, NameTaken."""
        try:
            async with self._database.transaction(organization_id) as tx:
                if not await rename_person(tx, person_id, clean_name(name)):
                    raise NotFound("no such person", field="person")
                await write_audit(
                    tx,
                    self._ids.new(),
                    recorded_at=self._clock(),
                    actor=Actor.system(),
                    action="person_renamed",
                    subject=("person", person_id),
                )
        except UniqueViolationError as error:
            raise NameTaken("another person has this name, however it is written", field="name") from error

    async def _bank_account(self, tx: Transaction, wanted: NewBankAccount) -> UUID:
        known = await find_bank_account(tx, **asdict(wanted))
        if known is not None:
            return known
        bank_account_id: UUID = self._ids.new()
        await add_bank_account(tx, bank_account_id, **asdict(wanted))
        return bank_account_id

    async def _free_slot(self, tx: Transaction, name: str, now: datetime) -> tuple[int, PersonId | None]:
        """The free slot for a further key of a name, and the person of the valid keys; expired ones are revoked."""
        unrevoked = [key for key in await read_keys(tx) if key.name == name and key.revoked_at is None]
        expired = [key for key in unrevoked if key.expires_at is not None and key.expires_at <= now]
        for key in expired:
            await mark_key_revoked(tx, key.id, at=now)
        alive = [key for key in unrevoked if key not in expired]
        free = sorted({1, 2} - {key.slot for key in alive})
        if not free:
            raise TwoKeysAlive(f"two keys of the name {name} are alive; revoke one first", field="name")
        return free[0], alive[0].person_id if alive else None

    async def _person(
        self, tx: Transaction, person_name: str, roles: Collection[Role], holder: PersonId | None
    ) -> PersonId:
        """The person of a name, with the roles granted. `holder` is the person of the valid keys of the same name."""
        name = clean_name(person_name)
        known = await find_persons(tx, name)
        if holder is not None and holder not in known:
            raise KeyNameTaken("the keys of this name act for another person", field="name")
        if not known:
            person_id = PersonId(self._ids.new())
            await add_person(tx, person_id, name=name, roles=roles)
            return person_id
        person_id = known[0] if holder is None else holder
        await grant_roles(tx, person_id, roles)
        return person_id

    @asynccontextmanager
    async def _setting_up(self, organization_id: OrganizationId) -> AsyncIterator[Transaction]:
        """A transaction in which rejections by the schema become our error messages."""
        try:
            async with self._database.transaction(organization_id) as tx:
                yield tx
        except UniqueViolationError as error:
            name = str(error.constraint_name)
            raise AlreadySetUp(TAKEN.get(name, f"this is set up already, here or for another: {name}")) from error
        except ForeignKeyViolationError as error:
            raise NotFound(NO_ORGANIZATION, field="organization") from error
        except CheckViolationError as error:
            name = str(error.constraint_name)
            raise InvalidValue(MALFORMED.get(name, f"a value is not written as it must be: {name}")) from error

    async def _give_prefix(self, tx: Transaction, now: datetime) -> None:
        """Assign the first free prefix, starting at a position derived from the organization."""
        for step in range(PREFIXES):
            if await add_prefix(tx, prefix=prefix_of((tx.organization_id + step) % PREFIXES), assigned_at=now):
                return
        raise PrefixesExhausted(f"all {PREFIXES} prefixes of reference codes are given out")

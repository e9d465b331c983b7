"""Organizations with their facilities, bank accounts, provider accounts, code prefixes and ledger accounts.

Creating them requires the owner's role; the service reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import FacilityId, OrganizationId, ProviderAccountId
from billing.db.database import Transaction

_ADD_ORGANIZATION = """
    INSERT INTO organization (id, name, tax_code, help_phone, created_at, is_training)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def add_organization(
    tx: Transaction, *, name: str, tax_code: str, help_phone: str, created_at: datetime, is_training: bool
) -> None:
    """Add the organization of this transaction."""
    await tx.execute(_ADD_ORGANIZATION, tx.organization_id, name, tax_code, help_phone, created_at, is_training)


_ADD_PREFIX = """
    INSERT INTO organization_prefix (prefix, organization_id, assigned_at) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING prefix
"""


async def add_prefix(tx: Transaction, *, prefix: str, assigned_at: datetime) -> bool:
    """Assign a prefix to this organization; False if it was assigned before, to any organization."""
    return await tx.fetchval(_ADD_PREFIX, prefix, tx.organization_id, assigned_at) is not None


_PREFIXES = """
    SELECT prefix FROM organization_prefix WHERE organization_id = $1 ORDER BY assigned_at DESC, prefix
"""


async def read_prefixes(tx: Transaction) -> list[str]:
    """The organization's prefixes, the newest first."""
    return [row["prefix"] for row in await tx.fetch(_PREFIXES, tx.organization_id)]


_ADD_FACILITY = """
    INSERT INTO facility (organization_id, id, code, name, phone) VALUES ($1, $2, $3, $4, $5)
"""

_ADD_TERMS = """
    INSERT INTO facility_terms (organization_id, facility_id, valid_from, technical_level)
    VALUES ($1, $2, $3, $4)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFacility:
    """A site with its code (MA_CSKCB), its rank and the phone of its payment desk; empty: that of the organization."""

    code: str
    name: str
    technical_level: str
    phone: str = ""


async def add_facility(tx: Transaction, facility_id: FacilityId, new: NewFacility, *, valid_from: date) -> None:
    """Add a site, with its rank from a day on."""
    await tx.execute(_ADD_FACILITY, tx.organization_id, facility_id, new.code, new.name, new.phone)
    await tx.execute(_ADD_TERMS, tx.organization_id, facility_id, valid_from, new.technical_level)


_SET_FACILITY_PHONE = """
    UPDATE facility SET phone = $3 WHERE organization_id = $1 AND code = $2 RETURNING id
"""


async def set_facility_phone(tx: Transaction, *, code: str, phone: str) -> bool:
    """Set the phone of a facility's payment desk; False if there is no such facility."""
    return await tx.fetchval(_SET_FACILITY_PHONE, tx.organization_id, code, phone) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a screen without a person stands: the facility, and whether its organization only practises."""

    facility: str
    is_training: bool


_PLACE = """
    SELECT facility.name AS facility, organization.is_training FROM facility
    JOIN organization ON organization.id = $1
    WHERE facility.organization_id = $1 AND facility.code = $2
"""


async def read_place(tx: Transaction, code: str) -> Place | None:
    """The place of a facility's code; None if it is not of the organization."""
    row = await tx.fetchrow(_PLACE, tx.organization_id, code)
    return None if row is None else Place(row["facility"], row["is_training"])


_IS_TRAINING = """
    SELECT is_training FROM organization WHERE id = $1
"""


async def read_is_training(tx: Transaction) -> bool:
    """Whether the organization only practises."""
    return bool(await tx.fetchval(_IS_TRAINING, tx.organization_id))


_FIND_FACILITY = """
    SELECT id FROM facility WHERE organization_id = $1 AND code = $2
"""


async def find_facility(tx: Transaction, code: str) -> FacilityId | None:
    """The facility of a MA_CSKCB code."""
    found = await tx.fetchval(_FIND_FACILITY, tx.organization_id, code)
    return None if found is None else FacilityId(found)


_CLAIM_BANK_ACCOUNT = """
    INSERT INTO bank_account_owner (bank_bin, account_number, organization_id) VALUES ($2, $3, $1)
"""

_ADD_BANK_ACCOUNT = """
    INSERT INTO bank_account (organization_id, id, bank_bin, account_number, holder) VALUES ($1, $2, $3, $4, $5)
"""


async def add_bank_account(
    tx: Transaction, bank_account_id: UUID, *, bank_bin: str, account_number: str, holder: str
) -> None:
    """Add a bank account; (BIN, number) belongs to one organization of the whole installation."""
    await tx.execute(_CLAIM_BANK_ACCOUNT, tx.organization_id, bank_bin, account_number)
    await tx.execute(_ADD_BANK_ACCOUNT, tx.organization_id, bank_account_id, bank_bin, account_number, holder)


_FIND_BANK_ACCOUNT = """
    SELECT id FROM bank_account
    WHERE organization_id = $1 AND bank_bin = $2 AND account_number = $3 AND holder = $4
"""


async def find_bank_account(tx: Transaction, *, bank_bin: str, account_number: str, holder: str) -> UUID | None:
    """The organization's bank account of exactly this BIN, number and holder."""
    found: UUID | None = await tx.fetchval(_FIND_BANK_ACCOUNT, tx.organization_id, bank_bin, account_number, holder)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccountRow:
    """A stored contract with a provider. `channels` counts the contracts of its bank account."""

    id: ProviderAccountId
    organization_id: OrganizationId
    name: str
    provider: str
    bank_account_id: UUID | None
    settings: Mapping[str, object]
    secret_name: str | None
    is_active: bool
    channels: int


_ADD_PROVIDER_ACCOUNT = """
    INSERT INTO provider_account (organization_id, id, name, provider, bank_account_id, settings, secret_name)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def add_provider_account(
    tx: Transaction,
    account_id: ProviderAccountId,
    *,
    name: str,
    provider: str,
    bank_account_id: UUID | None,
    settings: Mapping[str, object],
    secret_name: str | None,
) -> None:
    """Add a contract with a provider; settings contain no secret."""
    await tx.execute(
        _ADD_PROVIDER_ACCOUNT,
        tx.organization_id,
        account_id,
        name,
        provider,
        bank_account_id,
        dict(settings),
        secret_name,
    )


_PROVIDER_ACCOUNT = """
    SELECT account.id, account.name, account.provider, account.bank_account_id, account.settings, account.secret_name,
        account.is_active,
        (SELECT count(*) FROM provider_account AS channel
         WHERE channel.organization_id = $1 AND channel.bank_account_id = account.bank_account_id) AS channels
    FROM provider_account AS account
    WHERE account.organization_id = $1 AND account.name = $2
"""


async def find_provider_account(tx: Transaction, name: str) -> ProviderAccountRow | None:
    """The contract of that name, active or not."""
    row = await tx.fetchrow(_PROVIDER_ACCOUNT, tx.organization_id, name)
    return None if row is None else ProviderAccountRow(organization_id=tx.organization_id, **dict(row))


_ACCOUNT_NAMES = """
    SELECT name FROM provider_account WHERE organization_id = $1 ORDER BY name
"""


_ACCOUNT_IDS = """
    SELECT id FROM provider_account WHERE organization_id = $1
"""


async def read_account_ids(tx: Transaction) -> set[ProviderAccountId]:
    """The ids of all contracts of the organization."""
    return {ProviderAccountId(row["id"]) for row in await tx.fetch(_ACCOUNT_IDS, tx.organization_id)}


async def read_account_names(tx: Transaction) -> list[str]:
    """The names of all contracts, active or not: money under their old codes is booked."""
    return [row["name"] for row in await tx.fetch(_ACCOUNT_NAMES, tx.organization_id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAccount:
    """A contract with its bank account, for display; None if it has no bank account."""

    id: ProviderAccountId
    name: str
    provider: str
    secret_name: str | None
    is_active: bool
    bank_bin: str | None
    account_number: str | None
    holder: str | None


_LISTED_ACCOUNTS = """
    SELECT account.id, account.name, account.provider, account.secret_name, account.is_active,
        bank.bank_bin, bank.account_number, bank.holder
    FROM provider_account AS account
    LEFT JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id = account.bank_account_id
    WHERE account.organization_id = $1
    ORDER BY account.name
"""


async def list_provider_accounts(tx: Transaction) -> list[ListedAccount]:
    """All contracts, active or not, by name."""
    return [ListedAccount(**dict(row)) for row in await tx.fetch(_LISTED_ACCOUNTS, tx.organization_id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOrganization:
    """A stored organization; facilities are MA_CSKCB codes."""

    id: OrganizationId
    name: str
    tax_code: str
    facilities: tuple[str, ...]
    accounts: int


_LISTED_ORGANIZATION = """
    SELECT name, tax_code,
        ARRAY(SELECT code FROM facility WHERE facility.organization_id = $1 ORDER BY code) AS facilities,
        (SELECT count(*) FROM provider_account AS account WHERE account.organization_id = $1) AS accounts
    FROM organization
    WHERE id = $1
"""


async def find_organization(tx: Transaction) -> ListedOrganization | None:
    """The organization of the transaction, if it is set up."""
    row = await tx.fetchrow(_LISTED_ORGANIZATION, tx.organization_id)
    if row is None:
        return None
    return ListedOrganization(**{**dict(row), "id": tx.organization_id, "facilities": tuple(row["facilities"])})

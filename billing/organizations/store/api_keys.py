"""API keys and the persons they act for; only hashes of secrets are stored."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.actor import Role
from billing.core.approvals import Person
from billing.core.ids import ApiKeyId, PersonId
from billing.db.database import Transaction
from billing.db.single_reads import TenantReader

_ADD_PERSON = """
    INSERT INTO person (organization_id, id, name, roles) VALUES ($1, $2, $3, $4)
"""


async def add_person(tx: Transaction, person_id: PersonId, *, name: str, roles: Iterable[Role]) -> None:
    """Add a person of the organization."""
    await tx.execute(_ADD_PERSON, tx.organization_id, person_id, name, _words(roles))


_FIND_PERSONS = """
    SELECT id FROM person WHERE organization_id = $1 AND name_key = vienphi_name_key($2)
    ORDER BY duplicate_of IS NOT NULL, id
"""


async def find_persons(tx: Transaction, name: str) -> list[PersonId]:
    """The person of a name in any spelling, then those added under the same name before names were unique."""
    return [PersonId(row["id"]) for row in await tx.fetch(_FIND_PERSONS, tx.organization_id, name)]


_READ_PERSONS = """
    SELECT id, name_key FROM person WHERE organization_id = $1 AND id = ANY ($2)
"""


async def read_persons(tx: Transaction, person_ids: Collection[PersonId]) -> dict[PersonId, Person]:
    """Persons by id, for rules of two persons."""
    rows = await tx.fetch(_READ_PERSONS, tx.organization_id, list(person_ids))
    return {PersonId(row["id"]): Person(PersonId(row["id"]), row["name_key"]) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A stored person. `duplicate_of`: the person with the same name when names became unique."""

    id: PersonId
    name: str
    roles: frozenset[Role]
    duplicate_of: PersonId | None


_LIST_PERSONS = """
    SELECT id, name, roles, duplicate_of FROM person WHERE organization_id = $1 ORDER BY name_key, id
"""


async def read_all_persons(tx: Transaction) -> list[PersonRow]:
    """All persons of the organization, by name."""
    rows = await tx.fetch(_LIST_PERSONS, tx.organization_id)
    return [PersonRow(**{**dict(row), "roles": frozenset(map(Role, row["roles"]))}) for row in rows]


_RENAME_PERSON = """
    UPDATE person SET name = $3, duplicate_of = NULL WHERE organization_id = $1 AND id = $2 RETURNING id
"""


async def rename_person(tx: Transaction, person_id: PersonId, name: str) -> bool:
    """Rename a person; False if there is no such person."""
    return await tx.fetchval(_RENAME_PERSON, tx.organization_id, person_id, name) is not None


_GRANT_ROLES = """
    UPDATE person SET roles = ARRAY(SELECT DISTINCT role FROM unnest(roles || $3::text[]) AS role ORDER BY role)
    WHERE organization_id = $1 AND id = $2
"""


async def grant_roles(tx: Transaction, person_id: PersonId, roles: Iterable[Role]) -> None:
    """Grant a person further roles."""
    await tx.execute(_GRANT_ROLES, tx.organization_id, person_id, _words(roles))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A stored key, without its secret. `slot` is 1 or 2: two keys of one name may be valid at once.

    `facility_codes` are the facilities at which it works; None is all of them.
    """

    id: ApiKeyId
    name: str
    slot: int
    person_id: PersonId
    person_name: str
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    facility_codes: frozenset[str] | None = None


_ADD_KEY = """
    INSERT INTO api_key (organization_id, id, person_id, name, slot, roles, secret_hash, created_at, expires_at,
        facility_codes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def add_key(tx: Transaction, key: KeyRow, *, secret_hash: bytes) -> None:
    """Add a key that acts for its person until it expires (None: until it is revoked)."""
    await tx.execute(
        _ADD_KEY,
        tx.organization_id,
        key.id,
        key.person_id,
        key.name,
        key.slot,
        _words(key.roles),
        secret_hash,
        key.created_at,
        key.expires_at,
        None if key.facility_codes is None else sorted(key.facility_codes),
    )


_LIST_KEYS = """
    SELECT api_key.id, api_key.name, api_key.slot, api_key.person_id, person.name AS person_name, api_key.roles,
        api_key.created_at, api_key.expires_at, api_key.revoked_at, api_key.facility_codes
    FROM api_key
    JOIN person ON person.organization_id = $1 AND person.id = api_key.person_id
    WHERE api_key.organization_id = $1
    ORDER BY api_key.name, api_key.id
"""


async def read_keys(tx: Transaction) -> list[KeyRow]:
    """Every key ever created, by name and age."""
    rows = await tx.fetch(_LIST_KEYS, tx.organization_id)
    return [
        KeyRow(
            **{
                **dict(row),
                "roles": frozenset(map(Role, row["roles"])),
                "facility_codes": _codes(row["facility_codes"]),
            }
        )
        for row in rows
    ]


_REVOKE_KEY = """
    UPDATE api_key SET revoked_at = $3 WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id
"""


async def mark_key_revoked(tx: Transaction, key_id: ApiKeyId, *, at: datetime) -> bool:
    """Record that a key is revoked; False if there is no unrevoked key of that id."""
    return await tx.fetchval(_REVOKE_KEY, tx.organization_id, key_id, at) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKey:
    """A valid key: the person it acts for, and its roles."""

    id: ApiKeyId
    name: str
    person_id: PersonId
    roles: frozenset[Role]
    facility_codes: frozenset[str] | None


_FIND_KEY = """
    SELECT api_key.id, api_key.name, api_key.person_id,
        ARRAY(SELECT unnest(api_key.roles) INTERSECT SELECT unnest(person.roles)) AS roles, api_key.facility_codes
    FROM api_key
    JOIN person ON person.organization_id = $1 AND person.id = api_key.person_id
    WHERE api_key.organization_id = $1 AND api_key.secret_hash = $2 AND api_key.revoked_at IS NULL
        AND (api_key.expires_at IS NULL OR api_key.expires_at > $3)
"""


async def find_key(tx: TenantReader, secret_hash: bytes, *, now: datetime) -> LiveKey | None:
    """The person and roles of a valid key; None if no such key is valid."""
    row = await tx.fetchrow(_FIND_KEY, tx.organization_id, secret_hash, now)
    if row is None:
        return None
    return LiveKey(
        id=ApiKeyId(row["id"]),
        name=row["name"],
        person_id=PersonId(row["person_id"]),
        roles=frozenset(map(Role, row["roles"])),
        facility_codes=_codes(row["facility_codes"]),
    )


def _codes(stored: Sequence[str] | None) -> frozenset[str] | None:
    return None if stored is None else frozenset(stored)


def _words(roles: Iterable[Role]) -> list[str]:
    return sorted(role.value for role in roles)

"""API keys and the persons they act for; only hashes of secrets are kept."""

from datetime import datetime

from billing.domain.actor import Actor
from billing.domain.ids import ApiKeyId, PersonId
from billing.storage.database import Transaction

_ADD_PERSON = """
    INSERT INTO person (organization_id, id, name, roles) VALUES ($1, $2, $3, $4)
"""


async def add_person(tx: Transaction, person_id: PersonId, *, name: str, roles: list[str]) -> None:
    """Add a person who works for the organization."""
    await tx.execute(_ADD_PERSON, tx.organization_id, person_id, name, roles)


_ADD_KEY = """
    INSERT INTO api_key (organization_id, id, person_id, secret_hash, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def add_key(
    tx: Transaction,
    key_id: ApiKeyId,
    *,
    person_id: PersonId,
    secret_hash: bytes,
    created_at: datetime,
    expires_at: datetime | None,
) -> None:
    """Add a key that acts for a person until it expires (None: until it is revoked)."""
    await tx.execute(_ADD_KEY, tx.organization_id, key_id, person_id, secret_hash, created_at, expires_at)


_FIND_KEY = """
    SELECT id, person_id FROM api_key
    WHERE organization_id = $1 AND secret_hash = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
"""


async def find_key(tx: Transaction, secret_hash: bytes, *, now: datetime) -> Actor | None:
    """Whom a live key acts for; None where no such key is alive."""
    row = await tx.fetchrow(_FIND_KEY, tx.organization_id, secret_hash, now)
    return None if row is None else Actor.key(ApiKeyId(row["id"]), acting_for=PersonId(row["person_id"]))

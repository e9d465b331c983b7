"""The persons and keys of an organization for its administrators: listed, and keys revoked. Use cases.

Persons, their roles and new keys are set up with the owner's role (`setup.py`): the service may not add them.
"""

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import ApiKeyId, OrganizationId
from billing.db.context import Context
from billing.ledger.service.audit import note
from billing.organizations.store.api_keys import KeyRow, PersonRow, mark_key_revoked, read_all_persons, read_keys

__all__ = ["KeyRow", "PersonRow", "list_keys", "list_persons", "revoke_key"]


async def list_persons(context: Context, organization_id: OrganizationId) -> list[PersonRow]:
    """All persons of the organization with their roles, by name."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_all_persons(tx)


async def list_keys(context: Context, organization_id: OrganizationId) -> list[KeyRow]:
    """Every key ever created, by name and age; none contains its secret."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_keys(tx)


async def revoke_key(context: Context, organization_id: OrganizationId, key_id: ApiKeyId, *, actor: Actor) -> KeyRow:
    """Revoke a key; it works for a few seconds more if it was just used. A revoked key stays as it was.

    Raises NotFound.
    """
    async with context.database.transaction(organization_id) as tx:
        if await mark_key_revoked(tx, key_id, at=context.clock()):
            await note(tx, context, actor, "key_revoked", ("api_key", key_id))
        found = [key for key in await read_keys(tx) if key.id == key_id]
    if not found:
        raise NotFound("no such key", field="key_id")
    return found[0]

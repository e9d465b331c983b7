"""Authenticates callers: a bearer key identifies its organization and its actor.

A valid key is cached for a few seconds, so that a program with many requests costs no transaction each time; an invalid
key is looked up every time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.core.actor import Actor, Role
from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import OrganizationId
from billing.organizations.domain.api_key import hash_secret, split_key
from billing.organizations.domain.rights import Right, roles_with
from billing.organizations.service.context import OrganizationContext
from billing.organizations.store.api_keys import find_key

BELIEVED = timedelta(seconds=5)
"""The longest time that a key still works after it was revoked or has expired."""

BELIEVED_MAX = 10_000


class NotAuthenticated(BillingError):
    """No key, or an unknown, expired or revoked key; the response never states which."""

    code = "not_authenticated"


class NotPermitted(BillingError):
    """The key is valid, but its person or the key itself lacks the required role."""

    code = "not_permitted"


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: organization, actor and roles.

    `name` is the name of the program or person; it stays the same when a key is replaced by its successor.
    `facility_codes` are the facilities at which the key works; None is all of them.
    """

    organization_id: OrganizationId
    actor: Actor
    name: str
    roles: frozenset[Role]
    facility_codes: frozenset[str] | None = None

    def has(self, right: Right) -> bool:
        """Whether a role of the caller has the right."""
        return not self.roles.isdisjoint(roles_with(right))

    def require(self, right: Right) -> None:
        """Check that the caller has the right. Raises NotPermitted."""
        if not self.has(right):
            needed = " or ".join(sorted(role.value for role in roles_with(right)))
            raise NotPermitted(f"this needs the role {needed}")

    def require_facility(self, code: str) -> None:
        """Check that the key works at a facility. Raises NotPermitted."""
        if self.facility_codes is not None and code not in self.facility_codes:
            raise NotPermitted("this key does not work at this facility")


async def authenticate(context: OrganizationContext, key: str) -> Caller:
    """Find the caller of a key in the database. Raises NotAuthenticated."""
    try:
        organization_id, secret = split_key(key)
    except InvalidValue as refusal:
        raise NotAuthenticated("this key is not valid") from refusal
    reads = context.database.single_reads(organization_id)
    key_found = await find_key(reads, hash_secret(secret), now=context.clock())
    if key_found is None:
        raise NotAuthenticated("this key is not valid")
    actor = Actor.key(key_found.id, acting_for=key_found.person_id)
    return Caller(
        organization_id,
        actor,
        name=key_found.name,
        roles=key_found.roles,
        facility_codes=key_found.facility_codes,
    )


class KeyRing:
    """Cache of valid keys, by the hash of the whole key. One for each process."""

    def __init__(self, context: OrganizationContext) -> None:
        self._context = context
        self._believed: dict[bytes, tuple[datetime, Caller]] = {}

    def knows(self, key: str) -> bool:
        """Whether this key was valid when it was last looked up: its holder is no anonymous client."""
        return hash_secret(key) in self._believed

    async def authenticate(self, key: str) -> Caller:
        """As the function `authenticate`, reading the database again after BELIEVED. Raises NotAuthenticated."""
        now = self._context.clock()
        hashed = hash_secret(key)
        believed = self._believed.get(hashed)
        if believed is not None and abs(now - believed[0]) < BELIEVED:
            return believed[1]
        try:
            caller = await authenticate(self._context, key)
        except NotAuthenticated:
            self._believed.pop(hashed, None)
            raise
        if len(self._believed) >= BELIEVED_MAX:
            self._believed.clear()
        self._believed[hashed] = (now, caller)
        return caller

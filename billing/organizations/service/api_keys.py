"""Who is asking: a bearer key is turned into its organization and the actor it stands for.

A key that was found alive is believed for a few seconds, so that a till that asks often costs no transaction each
time; a key that is not alive is looked up every time.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.core.actor import Actor, Role
from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import OrganizationId
from billing.organizations.domain.api_key import hash_secret, split_key
from billing.organizations.service.context import OrganizationContext
from billing.organizations.store.api_keys import find_key

BELIEVED = timedelta(seconds=5)
"""How long a key goes on working after it was revoked or has expired, at most."""

BELIEVED_MAX = 10_000


class NotAuthenticated(BillingError):
    """No key, or one that is unknown, expired or revoked; which of these is never said."""

    code = "not_authenticated"


class NotPermitted(BillingError):
    """The key lives, but its person or the key itself lacks the role for this."""

    code = "not_permitted"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose data may be touched, who touches them, and with which roles.

    `name` is that of the program or person; it stays the same when a key is replaced by its successor.
    """

    organization_id: OrganizationId
    actor: Actor
    name: str
    roles: frozenset[Role]

    def require(self, permitted: Set[Role]) -> None:
        """Go on only with one of these roles. Raises NotPermitted."""
        if not self.roles & permitted:
            needed = " or ".join(sorted(role.value for role in permitted))
            raise NotPermitted(f"this needs the role {needed}")


async def authenticate(context: OrganizationContext, key: str) -> Caller:
    """Find whom a key acts for, in the database. Raises NotAuthenticated."""
    try:
        organization_id, secret = split_key(key)
    except InvalidValue as refusal:
        raise NotAuthenticated("this key is not valid") from refusal
    async with context.database.transaction(organization_id) as tx:
        key_found = await find_key(tx, hash_secret(secret), now=context.clock())
    if key_found is None:
        raise NotAuthenticated("this key is not valid")
    actor = Actor.key(key_found.id, acting_for=key_found.person_id)
    return Caller(organization_id, actor, name=key_found.name, roles=key_found.roles)


class KeyRing:
    """Keys found alive a moment ago, by the hash of the whole key. One for each process."""

    def __init__(self, context: OrganizationContext) -> None:
        self._context = context
        self._believed: dict[bytes, tuple[datetime, Caller]] = {}

    def knows(self, key: str) -> bool:
        """Whether this key was alive when it was last looked up: its holder is no anonymous client."""
        return hash_secret(key) in self._believed

    async def authenticate(self, key: str) -> Caller:
        """As the function `authenticate`, asking the database again after BELIEVED. Raises NotAuthenticated."""
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

"""The actor of a change: every service call and audit row carries one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.ids import ApiKeyId, PersonId, ProviderAccountId


class ActorKind(StrEnum):
    """The kind of an actor."""

    PERSON = "person"
    KEY = "key"
    PROVIDER = "provider"
    SYSTEM = "system"


class Role(StrEnum):
    """A set of rights of a person; a key acts for a person with some of that person's roles."""

    CASHIER = "cashier"
    HEAD_CASHIER = "head_cashier"
    TREASURER = "treasurer"
    FINANCE = "finance"
    AUDITOR = "auditor"
    INTEGRATOR = "integrator"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """The party that acts and, for a key, the person it acts for.

    `id` is None only for the system itself. Rules that need two persons compare `person`, never keys.
    """

    kind: ActorKind
    id: UUID | None
    person: PersonId | None = None

    @classmethod
    def system(cls) -> Self:
        return cls(ActorKind.SYSTEM, None)

    @classmethod
    def provider(cls, account: ProviderAccountId) -> Self:
        return cls(ActorKind.PROVIDER, account)

    @classmethod
    def key(cls, key: ApiKeyId, *, acting_for: PersonId) -> Self:
        return cls(ActorKind.KEY, key, acting_for)

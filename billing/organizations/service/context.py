"""What use cases with provider accounts are given besides: the accounts of an organization, ready to be called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid5

from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId, ProviderAccountId
from billing.ledger.service.context import LedgerContext
from billing.organizations.store.organizations import ProviderAccountRow
from providers.addresses import AddressRules
from providers.contract import Callback, Callbacks, Provider

_ID_SCOPES = UUID("6c0b7c52-5a7e-5d0e-9d0b-0f6d3f3b9a10")


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


@dataclass(slots=True, kw_only=True)
class OrganizationContext(LedgerContext):
    """`outgoing` is where the operator allows settings of providers to lead."""

    accounts: ProviderAccounts
    outgoing: AddressRules = field(default_factory=AddressRules)

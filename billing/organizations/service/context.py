"""The context of use cases with provider accounts: the accounts of an organization, ready to be called."""

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
    """Allow callbacks from any address."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """A contract with a provider, ready to be called. `channels` counts the contracts of its bank account.

    An inactive account starts no payment, but money under its old codes is still booked. `allows` checks the source
    address of a callback against the settings.
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
        """Headers that are stored with a delivery as evidence."""
        return self.provider.evidence_headers if isinstance(self.provider, Callbacks) else frozenset()

    def id_scopes(self, payee: Sequence[tuple[str, str]]) -> tuple[UUID, ...]:
        """Scopes of a transaction id: this account, and the wider scope inside which the provider assigns ids, if any.

        Two accounts of one merchant share the second, so that money that both report is booked once.
        """
        scope = self.provider.id_scope if isinstance(self.provider, Callbacks) else ""
        if not scope:
            return (self.id,)
        named = sorted(payee) if scope.endswith("/payee") else []
        return self.id, uuid5(_ID_SCOPES, repr([scope, *named]))


class AccountUnusable(Unavailable):
    """The provider of an account cannot be built from its settings and secrets; the other accounts are not affected."""

    code = "account_unusable"


class ProviderAccounts(Protocol):
    """Finds provider accounts by name."""

    async def find(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """The account of that name, active or not; None if there is none. Raises AccountUnusable."""

    async def find_known(self, organization_id: OrganizationId, name: str) -> ProviderAccount | None:
        """As `find`, for names from anonymous clients: an unknown name costs no transaction of its own."""

    def build(self, row: ProviderAccountRow) -> ProviderAccount:
        """Build an account from a row, stored or not. Raises AccountUnusable."""

    def check(self, row: ProviderAccountRow) -> None:
        """Check an account before it is stored, with the available secrets. Raises AccountUnusable."""

    def unusable(self) -> Mapping[str, str]:
        """Accounts that could not be built at their last look-up, with the error."""


@dataclass(slots=True, kw_only=True)
class OrganizationContext(LedgerContext):
    """`outgoing` lists the addresses that the operator allows in provider settings."""

    accounts: ProviderAccounts
    outgoing: AddressRules = field(default_factory=AddressRules)

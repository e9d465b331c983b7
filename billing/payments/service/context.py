"""The context of use cases with payments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.core.ids import LedgerAccountId, OrganizationId
from billing.core.reference_code import Grammar, organization_grammar
from billing.coverage.service.context import PricingContext
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey
from billing.organizations.store.organizations import read_prefixes
from billing.payments.domain.exception import ExceptionPolicy
from billing.payments.store.exceptions import read_exception_policies

CACHE_TTL = timedelta(seconds=30)
"""How long cached prefixes are used; a prefix or exception policy that was added meanwhile is used after this time."""


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """Data that seldom changes: code prefixes, ledger accounts, exception policies."""

    prefixes: tuple[str, ...]
    grammar: Grammar
    accounts: Mapping[AccountKey, LedgerAccountId]
    exception_policies: Mapping[str, ExceptionPolicy]
    read_at: datetime


@dataclass(slots=True, kw_only=True)
class PaymentContext(PricingContext):
    """Reference data is read once for each organization, and again if an account is missing.

    `bank_names` are by BIN. `public_base_url` is the address under which patients and providers reach this service;
    empty if it is not set. `unreachable` counts payments that could not be started because a provider could not be
    reached.
    """

    bank_names: Mapping[str, str] = field(default_factory=dict)
    public_base_url: str = ""
    unreachable: int = 0
    _books: dict[OrganizationId, ReferenceData] = field(default_factory=dict)

    def cached_reference_data(self, organization_id: OrganizationId, *needed: AccountKey) -> ReferenceData | None:
        """The reference data of an organization without reading; None if it is not cached, too old, or incomplete."""
        known = self._books.get(organization_id)
        if known is None or abs(self.clock() - known.read_at) >= CACHE_TTL:
            return None
        is_complete = known.accounts is self._ledger_accounts.get(organization_id) and all(
            key in known.accounts for key in needed
        )
        return known if is_complete else None

    async def reference_data_with_new_prefixes(self, tx: Transaction, reference_data: ReferenceData) -> ReferenceData:
        """The given reference data, read again if the prefixes of the organization have changed."""
        if tuple(await read_prefixes(tx)) == reference_data.prefixes:
            return reference_data
        self._books.pop(tx.organization_id, None)
        return await self.reference_data(tx)

    async def reference_data(self, tx: Transaction, *needed: AccountKey) -> ReferenceData:
        """The reference data of the transaction's organization, with the accounts named."""
        accounts = await self.ledger_accounts(tx, *needed)
        known = self._books.get(tx.organization_id)
        now = self.clock()
        if known is not None and known.accounts is accounts and abs(now - known.read_at) < CACHE_TTL:
            return known
        prefixes = tuple(await read_prefixes(tx))
        reference_data = self._books[tx.organization_id] = ReferenceData(
            prefixes=prefixes,
            grammar=organization_grammar(prefixes),
            accounts=accounts,
            exception_policies=await read_exception_policies(tx),
            read_at=now,
        )
        return reference_data

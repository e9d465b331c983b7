"""The context of use cases that post: the ledger accounts of an organization, and the file of heads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from billing.core.ids import LedgerAccountId, OrganizationId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey
from billing.ledger.store.ledger_accounts import read_added_accounts, read_ledger_accounts
from billing.ledger.store.seal_export import SealExport


@dataclass(slots=True, kw_only=True)
class LedgerContext(Context):
    """Ledger accounts are read once for each organization, and again if one is missing. No `seal_export`: no file.

    A transaction that has added accounts keeps none: it may be rolled back.
    """

    seal_export: SealExport | None = None
    _ledger_accounts: dict[OrganizationId, Mapping[AccountKey, LedgerAccountId]] = field(default_factory=dict)

    async def ledger_accounts(self, tx: Transaction, *needed: AccountKey) -> Mapping[AccountKey, LedgerAccountId]:
        """The ledger accounts of the transaction's organization, the needed ones included."""
        known = self._ledger_accounts.get(tx.organization_id)
        if known is None or any(key not in known for key in needed):
            known = await read_ledger_accounts(tx)
            if not await read_added_accounts(tx):
                self._ledger_accounts[tx.organization_id] = known
            missing = [key for key in needed if key not in known]
            assert not missing, f"ledger accounts are made with what they are for: {missing}"
        return known

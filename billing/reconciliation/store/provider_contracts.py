"""Contracts of provider accounts by the day from which they are valid; a stored one never changes."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import PersonId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.provider_contract import ContractTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContract:
    """A contract with the name of its account; `recorded_by` proposed it, None for one of the owner."""

    provider_account_id: UUID
    account: str
    valid_from: date
    pays_out: bool
    fee_basis_points: int | None
    fee_fixed: int | None
    recorded_by: PersonId | None
    recorded_at: datetime


_CONTRACTS = """
    SELECT contract.provider_account_id, account.name AS account, contract.valid_from, contract.pays_out,
        contract.fee_basis_points, contract.fee_fixed, contract.recorded_by, contract.recorded_at
    FROM provider_contract AS contract
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = contract.provider_account_id
    WHERE contract.organization_id = $1
    ORDER BY account.name, contract.valid_from DESC
"""


async def read_contracts(tx: Transaction) -> list[StoredContract]:
    """Every contract by account, the latest first."""
    return [read_row(StoredContract, row) for row in await tx.fetch(_CONTRACTS, tx.organization_id)]


_ACCOUNT_ID = """
    SELECT id FROM provider_account WHERE organization_id = $1 AND name = $2
"""


async def find_account_id(tx: Transaction, name: str) -> UUID | None:
    """The id of a provider account by its name."""
    found: UUID | None = await tx.fetchval(_ACCOUNT_ID, tx.organization_id, name)
    return found


_ADD = """
    INSERT INTO provider_contract (organization_id, provider_account_id, valid_from, pays_out, fee_basis_points,
        fee_fixed, recorded_by, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING RETURNING valid_from
"""


async def add_contract(tx: Transaction, account_id: UUID, terms: ContractTerms, *, by: PersonId, at: datetime) -> bool:
    """Store an approved contract; False if the account has one from this day."""
    added = await tx.fetchval(
        _ADD,
        tx.organization_id,
        account_id,
        terms.valid_from,
        terms.pays_out,
        terms.fee_basis_points,
        terms.fee_fixed,
        by,
        at,
    )
    return added is not None

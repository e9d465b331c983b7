"""Proving the books right: every proof over every organization, and any doubt named."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from billing.domain.ids import OrganizationId
from billing.domain.ledger import business_date
from billing.services.context import Context
from billing.storage.database import Database
from billing.storage.journal import AccountBalance, read_trial_balance
from billing.storage.organizations import read_organizations
from billing.storage.proofs import PROOFS, Doubt, Proof, find_doubts


@dataclass(frozen=True, slots=True)
class Proved:
    """One proof over one organization; without doubts it holds. `done` of `total` proofs are through."""

    organization_id: OrganizationId
    proof: Proof
    doubts: tuple[Doubt, ...]
    done: int
    total: int


async def prove(database: Database) -> AsyncIterator[Proved]:
    """Run all proofs; each is a statement of its own, so money may come in meanwhile."""
    async with database.installation() as reader:
        organizations = await read_organizations(reader)
    total = len(organizations) * len(PROOFS)
    done = 0
    for organization_id in organizations:
        for proof in PROOFS:
            async with database.transaction(organization_id) as tx:
                doubts = await find_doubts(tx, proof)
            done += 1
            yield Proved(organization_id, proof, tuple(doubts), done, total)


async def read_books(context: Context, organization_id: OrganizationId) -> Sequence[AccountBalance]:
    """The trial balance of an organization, with the account numbers its chart gives today."""
    async with context.database.transaction(organization_id) as tx:
        return await read_trial_balance(tx, on=business_date(context.clock()))

"""Proving the books right: every proof over every organization, every seal from its rows, and any doubt named."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Database, DatabaseLimits
from billing.db.tenants import read_organizations
from billing.ledger.domain.balances import AccountBalance
from billing.ledger.domain.seal import Seal
from billing.ledger.service.sealed_rows import verify_seal
from billing.ledger.store.check import Claim, Doubt, find_doubts
from billing.ledger.store.checks import PROOFS
from billing.ledger.store.journal import read_trial_balance
from billing.ledger.store.sealed_rows import read_departures
from billing.ledger.store.seals import Unsealed, read_last_seal, read_seals, read_unsealed

PROVING_LIMITS = DatabaseLimits(connections_max=1, statement_timeout_ms=12 * 3_600_000)
"""For a connection that proves: each proof reads all of its tables in one statement, and may take its time at it.

Nothing waits for it: a proof takes no lock and no transaction number, so neither callbacks nor watermarks stand still.
"""

SEALS_HOLD = Claim("seals-hold-their-rows", "every seal is the hash of the rows it covers")


@dataclass(frozen=True, slots=True)
class Proved:
    """One proof over one organization, or one seal of it; without doubts it holds. `done` of `total` are through."""

    organization_id: OrganizationId
    proof: Claim
    doubts: tuple[Doubt, ...]
    done: int
    total: int

    @property
    def is_seal(self) -> bool:
        """Whether this is one seal recomputed; several of them make the proof."""
        return self.proof is SEALS_HOLD


async def prove(database: Database) -> AsyncIterator[Proved]:
    """Run all proofs and recompute all seals; each is a transaction of its own, so money may come in meanwhile.

    `database` is opened with PROVING_LIMITS wherever the books may have grown. Raises DatabaseBusy at its limit.
    """
    async with database.installation() as reader:
        organizations = await read_organizations(reader)
    heads = {organization_id: await _head(database, organization_id) for organization_id in organizations}
    total = len(organizations) * len(PROOFS) + sum(heads.values())
    done = 0
    for organization_id in organizations:
        for proof in PROOFS:
            async with database.transaction(organization_id) as tx:
                doubts: Sequence[Doubt] = await find_doubts(tx, proof)
            done += 1
            yield Proved(organization_id, proof, tuple(doubts), done, total)
        number = 0
        while number < heads[organization_id]:
            seal, doubts = await _prove_next_seal(database, organization_id, after=number)
            done += 1
            if seal is None:
                break  # A number is missing, which the proof of the chain has named.
            number = seal.number
            yield Proved(organization_id, SEALS_HOLD, tuple(doubts), done, total)


async def find_unsealed(
    database: Database, *, recorded_before: datetime
) -> Sequence[tuple[OrganizationId, Sequence[Unsealed]]]:
    """Rows recorded before a moment that no seal covers yet: no doubt by itself, but the sealer may have stopped."""
    async with database.installation() as reader:
        organizations = await read_organizations(reader)
    found = []
    for organization_id in organizations:
        async with database.transaction(organization_id) as tx:
            rows = await read_unsealed(tx, recorded_before=recorded_before)
        if rows:
            found.append((organization_id, rows))
    return found


async def read_books(context: Context, organization_id: OrganizationId) -> Sequence[AccountBalance]:
    """The trial balance of an organization, recomputed, with the account numbers its chart gives today."""
    async with context.database.transaction(organization_id) as tx:
        return await read_trial_balance(tx, on=business_date(context.clock()))


async def _head(database: Database, organization_id: OrganizationId) -> int:
    async with database.transaction(organization_id) as tx:
        head = await read_last_seal(tx)
    return 0 if head is None else head.number


async def _prove_next_seal(
    database: Database, organization_id: OrganizationId, *, after: int
) -> tuple[Seal | None, Sequence[Doubt]]:
    async with database.transaction(organization_id) as tx:
        seals = await read_seals(tx, after=after, limit=1)
        if not seals:
            return None, []
        return seals[0], await verify_seal(tx, seals[0], await read_departures(tx))

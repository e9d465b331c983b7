"""Verifies the books: every check over every organization, every seal from its rows; reports each mismatch."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Database, DatabaseLimits
from billing.ledger.domain.balances import AccountBalance
from billing.ledger.domain.seal import Seal
from billing.ledger.service.sealed_rows import verify_seal
from billing.ledger.store.check import Check, Mismatch, find_mismatches
from billing.ledger.store.checks import CHECKS
from billing.ledger.store.journal import read_trial_balance
from billing.ledger.store.sealed_rows import read_departures
from billing.ledger.store.seals import Unsealed, read_last_seal, read_seals, read_unsealed

VERIFY_LIMITS = DatabaseLimits(connections_max=1, statement_timeout_ms=12 * 3_600_000)
"""For a connection that verifies: each check reads all of its tables in one statement, which may run long.

Nothing waits for it: a check holds no lock and no transaction id, so it delays neither callbacks nor watermarks.
"""

SEALS_HOLD = Check("seals-hold-their-rows", "every seal is the hash of the rows it covers")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one organization, or one seal of it. `done` of `total` are finished."""

    organization_id: OrganizationId
    check: Check
    mismatches: tuple[Mismatch, ...]
    done: int
    total: int

    @property
    def is_seal(self) -> bool:
        """Whether this is the result of one seal; several of these make the check."""
        return self.check is SEALS_HOLD


async def verify(database: Database) -> AsyncIterator[CheckResult]:
    """Run all checks and recompute all seals; each has its own transaction, so payments can arrive meanwhile.

    `database` is opened with VERIFY_LIMITS if the books may be large. Raises DatabaseBusy at its limit.
    """
    organizations = await database.list_organizations()
    heads = {organization_id: await _head(database, organization_id) for organization_id in organizations}
    total = len(organizations) * len(CHECKS) + sum(heads.values())
    done = 0
    for organization_id in organizations:
        for check in CHECKS:
            async with database.transaction(organization_id) as tx:
                mismatches: Sequence[Mismatch] = await find_mismatches(tx, check)
            done += 1
            yield CheckResult(organization_id, check, tuple(mismatches), done, total)
        number = 0
        while number < heads[organization_id]:
            seal, mismatches = await _verify_next_seal(database, organization_id, after=number)
            done += 1
            if seal is None:
                break  # A number is missing, which the check of the chain has reported.
            number = seal.number
            yield CheckResult(organization_id, SEALS_HOLD, tuple(mismatches), done, total)


async def find_unsealed(
    database: Database, *, recorded_before: datetime
) -> Sequence[tuple[OrganizationId, Sequence[Unsealed]]]:
    """Rows recorded before a timestamp without a seal: no mismatch by itself, but the sealer may have stopped."""
    organizations = await database.list_organizations()
    found = []
    for organization_id in organizations:
        async with database.transaction(organization_id) as tx:
            rows = await read_unsealed(tx, recorded_before=recorded_before)
        if rows:
            found.append((organization_id, rows))
    return found


async def read_books(context: Context, organization_id: OrganizationId) -> Sequence[AccountBalance]:
    """The trial balance of an organization, recomputed, with the account numbers of today's chart."""
    async with context.database.transaction(organization_id) as tx:
        return await read_trial_balance(tx, on=business_date(context.clock()))


async def _head(database: Database, organization_id: OrganizationId) -> int:
    async with database.transaction(organization_id) as tx:
        head = await read_last_seal(tx)
    return 0 if head is None else head.number


async def _verify_next_seal(
    database: Database, organization_id: OrganizationId, *, after: int
) -> tuple[Seal | None, Sequence[Mismatch]]:
    async with database.transaction(organization_id) as tx:
        seals = await read_seals(tx, after=after, limit=1)
        if not seals:
            return None, []
        return seals[0], await verify_seal(tx, seals[0], await read_departures(tx))

"""A check of the ledger: its description and the statement that finds mismatches."""

from dataclasses import dataclass

from billing.db.database import Transaction


@dataclass(frozen=True, slots=True)
class Check:
    """The name of a check and its description."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class LedgerCheck(Check):
    """A check by one statement, which returns each mismatch as subject, expected and found value."""

    query: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One mismatch between two records of the same amount."""

    subject: str
    expected: str
    found: str


async def find_mismatches(tx: Transaction, check: LedgerCheck) -> list[Mismatch]:
    """Run one check over the organization; an empty list verifies it."""
    return [Mismatch(**dict(row)) for row in await tx.fetch(check.query, tx.organization_id)]

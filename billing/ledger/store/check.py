"""What a proof is: a claim in words and the statement that finds what speaks against it."""

from dataclasses import dataclass

from billing.db.database import Transaction


@dataclass(frozen=True, slots=True)
class Claim:
    """What is proved, by name and in words."""

    name: str
    claim: str


@dataclass(frozen=True, slots=True)
class Proof(Claim):
    """A claim that one statement proves: it finds what speaks against it as subject, expected, found."""

    query: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """One place where two tellings of the same money disagree."""

    subject: str
    expected: str
    found: str


async def find_doubts(tx: Transaction, proof: Proof) -> list[Doubt]:
    """Run one proof over the organization; an empty list proves it."""
    return [Doubt(**dict(row)) for row in await tx.fetch(proof.query, tx.organization_id)]

"""Statement lines that another complete statement of their day does not have.

Two exports of one day may state a movement with other texts and references: each is then a line of its own. A line of a
complete statement is contested then: it is matched by its bank reference alone, and never booked by itself. A tentative
line is overruled: the complete statement states its day. Source: docs/reconciliation.md, Matching.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.db.database import Transaction
from billing.reconciliation.domain.match_rules import Candidate

# Statements of a day that continue each other have different lines and are exempt.
OVERLAP = """
    stated AS MATERIALIZED (
        SELECT statement.id, statement.bank_account_id, statement.import_id, statement.position, statement.from_day,
            statement.to_day, statement.continues IS NOT NULL OR EXISTS (SELECT FROM bank_statement AS later
                WHERE later.organization_id = $1 AND later.continues = statement.id) AS is_linked
        FROM bank_statement AS statement
        JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = statement.import_id
            AND import.state = 'active' AND NOT import.is_intraday
        WHERE statement.organization_id = $1
    ), overlap AS MATERIALIZED (
        SELECT own.bank_account_id, own.import_id, own.position, other.from_day, other.to_day,
            other.import_id AS other_import_id, other.position AS other_position
        FROM stated AS own
        JOIN stated AS other ON other.bank_account_id = own.bank_account_id AND other.id <> own.id
            AND other.from_day <= own.to_day AND other.to_day >= own.from_day
        WHERE NOT (own.is_linked AND other.is_linked)
    )
"""
"""The days of each position of a file that another complete statement states too, as expressions of WITH."""

_ARE_CONTESTED = """
    -- The lines $2 among them.
    SELECT DISTINCT line.id
    FROM overlap
    JOIN statement_line AS line ON line.organization_id = $1 AND line.id = ANY ($2::uuid[])
        AND line.bank_account_id = overlap.bank_account_id AND line.import_id = overlap.import_id
        AND line.position = overlap.position AND line.booked_on BETWEEN overlap.from_day AND overlap.to_day
    WHERE NOT EXISTS (SELECT FROM repeated_line AS repeated WHERE repeated.organization_id = $1
        AND repeated.line_id = line.id AND repeated.import_id = overlap.other_import_id
        AND repeated.position = overlap.other_position)
"""
_CONTESTED = f"WITH {OVERLAP}{_ARE_CONTESTED}"


async def find_contested(tx: Transaction, line_ids: Sequence[UUID]) -> set[UUID]:
    """The lines among these that another complete statement of their day does not have."""
    if not line_ids:
        return set()
    return {row["id"] for row in await tx.fetch(_CONTESTED, tx.organization_id, list(line_ids))}


# A tentative line that the complete statement repeats is tentative no longer.
IS_OVERRULED = """
    line.is_tentative AND EXISTS (SELECT FROM bank_statement AS statement
        JOIN reconciliation_import AS complete ON complete.organization_id = $1 AND complete.id = statement.import_id
            AND complete.state = 'active' AND NOT complete.is_intraday
        WHERE statement.organization_id = $1 AND statement.bank_account_id = line.bank_account_id
            AND line.booked_on BETWEEN statement.from_day AND statement.to_day)
"""
"""The condition that a line is a tentative one of a day that a complete statement states without it."""

_AMONG = """
    SELECT line.id FROM statement_line AS line WHERE line.organization_id = $1 AND line.id = ANY ($2::uuid[])
"""
_OVERRULED_AMONG = f"{_AMONG} AND {IS_OVERRULED}"


async def without_overruled(tx: Transaction, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose line is not a tentative one of a day that a complete statement states without it."""
    line_ids = list({each.line_id for each in candidates})
    overruled = (
        {row["id"] for row in await tx.fetch(_OVERRULED_AMONG, tx.organization_id, line_ids)} if line_ids else ()
    )
    return [each for each in candidates if each.line_id not in overruled]


_OF_MATCHES = """
    SELECT DISTINCT match.id FROM reconciliation_import AS import
    JOIN statement_line AS line ON line.organization_id = $1 AND line.import_id = import.id
    JOIN match_item AS own ON own.organization_id = $1 AND own.item_kind = 'statement_line' AND own.item_id = line.id
        AND own.is_live
    JOIN match ON match.organization_id = $1 AND match.id = own.match_id AND match.entry_id IS NULL
    WHERE import.organization_id = $1 AND import.is_intraday AND import.state = 'active'
"""
_OVERRULED_MATCHES = f"{_OF_MATCHES} AND {IS_OVERRULED} ORDER BY match.id LIMIT $2"


async def find_overruled_matches(tx: Transaction, *, at_most: int) -> list[UUID]:
    """Live matches of tentative lines whose day a complete statement states without them; they have posted nothing."""
    return [row["id"] for row in await tx.fetch(_OVERRULED_MATCHES, tx.organization_id, at_most)]

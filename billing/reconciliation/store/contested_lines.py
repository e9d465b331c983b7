"""Statement lines that another complete statement of their day does not have.

Two exports of one day may state a movement with other texts and references: each is then a line of its own. Such a line
is matched by its bank reference alone, and never booked by itself. Source: docs/reconciliation.md, Matching.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.db.database import Transaction

# Statements of a day that continue each other have different lines and are exempt.
_CONTESTED = """
    WITH stated AS MATERIALIZED (
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
    SELECT DISTINCT line.id
    FROM overlap
    JOIN statement_line AS line ON line.organization_id = $1 AND line.id = ANY ($2::uuid[])
        AND line.bank_account_id = overlap.bank_account_id AND line.import_id = overlap.import_id
        AND line.position = overlap.position AND line.booked_on BETWEEN overlap.from_day AND overlap.to_day
    WHERE NOT EXISTS (SELECT FROM repeated_line AS repeated WHERE repeated.organization_id = $1
        AND repeated.line_id = line.id AND repeated.import_id = overlap.other_import_id
        AND repeated.position = overlap.other_position)
"""


async def find_contested(tx: Transaction, line_ids: Sequence[UUID]) -> set[UUID]:
    """The lines among these that another complete statement of their day does not have."""
    if not line_ids:
        return set()
    return {row["id"] for row in await tx.fetch(_CONTESTED, tx.organization_id, list(line_ids))}

"""Settlement lines and the movements that they report: matched by the provider's transaction id."""

from collections.abc import Sequence
from uuid import UUID

from billing.db.database import Transaction
from billing.db.rows import read_rows
from billing.reconciliation.domain.match_rules import Candidate

# LATERAL with OFFSET 0: each line is looked up by index; a join chosen while the matches were few would be quadratic.
# So would EXISTS with the item kind: while few reports are matched, the kind alone looks like a good key (tried: 6,000
# lines more than 15 s, 0.9 s with bool_or over the items of one match).
# A payment that was booked from a statement line has no transaction id yet: the report names it by its bank reference.
# A line that a report states twice: the first of them is matched. `expected` has the sign of the bank account.
_BY_TRANSACTION = """
    SELECT line.id AS line_id, fitting.item_kind, fitting.item_id,
        CASE WHEN line.movement = 'received' THEN line.amount ELSE -line.amount END AS expected,
        line.provider_account_id AS clearing_subject,
        (row_number() OVER (PARTITION BY fitting.item_kind, fitting.item_id ORDER BY line.id))::int AS rank,
        waiting.match_id
    FROM unnest($2::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT stated.*, account.bank_account_id, replace(upper(stated.bank_reference), ' ', '') AS normal_reference,
            (stated.occurred_at AT TIME ZONE interval '7 hours')::date AS day
        FROM settlement_line AS stated
        JOIN provider_account AS account ON account.organization_id = $1 AND account.id = stated.provider_account_id
        WHERE stated.organization_id = $1 AND stated.id = wanted.id
        OFFSET 0
    ) AS line
    CROSS JOIN LATERAL (
        SELECT CASE WHEN line.movement = 'received' THEN 'payment' WHEN refund.id IS NULL THEN 'outflow'
                ELSE 'refund' END AS item_kind,
            coalesce(refund.id, named.movement_id) AS item_id
        FROM movement_key AS named
        LEFT JOIN refund ON line.movement <> 'received' AND refund.organization_id = $1
            AND refund.outflow_id = named.movement_id
        WHERE named.organization_id = $1 AND named.account_id = line.provider_account_id
            AND named.movement = line.movement AND named.key = 'transaction:' || line.transaction
            AND named.amount = line.amount
        UNION ALL
        SELECT 'payment', used.payment_id
        FROM bank_reference AS used
        WHERE line.movement = 'received' AND line.bank_reference <> '' AND used.organization_id = $1
            AND used.account_id = line.bank_account_id AND used.movement = 'received'
            AND used.reference = line.normal_reference AND used.amount = line.amount
            AND used.provider_account_id = line.provider_account_id AND used.source = 'statement'
            AND used.booked_on - line.day BETWEEN 0 AND 1
        OFFSET 0
    ) AS fitting
    LEFT JOIN LATERAL (
        SELECT linked.match_id, (
                SELECT bool_or(other.item_kind = 'settlement_line') FROM match_item AS other
                WHERE other.organization_id = $1 AND other.match_id = linked.match_id) AS is_reported
        FROM match_item AS linked
        WHERE linked.organization_id = $1 AND linked.item_kind = fitting.item_kind AND linked.item_id = fitting.item_id
            AND linked.is_live
        OFFSET 0
    ) AS waiting ON true
    WHERE waiting.is_reported IS NOT TRUE
"""


async def find_by_transaction(tx: Transaction, line_ids: Sequence[UUID]) -> list[Candidate]:
    """The movements that settlement lines report, with equal amount."""
    rows = await tx.fetch(_BY_TRANSACTION, tx.organization_id, list(line_ids))
    return read_rows(Candidate, rows)


_OF_IMPORT = """
    SELECT line.id FROM settlement_line AS line
    WHERE line.organization_id = $1 AND line.import_id = $2 AND line.id > $3
        AND EXISTS (SELECT FROM reconciliation_import AS import WHERE import.organization_id = $1
            AND import.id = $2 AND import.state = 'active')
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'settlement_line' AND linked.item_id = line.id AND linked.is_live)
    ORDER BY line.id LIMIT $4
"""


async def read_settlement_lines_of_import(tx: Transaction, import_id: UUID, *, after: UUID, at_most: int) -> list[UUID]:
    """The next open settlement lines of an active import, by id."""
    rows = await tx.fetch(_OF_IMPORT, tx.organization_id, import_id, after, at_most)
    return [row["id"] for row in rows]


_OPEN = """
    SELECT line.id FROM active_settlement_line AS line
    WHERE line.organization_id = $1 AND line.id > $2
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'settlement_line' AND linked.item_id = line.id AND linked.is_live)
    ORDER BY line.id LIMIT $3
"""


async def read_open_settlement_lines(tx: Transaction, *, after: UUID, at_most: int) -> list[UUID]:
    """The next open settlement lines of all imports, by id."""
    return [row["id"] for row in await tx.fetch(_OPEN, tx.organization_id, after, at_most)]

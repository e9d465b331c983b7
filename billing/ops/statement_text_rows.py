"""Erasing the texts and counterparties of statement lines; the lines with their days, amounts and codes stay."""

from collections.abc import Sequence
from uuid import UUID

from billing.db.database import Transaction

_ERASE_TEXTS = """
    WITH old AS (
        SELECT line_id FROM statement_line_text AS text WHERE organization_id = $1 AND line_id < $2
            AND NOT EXISTS (SELECT FROM exception_case AS open WHERE open.organization_id = $1 AND open.state = 'open'
                AND open.item_kind = 'statement_line' AND open.item_id = text.line_id)
        ORDER BY line_id LIMIT $3
    )
    DELETE FROM statement_line_text AS text USING old
    WHERE text.organization_id = $1 AND text.line_id = old.line_id
"""


async def erase_statement_texts(tx: Transaction, *, before_id: UUID, at_most: int) -> int:
    """Erase text and counterparty of statement lines with ids below `before_id`; returns how many rows went."""
    return _count(await tx.execute(_ERASE_TEXTS, tx.organization_id, before_id, at_most))


# The lines that name one of the codes, and the lines that are matched with one of the payments.
_ERASE_TEXTS_OF = """
    DELETE FROM statement_line_text WHERE organization_id = $1 AND line_id IN (
        SELECT id FROM statement_line WHERE organization_id = $1 AND codes && $3::text[]
        UNION
        SELECT line.item_id FROM match_item AS paid
        JOIN match_item AS line ON line.organization_id = $1 AND line.match_id = paid.match_id
            AND line.item_kind = 'statement_line'
        WHERE paid.organization_id = $1 AND paid.item_kind = 'payment' AND paid.item_id = ANY ($2::uuid[])
            AND paid.is_live)
"""


async def erase_statement_texts_of(tx: Transaction, payments: Sequence[UUID | str], codes: Sequence[UUID | str]) -> int:
    """Erase text and counterparty of the statement lines of payments and reference codes; returns how many."""
    return _count(await tx.execute(_ERASE_TEXTS_OF, tx.organization_id, list(payments), list(codes)))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])

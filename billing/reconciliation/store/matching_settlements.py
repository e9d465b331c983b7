"""Settlement lines matched with the movements that they report, by one statement for each chunk of lines.

As `line_matches.py`, the statement finds, chooses and writes; neither lines nor candidates leave the database.
"""

from dataclasses import dataclass
from uuid import UUID

from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.match_rules import CHUNK, MatchRule
from billing.reconciliation.store.matches import RunStamp

_CHUNK = """
    chunk AS MATERIALIZED (
        SELECT line.id, line.provider_account_id, line.movement, line.amount, line.transaction, line.bank_reference,
            line.occurred_at
        FROM active_settlement_line AS line
        WHERE line.organization_id = $1 AND line.id > $2 AND NOT EXISTS (SELECT FROM match_item AS linked
            WHERE linked.organization_id = $1 AND linked.item_kind = 'settlement_line' AND linked.item_id = line.id
                AND linked.is_live AND linked.item_id > $2)
"""
_OF_IMPORT = "AND line.import_id = $3"
_OF_ALL = "AND $3::uuid IS NULL"

# LATERAL with OFFSET 0: each line is looked up by index; a join chosen while the matches were few would be quadratic.
# So would EXISTS with the item kind: while few reports are matched, the kind alone looks like a good key (tried: 6,000
# lines more than 15 s, 0.9 s with bool_or over the items of one match).
# A payment that was booked from a statement line has no transaction id yet: the report names it by its bank reference.
# A line that a report states twice: the first of them is matched. `expected` has the sign of the bank account.
# `candidate`, `chosen`, `decided`: as in `line_matches.py`; a person who reverted a match with a statement line stated
# that the line is another movement, and the report stays right.
_MATCH = """
        ORDER BY line.id LIMIT $4
    ), fitting AS (
        SELECT line.id AS line_id, item.item_kind, item.item_id,
            CASE WHEN line.movement = 'received' THEN line.amount ELSE -line.amount END AS expected
        FROM (
            SELECT chunk.*, account.bank_account_id, vienphi_normal_reference(chunk.bank_reference) AS normal_reference,
                (chunk.occurred_at AT TIME ZONE interval '7 hours')::date AS day
            FROM chunk
            JOIN provider_account AS account ON account.organization_id = $1 AND account.id = chunk.provider_account_id
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
        ) AS item
    ), candidate AS (
        SELECT fitting.*, waiting.match_id,
            row_number() OVER (PARTITION BY fitting.item_id, fitting.item_kind ORDER BY fitting.line_id) AS rank
        FROM fitting
        LEFT JOIN LATERAL (
            SELECT linked.match_id, (
                    SELECT bool_or(other.item_kind = 'settlement_line') FROM match_item AS other
                    WHERE other.organization_id = $1 AND other.match_id = linked.match_id) AS is_reported
            FROM match_item AS linked
            WHERE linked.organization_id = $1 AND linked.item_kind = fitting.item_kind
                AND linked.item_id = fitting.item_id AND linked.is_live
            OFFSET 0
        ) AS waiting ON true
        WHERE waiting.is_reported IS NOT TRUE
    ), chosen AS (
        SELECT line_id, item_kind, item_id, expected, match_id
        FROM (
            SELECT candidate.*, rank = min(rank) OVER (PARTITION BY item_id, item_kind) AS is_best_of_item,
                row_number() OVER of_line = 1 AND lead(rank) OVER of_line IS DISTINCT FROM rank AS is_best_of_line
            FROM candidate
            LEFT JOIN LATERAL (
                SELECT true AS is_reverted FROM match_item AS line
                JOIN match ON match.organization_id = $1 AND match.id = line.match_id AND match.state = 'reverted'
                JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = line.match_id
                    AND item.item_kind = candidate.item_kind AND item.item_id = candidate.item_id
                WHERE (SELECT EXISTS (SELECT FROM match WHERE match.organization_id = $1 AND match.state = 'reverted'))
                    AND line.organization_id = $1 AND line.item_kind = 'settlement_line'
                    AND line.item_id = candidate.line_id AND NOT line.is_live
                    AND NOT EXISTS (SELECT FROM match_item AS other WHERE other.organization_id = $1
                        AND other.match_id = line.match_id AND other.item_kind || '' = 'statement_line')
                LIMIT 1
            ) AS person ON true
            WHERE person.is_reverted IS NULL
            WINDOW of_line AS (PARTITION BY line_id ORDER BY rank)
        ) AS ranked
        WHERE is_best_of_item AND is_best_of_line
    ), decided AS MATERIALIZED (
        SELECT chosen.line_id, chosen.item_kind, chosen.item_id, chosen.expected,
            chosen.match_id IS NOT NULL AS is_waiting,
            coalesce(chosen.match_id, (series.high || to_hex(series.low + row_number() OVER ()))::uuid) AS match_id
        FROM chosen
        CROSS JOIN (
            SELECT left(hex, 16) AS high, ('x' || right(hex, 16))::bit(64)::bigint AS low
            FROM replace($5::uuid::text, '-', '') AS hex
        ) AS series
    ), locked AS MATERIALIZED (
        SELECT match.id FROM match
        WHERE match.organization_id = $1 AND match.state = 'live'
            AND match.id IN (SELECT decided.match_id FROM decided WHERE decided.is_waiting)
        ORDER BY match.id FOR UPDATE
    ), added AS (
        INSERT INTO match (organization_id, id, rule, rule_set, run_id, state, actor_kind, actor_id, acting_for,
            matched_at)
        SELECT $1, match_id, $6, $7, $8, 'live', $9, $10, $11, $12 FROM decided WHERE NOT is_waiting
    ), linked AS (
        INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount)
        SELECT $1, match_id, 'settlement_line', line_id, expected FROM decided
        UNION ALL
        SELECT $1, match_id, item_kind, item_id, expected FROM decided WHERE NOT is_waiting
    )
    SELECT read.count AS lines, read.last_id, counted.matches, counted.is_changed
    FROM (SELECT count(*) AS count, (array_agg(id))[count(*)] AS last_id FROM chunk) AS read
    CROSS JOIN (
        SELECT count(*) AS matches, count(*) FILTER (WHERE is_waiting) <> (SELECT count(*) FROM locked) AS is_changed
        FROM decided
    ) AS counted
"""
_MATCH_OF_IMPORT = f"WITH {_CHUNK}{_OF_IMPORT}{_MATCH}"
_MATCH_OF_ALL = f"WITH {_CHUNK}{_OF_ALL}{_MATCH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMatches:
    """What one statement did: `lines` open lines were read, `last_id` is the last of them, None without any.

    `is_changed`: a match that took its report was ended meanwhile; the transaction must be rolled back.
    """

    lines: int
    last_id: UUID | None
    matches: int
    is_changed: bool


async def match_settlement_lines(
    tx: Transaction, import_id: UUID | None, stamp: RunStamp, *, after: UUID, first_id: UUID
) -> ReportMatches:
    """Match the next open lines of an active import, or of all of them, with the movements that they report.

    Nothing is posted. A movement that is matched with its statement line keeps its match. `first_id` is the beginning
    of the ids of new matches (`Ids.series`).
    """
    row = await tx.fetchrow(
        _MATCH_OF_ALL if import_id is None else _MATCH_OF_IMPORT,
        tx.organization_id,
        after,
        import_id,
        CHUNK,
        first_id,
        MatchRule.TRANSACTION.value,
        stamp.rule_set,
        stamp.run_id,
        stamp.actor.kind.value,
        stamp.actor.id,
        stamp.actor.person,
        stamp.at,
    )
    assert row is not None, "an aggregate has a row"
    return read_row(ReportMatches, row)

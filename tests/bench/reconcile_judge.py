"""Judges the matches of a generated month against its truth: precision, recall, residual.

Items of one movement have one name: the item's number, with D for the second transfer of a payer and R for the return.
A payment that was booked although the ledger had the movement is named X: a match with it is wrong.
A payout and its line on the statement have the name of its day, a card batch and its line C and its number. A match is
right if all its items have one name.
"""

from dataclasses import dataclass

import asyncpg

_NAMED = """
    DROP TABLE IF EXISTS bench_named, bench_matched;
    CREATE TABLE bench_named AS
    SELECT 'statement_line' AS kind, line.id, CASE WHEN truth.role NOT IN ('payout', 'card') THEN truth.n END AS n,
        CASE truth.role WHEN 'payout' THEN 'P' || truth.n WHEN 'card' THEN 'C' || truth.n
            WHEN 'duplicate' THEN truth.n || 'D' WHEN 'return' THEN truth.n || 'R'
            WHEN 'unknown' THEN truth.n || 'U' ELSE truth.n::text END AS name
    FROM active_statement_line AS line
    JOIN reconciliation_import AS import ON import.id = line.import_id AND import.file_name = 'statement.csv'
    JOIN bench_line AS truth ON truth.row = line.row
    UNION ALL
    SELECT 'settlement_line', line.id, item.n, item.n || substring(line.transaction FROM '[DR]?$')
    FROM active_settlement_line AS line
    JOIN bench_item AS item ON item.transaction = rtrim(line.transaction, 'DR')
    UNION ALL
    SELECT 'payment', payment.id, item.n, item.n || CASE
        WHEN NOT item.has_payment OR payment.provider_reference = item.transaction THEN ''
        WHEN item.fault = 'duplicate_transfer' AND payment.bank_reference LIKE '%D' THEN 'D' ELSE 'X' END
    FROM payment
    JOIN intent ON intent.id = payment.intent_id
    JOIN bench_item AS item ON item.code = intent.reference_code
    UNION ALL
    SELECT 'payout', payout.id, NULL, 'P' || (paid_out_on - 1 - (
        SELECT min(occurred_at) AT TIME ZONE 'Asia/Ho_Chi_Minh' FROM bench_item)::date)
    FROM payout
    JOIN provider_account AS account ON account.id = payout.provider_account_id AND account.name = 'gateway'
    UNION ALL
    SELECT 'card_batch', batch.id, NULL, 'C' || card.n
    FROM card_batch AS batch
    JOIN bench_card AS card ON card.batch_number = batch.batch_number;
    ANALYZE bench_named;

    CREATE TABLE bench_matched AS
    SELECT match.id AS match_id, item.item_kind AS kind, item.item_id AS id, named.name,
        CASE WHEN part.is_gateway THEN 'P' || part.day END AS payout_name
    FROM match
    JOIN match_item AS item ON item.match_id = match.id AND item.is_live
    LEFT JOIN bench_named AS named ON named.kind = item.item_kind AND named.id = item.item_id
    LEFT JOIN bench_item AS part ON part.n = named.n
    WHERE match.state = 'live' AND match.actor_kind <> 'person';
    ANALYZE bench_matched;
"""

# Items of a payout may be in its match, each under the name of the payout.
_PRECISION = """
    SELECT count(*) AS matches, array_agg(match_id) FILTER (WHERE NOT is_right) AS wrong
    FROM (
        SELECT match_id, bool_and(name IS NOT NULL) AND (count(DISTINCT name) = 1
            OR count(*) FILTER (WHERE name LIKE 'P%') > 0 AND count(DISTINCT CASE WHEN name LIKE 'P%' THEN name
                ELSE coalesce(payout_name, name) END) = 1) AS is_right
        FROM bench_matched GROUP BY match_id
    ) AS judged
"""

# A pair is expected where a key or a code survived, and both sides have the same amount.
_RECALL = """
    WITH expected AS (
        SELECT line.kind, line.id, line.name, CASE WHEN line.n IS NOT NULL THEN 'payment'
            WHEN line.name LIKE 'C%' THEN 'card_batch' ELSE 'payout' END AS other
        FROM bench_named AS line
        LEFT JOIN bench_item AS item ON item.n = line.n
        WHERE line.kind = 'statement_line' AND line.name !~ '[RU]$'
            AND (line.n IS NOT NULL OR line.name NOT IN (
                SELECT 'P' || day FROM bench_item WHERE fault = 'fee_withheld'))
            AND (line.n IS NULL OR item.fault NOT IN ('amount_low', 'amount_high', 'text_unreadable'))
        UNION ALL
        SELECT line.kind, line.id, line.name, 'payment'
        FROM bench_named AS line
        JOIN bench_item AS item ON item.n = line.n
        WHERE line.kind = 'settlement_line' AND line.name !~ 'R$' AND item.fault <> 'provider_only'
    ), judged AS (
        SELECT expected.kind, expected.name, bool_or(partner.match_id IS NOT NULL) AS is_found
        FROM expected
        LEFT JOIN bench_matched AS own ON own.kind = expected.kind AND own.id = expected.id
        LEFT JOIN bench_matched AS partner ON partner.match_id = own.match_id AND partner.kind = expected.other
            AND partner.name = expected.name
        GROUP BY expected.kind, expected.name
    )
    SELECT count(*) AS pairs, count(*) FILTER (WHERE is_found) AS found,
        (array_agg(kind || ' ' || name ORDER BY name) FILTER (WHERE NOT is_found))[1:20] AS missing
    FROM judged
"""

# Statement lines = what the bank account of the ledger received + lines without a match.
_RESIDUAL = """
    SELECT (SELECT coalesce(sum(amount), 0) FROM active_statement_line)
        - (SELECT coalesce(sum(CASE WHEN debit.role = 'bank' THEN amount ELSE 0 END
                - CASE WHEN credit.role = 'bank' THEN amount ELSE 0 END), 0)
            FROM posting JOIN ledger_account AS debit ON debit.id = debit_account_id
            JOIN ledger_account AS credit ON credit.id = credit_account_id)
        - (SELECT coalesce(sum(amount), 0) FROM active_statement_line AS line
            WHERE NOT EXISTS (SELECT FROM match_item AS item WHERE item.item_kind = 'statement_line'
                AND item.item_id = line.id AND item.is_live))
"""


# The exceptions that the faults call for, and those that are open. A missing callback is booked and a line after the
# cut-off is matched: neither has one. The second transfer of a payer is `already_paid`, an exception of its payment. An
# item is missing only after its term.
_EXCEPTIONS = """
    WITH expected (kind, name, reason) AS (
        SELECT line.kind, line.name, CASE
            WHEN line.name ~ 'U$' THEN 'bank_only' WHEN line.name ~ 'R$' THEN 'returned_transfer' ELSE item.fault END
        FROM bench_named AS line
        LEFT JOIN bench_item AS item ON item.n = line.n
        WHERE line.kind = 'statement_line' AND (line.name ~ '[UR]$'
            OR item.fault IN ('amount_low', 'amount_high', 'text_unreadable'))
        UNION ALL
        SELECT 'statement_line', 'P' || day, 'fee_withheld' FROM bench_item WHERE fault = 'fee_withheld'
        UNION ALL
        SELECT line.kind, line.name, CASE item.fault WHEN 'fee_wrong' THEN 'fee_variance' ELSE 'provider_only' END
        FROM bench_named AS line JOIN bench_item AS item ON item.n = line.n
        WHERE line.kind = 'settlement_line' AND (line.name ~ 'R$' OR item.fault IN ('provider_only', 'fee_wrong'))
        UNION ALL
        SELECT named.kind, named.name, CASE named.kind WHEN 'payment' THEN 'ledger_only' ELSE 'payout_not_seen' END
        FROM bench_named AS named
        JOIN expected_item AS item ON item.item_kind = named.kind AND item.item_id = named.id
        WHERE item.due_on <= (SELECT max(to_day) FROM bank_statement) AND CASE named.kind
            WHEN 'payment' THEN named.n IN (SELECT n FROM bench_item WHERE fault = 'ledger_only')
            WHEN 'card_batch' THEN named.name IN (SELECT 'C' || n FROM bench_card WHERE NOT is_seen)
            ELSE named.name IN (SELECT 'P' || day FROM bench_item WHERE fault = 'payout_not_seen') END
        UNION ALL
        SELECT 'payment', name, 'already_paid' FROM bench_named WHERE kind = 'payment' AND name ~ 'D$'
    ), found (kind, name, reason) AS (
        SELECT named.kind, named.name, one.reason
        FROM exception_case AS one
        LEFT JOIN bench_named AS named ON named.kind = coalesce(one.item_kind, 'payment')
            AND named.id = coalesce(one.item_id, one.payment_id)
        WHERE one.state = 'open'
    )
    (SELECT 'missing ' || kind || ' ' || name || ' ' || reason AS difference
     FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) AS missing)
    UNION ALL
    (SELECT 'surplus ' || coalesce(kind || ' ' || name, 'unknown item') || ' ' || reason
     FROM (SELECT * FROM found EXCEPT ALL SELECT * FROM expected) AS surplus)
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The result. `wrong` are matches with items of two movements, `missing` some expected pairs without a match."""

    matches: int
    wrong: tuple[str, ...]
    pairs: int
    found: int
    missing: tuple[str, ...]
    residual: int

    @property
    def precision(self) -> float:
        return 1.0 if not self.matches else (self.matches - len(self.wrong)) / self.matches

    @property
    def recall(self) -> float:
        return self.found / self.pairs


async def judge(connection: "asyncpg.Connection[asyncpg.Record]") -> Judgement:
    """Compare the live matches that no person made with the truth. Connected as the superuser."""
    await connection.execute(_NAMED, timeout=3600)
    precision = await connection.fetchrow(_PRECISION, timeout=3600)
    recall = await connection.fetchrow(_RECALL, timeout=3600)
    assert precision is not None, "an aggregate answers one row"
    assert recall is not None, "an aggregate answers one row"
    return Judgement(
        matches=precision["matches"],
        wrong=tuple(map(str, precision["wrong"] or ())),
        pairs=recall["pairs"],
        found=recall["found"],
        missing=tuple(recall["missing"] or ()),
        residual=int(await connection.fetchval(_RESIDUAL, timeout=3600)),
    )


async def find_misclassified(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """Exceptions that the faults call for and that are not open, and others that are open. After `judge`."""
    return [row["difference"] for row in await connection.fetch(_EXCEPTIONS, timeout=3600)]

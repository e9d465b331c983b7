"""Statement lines of received money matched with payments, by one statement for each rule and chunk of lines.

The statement finds the candidates of a rule, chooses as `choose` of `domain/match_rules.py` does, and writes the
matches: neither lines nor candidates leave the database. It names the entries of the sweeps, and the caller posts them
in the same transaction: the foreign key of `match.entry_id` is checked at COMMIT. Source: docs/reconciliation.md.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from billing.db.database import Transaction
from billing.reconciliation.domain.match_rules import MatchRule, RuleSet
from billing.reconciliation.domain.sweep import SweepTotal
from billing.reconciliation.store.contested_lines import IS_OVERRULED, OVERLAP
from billing.reconciliation.store.line_references import LINES_OF_REFERENCE, TRANSFERS_IN_OTHER_FORM
from billing.reconciliation.store.matches import RunStamp

# The lines $2 with all lines that compete with them, also those of other imports. LATERAL with OFFSET 0: each line and
# item is looked up by index. A hash of the whole table would be built for every chunk, and a nested loop over many rows
# is chosen where few are expected: a first import is matched before its table is analysed. For the same reason the bank
# account is compared as text: its index by day would read every line of the account for each reference.
# A reference stands in one of two columns: `bank_reference`, or `normal_reference` where the bank writes it in another
# form. Row security lets no index by the function `vienphi_normal_reference` be used.
_OF_REFERENCES = """
    , given AS MATERIALIZED (
        SELECT DISTINCT line.bank_account_id, coalesce(line.normal_reference, line.bank_reference) AS reference
        FROM unnest($2::uuid[]) AS wanted (id)
        JOIN statement_line AS line ON line.organization_id = $1 AND line.id = wanted.id
    ), incoming AS MATERIALIZED (
        SELECT line.id, line.bank_account_id, line.booked_on, line.amount, line.codes, line.is_tentative,
            given.reference
        FROM given
        CROSS JOIN LATERAL (
"""
_REFERENCES = f"{TRANSFERS_IN_OTHER_FORM}{_OF_REFERENCES}{LINES_OF_REFERENCE}) AS line"
_CODES = """
    , given AS MATERIALIZED (
        SELECT DISTINCT line.codes[1] AS code
        FROM unnest($2::uuid[]) AS wanted (id)
        JOIN statement_line AS line ON line.organization_id = $1 AND line.id = wanted.id
    ), incoming AS MATERIALIZED (
        SELECT line.id, line.bank_account_id, line.booked_on, line.amount, line.is_tentative, line.is_rejoined,
            given.code
        FROM given
        CROSS JOIN LATERAL (
            SELECT line.* FROM statement_line AS line
            WHERE line.organization_id = $1 AND line.codes[1] = given.code AND line.codes <> '{}'
                AND cardinality(line.codes) = 1
            OFFSET 0
        ) AS line
"""
_VIRTUAL_ACCOUNTS = """
    , given AS MATERIALIZED (
        SELECT line.bank_account_id, line.virtual_account, line.amount, min(line.booked_on) AS first_day,
            max(line.booked_on) AS last_day
        FROM unnest($2::uuid[]) AS wanted (id)
        JOIN statement_line AS line ON line.organization_id = $1 AND line.id = wanted.id
        GROUP BY line.bank_account_id, line.virtual_account, line.amount
    ), incoming AS MATERIALIZED (
        SELECT line.id, line.bank_account_id, line.booked_on, line.amount, line.is_tentative, line.virtual_account
        FROM given
        CROSS JOIN LATERAL (
            SELECT line.* FROM statement_line AS line
            WHERE line.organization_id = $1 AND line.virtual_account = given.virtual_account
                AND line.virtual_account <> '' AND line.amount = given.amount
                AND line.booked_on BETWEEN given.first_day - $4::int - 1 AND given.last_day + $4::int + 1
                AND line.bank_account_id::text = given.bank_account_id::text
            OFFSET 0
        ) AS line
"""
_ARE_OPEN = """
        CROSS JOIN LATERAL (
            SELECT FROM reconciliation_import AS import
            WHERE import.organization_id = $1 AND import.id = line.import_id AND import.state = 'active'
            OFFSET 0
        ) AS import
        LEFT JOIN LATERAL (
            SELECT true AS is_matched FROM match_item AS linked
            WHERE linked.organization_id = $1 AND linked.item_kind = 'statement_line' AND linked.item_id = line.id
                AND linked.is_live
            OFFSET 0
        ) AS own ON true
        WHERE line.kind = 'movement' AND line.amount > 0 AND own.is_matched IS NULL AND NOT (
"""
_ARE_UNCONTESTED = """
            ) AND NOT EXISTS (SELECT FROM overlap WHERE overlap.bank_account_id = line.bank_account_id
                AND overlap.import_id = line.import_id AND overlap.position = line.position
                AND line.booked_on BETWEEN overlap.from_day AND overlap.to_day
                AND NOT EXISTS (SELECT FROM repeated_line AS repeated WHERE repeated.organization_id = $1
                    AND repeated.line_id = line.id AND repeated.import_id = overlap.other_import_id
                    AND repeated.position = overlap.other_position)
"""

# `rank`: an equal code first, then the nearest day. The window is a day before the item, for two sides of midnight.
# A transfer that a person confirmed (method `transfer`) has no row in bank_reference. A payment has a row
# for each event under the reference, also of another channel: the best one counts, and its money is on its own account.
_WITH_REFERENCE = """
    , fitting AS (
        SELECT found.* FROM (
            SELECT DISTINCT ON (incoming.id, used.item_id) incoming.id AS line_id, incoming.bank_account_id,
                incoming.booked_on, incoming.amount, incoming.is_tentative, used.item_id, used.expected,
                used.clearing_subject, ranked.rank
            FROM incoming
            CROSS JOIN LATERAL (
                SELECT used.payment_id AS item_id, payment.amount AS expected,
                    payment.provider_account_id AS clearing_subject, used.booked_on AS day, used.codes
                FROM bank_reference AS used
                JOIN payment ON payment.organization_id = $1 AND payment.id = used.payment_id
                WHERE used.organization_id = $1 AND used.account_id = incoming.bank_account_id
                    AND used.movement = 'received' AND used.reference = incoming.reference
                    AND abs(used.amount - incoming.amount) <= $3::bigint
                    AND incoming.booked_on - used.booked_on BETWEEN -1 AND $4::int
                    AND (incoming.codes = '{}' OR used.codes && incoming.codes OR used.codes = '{}' AND NOT EXISTS (
                        SELECT FROM bank_reference AS coded WHERE coded.organization_id = $1
                            AND coded.account_id = used.account_id AND coded.movement = used.movement
                            AND coded.reference = used.reference AND coded.payment_id = used.payment_id
                            AND coded.codes <> '{}' AND NOT coded.codes && incoming.codes))
                UNION ALL
                SELECT payment.id, payment.amount, payment.bank_account_id,
                    (payment.occurred_at AT TIME ZONE interval '7 hours')::date, ARRAY[]::text[]
                FROM payment
                WHERE payment.organization_id = $1 AND payment.method = 'transfer'
                    AND payment.bank_account_id = incoming.bank_account_id
                    AND payment.bank_reference = incoming.reference
                    AND abs(payment.amount - incoming.amount) <= $3
                    AND incoming.booked_on - (payment.occurred_at AT TIME ZONE interval '7 hours')::date
                        BETWEEN -1 AND $4
                UNION ALL
                SELECT other_form.id, other_form.amount, other_form.bank_account_id, other_form.day, ARRAY[]::text[]
                FROM other_form
                WHERE other_form.bank_account_id = incoming.bank_account_id
                    AND other_form.reference = incoming.reference AND abs(other_form.amount - incoming.amount) <= $3
                    AND incoming.booked_on - other_form.day BETWEEN -1 AND $4
                OFFSET 0
            ) AS used
            CROSS JOIN LATERAL (SELECT (CASE WHEN used.codes && incoming.codes THEN 0 ELSE 100 END)
                + abs(incoming.booked_on - used.day) AS rank) AS ranked
            ORDER BY incoming.id, used.item_id, ranked.rank
        ) AS found
        WHERE NOT EXISTS (SELECT FROM declared_duplicate AS declared WHERE declared.organization_id = $1
            AND declared.payment_id = found.item_id)
    )
"""

# The payment may come from any channel of the bank account that is credited for each payment. A rejoined code counts
# only with the amount due (docs/design.md §8).
_WITH_CODE = """
    , channel AS MATERIALIZED (
        SELECT provider_account_id, pays_out FROM provider_channel WHERE organization_id = $1
    ), fitting AS (
        SELECT incoming.id AS line_id, incoming.bank_account_id, incoming.booked_on, incoming.amount,
            incoming.is_tentative, paid.item_id, paid.expected, paid.clearing_subject,
            abs(incoming.booked_on - paid.day) AS rank
        FROM incoming
        CROSS JOIN LATERAL (
            SELECT payment.id AS item_id, payment.amount AS expected, payment.provider_account_id,
                coalesce(payment.provider_account_id, payment.bank_account_id) AS clearing_subject,
                (payment.occurred_at AT TIME ZONE interval '7 hours')::date AS day
            FROM intent
            JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
                AND (NOT incoming.is_rejoined OR payment.amount = incoming.amount)
            WHERE intent.organization_id = $1 AND intent.reference_code = incoming.code
                AND (NOT incoming.is_rejoined OR intent.amount = incoming.amount)
                AND payment.method IN ('provider', 'transfer') AND payment.bank_account_id = incoming.bank_account_id
                AND abs(payment.amount - incoming.amount) <= $3::bigint
                AND incoming.booked_on - (payment.occurred_at AT TIME ZONE interval '7 hours')::date
                    BETWEEN -1 AND $4::int
            OFFSET 0
        ) AS paid
        LEFT JOIN channel ON channel.provider_account_id = paid.provider_account_id
        WHERE channel.pays_out IS NOT TRUE
    )
"""

_WITH_VIRTUAL_ACCOUNT = """
    , fitting AS (
        SELECT incoming.id AS line_id, incoming.bank_account_id, incoming.booked_on, incoming.amount,
            incoming.is_tentative, item.item_id, item.amount AS expected, item.clearing_subject,
            abs(incoming.booked_on - item.day) AS rank
        FROM incoming
        JOIN bank_item AS item ON item.organization_id = $1 AND item.item_kind = 'payment'
            AND item.bank_account_id = incoming.bank_account_id AND item.virtual_account = incoming.virtual_account
            AND item.amount = incoming.amount AND incoming.booked_on - item.day BETWEEN -1 AND $4::int
            AND $3::bigint IS NOT NULL  -- equal amounts, whatever the tolerance is
        WHERE incoming.virtual_account <> ''
    )
"""

# No expression of WITH is joined with another one by its many rows: they have no statistics and no index.
# `candidate`: without payments that the bank shows already, and without pairs that a person reverted. `chosen`: each of
# the two is the only best of the other. `decided`: without payments that were declared duplicates, or whose hold is not
# locked ($5). A payment that waits with its settlement line keeps its match.
_WRITE = """
    , candidate AS (
        SELECT fitting.*, waiting.match_id
        FROM fitting
        LEFT JOIN LATERAL (
            SELECT linked.match_id FROM match_item AS linked
            WHERE linked.organization_id = $1 AND linked.item_kind = 'payment' AND linked.item_id = fitting.item_id
                AND linked.is_live
            OFFSET 0
        ) AS waiting ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_shown FROM match_item AS other
            WHERE other.organization_id = $1 AND other.match_id = waiting.match_id
                AND other.item_kind || '' = 'statement_line'
            OFFSET 0
        ) AS bank ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_reverted FROM match_item AS line
            JOIN match ON match.organization_id = $1 AND match.id = line.match_id AND match.state = 'reverted'
            JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = line.match_id
                AND item.item_kind = 'payment' AND item.item_id = fitting.item_id
            WHERE (SELECT EXISTS (SELECT FROM match WHERE match.organization_id = $1 AND match.state = 'reverted'))
                AND line.organization_id = $1 AND line.item_kind = 'statement_line' AND line.item_id = fitting.line_id
                AND NOT line.is_live
            LIMIT 1
        ) AS person ON true
        WHERE bank.is_shown IS NULL AND person.is_reverted IS NULL
    ), chosen AS (
        SELECT ranked.*
        FROM (
            SELECT candidate.*,
                row_number() OVER of_line = 1 AND lead(rank) OVER of_line IS DISTINCT FROM rank AS is_best_of_line,
                row_number() OVER of_item = 1 AND lead(rank) OVER of_item IS DISTINCT FROM rank AS is_best_of_item
            FROM candidate
            WINDOW of_line AS (PARTITION BY line_id ORDER BY rank), of_item AS (PARTITION BY item_id ORDER BY rank)
        ) AS ranked
        WHERE is_best_of_line AND is_best_of_item
    ), numbered AS (
        SELECT chosen.line_id, chosen.item_id, chosen.expected, chosen.clearing_subject, chosen.booked_on,
            chosen.bank_account_id, chosen.amount, chosen.is_tentative, chosen.match_id,
            row_number() OVER by_group AS match_number, dense_rank() OVER by_group AS entry_number
        FROM chosen
        WHERE NOT EXISTS (SELECT FROM payment_hold AS hold WHERE hold.organization_id = $1
                AND hold.payment_id = chosen.item_id AND hold.payment_id <> ALL ($5::uuid[]))
            AND NOT EXISTS (SELECT FROM declared_duplicate AS declared WHERE declared.organization_id = $1
                AND declared.payment_id = chosen.item_id)
        WINDOW by_group AS (ORDER BY chosen.is_tentative, chosen.booked_on, chosen.bank_account_id,
            chosen.clearing_subject)
    ), decided AS MATERIALIZED (
        SELECT numbered.line_id, numbered.item_id, numbered.expected, numbered.booked_on, numbered.bank_account_id,
            numbered.amount, CASE WHEN NOT numbered.is_tentative THEN numbered.clearing_subject END AS clearing_subject,
            CASE WHEN NOT numbered.is_tentative THEN
                (series.entry_high || to_hex(series.entry_low + numbered.entry_number))::uuid END AS entry_id,
            numbered.match_id IS NOT NULL AS is_waiting, coalesce(numbered.match_id,
                (series.match_high || to_hex(series.match_low + numbered.match_number))::uuid) AS match_id
        FROM numbered
        CROSS JOIN (
            SELECT left(match_hex, 16) AS match_high, ('x' || right(match_hex, 16))::bit(64)::bigint AS match_low,
                left(entry_hex, 16) AS entry_high, ('x' || right(entry_hex, 16))::bit(64)::bigint AS entry_low
            FROM replace($6::uuid::text, '-', '') AS match_hex, replace($7::uuid::text, '-', '') AS entry_hex
        ) AS series
    ), locked AS MATERIALIZED (
        SELECT match.id FROM match
        WHERE match.organization_id = $1 AND match.state = 'live'
            AND match.id IN (SELECT decided.match_id FROM decided WHERE decided.is_waiting)
        ORDER BY match.id FOR UPDATE
    ), posted AS (
        UPDATE match SET difference = decided.amount - decided.expected, entry_id = decided.entry_id,
            clearing_subject = decided.clearing_subject
        FROM decided
        WHERE (SELECT count(*) FROM locked) > 0  -- all are locked first, in the order of their ids
            AND match.organization_id = $1 AND match.id = decided.match_id AND match.state = 'live'
            AND match.entry_id IS NULL AND decided.is_waiting AND decided.entry_id IS NOT NULL
        RETURNING match.id
    ), added AS (
        INSERT INTO match (organization_id, id, rule, rule_set, run_id, state, difference, entry_id, clearing_subject,
            actor_kind, actor_id, acting_for, matched_at)
        SELECT $1, match_id, $8, $9, $10, 'live', amount - expected, entry_id, clearing_subject, $11, $12, $13, $14
        FROM decided WHERE NOT is_waiting
    ), linked AS (
        INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount)
        SELECT $1, match_id, 'statement_line', line_id, amount FROM decided
        UNION ALL
        SELECT $1, match_id, 'payment', item_id, expected FROM decided WHERE NOT is_waiting
    )
    SELECT counted.matches, counted.line_ids, counted.is_changed, held.held_line_ids, held.held_ids, swept.booked_on,
        swept.bank_account_id, swept.clearing_subject, swept.amount, swept.more, swept.less, swept.entry_id
    FROM (
        SELECT count(*) AS matches, CASE WHEN $15::boolean THEN array_agg(line_id) END AS line_ids,
            count(*) FILTER (WHERE is_waiting) <> (SELECT count(*) FROM locked)
                OR count(*) FILTER (WHERE is_waiting AND entry_id IS NOT NULL) <> (SELECT count(*) FROM posted)
                AS is_changed
        FROM decided
    ) AS counted
    CROSS JOIN (
        SELECT array_agg(chosen.line_id) AS held_line_ids, array_agg(chosen.item_id) AS held_ids
        FROM chosen
        JOIN payment_hold AS hold ON hold.organization_id = $1 AND hold.payment_id = chosen.item_id
        WHERE hold.payment_id <> ALL ($5::uuid[])
    ) AS held
    LEFT JOIN (
        SELECT booked_on, bank_account_id, clearing_subject, entry_id, sum(amount)::bigint AS amount,
            sum(greatest(amount - expected, 0))::bigint AS more, sum(greatest(expected - amount, 0))::bigint AS less
        FROM decided WHERE entry_id IS NOT NULL GROUP BY booked_on, bank_account_id, clearing_subject, entry_id
    ) AS swept ON true
"""

_OPEN = f"{_ARE_OPEN}{IS_OVERRULED}))"
_UNCONTESTED = f"{_ARE_OPEN}{IS_OVERRULED}{_ARE_UNCONTESTED}))"
_BY_REFERENCE = f"WITH {_REFERENCES}{_OPEN}{_WITH_REFERENCE}{_WRITE}"
_BY_CODE = f"WITH {OVERLAP}{_CODES}{_UNCONTESTED}{_WITH_CODE}{_WRITE}"
_BY_VIRTUAL_ACCOUNT = f"WITH {OVERLAP}{_VIRTUAL_ACCOUNTS}{_UNCONTESTED}{_WITH_VIRTUAL_ACCOUNT}{_WRITE}"
_STATEMENTS = {
    MatchRule.BANK_REFERENCE: _BY_REFERENCE,
    MatchRule.REFERENCE_CODE: _BY_CODE,
    MatchRule.VIRTUAL_ACCOUNT: _BY_VIRTUAL_ACCOUNT,
}


class ReceivedLines(NamedTuple):
    """Lines of received money that fulfil what a rule requires of a line.

    `locked` are the payments whose holds are locked; `first_match_id` and `first_entry_id` begin the ids of new matches
    and of the entries of sweeps (`Ids.series`).
    """

    line_ids: Sequence[UUID]
    rule: MatchRule
    locked: Sequence[UUID]
    first_match_id: UUID
    first_entry_id: UUID
    wants_line_ids: bool


class LineMatches(NamedTuple):
    """What one statement matched. `line_ids` is None unless the caller wants them; `totals` are the sweeps to post.

    `held_line_ids` are lines that were left out, since the holds of their payments `held_ids` are not locked.
    `is_changed`: a match that waited for its line was ended or posted meanwhile; the transaction must be rolled back.
    """

    matches: int
    line_ids: Sequence[UUID] | None
    is_changed: bool
    totals: Sequence[SweepTotal]
    held_line_ids: Sequence[UUID]
    held_ids: Sequence[UUID]


async def match_received_lines(
    tx: Transaction, received: ReceivedLines, rules: RuleSet, stamp: RunStamp
) -> LineMatches:
    """Match lines of received money with payments by reference, only code or virtual account."""
    rows = await tx.fetch(
        _STATEMENTS[received.rule],
        tx.organization_id,
        list(received.line_ids),
        rules.tolerance,
        rules.reference_days if received.rule is MatchRule.BANK_REFERENCE else rules.code_days,
        list(received.locked),
        received.first_match_id,
        received.first_entry_id,
        received.rule.value,
        stamp.rule_set,
        stamp.run_id,
        stamp.actor.kind.value,
        stamp.actor.id,
        stamp.actor.person,
        stamp.at,
        received.wants_line_ids,
    )
    counts = rows[0]
    totals = [
        SweepTotal(
            booked_on=row["booked_on"],
            bank_account_id=row["bank_account_id"],
            clearing_subject=row["clearing_subject"],
            amount=row["amount"],
            more=row["more"],
            less=row["less"],
            entry_id=row["entry_id"],
        )
        for row in rows
        if row["entry_id"] is not None
    ]
    return LineMatches(
        counts["matches"],
        counts["line_ids"],
        counts["is_changed"],
        totals,
        counts["held_line_ids"] or (),
        counts["held_ids"] or (),
    )

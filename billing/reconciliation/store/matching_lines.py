"""Candidates of statement lines among payments, refunds and outflows: by bank reference, code and virtual account.

Each function returns every item that fits a line; `domain/match_rules.py` decides. An item that waits in a match with
its settlement line is a candidate too: the statement line joins that match.
"""

from collections.abc import Sequence

from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_rows
from billing.payments.domain.reference_links import normal_reference
from billing.reconciliation.domain.match_rules import Candidate, OpenLine, RuleSet
from providers.references import is_placeholder

# LATERAL with OFFSET 0: each line is looked up by index; a hash of the whole table would be built for every chunk.
# `item_kind || ''`: an expression, so that the items of a match are read by its id. While the table is new, the planner
# would read all items of a kind for each line, which is quadratic in a run.
# A transfer that a person confirmed (method `transfer`) has no row in bank_reference.
# `rank`: an equal code first, then the nearest day. The window is a day before the item, for two sides of midnight.
_BY_REFERENCE = """
    SELECT incoming.line_id, fitting.item_kind, fitting.item_id, fitting.expected, fitting.clearing_subject,
        (CASE WHEN fitting.codes && incoming.codes THEN 0 ELSE 100 END) + abs(incoming.booked_on - fitting.day) AS rank,
        waiting.match_id
    FROM (
        SELECT line_id, bank_account_id, reference, raw_reference, amount, booked_on,
            string_to_array(codes, ' ') AS codes
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::date[], $8::text[])
            AS incoming (line_id, bank_account_id, reference, raw_reference, amount, booked_on, codes)
    ) AS incoming
    CROSS JOIN LATERAL (
        SELECT CASE WHEN used.movement = 'received' THEN 'payment' WHEN refund.id IS NULL THEN 'outflow'
                ELSE 'refund' END AS item_kind,
            coalesce(refund.id, used.payment_id) AS item_id,
            CASE WHEN used.movement = 'received' THEN used.amount ELSE -used.amount END AS expected,
            CASE WHEN refund.ended_by IS NULL THEN used.provider_account_id ELSE refund.bank_account_id END
                AS clearing_subject, used.booked_on AS day, used.codes
        FROM bank_reference AS used
        LEFT JOIN refund ON used.movement <> 'received' AND refund.organization_id = $1
            AND refund.outflow_id = used.payment_id
        WHERE used.organization_id = $1 AND used.account_id = incoming.bank_account_id
            AND used.movement = ANY (CASE WHEN incoming.amount > 0 THEN ARRAY['received']
                ELSE ARRAY['refunded', 'reversed'] END)
            AND used.reference = incoming.reference AND abs(used.amount - abs(incoming.amount)) <= $9
            AND incoming.booked_on - used.booked_on BETWEEN -1 AND $10
            AND (used.codes = '{}' OR incoming.codes = '{}' OR used.codes && incoming.codes)
            AND NOT EXISTS (SELECT FROM declared_duplicate AS declared WHERE declared.organization_id = $1
                AND declared.payment_id = used.payment_id)
        UNION
        SELECT 'payment', payment.id, payment.amount, payment.bank_account_id,
            (payment.occurred_at AT TIME ZONE interval '7 hours')::date, ARRAY[]::text[]
        FROM payment
        WHERE payment.organization_id = $1 AND payment.method = 'transfer'
            AND payment.bank_account_id = incoming.bank_account_id AND payment.bank_reference = incoming.raw_reference
            AND abs(payment.amount - incoming.amount) <= $9
            AND incoming.booked_on - (payment.occurred_at AT TIME ZONE interval '7 hours')::date BETWEEN -1 AND $10
        OFFSET 0
    ) AS fitting
    LEFT JOIN LATERAL (
        SELECT linked.match_id FROM match_item AS linked
        WHERE linked.organization_id = $1 AND linked.item_kind = fitting.item_kind AND linked.item_id = fitting.item_id
            AND linked.is_live
        OFFSET 0
    ) AS waiting ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_at_bank FROM match_item AS other
        WHERE other.organization_id = $1 AND other.match_id = waiting.match_id
            AND other.item_kind || '' = 'statement_line'
        OFFSET 0
    ) AS own ON true
    WHERE own.is_at_bank IS NULL
"""


def has_reference(line: OpenLine) -> bool:
    """Whether a line has a bank reference that names one movement."""
    return bool(line.bank_reference) and not is_placeholder(line.bank_reference)


async def find_by_reference(tx: Transaction, lines: Sequence[OpenLine], rules: RuleSet) -> list[Candidate]:
    """Items with the bank reference and the amount of a line, and not under another code.

    Source: docs/design.md §5, Strong and weak names.
    """
    incoming = [
        (
            line.id,
            line.bank_account_id,
            normal_reference(line.bank_reference),
            line.bank_reference,
            line.amount,
            line.booked_on,
            " ".join(line.codes),
        )
        for line in lines
        if has_reference(line)
    ]
    if not incoming:
        return []
    rows = await tx.fetch(
        _BY_REFERENCE, tx.organization_id, *columns(incoming, 7), rules.tolerance, rules.reference_days
    )
    return read_rows(Candidate, rows)


# The payment may come from any channel of the bank account that is credited for each payment. A rejoined code counts
# only with the amount due (docs/design.md §8).
_BY_CODE = """
    SELECT incoming.line_id, 'payment' AS item_kind, fitting.id AS item_id, fitting.amount AS expected,
        fitting.clearing_subject, abs(incoming.booked_on - fitting.day) AS rank, waiting.match_id
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::date[])
        AS incoming (line_id, bank_account_id, code, amount, booked_on)
    CROSS JOIN LATERAL (
        SELECT payment.id, payment.amount, coalesce(payment.provider_account_id, payment.bank_account_id)
            AS clearing_subject, (payment.occurred_at AT TIME ZONE interval '7 hours')::date AS day
        FROM statement_line AS line
        JOIN intent ON intent.organization_id = $1 AND intent.reference_code = incoming.code
            AND (NOT line.is_rejoined OR intent.amount = incoming.amount)
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
            AND (NOT line.is_rejoined OR payment.amount = incoming.amount)
        LEFT JOIN provider_channel AS channel ON channel.organization_id = $1
            AND channel.provider_account_id = payment.provider_account_id
        WHERE line.organization_id = $1 AND line.id = incoming.line_id
            AND payment.method IN ('provider', 'transfer') AND payment.bank_account_id = incoming.bank_account_id
            AND channel.pays_out IS NOT TRUE AND abs(payment.amount - incoming.amount) <= $7
            AND incoming.booked_on - (payment.occurred_at AT TIME ZONE interval '7 hours')::date BETWEEN -1 AND $8
        OFFSET 0
    ) AS fitting
    LEFT JOIN LATERAL (
        SELECT linked.match_id FROM match_item AS linked
        WHERE linked.organization_id = $1 AND linked.item_kind = 'payment' AND linked.item_id = fitting.id
            AND linked.is_live
        OFFSET 0
    ) AS waiting ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_at_bank FROM match_item AS other
        WHERE other.organization_id = $1 AND other.match_id = waiting.match_id
            AND other.item_kind || '' = 'statement_line'
        OFFSET 0
    ) AS own ON true
    WHERE own.is_at_bank IS NULL
"""


def has_code(line: OpenLine) -> bool:
    """Whether a line is received money under one code only."""
    return len(line.codes) == 1 and line.amount > 0


async def find_by_code(tx: Transaction, lines: Sequence[OpenLine], rules: RuleSet) -> list[Candidate]:
    """Payments under the only code of a line, with its amount."""
    incoming = [
        (line.id, line.bank_account_id, line.codes[0], line.amount, line.booked_on) for line in lines if has_code(line)
    ]
    if not incoming:
        return []
    rows = await tx.fetch(_BY_CODE, tx.organization_id, *columns(incoming, 5), rules.tolerance, rules.code_days)
    return read_rows(Candidate, rows)


_BY_VIRTUAL_ACCOUNT = """
    SELECT incoming.line_id, item.item_kind, item.item_id, item.amount AS expected, item.clearing_subject,
        abs(incoming.booked_on - item.day) AS rank, item.match_id
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::date[])
        AS incoming (line_id, bank_account_id, virtual_account, amount, booked_on)
    JOIN expected_item AS item ON item.organization_id = $1 AND item.item_kind = 'payment'
        AND item.bank_account_id = incoming.bank_account_id AND item.virtual_account = incoming.virtual_account
        AND item.amount = incoming.amount AND incoming.booked_on - item.day BETWEEN -1 AND $7
    WHERE item.match_id IS NULL OR NOT EXISTS (SELECT FROM match_item AS other WHERE other.organization_id = $1
        AND other.match_id = item.match_id AND other.item_kind || '' = 'statement_line')
"""


def has_virtual_account(line: OpenLine) -> bool:
    """Whether a line is money received on a virtual account."""
    return bool(line.virtual_account) and line.amount > 0


async def find_by_virtual_account(tx: Transaction, lines: Sequence[OpenLine], rules: RuleSet) -> list[Candidate]:
    """Payments that were requested to the virtual account of a line, with its amount."""
    incoming = [
        (line.id, line.bank_account_id, line.virtual_account, line.amount, line.booked_on)
        for line in lines
        if has_virtual_account(line)
    ]
    if not incoming:
        return []
    rows = await tx.fetch(_BY_VIRTUAL_ACCOUNT, tx.organization_id, *columns(incoming, 5), rules.code_days)
    return read_rows(Candidate, rows)

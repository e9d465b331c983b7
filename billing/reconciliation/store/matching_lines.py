"""What the rules require of a statement line, and candidates by bank reference among payments, refunds and outflows.

`find_by_reference` returns every item that fits a line, and `domain/match_rules.py` decides. A run uses it for money
that left and for references without a digit; `line_matches.py` matches received money. An item that waits in a match
with its settlement line is a candidate too: the statement line joins that match.
"""

import re
from collections.abc import Sequence

from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_rows
from billing.payments.domain.reference_links import normal_reference
from billing.reconciliation.domain.match_rules import Candidate, OpenLine, RuleSet
from billing.reconciliation.store.line_references import TRANSFERS_IN_OTHER_FORM
from providers.references import is_placeholder

_DIGIT = re.compile(r"[1-9]")

# LATERAL with OFFSET 0: each line is looked up by index; a hash of the whole table would be built for every chunk.
# `item_kind || ''`: an expression, so that the items of a match are read by its id. While the table is new, the planner
# would read all items of a kind for each line, which is quadratic in a run.
# A transfer that a person confirmed (method `transfer`) has no row in bank_reference.
# An item has a row for each event under the reference, also of another channel. The best one counts; the money of the
# item is on the account of the payment, or of the first event of an outflow.
# `rank`: an equal code first, then the nearest day. The window is a day before the item, for two sides of midnight.
_CANDIDATES = """
    -- The items of each line.
    SELECT DISTINCT ON (incoming.line_id, fitting.item_kind, fitting.item_id) incoming.line_id, fitting.item_kind,
        fitting.item_id, fitting.expected, fitting.clearing_subject,
        (CASE WHEN fitting.codes && incoming.codes THEN 0 ELSE 100 END) + abs(incoming.booked_on - fitting.day) AS rank,
        waiting.match_id
    FROM (
        SELECT line_id, bank_account_id, reference, amount, booked_on,
            string_to_array(codes, ' ') AS codes
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::date[], $7::text[])
            AS incoming (line_id, bank_account_id, reference, amount, booked_on, codes)
    ) AS incoming
    CROSS JOIN LATERAL (
        SELECT CASE WHEN used.movement = 'received' THEN 'payment' WHEN refund.id IS NULL THEN 'outflow'
                ELSE 'refund' END AS item_kind,
            coalesce(refund.id, used.payment_id) AS item_id,
            CASE WHEN used.movement = 'received' THEN used.amount ELSE -used.amount END AS expected,
            CASE WHEN used.movement = 'received' THEN payment.provider_account_id
                WHEN refund.ended_by IS NOT NULL THEN refund.bank_account_id
                ELSE (
                    SELECT own.provider_account_id FROM bank_reference AS own
                    WHERE own.organization_id = $1 AND own.account_id = used.account_id AND own.movement = used.movement
                        AND own.reference = used.reference AND own.payment_id = used.payment_id
                    ORDER BY own.number LIMIT 1) END AS clearing_subject,
            used.booked_on AS day, used.codes
        FROM bank_reference AS used
        LEFT JOIN payment ON used.movement = 'received' AND payment.organization_id = $1
            AND payment.id = used.payment_id
        LEFT JOIN refund ON used.movement <> 'received' AND refund.organization_id = $1
            AND refund.outflow_id = used.payment_id
        WHERE used.organization_id = $1 AND used.account_id = incoming.bank_account_id
            AND used.movement = ANY (CASE WHEN incoming.amount > 0 THEN ARRAY['received']
                ELSE ARRAY['refunded', 'reversed'] END)
            AND used.reference = incoming.reference AND abs(used.amount - abs(incoming.amount)) <= $8
            AND incoming.booked_on - used.booked_on BETWEEN -1 AND $9
            AND (incoming.codes = '{}' OR used.codes && incoming.codes OR used.codes = '{}' AND NOT EXISTS (
                SELECT FROM bank_reference AS coded WHERE coded.organization_id = $1
                    AND coded.account_id = used.account_id AND coded.movement = used.movement
                    AND coded.reference = used.reference AND coded.payment_id = used.payment_id
                    AND coded.codes <> '{}' AND NOT coded.codes && incoming.codes))
            AND NOT EXISTS (SELECT FROM declared_duplicate AS declared WHERE declared.organization_id = $1
                AND declared.payment_id = used.payment_id)
        UNION
        SELECT 'payment', payment.id, payment.amount, payment.bank_account_id,
            (payment.occurred_at AT TIME ZONE interval '7 hours')::date, ARRAY[]::text[]
        FROM payment
        WHERE payment.organization_id = $1 AND payment.method = 'transfer' AND incoming.amount > 0
            AND payment.bank_account_id = incoming.bank_account_id AND payment.bank_reference = incoming.reference
            AND abs(payment.amount - incoming.amount) <= $8
            AND incoming.booked_on - (payment.occurred_at AT TIME ZONE interval '7 hours')::date BETWEEN -1 AND $9
        UNION
        SELECT 'payment', other_form.id, other_form.amount, other_form.bank_account_id, other_form.day, ARRAY[]::text[]
        FROM other_form
        WHERE incoming.amount > 0 AND other_form.bank_account_id = incoming.bank_account_id
            AND other_form.reference = incoming.reference AND abs(other_form.amount - incoming.amount) <= $8
            AND incoming.booked_on - other_form.day BETWEEN -1 AND $9
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
    ORDER BY incoming.line_id, fitting.item_kind, fitting.item_id, rank
"""
_BY_REFERENCE = f"WITH {TRANSFERS_IN_OTHER_FORM}{_CANDIDATES}"


def has_reference(line: OpenLine) -> bool:
    """Whether a line has a bank reference that names one movement."""
    return bool(line.bank_reference) and not is_placeholder(line.bank_reference)


def has_plain_reference(line: OpenLine) -> bool:
    """Whether a line is received money whose reference has a digit from 1 to 9: such a reference is no placeholder."""
    return line.amount > 0 and _DIGIT.search(line.bank_reference) is not None


async def find_by_reference(tx: Transaction, lines: Sequence[OpenLine], rules: RuleSet) -> list[Candidate]:
    """Items with the bank reference and the amount of a line, and not under another code.

    Source: docs/design.md §5, Strong and weak names.
    """
    incoming = [
        (
            line.id,
            line.bank_account_id,
            normal_reference(line.bank_reference),
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
        _BY_REFERENCE, tx.organization_id, *columns(incoming, 6), rules.tolerance, rules.reference_days
    )
    return read_rows(Candidate, rows)


def has_code(line: OpenLine) -> bool:
    """Whether a line is received money under one code only."""
    return len(line.codes) == 1 and line.amount > 0


def has_virtual_account(line: OpenLine) -> bool:
    """Whether a line is money received on a virtual account."""
    return bool(line.virtual_account) and line.amount > 0

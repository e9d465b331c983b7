"""Candidates of open payouts, card batches, bank deposits and refunds among statement lines.

These items are few, so their rules begin at the item and find its lines by amount and day. LATERAL with OFFSET 0: lines
and matches are looked up by index; a run has matched many lines since the tables were last analysed, and a join would
read all of them for each item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row, read_rows
from billing.reconciliation.domain.match_rules import Candidate, ItemKind, RuleSet

# One credit for a whole batch has no code and no reference of ours: amount, account and day decide, and only if they
# leave one line. A line under a code of ours is a payment. The amounts of open payouts alone are summed.
_PAYOUTS = """
    WITH open_payout AS MATERIALIZED (
        SELECT payout.id FROM payout
        WHERE payout.organization_id = $1 AND payout.paid_out_on >= $4
            AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
                AND linked.item_kind = 'payout' AND linked.item_id = payout.id AND linked.is_live)
            AND EXISTS (SELECT FROM provider_channel AS channel WHERE channel.organization_id = $1
                AND channel.provider_account_id = payout.provider_account_id AND channel.pays_out)
    ), stated AS MATERIALIZED (
        SELECT amounts.* FROM open_payout
        JOIN payout_amount AS amounts ON amounts.organization_id = $1 AND amounts.payout_id = open_payout.id
    )
    SELECT line.id AS line_id, 'payout' AS item_kind, stated.payout_id AS item_id, stated.net AS expected,
        stated.provider_account_id AS clearing_subject, 0 AS rank, stated.fee
    FROM stated
    CROSS JOIN LATERAL (
        SELECT line.id FROM active_statement_line AS line
        WHERE line.organization_id = $1 AND line.bank_account_id = stated.bank_account_id
            AND line.amount BETWEEN stated.net - $2::bigint AND stated.net + $2::bigint
            AND line.booked_on BETWEEN stated.paid_out_on AND stated.paid_out_on + $3::int
            AND line.kind = 'movement' AND line.codes = '{}' AND stated.net <> 0
        OFFSET 0
    ) AS line
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
        OFFSET 0
    ) AS own ON true
    WHERE own.is_matched IS NULL
"""


async def find_payout_lines(tx: Transaction, rules: RuleSet, *, from_day: date) -> list[Candidate]:
    """Lines with the net amount of an open payout, on its day or soon after it."""
    rows = await tx.fetch(_PAYOUTS, tx.organization_id, rules.tolerance, rules.payout_days, from_day)
    return read_rows(Candidate, rows)


_CARD_BATCHES = """
    SELECT line.id AS line_id, 'card_batch' AS item_kind, batch.id AS item_id, batch.net AS expected,
        terminal.bank_account_id AS clearing_subject,
        CASE WHEN position(' ' || regexp_replace(upper(batch.batch_number), '[^0-9A-Z]+', ' ', 'g') || ' '
            IN ' ' || regexp_replace(upper(text.text), '[^0-9A-Z]+', ' ', 'g') || ' ') > 0 THEN 0 ELSE 1 END AS rank
    FROM card_batch AS batch
    JOIN card_terminal AS terminal ON terminal.organization_id = $1 AND terminal.id = batch.terminal_id
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'card_batch' AND linked.item_id = batch.id AND linked.is_live
        OFFSET 0
    ) AS known ON true
    CROSS JOIN LATERAL (
        SELECT line.id FROM active_statement_line AS line
        WHERE line.organization_id = $1 AND line.bank_account_id = terminal.bank_account_id
            AND line.amount BETWEEN batch.net - $2::bigint AND batch.net + $2::bigint
            AND line.booked_on BETWEEN batch.day AND batch.day + $3::int AND line.kind = 'movement'
            AND line.codes = '{}' AND known.is_matched IS NULL
        OFFSET 0
    ) AS line
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
        OFFSET 0
    ) AS own ON true
    LEFT JOIN statement_line_text AS text ON text.organization_id = $1 AND text.line_id = line.id
    WHERE batch.organization_id = $1 AND batch.day >= $4 AND batch.net > 0 AND own.is_matched IS NULL
"""


async def find_card_batch_lines(tx: Transaction, rules: RuleSet, *, from_day: date) -> list[Candidate]:
    """Lines with the net amount of an open card batch; a line whose text names the batch is better."""
    rows = await tx.fetch(_CARD_BATCHES, tx.organization_id, rules.tolerance, rules.payout_days, from_day)
    return read_rows(Candidate, rows)


# The name is a whole word of the text: slip 1 is not in "2019". A refund is named by our code, too.
_NAMED = """
    SELECT DISTINCT line.id AS line_id, item.item_kind, item.item_id, item.amount AS expected, item.clearing_subject,
        abs(line.booked_on - item.day) AS rank
    FROM (
        SELECT expected.*, ARRAY[expected.bank_reference, expected.code] AS names FROM bank_item AS expected
        WHERE expected.organization_id = $1 AND expected.item_kind IN ('bank_deposit', 'refund')
            AND expected.day >= $3
    ) AS item
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = item.item_kind AND linked.item_id = item.item_id AND linked.is_live
        OFFSET 0
    ) AS known ON true
    CROSS JOIN LATERAL (
        SELECT line.id, line.booked_on, line.bank_reference FROM active_statement_line AS line
        WHERE line.organization_id = $1 AND line.bank_account_id = item.bank_account_id AND line.amount = item.amount
            AND line.booked_on BETWEEN item.day - $2::int AND item.day + $2::int AND line.kind = 'movement'
            AND known.is_matched IS NULL
        OFFSET 0
    ) AS line
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
        OFFSET 0
    ) AS own ON true
    LEFT JOIN statement_line_text AS text ON text.organization_id = $1 AND text.line_id = line.id
    CROSS JOIN LATERAL unnest(item.names) AS name
    WHERE name <> '' AND own.is_matched IS NULL
        AND (vienphi_normal_reference(line.bank_reference) = vienphi_normal_reference(name)
            OR vienphi_names(text.text, name))
"""


async def find_named_lines(tx: Transaction, rules: RuleSet, *, from_day: date) -> list[Candidate]:
    """Lines that name an open bank deposit by its slip, or a transfer of a refund, with its exact amount."""
    rows = await tx.fetch(_NAMED, tx.organization_id, rules.payout_days, from_day)
    return read_rows(Candidate, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class BankItem:
    """What the ledger expects at the bank for one item; `expected` is net of the fee that the provider kept."""

    item_kind: ItemKind
    item_id: UUID
    bank_account_id: UUID
    clearing_subject: UUID
    expected: int
    fee: int
    day: date


_POSTED_AMOUNTS = """
    SELECT item.item_kind, item.item_id, item.bank_account_id, item.clearing_subject, item.amount AS expected,
        coalesce(stated.fee, 0) AS fee, item.day
    FROM unnest($2::text[], $3::uuid[]) AS wanted (item_kind, item_id)
    JOIN bank_item AS item ON item.organization_id = $1 AND item.item_kind = wanted.item_kind
        AND item.item_id = wanted.item_id
    LEFT JOIN payout_amount AS stated ON wanted.item_kind = 'payout' AND stated.organization_id = $1
        AND stated.payout_id = wanted.item_id
"""


async def read_posted_amounts(
    tx: Transaction, items: Sequence[tuple[ItemKind, UUID]]
) -> dict[tuple[ItemKind, UUID], BankItem]:
    """Items with what the bank should show for them; items that are not expected at a bank are left out."""
    rows = await tx.fetch(
        _POSTED_AMOUNTS, tx.organization_id, *columns([(kind.value, item_id) for kind, item_id in items], 2)
    )
    found = [read_row(BankItem, row) for row in rows]
    return {(each.item_kind, each.item_id): each for each in found}

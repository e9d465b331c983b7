"""Open statement lines for the decisions on their exceptions, with the item of ours that each may belong to."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.ids import EntryId, PaymentId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.match_rules import Candidate, OpenLine
from billing.reconciliation.domain.statement import LineKind
from billing.reconciliation.store.confirmed_lines import ConfirmedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedLine:
    """A confirmed line without a live match; `amount` has the sign of the bank account."""

    id: UUID
    kind: LineKind
    bank_account_id: UUID
    amount: int
    booked_on: date


_OPEN_LINE = """
    SELECT line.id, line.kind, line.bank_account_id, line.amount, line.booked_on
    FROM active_statement_line AS line
    WHERE line.organization_id = $1 AND line.id = $2 AND NOT line.is_tentative
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live)
"""


async def find_open_line(tx: Transaction, line_id: UUID) -> DecidedLine | None:
    """A confirmed line that nothing matches; None where there is none."""
    row = await tx.fetchrow(_OPEN_LINE, tx.organization_id, line_id)
    return None if row is None else read_row(DecidedLine, row)


_MATCHABLE = """
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM active_statement_line AS line
    WHERE line.organization_id = $1 AND line.id = $2
"""


async def read_matchable_line(tx: Transaction, line_id: UUID) -> OpenLine:
    """An open line as the rules of matching read it."""
    row = await tx.fetchrow(_MATCHABLE, tx.organization_id, line_id)
    assert row is not None, "the line was found before"
    return read_row(OpenLine, row)


# The item under the reference or only code of the line, else the payment of its amount and day, else the payout of its
# day that is nearest above it: the one that the detection names (`exception_causes.py`). A person may accept a larger
# fee than the tenth up to which it is detected.
_ITEM_OF_LINE = """
    SELECT line.id AS line_id, item.item_kind, item.item_id, item.amount AS expected, item.clearing_subject,
        coalesce(stated.fee, 0) AS fee, item.match_id, 0 AS rank
    FROM active_statement_line AS line
    JOIN expected_item AS item ON item.organization_id = $1 AND item.bank_account_id = line.bank_account_id
        AND item.amount > 0 AND NOT item.is_at_bank
    LEFT JOIN payout_amount AS stated ON stated.organization_id = $1 AND item.item_kind = 'payout'
        AND stated.payout_id = item.item_id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN line.bank_reference <> '' AND vienphi_normal_reference(item.bank_reference)
            = vienphi_normal_reference(line.bank_reference) THEN 1
        WHEN cardinality(line.codes) = 1 AND item.code = line.codes[1] THEN 2
        WHEN line.codes = '{}' AND item.item_kind = 'payment' AND item.amount = line.amount
            AND item.day BETWEEN line.booked_on - 1 AND line.booked_on + 1 THEN 3
        WHEN line.codes = '{}' AND item.item_kind = 'payout' AND item.day = line.booked_on
            AND line.amount < item.amount AND line.amount * 2 > item.amount THEN 4
        END AS choice) AS chosen
    WHERE line.organization_id = $1 AND line.id = $2 AND line.amount > 0 AND chosen.choice IS NOT NULL
        AND item.day BETWEEN line.booked_on - 10 AND line.booked_on + 1
    ORDER BY chosen.choice, CASE WHEN chosen.choice = 4 THEN item.amount END, item.item_id LIMIT 1
"""


async def find_item_of_line(tx: Transaction, line_id: UUID) -> Candidate | None:
    """The item of ours that an open line of received money may belong to; None where there is none."""
    row = await tx.fetchrow(_ITEM_OF_LINE, tx.organization_id, line_id)
    return None if row is None else read_row(Candidate, row)


# The channel of the code of the line, else the first provider account of the bank account that pays out no batches.
_LINE_TO_BOOK = """
    SELECT line.id, line.key, account.name AS account, line.amount, line.booked_on, line.occurred_at,
        line.bank_reference, coalesce(written.text, '') AS text, coalesce(written.counterparty_name, '') AS payer_name,
        coalesce(written.counterparty_account, '') AS payer_account,
        coalesce(written.counterparty_bank, '') AS payer_bank
    FROM active_statement_line AS line
    LEFT JOIN statement_line_text AS written ON written.organization_id = $1 AND written.line_id = line.id
    JOIN provider_account AS account ON account.organization_id = $1
        AND account.bank_account_id = line.bank_account_id
    JOIN provider_channel AS channel ON channel.organization_id = $1 AND channel.provider_account_id = account.id
        AND NOT channel.pays_out
    LEFT JOIN intent ON intent.organization_id = $1 AND intent.provider_account_id = account.id
        AND intent.reference_code = ANY (line.codes)
    WHERE line.organization_id = $1 AND line.id = $2 AND line.amount > 0
    ORDER BY intent.id IS NULL, account.id LIMIT 1
"""


async def find_line_to_book(tx: Transaction, line_id: UUID) -> ConfirmedLine | None:
    """A line of received money with the account that would have reported it; None if no account of the bank does."""
    row = await tx.fetchrow(_LINE_TO_BOOK, tx.organization_id, line_id)
    return None if row is None else read_row(ConfirmedLine, row)


_MATCH_OF_ENTRY = """
    SELECT match.id FROM match WHERE match.organization_id = $1 AND match.entry_id = $2 AND match.state = 'live'
"""


async def find_match_of_entry(tx: Transaction, entry_id: UUID) -> UUID | None:
    """The live match that a decision posted with its own entry."""
    found: UUID | None = await tx.fetchval(_MATCH_OF_ENTRY, tx.organization_id, entry_id)
    return found


_ENTRY_OF_LINE = """
    SELECT match.entry_id FROM match_item AS item
    JOIN match ON match.organization_id = $1 AND match.id = item.match_id
    WHERE item.organization_id = $1 AND item.item_kind = 'statement_line' AND item.item_id = $2 AND item.is_live
"""


async def find_entry_of_line(tx: Transaction, line_id: UUID) -> EntryId | None:
    """The entry of the live match of a line."""
    found: UUID | None = await tx.fetchval(_ENTRY_OF_LINE, tx.organization_id, line_id)
    return None if found is None else EntryId(found)


_IS_SHOWN = """
    SELECT EXISTS (
        SELECT FROM match_item AS own
        JOIN match_item AS line ON line.organization_id = $1 AND line.match_id = own.match_id
            AND line.item_kind || '' = 'statement_line'
        WHERE own.organization_id = $1 AND own.item_kind = 'payment' AND own.item_id = $2 AND own.is_live)
"""


async def is_on_statement(tx: Transaction, payment_id: PaymentId) -> bool:
    """Whether a line of the bank is matched with a payment."""
    found: bool = await tx.fetchval(_IS_SHOWN, tx.organization_id, payment_id)
    return found

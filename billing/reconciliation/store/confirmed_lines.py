"""Statement lines that the bank confirms and no callback reported: their channel, text and booked payment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import PaymentId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row

# The channel is the account of the code, if it is credited to this bank account for each payment. A provider whose
# notices carry no bank reference could report the same money later and not be recognised: its lines wait for a person.
_CONFIRMED = """
    SELECT line.id, line.key, account.name AS account, line.amount, line.booked_on, line.occurred_at,
        line.bank_reference, coalesce(text.text, '') AS text, coalesce(text.counterparty_name, '') AS payer_name,
        coalesce(text.counterparty_account, '') AS payer_account, coalesce(text.counterparty_bank, '') AS payer_bank
    FROM active_statement_line AS line
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
        OFFSET 0
    ) AS own ON true
    JOIN intent ON intent.organization_id = $1 AND intent.reference_code = line.codes[1]
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = intent.provider_account_id
        AND account.bank_account_id = line.bank_account_id
    JOIN provider_channel AS channel ON channel.organization_id = $1 AND channel.provider_account_id = account.id
        AND NOT channel.pays_out
    LEFT JOIN statement_line_text AS text ON text.organization_id = $1 AND text.line_id = line.id
    WHERE line.organization_id = $1 AND line.id = ANY ($2::uuid[]) AND line.amount > 0 AND line.kind = 'movement'
        AND NOT line.is_tentative AND line.bank_reference <> '' AND cardinality(line.codes) = 1
        AND (NOT line.is_rejoined OR intent.amount = line.amount)
        AND own.is_matched IS NULL
        AND NOT EXISTS (
            SELECT FROM (
                SELECT payment.provider_account_id, payment.bank_reference FROM payment
                WHERE payment.organization_id = $1 AND payment.provider_account_id IS NOT NULL
                ORDER BY payment.id DESC LIMIT 50
            ) AS recent
            WHERE recent.provider_account_id = account.id AND recent.bank_reference = '')
        -- A payment under this code waits for its line, and this line may be it with another amount: none is booked. A
        -- standing code is paid many times; there only an equal amount or an equal reference is ambiguous.
        AND NOT EXISTS (
            SELECT FROM payment
            WHERE payment.organization_id = $1 AND payment.intent_id = intent.id
                AND (NOT intent.is_standing OR payment.amount = line.amount
                    OR vienphi_normal_reference(payment.bank_reference)
                        = vienphi_normal_reference(line.bank_reference))
                AND payment.bank_account_id = line.bank_account_id AND NOT EXISTS (
                    SELECT FROM match_item AS own
                    JOIN match_item AS other ON other.organization_id = $1 AND other.match_id = own.match_id
                        AND other.item_kind || '' = 'statement_line'
                    WHERE own.organization_id = $1 AND own.item_kind = 'payment' AND own.item_id = payment.id
                        AND own.is_live))
    ORDER BY line.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedLine:
    """A line with the name of the provider account that would have reported it."""

    id: UUID
    key: UUID
    account: str
    amount: int
    booked_on: date
    occurred_at: datetime | None
    bank_reference: str
    text: str
    payer_name: str
    payer_account: str
    payer_bank: str


async def read_confirmed_lines(tx: Transaction, line_ids: Sequence[UUID]) -> list[ConfirmedLine]:
    """The lines among these that are payments under a code of ours and were not reported by their channel."""
    return [read_row(ConfirmedLine, row) for row in await tx.fetch(_CONFIRMED, tx.organization_id, list(line_ids))]


_BOOKED = """
    SELECT named.key, payment.id AS payment_id, payment.amount, payment.provider_account_id
    FROM unnest($2::uuid[], $3::text[]) AS wanted (account_id, key)
    JOIN movement_key AS named ON named.organization_id = $1 AND named.account_id = wanted.account_id
        AND named.movement = 'received' AND named.key = wanted.key
    JOIN payment ON payment.organization_id = $1 AND payment.id = named.movement_id
    WHERE NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
        AND linked.item_kind = 'payment' AND linked.item_id = payment.id AND linked.is_live)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedLine:
    """The payment that carries the key of a line."""

    key: str
    payment_id: PaymentId
    amount: int
    provider_account_id: UUID


async def read_booked(tx: Transaction, keys: Sequence[tuple[UUID, str]]) -> dict[str, BookedLine]:
    """Payments by movement key; `keys` are account and key. A payment that is matched already is left out."""
    rows = await tx.fetch(_BOOKED, tx.organization_id, *columns(list(keys), 2))
    return {row["key"]: read_row(BookedLine, row) for row in rows}


# The same test as the last one of _CONFIRMED, for a payment that another transaction has committed since.
_REPORTED_MEANWHILE = """
    SELECT EXISTS (
        SELECT FROM payment AS booked
        JOIN intent ON intent.organization_id = $1 AND intent.id = booked.intent_id
        JOIN payment AS other ON other.organization_id = $1 AND other.intent_id = booked.intent_id
            AND other.bank_account_id = booked.bank_account_id AND other.transaction_id <> booked.transaction_id
            AND (NOT intent.is_standing OR other.amount = booked.amount
                OR vienphi_normal_reference(other.bank_reference) = vienphi_normal_reference(booked.bank_reference))
        WHERE booked.organization_id = $1 AND booked.id = ANY ($2::uuid[])
            AND booked.transaction_id = vienphi_transaction_id()
            AND NOT EXISTS (
                SELECT FROM match_item AS own
                JOIN match_item AS line ON line.organization_id = $1 AND line.match_id = own.match_id
                    AND line.item_kind || '' = 'statement_line'
                WHERE own.organization_id = $1 AND own.item_kind = 'payment' AND own.item_id = other.id
                    AND own.is_live))
"""


async def is_reported_meanwhile(tx: Transaction, payment_ids: Sequence[PaymentId]) -> bool:
    """Whether a payment under the code of one of these has come after its line was read and waits for a line itself."""
    return bool(await tx.fetchval(_REPORTED_MEANWHILE, tx.organization_id, list(payment_ids)))

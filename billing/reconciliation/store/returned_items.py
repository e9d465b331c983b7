"""What a statement line may return: a transfer of ours that came back, a charge, or money received that went back."""

from dataclasses import dataclass
from uuid import UUID

from billing.core.ids import DeliveryId, PaymentId, ProviderAccountId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.store.confirmed_lines import ConfirmedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedItem:
    """An item of the opposite amount. `is_named`: text or reference of the line has a name of the item as a word."""

    kind: ItemKind
    id: UUID
    provider_account_id: ProviderAccountId | None
    is_named: bool


# A name has six characters at least, so that no slip number of two digits is one.
_RETURNED = """
    SELECT item.item_kind AS kind, item.item_id AS id, item.provider_account_id, EXISTS (
            SELECT FROM unnest(item.names) AS name
            WHERE length(name) >= 6
                AND vienphi_names(line.bank_reference || ' ' || coalesce(written.text, ''), name)) AS is_named
    FROM active_statement_line AS line
    LEFT JOIN statement_line_text AS written ON written.organization_id = $1 AND written.line_id = line.id
    JOIN returnable_item AS item ON item.organization_id = $1 AND item.bank_account_id = line.bank_account_id
        AND item.amount = -line.amount AND item.day BETWEEN line.booked_on - 120 AND line.booked_on + 1
    WHERE line.organization_id = $1 AND line.id = $2
    ORDER BY item.item_id
"""


async def find_returned_items(tx: Transaction, line_id: UUID) -> list[ReturnedItem]:
    """The items that a line may return, by its amount and day."""
    return [read_row(ReturnedItem, row) for row in await tx.fetch(_RETURNED, tx.organization_id, line_id)]


_LINE_OF_PAYMENT = """
    SELECT line.id, line.key, account.name AS account, line.amount, line.booked_on, line.occurred_at,
        line.bank_reference, coalesce(written.text, '') AS text, '' AS payer_name, '' AS payer_account, '' AS payer_bank
    FROM active_statement_line AS line
    LEFT JOIN statement_line_text AS written ON written.organization_id = $1 AND written.line_id = line.id
    JOIN payment ON payment.organization_id = $1 AND payment.id = $3
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = payment.provider_account_id
    WHERE line.organization_id = $1 AND line.id = $2
"""

_KEYS_OF_PAYMENT = """
    SELECT movement.key FROM movement_key AS movement
    JOIN payment ON payment.organization_id = $1 AND payment.id = movement.movement_id
        AND payment.provider_account_id = movement.account_id
    WHERE movement.organization_id = $1 AND movement.movement = 'received' AND movement.movement_id = $2
    ORDER BY movement.key
"""


async def read_line_of_payment(
    tx: Transaction, line_id: UUID, payment_id: PaymentId
) -> tuple[ConfirmedLine, frozenset[str]]:
    """A line with the account of a payment of a provider, and the keys of the payment in that account."""
    row = await tx.fetchrow(_LINE_OF_PAYMENT, tx.organization_id, line_id, payment_id)
    assert row is not None, "both were found before"
    keys = await tx.fetch(_KEYS_OF_PAYMENT, tx.organization_id, payment_id)
    return read_row(ConfirmedLine, row), frozenset(each["key"] for each in keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedOutflow:
    """An outflow that was booked from a line, and its exception; `payment_id` None: no payment has the money."""

    movement_id: UUID
    exception_id: UUID | None
    payment_id: PaymentId | None


_BOOKED_OUTFLOW = """
    SELECT named.movement_id, opened.id AS exception_id, opened.payment_id
    FROM movement_key AS named
    LEFT JOIN exception_case AS opened ON opened.organization_id = $1 AND opened.delivery_id = $4
        AND opened.reason = 'unexpected_reversal' AND opened.state = 'open'
    WHERE named.organization_id = $1 AND named.account_id = $2 AND named.movement <> 'received' AND named.key = $3
"""


async def find_booked_outflow(
    tx: Transaction, account_id: ProviderAccountId, key: str, delivery_id: DeliveryId
) -> BookedOutflow | None:
    """The outflow under a key of an account, with the exception that the delivery opened."""
    row = await tx.fetchrow(_BOOKED_OUTFLOW, tx.organization_id, account_id, key, delivery_id)
    return None if row is None else read_row(BookedOutflow, row)


# The state is read again from the locked row; `is_live` of its item would be that of before the lock.
_LOCK_CHARGE = """
    SELECT match.id FROM match_item AS item
    JOIN match ON match.organization_id = $1 AND match.id = item.match_id
    WHERE item.organization_id = $1 AND item.item_kind = 'statement_line' AND item.item_id = $2 AND item.is_live
        AND match.rule = 'bank_charge' AND match.state = 'live'
    FOR NO KEY UPDATE OF match
"""

_RETURN_CHARGE = """
    INSERT INTO returned_charge (organization_id, line_id, returned_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""


async def return_charge(tx: Transaction, line_id: UUID, *, by_line: UUID) -> bool:
    """Lock the match of a booked charge and record the line that returned it; False if it is taken back or returned."""
    if await tx.fetchval(_LOCK_CHARGE, tx.organization_id, line_id) is None:
        return False
    return await tx.execute(_RETURN_CHARGE, tx.organization_id, line_id, by_line) == "INSERT 0 1"


_IS_RETURNED = """
    SELECT EXISTS (SELECT FROM returned_charge WHERE organization_id = $1 AND line_id = $2)
"""


async def is_returned(tx: Transaction, line_id: UUID) -> bool:
    """Whether a charge was given back. For a caller that has locked its match."""
    return bool(await tx.fetchval(_IS_RETURNED, tx.organization_id, line_id))

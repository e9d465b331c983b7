"""What reconciliation finds after matching: lines, items and fees that a person must decide, each with its reason.

Each query reads the state as it is now, over days from `from_day` on; an item has one cause of a kind. Source:
docs/reconciliation.md, Exceptions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from billing.core.ids import PaymentId, PersonId, ProviderAccountId, uuid7
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.exception import ExceptionReason
from billing.reconciliation.domain.match_rules import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A disagreement as it is now, in đồng. `payment_id` is the payment of ours that it concerns, if one is known.

    `concerns_id` is the item that a line probably states: it has no cause of its own.
    """

    reason: ExceptionReason
    item_kind: str
    item_id: UUID
    amount: Dong
    business_day: date
    bank_account_id: UUID | None = None
    provider_account_id: ProviderAccountId | None = None
    payment_id: PaymentId | None = None
    concerns_id: UUID | None = None


_HAS_IMPORT = """
    SELECT EXISTS (SELECT FROM reconciliation_import WHERE organization_id = $1 AND state = 'active')
"""


async def has_import(tx: Transaction) -> bool:
    """Whether a statement or report was ever imported."""
    found: bool = await tx.fetchval(_HAS_IMPORT, tx.organization_id)
    return found


# A line without a match, and the one item of ours that it may belong to: under its reference or only code with another
# amount, else of its amount and day without a name. A returned transfer names the reference of the payment in its text.
# A payout that arrives less a fee is the nearest line of its day below its net amount, more than nine tenths of it; of
# several payouts the line is that of the nearest (`decided_lines.py` matches the same).
# Open lines and waiting items are few and are found first: each look-up reads them, not every payment.
_LINE_CAUSES = r"""
    WITH open_line AS MATERIALIZED (
        SELECT line.*, written.text, vienphi_normal_reference(line.bank_reference) AS reference
        FROM active_statement_line AS line
        LEFT JOIN statement_line_text AS written ON written.organization_id = $1 AND written.line_id = line.id
        WHERE line.organization_id = $1 AND line.booked_on >= $2 AND line.id >= $3 AND NOT line.is_tentative
            AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
                AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live)
    ), waiting AS MATERIALIZED (
        SELECT item.*, vienphi_normal_reference(item.bank_reference) AS reference FROM expected_item AS item
        WHERE item.organization_id = $1 AND item.day >= $2 - 10 AND item.item_id >= $3 AND NOT item.is_at_bank
            AND item.amount > 0
            AND EXISTS (SELECT FROM open_line)
    )
    SELECT 'statement_line' AS item_kind, line.id AS item_id, abs(line.amount) AS amount,
        line.booked_on AS business_day, line.bank_account_id, NULL::uuid AS provider_account_id,
        CASE WHEN line.amount > 0 THEN coalesce(named.payment_id, same.payment_id) ELSE returned.id END AS payment_id,
        coalesce(named.item_id, payout.item_id, same.item_id) AS concerns_id,
        CASE
            WHEN sent_back.item_id IS NOT NULL THEN 'returned_transfer'
            WHEN line.amount < 0 AND line.kind <> 'movement' THEN 'bank_charge'
            WHEN line.amount < 0 AND (returned.id IS NOT NULL OR line.text ~* 'HO.?N TR|TR. L.I')
                THEN 'returned_transfer'
            WHEN line.amount < 0 AND line.text ~* '\m(PH[IÍ]|FEE|CHARGE|THU[EẾ])\M' AND line.text !~* 'VI.N PH'
                THEN 'bank_charge'
            WHEN line.amount < 0 THEN 'bank_only'
            WHEN named.amount > line.amount THEN 'amount_low'
            WHEN named.amount < line.amount THEN 'amount_high'
            WHEN payout.net IS NOT NULL THEN 'fee_withheld'
            WHEN cardinality(line.codes) > 0 AND known.id IS NOT NULL THEN 'duplicate_transfer'
            WHEN cardinality(line.codes) > 0 THEN 'callback_missing'
            WHEN same.item_id IS NOT NULL THEN 'text_unreadable'
            ELSE 'bank_only'
        END AS reason
    FROM open_line AS line
    LEFT JOIN LATERAL (
        SELECT item.item_id, item.amount, CASE item.item_kind WHEN 'payment' THEN item.item_id END AS payment_id
        FROM waiting AS item
        WHERE line.amount > 0 AND item.bank_account_id = line.bank_account_id AND item.amount <> line.amount
            AND item.day BETWEEN line.booked_on - 10 AND line.booked_on + 1
            AND ((line.reference <> '' AND item.reference = line.reference)
                OR (cardinality(line.codes) = 1 AND item.code = line.codes[1]))
        ORDER BY item.reference = line.reference DESC, item.item_id LIMIT 1
    ) AS named ON true
    LEFT JOIN LATERAL (
        SELECT item.item_id, CASE item.item_kind WHEN 'payment' THEN item.item_id END AS payment_id
        FROM waiting AS item
        WHERE line.amount > 0 AND line.codes = '{}'
            AND item.bank_account_id = line.bank_account_id AND item.amount = line.amount
            AND item.item_kind = 'payment'
            AND item.day BETWEEN line.booked_on - 1 AND line.booked_on + 1
        ORDER BY item.item_id LIMIT 1
    ) AS same ON true
    LEFT JOIN LATERAL (
        SELECT item.item_id, item.amount AS net FROM waiting AS item
        WHERE line.codes = '{}' AND item.bank_account_id = line.bank_account_id
            AND item.item_kind = 'payout' AND item.day = line.booked_on
            AND line.amount < item.amount AND line.amount * 10 > item.amount * 9
            AND NOT EXISTS (SELECT FROM open_line AS nearer WHERE nearer.bank_account_id = line.bank_account_id
                AND nearer.booked_on = line.booked_on AND nearer.codes = '{}'
                AND nearer.amount > line.amount AND nearer.amount < item.amount)
        ORDER BY item.amount, item.item_id LIMIT 1
    ) AS payout ON true
    LEFT JOIN LATERAL (
        SELECT payment.id FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
            AND payment.amount = line.amount
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY (line.codes) LIMIT 1
    ) AS known ON true
    LEFT JOIN LATERAL (
        SELECT payment.id FROM payment
        WHERE payment.organization_id = $1 AND line.amount < 0 AND payment.bank_account_id = line.bank_account_id
            AND payment.amount = -line.amount AND payment.bank_reference <> ''
            AND payment.occurred_at >= (line.booked_on - 30)::timestamp AT TIME ZONE interval '7 hours'
            AND vienphi_names(line.text, payment.bank_reference)
        ORDER BY payment.id LIMIT 1
    ) AS returned ON true
    LEFT JOIN LATERAL (
        SELECT item.item_id FROM returnable_item AS item, unnest(item.names) AS name
        WHERE item.organization_id = $1 AND line.amount > 0 AND item.amount = -line.amount
            AND item.bank_account_id = line.bank_account_id AND item.item_kind <> 'payment'
            AND item.day BETWEEN line.booked_on - 120 AND line.booked_on + 1
            AND length(name) >= 6 AND vienphi_names(line.bank_reference || ' ' || coalesce(line.text, ''), name)
        LIMIT 1
    ) AS sent_back ON true
    ORDER BY line.id
"""

# An item past its term that no line confirms, and a payment after the cut-off that the statement of its day does not
# show yet; a payment that an open line may be is decided with that line.
_ITEM_CAUSES = """
    SELECT item.item_kind, item.item_id, abs(item.amount) AS amount, item.day AS business_day, item.bank_account_id,
        item.provider_account_id, CASE item.item_kind WHEN 'payment' THEN item.item_id END AS payment_id,
        CASE
            WHEN item.due_on >= $3 THEN 'after_cut_off'
            WHEN item.item_kind IN ('payout', 'card_batch') THEN 'payout_not_seen'
            WHEN item.item_kind = 'payment' AND item.provider_account_id IS NULL THEN 'manual_confirmation_not_seen'
            ELSE 'ledger_only'
        END AS reason
    FROM expected_item AS item
    WHERE item.organization_id = $1 AND item.day >= $2 AND item.item_id >= $5 AND NOT item.is_at_bank
        AND (item.due_on < $3 OR item.item_kind = 'payment' AND EXISTS (SELECT FROM payment
            WHERE payment.organization_id = $1 AND payment.id = item.item_id
                AND (payment.occurred_at AT TIME ZONE interval '7 hours')::time >= $4))
        AND EXISTS (SELECT FROM bank_statement AS stated
            JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = stated.import_id
                AND import.state = 'active' AND NOT import.is_intraday
            WHERE stated.organization_id = $1 AND stated.bank_account_id = item.bank_account_id
                AND stated.to_day >= CASE WHEN item.due_on < $3 THEN item.due_on ELSE item.day END)
    ORDER BY item.item_kind, item.item_id
"""

_SETTLEMENT_CAUSES = """
    SELECT 'settlement_line' AS item_kind, line.id AS item_id, line.amount,
        coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on, $3) AS business_day,
        NULL::uuid AS bank_account_id, line.provider_account_id, NULL::uuid AS payment_id, 'provider_only' AS reason
    FROM active_settlement_line AS line
    WHERE line.organization_id = $1 AND line.id >= $5
        AND coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on, $3) >= $2
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'settlement_line' AND linked.item_id = line.id AND linked.is_live)
    UNION ALL
    SELECT 'settlement_line', fee.settlement_line_id, abs(fee.fee - fee.expected_fee),
        coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on, $3), NULL,
        fee.provider_account_id, NULL, 'fee_variance'
    FROM settlement_fee AS fee
    JOIN settlement_line AS line ON line.organization_id = $1 AND line.id = fee.settlement_line_id
    WHERE fee.organization_id = $1 AND fee.settlement_line_id >= $5 AND fee.movement = 'received'
        AND abs(fee.fee - fee.expected_fee) > $4
        AND coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on, $3) >= $2
    ORDER BY 1, 2
"""

# A payment of a provider that pays out, which its reports of that day or of later days do not state: after the cut-off
# it is in the next report; past its term it is in the ledger only. The last reports of an account state how far it
# reports: all of its lines would be read every minute.
_UNREPORTED_CAUSES = """
    WITH channel AS MATERIALIZED (
        SELECT account.provider_account_id, (
            SELECT max(line.occurred_at) FROM (
                SELECT import.id FROM reconciliation_import AS import
                WHERE import.organization_id = $1 AND import.provider_account_id = account.provider_account_id
                    AND import.state = 'active'
                ORDER BY import.id DESC LIMIT 7
            ) AS newest
            JOIN settlement_line AS line ON line.organization_id = $1 AND line.import_id = newest.id
        ) AS reported_until
        FROM provider_channel AS account
        WHERE account.organization_id = $1 AND account.pays_out
    )
    SELECT 'payment' AS item_kind, payment.id AS item_id, payment.amount, paid.day AS business_day,
        NULL::uuid AS bank_account_id, payment.provider_account_id, payment.id AS payment_id,
        CASE WHEN paid.due_on >= $3 THEN 'after_cut_off' ELSE 'ledger_only' END AS reason
    FROM payment
    JOIN channel ON channel.provider_account_id = payment.provider_account_id AND channel.reported_until IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT (payment.occurred_at AT TIME ZONE interval '7 hours')::date AS day,
            vienphi_working_day_after((payment.occurred_at AT TIME ZONE interval '7 hours')::date, $5) AS due_on
    ) AS paid
    WHERE payment.organization_id = $1 AND payment.id >= $6 AND payment.method = 'provider'
        AND payment.occurred_at >= $2::timestamp AT TIME ZONE interval '7 hours'
        AND (paid.due_on < $3 OR (payment.occurred_at AT TIME ZONE interval '7 hours')::time >= $4)
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'payment' AND linked.item_id = payment.id AND linked.is_live)
        AND NOT EXISTS (SELECT FROM declared_duplicate AS declared WHERE declared.organization_id = $1
            AND declared.payment_id = payment.id)
        AND channel.reported_until >= (CASE WHEN paid.due_on < $3 THEN paid.due_on ELSE paid.day END)::timestamp
            AT TIME ZONE interval '7 hours'
    ORDER BY payment.id
"""

# A card payment past its term that no batch of its terminal states. Where a batch lists no slips and its total differs,
# the batch itself names the difference.
_UNBATCHED_CAUSES = """
    SELECT 'payment' AS item_kind, slip.payment_id AS item_id, slip.amount, slip.day AS business_day,
        terminal.bank_account_id, NULL::uuid AS provider_account_id, slip.payment_id, 'ledger_only' AS reason
    FROM card_slip AS slip
    JOIN card_terminal AS terminal ON terminal.organization_id = $1 AND terminal.id = slip.terminal_id
    WHERE slip.organization_id = $1 AND slip.payment_id >= $5 AND slip.day >= $2 AND slip.batch_id IS NULL
        AND vienphi_working_day_after(slip.day, $4) < $3
        AND NOT EXISTS (SELECT FROM card_batch AS batch WHERE batch.organization_id = $1
            AND batch.terminal_id = slip.terminal_id AND batch.day = slip.day
            AND batch.differences @> '[{"kind": "other_total"}]')
    ORDER BY slip.payment_id
"""

# One exception of a payout whose fees no contract explains.
_PAYOUT_FEE_CAUSES = """
    SELECT 'payout' AS item_kind, payout.id AS item_id, sum(fee.fee)::bigint AS amount,
        payout.paid_out_on AS business_day, NULL::uuid AS bank_account_id, payout.provider_account_id,
        NULL::uuid AS payment_id, 'fee_data_missing' AS reason
    FROM payout
    JOIN active_settlement_line AS line ON line.organization_id = $1
        AND line.provider_account_id = payout.provider_account_id AND line.paid_out_on = payout.paid_out_on
        AND line.payout_number = payout.number
    JOIN settlement_fee AS fee ON fee.organization_id = $1 AND fee.settlement_line_id = line.id
        AND fee.movement = 'received' AND fee.fee > 0 AND fee.expected_fee IS NULL
    WHERE payout.organization_id = $1 AND payout.paid_out_on >= $2
    GROUP BY payout.id, payout.paid_out_on, payout.provider_account_id
    ORDER BY payout.id
"""


async def read_causes(tx: Transaction, rules: RuleSet, *, from_day: date, today: date) -> list[Cause]:
    """Every cause of the days from `from_day` on; an item that an open line concerns has no cause of its own.

    Rows whose ids are older than the days are not read.
    """
    organization, since_id = tx.organization_id, _first_id(from_day)
    line_day = from_day - timedelta(days=1)  # a line of the day before may concern an item of the first day
    lines = [read_row(Cause, row) for row in await tx.fetch(_LINE_CAUSES, organization, line_day, since_id)]
    due = await tx.fetch(_ITEM_CAUSES, organization, from_day, today, rules.cut_off, since_id)
    items = [read_row(Cause, row) for row in due]
    term = rules.terms.get("payment", 1)
    unreported = await tx.fetch(_UNREPORTED_CAUSES, organization, from_day, today, rules.cut_off, term, since_id)
    items += [read_row(Cause, row) for row in unreported]
    batch_term = rules.terms.get("card_batch", 1)
    unbatched = await tx.fetch(_UNBATCHED_CAUSES, organization, from_day, today, batch_term, since_id)
    items += [read_row(Cause, row) for row in unbatched]
    reported = await tx.fetch(_SETTLEMENT_CAUSES, organization, from_day, today, rules.fee_tolerance, since_id)
    fees = await tx.fetch(_PAYOUT_FEE_CAUSES, organization, from_day)
    concerned = {each for line in lines for each in (line.payment_id, line.concerns_id) if each is not None}
    return [
        *(line for line in lines if line.business_day >= from_day),
        *(item for item in items if item.item_id not in concerned),
        *(read_row(Cause, row) for row in (*reported, *fees)),
    ]


_WRITTEN_BEFORE = timedelta(days=60)
"""How long before its day a row may be written: a refund is requested, or a payout announced."""


def _first_id(day: date) -> UUID:
    """The smallest id of the rows of a day: an id contains the time at which the row was written."""
    begin = datetime.combine(day - _WRITTEN_BEFORE, time(), tzinfo=UTC)
    return uuid7(int(begin.timestamp() * 1000), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownException:
    """An exception of an item, in đồng. `is_decided`: a person's decision that stands has closed it."""

    id: UUID
    reason: ExceptionReason
    item_kind: str
    item_id: UUID
    amount: Dong
    is_open: bool
    is_decided: bool


_KNOWN = """
    SELECT one.id, one.reason, one.item_kind, one.item_id, one.amount, one.state = 'open' AS is_open,
        one.state = 'closed' AND one.changed_by IS NOT NULL AS is_decided
    FROM exception_case AS one
    WHERE one.organization_id = $1 AND one.item_id IS NOT NULL AND one.reason = ANY ($3::text[])
        AND one.business_day >= $2
    ORDER BY one.id
"""


async def read_known(tx: Transaction, reasons: Sequence[ExceptionReason], *, from_day: date) -> list[KnownException]:
    """The exceptions of items for these reasons, open and closed, of the days from `from_day` on."""
    names = [reason.value for reason in reasons]
    return [read_row(KnownException, row) for row in await tx.fetch(_KNOWN, tx.organization_id, from_day, names)]


_OPEN = """
    INSERT INTO exception_case (organization_id, id, reason, state, amount, provider_account_id, payment_id, item_kind,
        item_id, bank_account_id, business_day, opened_at, due_at, owner_id)
    SELECT $1, t.id, t.reason, 'open', t.amount, t.provider_account_id, t.payment_id, t.item_kind, t.item_id,
        t.bank_account_id, t.business_day, $2::timestamptz, $2::timestamptz + t.due, t.owner_id
    FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::uuid[], $7::uuid[], $8::text[], $9::uuid[], $10::uuid[],
        $11::date[], $12::interval[], $13::uuid[])
        AS t (id, reason, amount, provider_account_id, payment_id, item_kind, item_id, bank_account_id, business_day,
            due, owner_id)
    ON CONFLICT (organization_id, item_kind, item_id, reason) WHERE state = 'open' AND item_id IS NOT NULL DO NOTHING
"""


async def open_exceptions(
    tx: Transaction, causes: Sequence[tuple[UUID, Cause, timedelta, PersonId | None]], *, at: datetime
) -> int:
    """Open an exception for each cause: id, cause, time until due, owner. Returns how many were opened."""
    rows = [
        (
            exception_id,
            cause.reason.value,
            cause.amount,
            cause.provider_account_id,
            cause.payment_id,
            cause.item_kind,
            cause.item_id,
            cause.bank_account_id,
            cause.business_day,
            due,
            owner_id,
        )
        for exception_id, cause, due, owner_id in causes
    ]
    return int((await tx.execute(_OPEN, tx.organization_id, at, *columns(rows, 11))).rpartition(" ")[2])

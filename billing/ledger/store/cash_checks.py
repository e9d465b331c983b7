"""Checks of cash: shifts in their order, counts, drawers, and receipts with their numbers, parts, cash and voids."""

from collections.abc import Sequence

from billing.ledger.store.check import LedgerCheck

CASH_CHECKS: Sequence[LedgerCheck] = (
    LedgerCheck(
        "shifts-begin-with-what-was-left",
        "the expected float of a shift is what the earlier shifts of its desk left",
        """
        SELECT 'shift ' || shift.id AS subject, shift.expected_float::text AS expected, before.amount::text AS found
        FROM (
            SELECT shift.id, shift.expected_float, shift.desk_id FROM shift WHERE shift.organization_id = $1
        ) AS shift
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(event.amount), 0) AS amount
            FROM shift AS earlier
            JOIN shift_event AS event ON event.organization_id = $1 AND event.shift_id = earlier.id
            WHERE earlier.organization_id = $1 AND earlier.desk_id = shift.desk_id AND earlier.id < shift.id
        ) AS before
        WHERE shift.expected_float <> before.amount
        """,
    ),
    LedgerCheck(
        "counted-cash-is-booked",
        "the count of an ended shift is its expected cash and what is booked as over or short",
        """
        SELECT 'shift ' || shift.id AS subject, shift.counted_cash::text AS expected,
            (shift.expected_cash + coalesce(booked.amount, 0))::text AS found
        FROM shift
        LEFT JOIN (
            SELECT shift_id, sum(amount) AS amount FROM shift_event
            WHERE organization_id = $1 AND kind IN ('over', 'short') GROUP BY shift_id
        ) AS booked ON booked.shift_id = shift.id
        WHERE shift.organization_id = $1
            AND coalesce(shift.counted_cash - shift.expected_cash, 0) <> coalesce(booked.amount, 0)
        """,
    ),
    LedgerCheck(
        "receipts-move-their-cash",
        "the cash of a valid receipt is in the drawer, and that of a void one has left it again",
        """
        SELECT 'receipt ' || receipt.series || receipt.year || '-' || receipt.number AS subject,
            paper.amount::text AS expected, coalesce(moved.amount, 0)::text AS found
        FROM receipt
        CROSS JOIN LATERAL (
            SELECT CASE WHEN receipt.state = 'void' THEN 0 WHEN receipt.direction = 'in' THEN coalesce(sum(amount), 0)
                ELSE -coalesce(sum(amount), 0) END AS amount
            FROM receipt_part
            WHERE organization_id = $1 AND receipt_id = receipt.id AND method = 'cash'
        ) AS paper
        LEFT JOIN (
            SELECT receipt_id, sum(amount) AS amount FROM shift_event WHERE organization_id = $1 GROUP BY receipt_id
        ) AS moved ON moved.receipt_id = receipt.id
        WHERE receipt.organization_id = $1 AND paper.amount <> coalesce(moved.amount, 0)
        """,
    ),
    LedgerCheck(
        "receipt-moves-agree",
        "the shift that a moved receipt names is that of its last move, and its cash is in that shift",
        """
        SELECT 'receipt ' || receipt.series || receipt.year || '-' || receipt.number AS subject,
            concat_ws(' ', last.to_shift_id, last.cash) AS expected,
            concat_ws(' ', receipt.moved_to, last.held) AS found
        FROM receipt
        LEFT JOIN LATERAL (
            SELECT move.to_shift_id,
                (SELECT coalesce(sum(amount), 0) FROM receipt_part WHERE organization_id = $1
                    AND receipt_id = receipt.id AND method = 'cash' AND receipt.state = 'valid') AS cash,
                (SELECT coalesce(sum(amount), 0) FROM shift_event WHERE organization_id = $1
                    AND receipt_id = receipt.id AND shift_id = move.to_shift_id) AS held
            FROM receipt_move AS move
            WHERE move.organization_id = $1 AND move.receipt_id = receipt.id ORDER BY move.id DESC LIMIT 1
        ) AS last ON true
        WHERE receipt.organization_id = $1 AND (receipt.moved_to IS NOT NULL OR last.to_shift_id IS NOT NULL)
            AND (receipt.moved_to IS DISTINCT FROM last.to_shift_id OR last.cash <> last.held)
        """,
    ),
    LedgerCheck(
        "receipt-voids-agree",
        "every void receipt has its sealed void, with reason, time and person",
        """
        SELECT 'receipt ' || coalesce(receipt.series || receipt.year || '-' || receipt.number, voided.receipt_id::text)
                AS subject,
            concat_ws(' ', receipt.voided_by, receipt.voided_at) AS expected,
            concat_ws(' ', voided.voided_by, voided.voided_at) AS found
        FROM (SELECT * FROM receipt WHERE organization_id = $1) AS receipt
        FULL JOIN (SELECT * FROM receipt_void WHERE organization_id = $1) AS voided ON voided.receipt_id = receipt.id
        WHERE (receipt.state = 'void' OR voided.receipt_id IS NOT NULL)
            AND (receipt.void_reason, receipt.voided_at, receipt.voided_by)
                IS DISTINCT FROM (voided.reason, voided.voided_at, voided.voided_by)
        """,
    ),
    LedgerCheck(
        "drawers-sum-their-events",
        "the cash of a desk in the journal is the sum of the events of its shifts",
        """
        SELECT 'desk ' || coalesce(counted.desk, booked.subject) AS subject,
            coalesce(counted.amount, 0)::text AS expected, coalesce(booked.amount, 0)::text AS found
        FROM (
            SELECT shift.desk_id::text AS desk, sum(event.amount) AS amount
            FROM shift_event AS event
            JOIN shift ON shift.organization_id = $1 AND shift.id = event.shift_id
            WHERE event.organization_id = $1 GROUP BY shift.desk_id
        ) AS counted
        FULL JOIN (
            SELECT account.subject, sum(CASE WHEN posting.debit_account_id = account.id THEN posting.amount
                ELSE -posting.amount END) AS amount
            FROM posting
            JOIN ledger_account AS account ON account.organization_id = $1 AND account.role = 'cash_drawer'
                AND account.id IN (posting.debit_account_id, posting.credit_account_id)
            WHERE posting.organization_id = $1 GROUP BY account.subject
        ) AS booked ON booked.subject = counted.desk
        WHERE coalesce(counted.amount, 0) <> coalesce(booked.amount, 0)
        """,
    ),
    LedgerCheck(
        "receipts-without-gaps",
        "the numbers of a receipt series have no gap, reserved blocks apart",
        """
        SELECT 'series ' || series.name || ' ' || series.year || ' number ' || given.number AS subject,
            'a receipt or a reserved block' AS expected, 'none' AS found
        FROM series
        CROSS JOIN LATERAL generate_series(1, series.last_number) AS given (number)
        WHERE series.organization_id = $1
            AND EXISTS (SELECT FROM receipt WHERE receipt.organization_id = $1 AND receipt.series = series.name
                AND receipt.year = series.year)
            AND NOT EXISTS (SELECT FROM receipt WHERE receipt.organization_id = $1 AND receipt.series = series.name
                AND receipt.year = series.year AND receipt.number = given.number)
            AND NOT EXISTS (SELECT FROM receipt_block AS block WHERE block.organization_id = $1
                AND block.series = series.name AND block.year = series.year
                AND given.number BETWEEN block.first_number AND block.last_number)
        """,
    ),
    LedgerCheck(
        "receipts-sum-their-parts",
        "the parts of a receipt sum to its amount",
        """
        SELECT 'receipt ' || receipt.series || '-' || receipt.number AS subject, receipt.amount::text AS expected,
            coalesce(parts.amount, 0)::text AS found
        FROM receipt
        LEFT JOIN (
            SELECT receipt_id, sum(amount) AS amount FROM receipt_part WHERE organization_id = $1 GROUP BY receipt_id
        ) AS parts ON parts.receipt_id = receipt.id
        WHERE receipt.organization_id = $1 AND receipt.amount <> coalesce(parts.amount, 0)
        """,
    ),
)

"""Checks of the books: each compares two independent records of the same amount and returns the mismatches.

Every check is one statement, so it reads one database snapshot while payments arrive.
"""

from collections.abc import Sequence

from billing.ledger.store.cash_checks import CASH_CHECKS
from billing.ledger.store.check import LedgerCheck
from billing.ledger.store.day_checks import DAY_CHECKS
from billing.ledger.store.guarantee_checks import GUARANTEE_CHECKS

CHECKS: Sequence[LedgerCheck] = (
    LedgerCheck(
        "entries-have-postings",
        "every journal entry moves money",
        """
        SELECT 'entry ' || entry.id AS subject, 'postings' AS expected, 'none' AS found
        FROM journal_entry AS entry
        WHERE entry.organization_id = $1 AND NOT EXISTS (SELECT FROM posting
            WHERE posting.organization_id = $1 AND posting.entry_id = entry.id)
        """,
    ),
    LedgerCheck(
        "invoices-recognised",
        "the shares of an invoice and its corrections are posted in the journal",
        """
        SELECT 'invoice ' || invoice.number AS subject,
            (invoice.total + coalesce(corrected.amount, 0))::text AS expected, coalesce(booked.amount, 0)::text AS found
        FROM invoice_state AS invoice
        LEFT JOIN (
            SELECT invoice_id, sum(patient + other + insurer + private) AS amount FROM correction
            WHERE organization_id = $1 AND kind = 'price' GROUP BY invoice_id
        ) AS corrected ON corrected.invoice_id = invoice.id
        LEFT JOIN (
            SELECT posting.invoice_id, sum(CASE WHEN credited.role = 'revenue' THEN posting.amount ELSE 0 END
                - CASE WHEN debited.role = 'revenue' THEN posting.amount ELSE 0 END) AS amount
            FROM posting
            JOIN ledger_account AS debited ON debited.organization_id = $1 AND debited.id = posting.debit_account_id
            JOIN ledger_account AS credited ON credited.organization_id = $1 AND credited.id = posting.credit_account_id
            WHERE posting.organization_id = $1 AND posting.invoice_id IS NOT NULL
            GROUP BY posting.invoice_id
        ) AS booked ON booked.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.state = 'issued'
            AND invoice.total + coalesce(corrected.amount, 0) <> coalesce(booked.amount, 0)
        """,
    ),
    LedgerCheck(
        "invoices-sum-their-corrections",
        "the corrections of an invoice sum to what its patient share changed by",
        """
        SELECT 'invoice ' || invoice.number AS subject, invoice.corrections::text AS expected,
            coalesce(corrected.amount, 0)::text AS found
        FROM invoice
        LEFT JOIN (
            SELECT invoice_id, sum(patient) AS amount FROM correction WHERE organization_id = $1 GROUP BY invoice_id
        ) AS corrected ON corrected.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.corrections <> coalesce(corrected.amount, 0)
        """,
    ),
    LedgerCheck(
        "invoices-owe-their-receivable",
        "what an invoice still owes is its receivable in the journal",
        """
        SELECT 'invoice ' || invoice.number AS subject, invoice.owed::text AS expected,
            coalesce(booked.amount, 0)::text AS found
        FROM invoice
        LEFT JOIN (
            SELECT posting.invoice_id, sum(CASE WHEN debited.role = 'receivable_patient' THEN posting.amount ELSE 0 END
                - CASE WHEN credited.role = 'receivable_patient' THEN posting.amount ELSE 0 END) AS amount
            FROM posting
            JOIN ledger_account AS debited ON debited.organization_id = $1 AND debited.id = posting.debit_account_id
            JOIN ledger_account AS credited ON credited.organization_id = $1 AND credited.id = posting.credit_account_id
            WHERE posting.organization_id = $1 AND posting.invoice_id IS NOT NULL
            GROUP BY posting.invoice_id
        ) AS booked ON booked.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.owed - coalesce(booked.amount, 0) <> 0
        """,
    ),
    LedgerCheck(
        "invoices-hold-their-allocations",
        "what was allocated to an invoice is the sum of its live allocations",
        """
        SELECT 'invoice ' || invoice.number AS subject, invoice.allocated::text AS expected,
            coalesce(live.amount, 0)::text AS found
        FROM invoice
        LEFT JOIN (
            SELECT allocation.invoice_id, sum(allocation.amount) AS amount FROM allocation
            WHERE allocation.organization_id = $1 AND allocation.target = 'invoice' AND allocation.reverses_id IS NULL
                AND NOT EXISTS (SELECT FROM allocation AS reversing
                    WHERE reversing.organization_id = $1 AND reversing.reverses_id = allocation.id)
            GROUP BY allocation.invoice_id
        ) AS live ON live.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.allocated <> coalesce(live.amount, 0)
        """,
    ),
    LedgerCheck(
        "deposits-hold-their-allocations",
        "what a deposit holds is the sum of its live allocations",
        """
        SELECT 'deposit ' || deposit.id AS subject, deposit.held::text AS expected,
            coalesce(live.amount, 0)::text AS found
        FROM deposit
        LEFT JOIN (
            SELECT allocation.deposit_id, sum(allocation.amount) AS amount FROM allocation
            WHERE allocation.organization_id = $1 AND allocation.target = 'deposit' AND allocation.reverses_id IS NULL
                AND NOT EXISTS (SELECT FROM allocation AS reversing
                    WHERE reversing.organization_id = $1 AND reversing.reverses_id = allocation.id)
            GROUP BY allocation.deposit_id
        ) AS live ON live.deposit_id = deposit.id
        WHERE deposit.organization_id = $1 AND deposit.held <> coalesce(live.amount, 0)
        """,
    ),
    LedgerCheck(
        "payments-are-placed-once",
        "every đồng of a payment is in one place, or has left again",
        """
        SELECT 'payment ' || payment.id AS subject,
            concat_ws('/', payment.amount, payment.amount - position.refunded, position.on_invoices,
                position.on_deposits, position.on_guarantees, position.credit, position.unallocated,
                position.refund_reserved) AS expected,
            concat_ws('/', position.amount, coalesce(live.amount, 0), coalesce(live.on_invoices, 0),
                coalesce(live.on_deposits, 0), coalesce(live.on_guarantees, 0), coalesce(live.credit, 0),
                coalesce(live.unallocated, 0), coalesce(live.refund_reserved, 0)) AS found
        FROM payment
        LEFT JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
        LEFT JOIN (
            SELECT allocation.payment_id, sum(allocation.amount) AS amount,
                coalesce(sum(allocation.amount) FILTER (WHERE target = 'invoice'), 0) AS on_invoices,
                coalesce(sum(allocation.amount) FILTER (WHERE target = 'deposit'), 0) AS on_deposits,
                coalesce(sum(allocation.amount) FILTER (WHERE target = 'guarantee'), 0) AS on_guarantees,
                coalesce(sum(allocation.amount) FILTER (WHERE target = 'credit'), 0) AS credit,
                coalesce(sum(allocation.amount) FILTER (WHERE target = 'unallocated'), 0) AS unallocated,
                coalesce(sum(allocation.amount) FILTER (WHERE target = 'refund'), 0) AS refund_reserved
            FROM allocation WHERE allocation.organization_id = $1 AND allocation.reverses_id IS NULL
                AND NOT EXISTS (SELECT FROM allocation AS reversing
                    WHERE reversing.organization_id = $1 AND reversing.reverses_id = allocation.id)
            GROUP BY allocation.payment_id
        ) AS live ON live.payment_id = payment.id
        WHERE payment.organization_id = $1
            AND (payment.amount, payment.amount - position.refunded, position.on_invoices, position.on_deposits,
                    position.on_guarantees, position.credit, position.unallocated, position.refund_reserved)
                IS DISTINCT FROM
                (position.amount, coalesce(live.amount, 0)::bigint, coalesce(live.on_invoices, 0)::bigint,
                    coalesce(live.on_deposits, 0)::bigint, coalesce(live.on_guarantees, 0)::bigint,
                    coalesce(live.credit, 0)::bigint,
                    coalesce(live.unallocated, 0)::bigint, coalesce(live.refund_reserved, 0)::bigint)
        """,
    ),
    LedgerCheck(
        "payments-are-booked-once",
        "every payment stands once in the journal, with its amount, on the clearing account or in the drawer",
        """
        SELECT 'payment ' || coalesce(payment.id, booked.payment_id) AS subject,
            coalesce(payment.amount, 0) || ' in 1 entry' AS expected,
            coalesce(booked.amount, 0) || ' in ' || coalesce(booked.entries, 0) || ' entries' AS found
        FROM (SELECT id, amount FROM payment WHERE organization_id = $1) AS payment
        FULL JOIN (
            SELECT posting.payment_id, sum(posting.amount) AS amount, count(DISTINCT posting.entry_id) AS entries
            FROM posting
            JOIN ledger_account AS debited ON debited.organization_id = $1 AND debited.id = posting.debit_account_id
            WHERE posting.organization_id = $1 AND posting.payment_id IS NOT NULL
                AND debited.role IN ('clearing', 'cash_drawer')
                -- A declared duplicate was counted again: the decision that reverts the declaration names the entry.
                AND NOT EXISTS (SELECT FROM exception_decision_entry AS decided
                    JOIN exception_decision AS reverting ON reverting.organization_id = $1
                        AND reverting.id = decided.decision_id AND reverting.reverts_id IS NOT NULL
                    WHERE decided.organization_id = $1 AND decided.entry_id = posting.entry_id)
            GROUP BY posting.payment_id
        ) AS booked ON booked.payment_id = payment.id
        WHERE payment.amount IS DISTINCT FROM booked.amount OR booked.entries <> 1
        """,
    ),
    LedgerCheck(
        "payments-have-names",
        "every payment of a provider has a key that keeps it from being booked again, and every key its payment",
        """
        SELECT 'payment ' || coalesce(payment.id, named.movement_id) AS subject,
            coalesce(payment.amount, 0)::text AS expected,
            CASE WHEN named.movement_id IS NULL THEN 'no key' ELSE 'a key' END AS found
        FROM (SELECT id, amount FROM payment WHERE organization_id = $1 AND method = 'provider') AS payment
        FULL JOIN (SELECT DISTINCT movement_id FROM movement_key WHERE organization_id = $1
            AND movement = 'received') AS named
            ON named.movement_id = payment.id
        WHERE payment.id IS NULL OR named.movement_id IS NULL
        """,
    ),
    LedgerCheck(
        "bank-references-have-payments",
        "every bank reference of received money stands with a payment",
        """
        SELECT 'bank reference ' || used.reference AS subject, 'a payment' AS expected, 'none' AS found
        FROM bank_reference AS used
        WHERE used.organization_id = $1 AND used.movement = 'received' AND NOT EXISTS (
            SELECT FROM payment WHERE payment.organization_id = $1 AND payment.id = used.payment_id)
        """,
    ),
    LedgerCheck(
        "intents-count-their-money",
        "what came under a reference code, less what providers took back, is the sum of its payments",
        """
        SELECT 'intent ' || intent.reference_code AS subject, intent.received::text AS expected,
            coalesce(paid.amount, 0)::text AS found
        FROM intent
        LEFT JOIN (
            SELECT payment.intent_id, sum(payment.amount - position.refunded + coalesce(ours.amount, 0)) AS amount
            FROM payment
            JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
            LEFT JOIN (
                SELECT payment_id, sum(CASE reason WHEN 'refund_sent' THEN amount ELSE -amount END) AS amount
                FROM allocation
                WHERE organization_id = $1 AND (
                    target = 'refund' AND reverses_id IS NOT NULL AND reason = 'refund_sent'
                    OR reverses_id IS NULL AND reason = 'refund_returned')
                GROUP BY payment_id
            ) AS ours ON ours.payment_id = payment.id
            WHERE payment.organization_id = $1
            GROUP BY payment.intent_id
        ) AS paid ON paid.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.received <> coalesce(paid.amount, 0)
        """,
    ),
    LedgerCheck(
        "credit-and-unallocated-agree",
        "deposits, credit, unallocated and reserved money in the payments are what the journal holds after its opening",
        """
        SELECT 'account ' || places.role AS subject, places.amount::text AS expected,
            coalesce(booked.amount, 0)::text AS found
        FROM (
            SELECT 'patient_credit' AS role, coalesce(sum(credit), 0) AS amount
            FROM payment_position WHERE organization_id = $1
            UNION ALL
            SELECT 'unallocated', coalesce(sum(unallocated), 0) FROM payment_position WHERE organization_id = $1
            UNION ALL
            SELECT 'deposit', coalesce(sum(on_deposits), 0) FROM payment_position WHERE organization_id = $1
            UNION ALL
            SELECT 'refund_in_transit', coalesce(sum(refund_reserved), 0)
            FROM payment_position WHERE organization_id = $1
        ) AS places
        LEFT JOIN (
            SELECT account.role, sum(CASE WHEN posting.credit_account_id = account.id THEN posting.amount
                ELSE -posting.amount END) AS amount
            FROM posting
            JOIN ledger_account AS account ON account.organization_id = $1
                AND account.id IN (posting.debit_account_id, posting.credit_account_id)
            WHERE posting.organization_id = $1 AND posting.entry_id IS DISTINCT FROM (
                SELECT id FROM journal_entry WHERE organization_id = $1 AND kind = 'opening_balances')
            GROUP BY account.role
        ) AS booked ON booked.role = places.role
        WHERE places.amount <> coalesce(booked.amount, 0)
        """,
    ),
    LedgerCheck(
        "reversals-mirror",
        "every reversal moves back exactly what its entry moved",
        """
        SELECT 'entry ' || reversal.reversed_entry_id AS subject, 'mirrored' AS expected, 'differs' AS found
        FROM reversal
        WHERE reversal.organization_id = $1 AND EXISTS (
            (SELECT debit_account_id, credit_account_id, amount, invoice_id, payment_id FROM posting
             WHERE organization_id = $1 AND entry_id = reversal.reversed_entry_id
             EXCEPT ALL
             SELECT credit_account_id, debit_account_id, amount, invoice_id, payment_id FROM posting
             WHERE organization_id = $1 AND entry_id = reversal.entry_id)
            UNION ALL
            (SELECT credit_account_id, debit_account_id, amount, invoice_id, payment_id FROM posting
             WHERE organization_id = $1 AND entry_id = reversal.entry_id
             EXCEPT ALL
             SELECT debit_account_id, credit_account_id, amount, invoice_id, payment_id FROM posting
             WHERE organization_id = $1 AND entry_id = reversal.reversed_entry_id))
        """,
    ),
    *CASH_CHECKS,
    *GUARANTEE_CHECKS,
    *DAY_CHECKS,
)

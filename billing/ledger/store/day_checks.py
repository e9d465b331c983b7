"""Checks of the data derived from the journal: snapshots, locked balances, closings and the chain of seals.

`checks.py` has the checks of amounts; `service/verify.py` recomputes the hash of each seal.
"""

from collections.abc import Sequence

from billing.ledger.store.check import LedgerCheck

DAY_CHECKS: Sequence[LedgerCheck] = (
    LedgerCheck(
        "snapshots-equal-recomputation",
        "what the snapshots hold is the sum of all postings before their watermark",
        """
        WITH finished AS (
            SELECT posting.debit_account_id, posting.credit_account_id, posting.amount, entry.accounting_date
            FROM posting
            JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = posting.entry_id
            WHERE posting.organization_id = $1 AND posting.transaction_id < coalesce(
                (SELECT covers_until FROM balance_watermark WHERE organization_id = $1), '0'::xid8)
        ), recomputed AS (
            SELECT account_id, accounting_date, sum(debit) AS debit, sum(credit) AS credit FROM (
                SELECT debit_account_id AS account_id, accounting_date, amount AS debit, 0 AS credit FROM finished
                UNION ALL
                SELECT credit_account_id, accounting_date, 0, amount FROM finished
            ) AS sides GROUP BY account_id, accounting_date
        )
        SELECT 'account ' || account_id || ' on ' || accounting_date AS subject,
            coalesce(recomputed.debit, 0) || '/' || coalesce(recomputed.credit, 0) AS expected,
            coalesce(kept.debit, 0) || '/' || coalesce(kept.credit, 0) AS found
        FROM recomputed
        FULL JOIN (SELECT account_id, accounting_date, debit, credit FROM balance_snapshot
            WHERE organization_id = $1) AS kept USING (account_id, accounting_date)
        WHERE (coalesce(recomputed.debit, 0), coalesce(recomputed.credit, 0))
            <> (coalesce(kept.debit, 0), coalesce(kept.credit, 0))
        """,
    ),
    LedgerCheck(
        "inline-balances-equal-recomputation",
        "what a locked balance holds is the sum of its account's postings",
        """
        SELECT 'account ' || account.id AS subject, coalesce(booked.debit - booked.credit, 0)::text AS expected,
            coalesce(CASE account.normal_side WHEN 'debit' THEN kept.balance ELSE -kept.balance END::text, 'no row')
                AS found
        FROM ledger_account AS account
        LEFT JOIN inline_balance AS kept ON kept.organization_id = $1 AND kept.account_id = account.id
        LEFT JOIN (
            SELECT account_id, sum(debit) AS debit, sum(credit) AS credit FROM (
                SELECT debit_account_id AS account_id, amount AS debit, 0 AS credit FROM posting
                WHERE organization_id = $1
                UNION ALL
                SELECT credit_account_id, 0, amount FROM posting WHERE organization_id = $1
            ) AS sides GROUP BY account_id
        ) AS booked ON booked.account_id = account.id
        WHERE account.organization_id = $1 AND account.kind = 'inline'
            AND CASE account.normal_side WHEN 'debit' THEN kept.balance ELSE -kept.balance END
                IS DISTINCT FROM coalesce(booked.debit - booked.credit, 0)
        """,
    ),
    LedgerCheck(
        "closed-days-hold-what-they-held",
        "a closed day has its closing, and holds the entries and the amount that it had when it closed",
        """
        SELECT 'day ' || day.day AS subject,
            coalesce(closing.entries || ' entries, ' || closing.amount, 'no closing') AS expected,
            coalesce(held.entries, 0) || ' entries, ' || coalesce(held.amount, 0) || ', ' || day.state AS found
        FROM business_day AS day
        LEFT JOIN day_closing AS closing ON closing.organization_id = $1 AND closing.day = day.day
        LEFT JOIN (
            SELECT entry.accounting_date, count(DISTINCT entry.id) AS entries, sum(posting.amount) AS amount
            FROM journal_entry AS entry
            JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
            WHERE entry.organization_id = $1 GROUP BY entry.accounting_date
        ) AS held ON held.accounting_date = day.day
        WHERE day.organization_id = $1 AND (
            (day.state = 'closed') <> (closing.day IS NOT NULL)
            OR (closing.entries, closing.amount) <> (coalesce(held.entries, 0), coalesce(held.amount, 0)))
        """,
    ),
    LedgerCheck(
        "seals-leave-no-gap",
        "every seal begins where and with what the one before it ended, the first at the beginning",
        """
        SELECT 'seal ' || chain.number AS subject,
            concat_ws('/', chain.expected_number, chain.expected_from, encode(chain.expected_hash, 'hex')) AS expected,
            concat_ws('/', chain.number, chain.covers_from, encode(chain.previous_hash, 'hex')) AS found
        FROM (
            SELECT number, covers_from, previous_hash,
                coalesce(lag(number) OVER following, 0) + 1 AS expected_number,
                coalesce(lag(covers_until) OVER following, '0'::xid8) AS expected_from,
                coalesce(lag(hash) OVER following, decode(repeat('00', 32), 'hex')) AS expected_hash
            FROM seal WHERE organization_id = $1 WINDOW following AS (ORDER BY number)
        ) AS chain
        WHERE (chain.number, chain.covers_from, chain.previous_hash)
            <> (chain.expected_number, chain.expected_from, chain.expected_hash)
        """,
    ),
    LedgerCheck(
        "approvals-are-decided-in-the-audit",
        "every decided proposal has its decision, by the same person, in the audit",
        """
        SELECT 'approval ' || approval.id AS subject, approval.state || ' by ' || approval.decided_by AS expected,
            'no such audit row' AS found
        FROM approval
        WHERE approval.organization_id = $1 AND approval.state <> 'proposed' AND NOT EXISTS (
            SELECT FROM audit WHERE audit.organization_id = $1 AND audit.subject_id = approval.id
                AND audit.action = approval.kind || '_' || approval.state
                AND approval.decided_by IN (audit.actor_id, audit.acting_for))
        """,
    ),
)

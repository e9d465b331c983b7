"""Checks of what payers owe for guarantees: against the final bills, the allocations and the journal."""

from collections.abc import Sequence

from billing.ledger.store.check import LedgerCheck

GUARANTEE_CHECKS: Sequence[LedgerCheck] = (
    LedgerCheck(
        "guarantees-bill-their-corrections",
        "what a payer was billed for a guarantee is what the final bills took from the patient share",
        """
        SELECT 'guarantee ' || coalesce(known.guarantee_id, counted.guarantee_id) AS subject,
            coalesce(counted.amount, 0)::text AS expected, coalesce(known.billed, 0)::text AS found
        FROM (SELECT guarantee_id, billed FROM guarantee_receivable WHERE organization_id = $1) AS known
        FULL JOIN (
            SELECT guarantee_id, -sum(patient) AS amount FROM correction
            WHERE organization_id = $1 AND guarantee_id IS NOT NULL GROUP BY guarantee_id
        ) AS counted ON counted.guarantee_id = known.guarantee_id
        WHERE coalesce(known.billed, 0) <> coalesce(counted.amount, 0)
        """,
    ),
    LedgerCheck(
        "guarantees-hold-their-allocations",
        "what is paid of a guarantee is the sum of its live allocations",
        """
        SELECT 'guarantee ' || known.guarantee_id AS subject, known.paid::text AS expected,
            coalesce(live.amount, 0)::text AS found
        FROM guarantee_receivable AS known
        LEFT JOIN (
            SELECT allocation.guarantee_id, sum(allocation.amount) AS amount FROM allocation
            WHERE allocation.organization_id = $1 AND allocation.target = 'guarantee'
                AND allocation.reverses_id IS NULL
                AND NOT EXISTS (SELECT FROM allocation AS reversing
                    WHERE reversing.organization_id = $1 AND reversing.reverses_id = allocation.id)
            GROUP BY allocation.guarantee_id
        ) AS live ON live.guarantee_id = known.guarantee_id
        WHERE known.organization_id = $1 AND known.paid <> coalesce(live.amount, 0)
        """,
    ),
    LedgerCheck(
        "guarantees-owe-their-receivable",
        "what payers still owe for the guarantees of a visit is its receivable in the journal",
        """
        SELECT 'visit ' || coalesce(known.visit_id, booked.visit_id) AS subject, coalesce(known.amount, 0)::text
            AS expected, coalesce(booked.amount, 0)::text AS found
        FROM (
            SELECT visit_id, sum(owed) AS amount FROM guarantee_receivable WHERE organization_id = $1 GROUP BY visit_id
        ) AS known
        FULL JOIN (
            SELECT posting.visit_id, sum(CASE WHEN posting.debit_account_id = account.id THEN posting.amount
                ELSE -posting.amount END) AS amount
            FROM ledger_account AS account
            JOIN posting ON posting.organization_id = $1
                AND account.id IN (posting.debit_account_id, posting.credit_account_id)
            WHERE account.organization_id = $1 AND account.role = 'receivable_guarantor'
                AND posting.visit_id IS NOT NULL
            GROUP BY posting.visit_id
        ) AS booked ON booked.visit_id = known.visit_id
        WHERE coalesce(known.amount, 0) <> coalesce(booked.amount, 0)
        """,
    ),
)

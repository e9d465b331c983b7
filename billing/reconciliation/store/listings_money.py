"""Listings of money: daily collection, open deposits, unallocated money and the receivable from the insurer.

Each reads the journal by accounting date, so that its sums are balances or movements of ledger accounts.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.listing import Period, RowSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRow:
    """What one cashier, or none, collected and returned on a day by one method; `net` moved the accounts of money."""

    day: date
    cashier: str
    method: str
    invoices: Dong
    deposits: Dong
    unassigned: Dong
    returned: int
    other: int
    net: int


# A posting between an account of money (cash, clearing, bank) and another account. The cashier is the one of the shift
# whose cash moved, of the shift of the payment, or the person of the entry. Transfers between accounts of money and
# their reversals are no collection.
_COLLECTIONS = """
    WITH money AS MATERIALIZED (
        SELECT account.id, CASE
            WHEN account.role = 'bank' THEN 'transfer'
            WHEN account.role <> 'clearing' THEN 'cash'
            WHEN EXISTS (SELECT FROM card_terminal WHERE organization_id = $1 AND id::text = account.subject)
                THEN 'card'
            WHEN EXISTS (SELECT FROM bank_account WHERE organization_id = $1 AND id::text = account.subject)
                THEN 'transfer'
            ELSE 'provider' END AS method
        FROM ledger_account AS account
        WHERE account.organization_id = $1
            AND account.role IN ('cash_drawer', 'safe', 'cash_in_transit', 'clearing', 'bank')
    ), moved AS (
        SELECT entry.id AS entry_id, entry.kind, entry.accounting_date, posting.payment_id, posting.amount,
            coalesce(entry.acting_for, CASE WHEN entry.actor_kind = 'person' THEN entry.actor_id END) AS person_id,
            coalesce(debited.method, credited.method) AS method, debited.id IS NOT NULL AS is_in,
            CASE WHEN debited.id IS NULL THEN posting.debit_account_id ELSE posting.credit_account_id END AS other_id
        FROM journal_entry AS entry
        JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
        LEFT JOIN money AS debited ON debited.id = posting.debit_account_id
        LEFT JOIN money AS credited ON credited.id = posting.credit_account_id
        WHERE entry.organization_id = $1 AND entry.accounting_date BETWEEN $2 AND $3
            AND (debited.id IS NULL) <> (credited.id IS NULL)
    ), cash AS (
        SELECT DISTINCT ON (event.entry_id) event.entry_id, event.shift_id
        FROM shift_event AS event
        WHERE event.organization_id = $1 AND event.entry_id IN (SELECT entry_id FROM moved)
        ORDER BY event.entry_id, event.id
    ), classed AS (
        SELECT moved.accounting_date AS day, coalesce(person.name, '') AS cashier, moved.method, moved.is_in,
            moved.amount, CASE
                WHEN moved.kind = 'opening_balances' THEN 'other'
                WHEN other.role IN ('receivable_patient', 'deposit', 'patient_credit', 'unallocated',
                    'refund_in_transit') THEN other.role
                ELSE 'other' END AS role
        FROM moved
        JOIN ledger_account AS other ON other.organization_id = $1 AND other.id = moved.other_id
        LEFT JOIN cash ON cash.entry_id = moved.entry_id
        LEFT JOIN payment ON payment.organization_id = $1 AND payment.id = moved.payment_id
        LEFT JOIN shift ON shift.organization_id = $1 AND shift.id = coalesce(cash.shift_id, payment.shift_id)
        LEFT JOIN person ON person.organization_id = $1 AND person.id = coalesce(shift.cashier_id, moved.person_id)
    )
    SELECT day, cashier, method,
        coalesce(sum(amount) FILTER (WHERE is_in AND role = 'receivable_patient'), 0)::bigint AS invoices,
        coalesce(sum(amount) FILTER (WHERE is_in AND role = 'deposit'), 0)::bigint AS deposits,
        coalesce(sum(amount) FILTER (
            WHERE is_in AND role IN ('patient_credit', 'unallocated', 'refund_in_transit')), 0)::bigint AS unassigned,
        coalesce(sum(amount) FILTER (WHERE NOT is_in AND role <> 'other'), 0)::bigint AS returned,
        coalesce(sum(CASE WHEN is_in THEN amount ELSE -amount END) FILTER (WHERE role = 'other'), 0)::bigint AS other,
        sum(CASE WHEN is_in THEN amount ELSE -amount END)::bigint AS net
    FROM classed
    GROUP BY day, cashier, method ORDER BY day, cashier, method LIMIT $4 OFFSET $5
"""


async def list_collections(tx: Transaction, period: Period, part: RowSlice) -> list[CollectionRow]:
    """Money in and out by day, cashier and method; the sum of `net` is the movement of the accounts of money."""
    rows = await tx.fetch(_COLLECTIONS, tx.organization_id, period.first_day, period.last_day, part.limit, part.offset)
    return [read_row(CollectionRow, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitBalanceRow:
    """The balance of a visit on one account, with the days since its first posting."""

    visit_id: UUID | None
    ma_lk: str
    facility: str
    since: date
    age_days: int
    amount: int


_VISIT_BALANCES = """
    WITH moved AS (
        SELECT posting.visit_id, min(entry.accounting_date) AS since,
            sum(CASE WHEN account.id = posting.debit_account_id THEN posting.amount ELSE -posting.amount END) AS debit
        FROM ledger_account AS account
        JOIN posting ON posting.organization_id = $1
            AND account.id IN (posting.debit_account_id, posting.credit_account_id)
        JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = posting.entry_id
        WHERE account.organization_id = $1 AND account.role = $2 AND entry.accounting_date <= $3
        GROUP BY posting.visit_id
        HAVING sum(CASE WHEN account.id = posting.debit_account_id THEN posting.amount ELSE -posting.amount END) <> 0
    )
    SELECT moved.visit_id, coalesce(visit.ma_lk, '') AS ma_lk, coalesce(facility.code, '') AS facility,
        moved.since, $3::date - moved.since AS age_days,
        (CASE WHEN $4 = 'debit' THEN moved.debit ELSE -moved.debit END)::bigint AS amount
    FROM moved
    LEFT JOIN visit ON visit.organization_id = $1 AND visit.id = moved.visit_id
    LEFT JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
    ORDER BY moved.since, moved.visit_id LIMIT $5 OFFSET $6
"""


async def list_open_deposits(tx: Transaction, period: Period, part: RowSlice) -> list[VisitBalanceRow]:
    """Deposits that hold money at the end of the period; they sum to the balance of the account of deposits."""
    return await _visit_balances(tx, "deposit", "credit", period, part)


async def list_insurer_receivables(tx: Transaction, period: Period, part: RowSlice) -> list[VisitBalanceRow]:
    """What the insurer owes for each visit at the end of the period; it sums to the balance of its account."""
    return await _visit_balances(tx, "receivable_insurer", "debit", period, part)


async def _visit_balances(
    tx: Transaction, role: str, side: str, period: Period, part: RowSlice
) -> list[VisitBalanceRow]:
    rows = await tx.fetch(_VISIT_BALANCES, tx.organization_id, role, period.last_day, side, part.limit, part.offset)
    return [read_row(VisitBalanceRow, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnallocatedRow:
    """The part of a payment that names nothing we know, with its references."""

    payment_id: UUID | None
    method: str
    provider_reference: str
    bank_reference: str
    since: date
    age_days: int
    amount: int


_UNALLOCATED = """
    WITH moved AS (
        SELECT posting.payment_id, min(entry.accounting_date) AS since,
            sum(CASE WHEN account.id = posting.credit_account_id THEN posting.amount ELSE -posting.amount END) AS amount
        FROM ledger_account AS account
        JOIN posting ON posting.organization_id = $1
            AND account.id IN (posting.debit_account_id, posting.credit_account_id)
        JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = posting.entry_id
        WHERE account.organization_id = $1 AND account.role = 'unallocated' AND entry.accounting_date <= $2
        GROUP BY posting.payment_id
        HAVING sum(CASE WHEN account.id = posting.credit_account_id THEN posting.amount ELSE -posting.amount END) <> 0
    )
    SELECT moved.payment_id, coalesce(payment.method, '') AS method,
        coalesce(payment.provider_reference, '') AS provider_reference,
        coalesce(payment.bank_reference, '') AS bank_reference, moved.since, $2::date - moved.since AS age_days,
        moved.amount::bigint AS amount
    FROM moved
    LEFT JOIN payment ON payment.organization_id = $1 AND payment.id = moved.payment_id
    ORDER BY moved.since, moved.payment_id LIMIT $3 OFFSET $4
"""


async def list_unallocated(tx: Transaction, period: Period, part: RowSlice) -> list[UnallocatedRow]:
    """Money without a target at the end of the period, by payment; it sums to the balance of its account."""
    rows = await tx.fetch(_UNALLOCATED, tx.organization_id, period.last_day, part.limit, part.offset)
    return [read_row(UnallocatedRow, row) for row in rows]

"""Listings of the books: revenue by payer and department, the journal, and the stored results of closed days."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.listing import Period, RowSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueRow:
    """The revenue of a period from one payer and one department; negative where corrections exceed it."""

    payer: str
    department: str
    amount: int


# A posting is divided among the departments of the lines of its invoice by the payer's part of each line. Cumulative
# rounding: the parts of a posting sum to it exactly. Without such a part the department is empty.
_REVENUE = """
    WITH moved AS MATERIALIZED (
        SELECT posting.entry_id, posting.line, posting.invoice_id, posting.payer,
            CASE WHEN account.id = posting.credit_account_id THEN posting.amount ELSE -posting.amount END AS amount
        FROM journal_entry AS entry
        JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
        JOIN ledger_account AS account ON account.organization_id = $1 AND account.role = 'revenue'
            AND account.id IN (posting.debit_account_id, posting.credit_account_id)
        WHERE entry.organization_id = $1 AND entry.accounting_date BETWEEN $2 AND $3
    ), weight AS (
        SELECT line.invoice_id, part.payer, line.department, sum(part.amount) AS amount
        FROM invoice_line AS line
        CROSS JOIN LATERAL (VALUES ('patient', line.self_pay + line.copay), ('private', line.self_pay + line.copay),
            ('insurer', line.fund), ('other', line.other_funds)) AS part (payer, amount)
        WHERE line.organization_id = $1 AND line.invoice_id IN (SELECT invoice_id FROM moved) AND part.amount > 0
        GROUP BY line.invoice_id, part.payer, line.department
    ), running AS (
        SELECT invoice_id, payer, department, sum(amount) OVER until_here AS covered, amount,
            sum(amount) OVER (PARTITION BY invoice_id, payer) AS total
        FROM weight WINDOW until_here AS (PARTITION BY invoice_id, payer ORDER BY department)
    ), divided AS (
        SELECT moved.payer, coalesce(running.department, '') AS department, CASE
            WHEN running.total IS NULL THEN moved.amount
            ELSE round(moved.amount * running.covered / running.total)
                - round(moved.amount * (running.covered - running.amount) / running.total) END AS amount
        FROM moved
        LEFT JOIN running ON running.invoice_id = moved.invoice_id AND running.payer = moved.payer
    )
    SELECT payer, department, sum(amount)::bigint AS amount
    FROM divided GROUP BY payer, department HAVING sum(amount) <> 0
    ORDER BY payer, department LIMIT $4 OFFSET $5
"""


async def list_revenue(tx: Transaction, period: Period, part: RowSlice) -> list[RevenueRow]:
    """Revenue less its corrections by payer and department; it sums to the movement of the account of revenue."""
    rows = await tx.fetch(_REVENUE, tx.organization_id, period.first_day, period.last_day, part.limit, part.offset)
    return [read_row(RevenueRow, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    """One posting with its entry; the account numbers are those of its accounting date."""

    day: date
    entry_id: UUID
    kind: str
    line: int
    debit_number: str
    debit_account: str
    credit_number: str
    credit_account: str
    amount: Dong
    ma_lk: str
    invoice: str
    payment_id: UUID | None


_JOURNAL = """
    WITH page AS MATERIALIZED (
        SELECT entry.accounting_date, entry.kind, posting.*
        FROM journal_entry AS entry
        JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
        WHERE entry.organization_id = $1 AND entry.accounting_date BETWEEN $2 AND $3
        ORDER BY entry.accounting_date, entry.id, posting.line LIMIT $4 OFFSET $5
    )
    SELECT page.accounting_date AS day, page.entry_id, page.kind, page.line,
        coalesce(debit_number.number, '') AS debit_number, debited.role AS debit_account,
        coalesce(credit_number.number, '') AS credit_number, credited.role AS credit_account, page.amount,
        coalesce(visit.ma_lk, '') AS ma_lk, coalesce(invoice.number, '') AS invoice, page.payment_id
    FROM page
    JOIN ledger_account AS debited ON debited.organization_id = $1 AND debited.id = page.debit_account_id
    JOIN ledger_account AS credited ON credited.organization_id = $1 AND credited.id = page.credit_account_id
    LEFT JOIN visit ON visit.organization_id = $1 AND visit.id = page.visit_id
    LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = page.invoice_id
    LEFT JOIN LATERAL (
        SELECT number FROM ledger_number
        WHERE organization_id = $1 AND account_id = page.debit_account_id AND valid_from <= page.accounting_date
        ORDER BY valid_from DESC LIMIT 1
    ) AS debit_number ON true
    LEFT JOIN LATERAL (
        SELECT number FROM ledger_number
        WHERE organization_id = $1 AND account_id = page.credit_account_id AND valid_from <= page.accounting_date
        ORDER BY valid_from DESC LIMIT 1
    ) AS credit_number ON true
    ORDER BY page.accounting_date, page.entry_id, page.line
"""


async def list_journal(tx: Transaction, period: Period, part: RowSlice) -> list[JournalRow]:
    """The postings of a period in order of their accounting dates."""
    rows = await tx.fetch(_JOURNAL, tx.organization_id, period.first_day, period.last_day, part.limit, part.offset)
    return [read_row(JournalRow, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResultRow:
    """The stored result of one account on a closed day."""

    day: date
    account_kind: str
    account: str
    result: str
    statement_closing: int | None
    ledger_balance: int
    residual: int
    open_exceptions: int


_DAY_RESULTS = """
    SELECT result.day, result.account_kind, result.result,
        coalesce(bank.account_number, provider.name, terminal.name, '') AS account, result.statement_closing,
        result.ledger_balance, result.residual, result.open_exceptions
    FROM day_result AS result
    LEFT JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id = result.account_id
        AND result.account_kind IN ('bank_account', 'bank_clearing')
    LEFT JOIN provider_account AS provider ON provider.organization_id = $1 AND provider.id = result.account_id
        AND result.account_kind = 'provider_account'
    LEFT JOIN card_terminal AS terminal ON terminal.organization_id = $1 AND terminal.id = result.account_id
        AND result.account_kind = 'card_terminal'
    WHERE result.organization_id = $1 AND result.day BETWEEN $2 AND $3
    ORDER BY result.day, result.account_kind, account, result.account_id LIMIT $4 OFFSET $5
"""


async def list_day_results(tx: Transaction, period: Period, part: RowSlice) -> list[DayResultRow]:
    """The results of the accounts on the closed days of a period."""
    rows = await tx.fetch(_DAY_RESULTS, tx.organization_id, period.first_day, period.last_day, part.limit, part.offset)
    return [read_row(DayResultRow, row) for row in rows]

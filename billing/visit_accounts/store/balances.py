"""The balances of visit accounts, of one visit or of a ward page by page: each in one statement."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from billing.core.ids import PatientId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.invoices.store.invoice_rows import shares_of
from billing.payments.store.visit_payments import PAYMENTS_OF_VISIT
from billing.visit_accounts.domain.account import AccountState, VisitAccount
from billing.visit_accounts.domain.balance import AccountBalance
from billing.visit_accounts.domain.guarantee import BearersOfShare, Debt, Exemption, Guarantee
from billing.visit_accounts.store.accounts import ACCOUNT_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class WardFilter:
    """Which accounts to list; None filters nothing."""

    facility_code: str | None = None
    department: str | None = None
    state: AccountState | None = None


_PAGE = (
    "page AS MATERIALIZED (SELECT"
    + ACCOUNT_COLUMNS
    + """
        FROM visit_account AS account
        JOIN facility ON facility.organization_id = $1 AND facility.id = account.facility_id
        WHERE account.organization_id = $1
"""
)

_BALANCES_OF_PAGE = """
    )
    SELECT to_jsonb(page) AS account, patient.guardian_id, coalesce(setting.threshold, 0) AS threshold,
        coalesce(deposit.held, 0) AS deposit, waiting.requested, free.credit, of_payers.paid_by_payers,
        invoiced.patient_share + corrected.patient AS patient_share,
        invoiced.other_share + corrected.other AS other_share,
        invoiced.insurer_share + corrected.insurer AS insurer_share,
        invoiced.private_share + corrected.private AS private_share, invoiced.paid, corrected.sources,
        bearers.guarantees, bearers.exemptions, bearers.debts
    FROM page
    JOIN patient ON patient.organization_id = $1 AND patient.id = page.patient_id
    LEFT JOIN deposit_setting AS setting ON setting.organization_id = $1 AND setting.facility_id = page.facility_id
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = page.visit_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(greatest(0, amount - received)), 0)::bigint AS requested FROM deposit_request AS request
        WHERE request.organization_id = $1 AND request.deposit_id = deposit.id
            AND request.state IN ('requested', 'partly')
    ) AS waiting
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(patient_share), 0)::bigint AS patient_share,
            coalesce(sum(other_share), 0)::bigint AS other_share,
            coalesce(sum(insurer_share), 0)::bigint AS insurer_share,
            coalesce(sum(private_share), 0)::bigint AS private_share, coalesce(sum(allocated), 0)::bigint AS paid
        FROM invoice_state AS invoice
        WHERE invoice.organization_id = $1 AND invoice.visit_id = page.visit_id AND invoice.state = 'issued'
    ) AS invoiced
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(patient) FILTER (WHERE correction.kind = 'price'), 0)::bigint AS patient,
            coalesce(sum(other), 0)::bigint AS other, coalesce(sum(insurer), 0)::bigint AS insurer,
            coalesce(sum(private), 0)::bigint AS private,
            array_remove(array_agg(coalesce(guarantee_id, exemption_id, debt_id)), NULL) AS sources
        FROM invoice
        JOIN correction ON correction.organization_id = $1 AND correction.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.visit_id = page.visit_id AND invoice.state = 'issued'
    ) AS corrected
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(known.paid + known.written_off), 0)::bigint AS paid_by_payers
        FROM guarantee_receivable AS known
        WHERE known.organization_id = $1 AND known.visit_id = page.visit_id
    ) AS of_payers
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(position.credit), 0)::bigint AS credit FROM payment_position AS position
        WHERE position.organization_id = $1 AND position.payment_id IN ({payments})
    ) AS free
    CROSS JOIN LATERAL (
        SELECT
            (SELECT coalesce(jsonb_agg(to_jsonb(one) - 'organization_id' ORDER BY one.position), '[]')
                FROM guarantee AS one WHERE one.organization_id = $1 AND one.visit_id = page.visit_id) AS guarantees,
            (SELECT coalesce(jsonb_agg(to_jsonb(one) - 'organization_id' ORDER BY one.id), '[]')
                FROM exemption AS one WHERE one.organization_id = $1 AND one.visit_id = page.visit_id) AS exemptions,
            (SELECT coalesce(jsonb_agg(to_jsonb(one) - 'organization_id' ORDER BY one.id), '[]')
                FROM debt AS one WHERE one.organization_id = $1 AND one.visit_id = page.visit_id) AS debts
    ) AS bearers
    ORDER BY page.visit_id DESC
"""

_BALANCES = _BALANCES_OF_PAGE.format(payments=PAYMENTS_OF_VISIT.format(visit_id="page.visit_id"))

_READ_BALANCE = "WITH " + _PAGE + "AND account.visit_id = $2" + _BALANCES


async def read_balance(tx: Transaction, visit_id: VisitId, *, at: datetime) -> AccountBalance | None:
    """The balance of the account of a visit; None if the visit has none."""
    row = await tx.fetchrow(_READ_BALANCE, tx.organization_id, visit_id)
    return None if row is None else _balance(row, at)


_WARD = (
    _PAGE
    + """
        AND ($2::uuid IS NULL OR account.visit_id < $2) AND ($3::uuid IS NULL OR account.visit_id >= $3)
        AND ($5::text IS NULL OR facility.code = $5) AND ($6::text IS NULL OR account.department = $6)
"""
)
_NEWEST = " ORDER BY account.visit_id DESC LIMIT $4"

_LIST_ALL = "WITH " + _WARD + _NEWEST + _BALANCES
_LIST_OPEN = "WITH " + _WARD + "AND account.state = 'open'" + _NEWEST + _BALANCES
_LIST_CLOSED = "WITH " + _WARD + "AND account.state = 'closed'" + _NEWEST + _BALANCES

_LIST_BALANCES = {None: _LIST_ALL, AccountState.OPEN: _LIST_OPEN, AccountState.CLOSED: _LIST_CLOSED}


async def read_balances(tx: Transaction, part: ListSlice, wanted: WardFilter, *, at: datetime) -> list[AccountBalance]:
    """The balances of a slice of the list, the newest visit first."""
    rows = await tx.fetch(
        _LIST_BALANCES[wanted.state],
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        wanted.facility_code,
        wanted.department,
    )
    return [_balance(row, at) for row in rows]


def _balance(row: asyncpg.Record, at: datetime) -> AccountBalance:
    return AccountBalance(
        account=read_row(VisitAccount, row["account"]),
        billed=shares_of(row),
        billed_sources=frozenset(UUID(str(source)) for source in row["sources"] or ()),
        paid=Dong(row["paid"]),
        deposit=Dong(row["deposit"]),
        credit=Dong(row["credit"]),
        paid_by_payers=Dong(row["paid_by_payers"]),
        requested=Dong(row["requested"]),
        threshold=Dong(row["threshold"]),
        bearers=BearersOfShare(
            guarantees=[read_row(Guarantee, one) for one in row["guarantees"]],
            exemptions=[read_row(Exemption, one) for one in row["exemptions"]],
            debts=[read_row(Debt, one) for one in row["debts"]],
        ),
        guardian_id=None if row["guardian_id"] is None else PatientId(row["guardian_id"]),
        calculated_at=at,
    )

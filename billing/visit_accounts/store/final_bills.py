"""Final bills and reopenings of visits, and closed visits that still have money."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.ids import InvoiceId, PersonId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.invoices.store.invoice_rows import shares_of
from billing.visit_accounts.domain.final_bill import FinalBill

_ADD_FINAL_BILL = """
    INSERT INTO final_bill (organization_id, id, visit_id, number, account_version, visit_version, invoice_id,
        patient_share, other_share, insurer_share, private_share, guaranteed, exempted, written_off, paid, owed,
        released, actor_kind, actor_id, acting_for, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
"""


async def add_final_bill(tx: Transaction, bill: FinalBill, actor: Actor) -> None:
    """Store a final bill; the visit account is locked."""
    await tx.execute(
        _ADD_FINAL_BILL,
        tx.organization_id,
        *(bill.id, bill.visit_id, bill.number, bill.account_version, bill.visit_version, bill.invoice_id),
        *(bill.shares.patient, bill.shares.other, bill.shares.insurer, bill.shares.private),
        *(bill.guaranteed, bill.exempted, bill.written_off, bill.paid, bill.owed, bill.released),
        *(actor.kind.value, actor.id, actor.person, bill.recorded_at),
    )


_FINAL_BILLS = """
    SELECT bill.id, bill.visit_id, bill.number, bill.account_version, bill.visit_version, bill.invoice_id,
        bill.patient_share, bill.other_share, bill.insurer_share, bill.private_share, bill.guaranteed, bill.exempted,
        bill.written_off, bill.paid, bill.owed, bill.released, bill.recorded_at, bill.acting_for,
        coalesce(person.name, '') AS closed_by_name, reopening.recorded_at AS reopened_at,
        coalesce(reopening.reason, '') AS reopening_reason, coalesce(opener.name, '') AS reopened_by_name
    FROM final_bill AS bill
    LEFT JOIN person ON person.organization_id = $1 AND person.id = bill.acting_for
    LEFT JOIN visit_reopening AS reopening ON reopening.organization_id = $1 AND reopening.final_bill_id = bill.id
    LEFT JOIN person AS opener ON opener.organization_id = $1 AND opener.id = reopening.acting_for
    WHERE bill.organization_id = $1 AND bill.visit_id = $2
    ORDER BY bill.number
"""


async def read_final_bills(tx: Transaction, visit_id: VisitId) -> list[FinalBill]:
    """The final bills of a visit, the oldest first."""
    return [_bill(row) for row in await tx.fetch(_FINAL_BILLS, tx.organization_id, visit_id)]


def _bill(row: asyncpg.Record) -> FinalBill:
    return FinalBill(
        id=row["id"],
        visit_id=VisitId(row["visit_id"]),
        number=row["number"],
        account_version=row["account_version"],
        visit_version=row["visit_version"],
        invoice_id=None if row["invoice_id"] is None else InvoiceId(row["invoice_id"]),
        shares=shares_of(row),
        guaranteed=Dong(row["guaranteed"]),
        exempted=Dong(row["exempted"]),
        written_off=Dong(row["written_off"]),
        paid=Dong(row["paid"]),
        owed=Dong(row["owed"]),
        released=Dong(row["released"]),
        recorded_at=row["recorded_at"],
        closed_by=None if row["acting_for"] is None else PersonId(row["acting_for"]),
        closed_by_name=row["closed_by_name"],
        reopened_at=row["reopened_at"],
        reopening_reason=row["reopening_reason"],
        reopened_by_name=row["reopened_by_name"],
    )


_ADD_REOPENING = """
    INSERT INTO visit_reopening (organization_id, id, visit_id, final_bill_id, reason, actor_kind, actor_id, acting_for,
        recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_reopening(
    tx: Transaction, reopening_id: UUID, bill: FinalBill, reason: str, *, actor: Actor, at: datetime
) -> None:
    """Store that a visit was opened again after a final bill."""
    await tx.execute(
        _ADD_REOPENING,
        tx.organization_id,
        reopening_id,
        bill.visit_id,
        bill.id,
        reason,
        actor.kind.value,
        actor.id,
        actor.person,
        at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedVisitWithMoney:
    """A closed visit with money that is not where it belongs, in đồng.

    `credit` belongs to the patient, `owed` to the hospital; `deposit` should be 0. `requests` are open.
    """

    visit_id: VisitId
    ma_lk: str
    ended_at: datetime
    deposit: Dong
    credit: Dong
    owed: Dong
    requests: int
    debt_id: UUID | None

    @property
    def id(self) -> UUID:
        return self.visit_id


_CLOSED_WITH_MONEY = """
    SELECT account.visit_id, account.ma_lk, account.ended_at, coalesce(deposit.held, 0) AS deposit,
        held.credit, owing.amount AS owed, waiting.requests,
        (SELECT id FROM debt WHERE debt.organization_id = $1 AND debt.visit_id = account.visit_id
            AND debt.state = 'agreed') AS debt_id
    FROM visit_account AS account
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = account.visit_id
    CROSS JOIN LATERAL (SELECT coalesce(sum(owed), 0)::bigint AS amount FROM invoice
        WHERE invoice.organization_id = $1 AND invoice.visit_id = account.visit_id
            AND invoice.state = 'issued') AS owing
    CROSS JOIN LATERAL (SELECT count(*) AS requests FROM deposit_request AS request
        WHERE request.organization_id = $1 AND request.deposit_id = deposit.id
            AND request.state IN ('requested', 'partly')) AS waiting
    CROSS JOIN LATERAL (SELECT coalesce(sum(credit), 0)::bigint AS credit FROM payment_position AS position
        WHERE position.organization_id = $1 AND position.credit > 0 AND position.payment_id IN (
            SELECT allocation.payment_id FROM allocation
            LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = allocation.invoice_id
            WHERE allocation.organization_id = $1
                AND (allocation.deposit_id = deposit.id OR invoice.visit_id = account.visit_id)
            UNION
            SELECT payment.id FROM payment
            JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
            WHERE payment.organization_id = $1 AND intent.deposit_id = deposit.id)) AS held
    WHERE account.organization_id = $1 AND account.state = 'closed'
        AND ($2::uuid IS NULL OR account.visit_id < $2) AND ($3::uuid IS NULL OR account.visit_id >= $3)
        AND (coalesce(deposit.held, 0) > 0 OR held.credit > 0 OR owing.amount > 0 OR waiting.requests > 0)
    ORDER BY account.visit_id DESC LIMIT $4
"""


async def read_closed_with_money(tx: Transaction, part: ListSlice) -> list[ClosedVisitWithMoney]:
    """Closed visits with a deposit, credit, an amount owed or a request that is open; the newest visit first."""
    rows = await tx.fetch(_CLOSED_WITH_MONEY, tx.organization_id, part.before, part.first, part.limit)
    return [read_row(ClosedVisitWithMoney, row) for row in rows]

"""Guarantees, exemptions and debts of visits: read, locked and written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing.core.ids import PersonId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.guarantee import BearersOfShare, Debt, DebtState, Exemption, Guarantee

_GUARANTEES = """
    SELECT id, visit_id, payer, reference, limit_amount, position, state, version, created_at, changed_at, created_by,
        changed_by, valid_until, confirmed_amount, reason
    FROM guarantee WHERE organization_id = $1
"""

_READ_GUARANTEES = _GUARANTEES + "AND visit_id = $2 ORDER BY position"
_LOCK_GUARANTEES = _GUARANTEES + "AND visit_id = $2 ORDER BY id FOR NO KEY UPDATE"
_READ_GUARANTEE = _GUARANTEES + "AND id = $2"
_LOCK_GUARANTEE = _READ_GUARANTEE + " FOR NO KEY UPDATE"

_EXEMPTIONS = """
    SELECT id, visit_id, fund, amount, reason, state, created_at FROM exemption WHERE organization_id = $1
"""

_READ_EXEMPTIONS = _EXEMPTIONS + "AND visit_id = $2 ORDER BY id"
_LOCK_EXEMPTIONS = _READ_EXEMPTIONS + " FOR NO KEY UPDATE"
_READ_EXEMPTION = _EXEMPTIONS + "AND id = $2"

_DEBTS = """
    SELECT id, visit_id, due_on, reason, state, created_at, created_by, written_off FROM debt WHERE organization_id = $1
"""

_READ_DEBTS = _DEBTS + "AND visit_id = $2 ORDER BY id"
_LOCK_DEBTS = _READ_DEBTS + " FOR NO KEY UPDATE"
_READ_DEBT = _DEBTS + "AND id = $2"


async def read_bearers(tx: Transaction, visit_id: VisitId) -> BearersOfShare:
    """All guarantees, exemptions and debts of a visit, not locked."""
    return BearersOfShare(
        guarantees=[read_row(Guarantee, row) for row in await tx.fetch(_READ_GUARANTEES, tx.organization_id, visit_id)],
        exemptions=[read_row(Exemption, row) for row in await tx.fetch(_READ_EXEMPTIONS, tx.organization_id, visit_id)],
        debts=[read_row(Debt, row) for row in await tx.fetch(_READ_DEBTS, tx.organization_id, visit_id)],
    )


async def lock_bearers(tx: Transaction, visit_id: VisitId) -> BearersOfShare:
    """All guarantees, exemptions and debts of a visit, locked; its account is locked before."""
    return BearersOfShare(
        guarantees=[read_row(Guarantee, row) for row in await tx.fetch(_LOCK_GUARANTEES, tx.organization_id, visit_id)],
        exemptions=[read_row(Exemption, row) for row in await tx.fetch(_LOCK_EXEMPTIONS, tx.organization_id, visit_id)],
        debts=[read_row(Debt, row) for row in await tx.fetch(_LOCK_DEBTS, tx.organization_id, visit_id)],
    )


async def find_guarantee(tx: Transaction, guarantee_id: UUID) -> Guarantee | None:
    """A guarantee, not locked."""
    row = await tx.fetchrow(_READ_GUARANTEE, tx.organization_id, guarantee_id)
    return None if row is None else read_row(Guarantee, row)


async def lock_guarantee(tx: Transaction, guarantee_id: UUID) -> Guarantee | None:
    """A guarantee, locked; the account of its visit is locked before."""
    row = await tx.fetchrow(_LOCK_GUARANTEE, tx.organization_id, guarantee_id)
    return None if row is None else read_row(Guarantee, row)


# A guarantee that a former final bill counted stays as it is: the payer owes it.
_EXPIRED = """
    FROM visit_account AS account
    JOIN guarantee AS given ON given.organization_id = $1 AND given.visit_id = account.visit_id
    WHERE account.organization_id = $1 AND account.state = 'open' AND given.state IN ('requested', 'confirmed')
        AND given.valid_until < $2
        AND NOT EXISTS (
            SELECT 1 FROM invoice_state AS invoice
            JOIN correction ON correction.organization_id = $1 AND correction.invoice_id = invoice.id
            WHERE invoice.organization_id = $1 AND invoice.visit_id = account.visit_id
                AND correction.guarantee_id = given.id
        )
"""

_VISITS_TO_EXPIRE = "SELECT DISTINCT account.visit_id" + _EXPIRED + "ORDER BY account.visit_id LIMIT $3"
_GUARANTEES_TO_EXPIRE = "SELECT given.id" + _EXPIRED + "AND account.visit_id = $3 ORDER BY given.id"


async def find_visits_to_expire(tx: Transaction, *, today: date, at_most: int) -> list[VisitId]:
    """Open visits with guarantees whose last day of validity has passed."""
    rows = await tx.fetch(_VISITS_TO_EXPIRE, tx.organization_id, today, at_most)
    return [VisitId(row["visit_id"]) for row in rows]


async def find_guarantees_to_expire(tx: Transaction, visit_id: VisitId, *, today: date) -> list[UUID]:
    """The guarantees of an open visit whose last day of validity has passed; its account is locked before."""
    rows = await tx.fetch(_GUARANTEES_TO_EXPIRE, tx.organization_id, today, visit_id)
    return [row["id"] for row in rows]


_ADD_GUARANTEE = """
    INSERT INTO guarantee (organization_id, id, visit_id, payer, reference, limit_amount, valid_until, position, state,
        version, created_by, created_at, changed_by, changed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'requested', 1, $9, $10, $9, $10)
    ON CONFLICT (organization_id, visit_id, payer, reference) WHERE state IN ('requested', 'confirmed') DO NOTHING
    RETURNING id
"""


async def add_guarantee(tx: Transaction, guarantee: Guarantee) -> bool:
    """Store a requested guarantee; False where the payer has an active one of this reference."""
    added = await tx.fetchval(
        _ADD_GUARANTEE,
        tx.organization_id,
        guarantee.id,
        guarantee.visit_id,
        guarantee.payer,
        guarantee.reference,
        guarantee.limit_amount,
        guarantee.valid_until,
        guarantee.position,
        guarantee.created_by,
        guarantee.created_at,
    )
    return added is not None


_UPDATE_GUARANTEE = """
    UPDATE guarantee SET state = $3, version = $4, confirmed_amount = $5, reason = $6, changed_by = $7, changed_at = $8
    WHERE organization_id = $1 AND id = $2
"""


async def update_guarantee(tx: Transaction, guarantee: Guarantee, *, changed_by: PersonId | None, at: datetime) -> None:
    """Write the new state of a locked guarantee."""
    await tx.execute(
        _UPDATE_GUARANTEE,
        tx.organization_id,
        guarantee.id,
        guarantee.state.value,
        guarantee.version,
        guarantee.confirmed_amount,
        guarantee.reason,
        changed_by,
        at,
    )


_ADD_EXEMPTION = """
    INSERT INTO exemption (organization_id, id, visit_id, fund, amount, reason, state, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'proposed', $7)
"""


async def add_exemption(tx: Transaction, exemption: Exemption) -> None:
    """Store a proposed exemption."""
    await tx.execute(
        _ADD_EXEMPTION,
        tx.organization_id,
        exemption.id,
        exemption.visit_id,
        exemption.fund,
        exemption.amount,
        exemption.reason,
        exemption.created_at,
    )


_SET_EXEMPTION_STATE = "UPDATE exemption SET state = $3 WHERE organization_id = $1 AND id = $2"


async def set_exemption_state(tx: Transaction, exemption: Exemption) -> None:
    """Write the decision on an exemption."""
    await tx.execute(_SET_EXEMPTION_STATE, tx.organization_id, exemption.id, exemption.state.value)


async def find_exemption(tx: Transaction, exemption_id: UUID) -> Exemption | None:
    """An exemption, not locked."""
    row = await tx.fetchrow(_READ_EXEMPTION, tx.organization_id, exemption_id)
    return None if row is None else read_row(Exemption, row)


_ADD_DEBT = """
    INSERT INTO debt (organization_id, id, visit_id, due_on, reason, state, created_by, created_at)
    VALUES ($1, $2, $3, $4, $5, 'agreed', $6, $7)
    ON CONFLICT (organization_id, visit_id) WHERE state = 'agreed' DO NOTHING RETURNING id
"""

_ADD_DEBT_GUARANTOR = """
    INSERT INTO debt_guarantor (organization_id, debt_id, document) VALUES ($1, $2, $3)
"""


async def add_debt(tx: Transaction, debt: Debt, guarantor: Mapping[str, str]) -> bool:
    """Store an agreed debt with the person who is liable for it; False where the visit has an agreed debt."""
    added = await tx.fetchval(
        _ADD_DEBT,
        tx.organization_id,
        debt.id,
        debt.visit_id,
        debt.due_on,
        debt.reason,
        debt.created_by,
        debt.created_at,
    )
    if added is None:
        return False
    await tx.execute(_ADD_DEBT_GUARANTOR, tx.organization_id, debt.id, dict(guarantor))
    return True


async def find_debt(tx: Transaction, debt_id: UUID) -> Debt | None:
    """A debt, not locked."""
    row = await tx.fetchrow(_READ_DEBT, tx.organization_id, debt_id)
    return None if row is None else read_row(Debt, row)


_UPDATE_DEBT = "UPDATE debt SET state = $3, written_off = $4 WHERE organization_id = $1 AND id = $2"


async def update_debt(tx: Transaction, debt: Debt) -> None:
    """Write the new state of a debt whose visit account is locked."""
    await tx.execute(_UPDATE_DEBT, tx.organization_id, debt.id, debt.state.value, debt.written_off)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDebt(Debt):
    """A debt with its visit, the amount that the invoices of the visit owe, and who is liable; empty once erased."""

    ma_lk: str
    owed: Dong
    guarantor: Mapping[str, Any]


_LIST_DEBTS = """
    SELECT debt.id, debt.visit_id, debt.due_on, debt.reason, debt.state, debt.created_at, debt.created_by,
        debt.written_off, account.ma_lk, owing.amount AS owed, coalesce(liable.document, '{}') AS guarantor
    FROM debt
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = debt.visit_id
    LEFT JOIN debt_guarantor AS liable ON liable.organization_id = $1 AND liable.debt_id = debt.id
    CROSS JOIN LATERAL (SELECT coalesce(sum(owed), 0)::bigint AS amount FROM invoice
        WHERE invoice.organization_id = $1 AND invoice.visit_id = debt.visit_id AND invoice.state = 'issued') AS owing
    WHERE debt.organization_id = $1 AND ($2::uuid IS NULL OR debt.id < $2)
        AND ($4::uuid IS NULL OR debt.id >= $4) AND ($5::uuid IS NULL OR debt.id = $5)
        AND ($6::text IS NULL OR debt.state = $6) AND ($7::uuid IS NULL OR debt.visit_id = $7)
    ORDER BY debt.id DESC LIMIT $3
"""


async def list_debts(
    tx: Transaction,
    part: ListSlice,
    *,
    debt_id: UUID | None = None,
    state: DebtState | None = None,
    visit_id: VisitId | None = None,
) -> list[ListedDebt]:
    """Debts with what is still owed, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _LIST_DEBTS, tx.organization_id, part.before, part.limit, part.first, debt_id, state, visit_id
    )
    return [read_row(ListedDebt, row) for row in rows]

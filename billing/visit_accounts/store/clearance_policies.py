"""Clearance policies of facilities and their departments, each from a day on."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import FacilityId, PersonId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.clearance import DepositExhausted, PaymentTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy:
    """A policy as a person set it."""

    id: UUID
    facility_code: str
    department: str
    valid_from: date
    term: PaymentTerm
    deposit_exhausted: DepositExhausted
    set_by: PersonId
    set_at: datetime


_ADD_POLICY = """
    INSERT INTO clearance_policy (organization_id, id, facility_id, department, valid_from, term, deposit_exhausted,
        set_by, set_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_clearance_policy(tx: Transaction, facility_id: FacilityId, policy: SetPolicy) -> None:
    """Store the policy of a department of a facility."""
    await tx.execute(
        _ADD_POLICY,
        tx.organization_id,
        policy.id,
        facility_id,
        policy.department,
        policy.valid_from,
        policy.term.value,
        policy.deposit_exhausted.value,
        policy.set_by,
        policy.set_at,
    )


_READ_POLICIES = """
    SELECT policy.id, facility.code AS facility_code, policy.department, policy.valid_from, policy.term,
        policy.deposit_exhausted, policy.set_by, policy.set_at
    FROM clearance_policy AS policy
    JOIN facility ON facility.organization_id = $1 AND facility.id = policy.facility_id
    WHERE policy.organization_id = $1 AND policy.facility_id = $2 AND ($3::uuid IS NULL OR policy.id < $3)
        AND ($4::uuid IS NULL OR policy.id >= $4) AND ($5::uuid IS NULL OR policy.id = $5)
    ORDER BY policy.id DESC LIMIT $6
"""


async def read_clearance_policies(
    tx: Transaction, facility_id: FacilityId, page: ListSlice, *, policy_id: UUID | None = None
) -> list[SetPolicy]:
    """The policies of a facility, the newest first."""
    rows = await tx.fetch(
        _READ_POLICIES, tx.organization_id, facility_id, page.before, page.first, policy_id, page.limit
    )
    return [read_row(SetPolicy, row) for row in rows]

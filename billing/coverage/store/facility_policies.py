"""How a facility reads what the law leaves open, from which day on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.ids import FacilityId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.organizations.domain.approval import Approval

_ADD_FACILITY_POLICY = """
    INSERT INTO facility_policy (organization_id, id, facility_id, valid_from, options) VALUES ($1, $2, $3, $4, $5)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFacilityPolicy:
    """A whole set of readings as one person proposes it: texts by name, what is not named keeps its default."""

    id: UUID
    facility_id: FacilityId
    valid_from: date
    options: Mapping[str, str]


async def add_facility_policy(tx: Transaction, new: NewFacilityPolicy) -> None:
    """Keep a proposal; it holds for nothing until another person approves it."""
    await tx.execute(
        _ADD_FACILITY_POLICY, tx.organization_id, new.id, new.facility_id, new.valid_from, dict(new.options)
    )


_POLICY_ON = """
    SELECT one.options FROM facility_policy AS one
    JOIN approval ON approval.organization_id = $1 AND approval.kind = 'facility_policy'
        AND approval.subject_id = one.id AND approval.state = 'approved'
    WHERE one.organization_id = $1 AND one.facility_id = $2 AND one.valid_from <= $3
    ORDER BY one.valid_from DESC, approval.decided_at DESC, one.id DESC LIMIT 1
"""


async def read_policy_on(tx: Transaction, facility_id: FacilityId, day: date) -> Mapping[str, str] | None:
    """The set that holds on a day; of two from one day, the one approved later. None where nobody ever set one."""
    options: Mapping[str, str] | None = await tx.fetchval(_POLICY_ON, tx.organization_id, facility_id, day)
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityPolicy:
    """A set of readings of a facility, or a proposal of one; `approval` is read by the service."""

    id: UUID
    facility_code: str
    valid_from: date
    options: Mapping[str, str]
    approval: Approval | None = None


_READ_FACILITY_POLICIES = """
    SELECT one.id, facility.code AS facility_code, one.valid_from, one.options
    FROM facility_policy AS one
    JOIN facility ON facility.organization_id = $1 AND facility.id = one.facility_id
    WHERE one.organization_id = $1 AND ($2::uuid IS NULL OR one.id < $2)
        AND ($4::uuid IS NULL OR one.id = $4) AND ($5::text IS NULL OR facility.code = $5)
    ORDER BY one.id DESC LIMIT $3
"""


async def read_facility_policies(
    tx: Transaction,
    *,
    after: UUID | None = None,
    limit: int,
    policy_id: UUID | None = None,
    facility_code: str | None = None,
) -> list[FacilityPolicy]:
    """Sets and proposals below `after`, the newest first; None filters nothing."""
    rows = await tx.fetch(_READ_FACILITY_POLICIES, tx.organization_id, after, limit, policy_id, facility_code)
    return [read_row(FacilityPolicy, row) for row in rows]

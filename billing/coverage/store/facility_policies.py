"""How a facility reads what the law leaves open, from which day on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing.core.ids import FacilityId, PersonId
from billing.db.database import Transaction

_ADD_FACILITY_POLICY = """
    INSERT INTO facility_policy (organization_id, id, facility_id, valid_from, options, proposed_by, proposed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFacilityPolicy:
    """A whole set of readings as one person proposes it: texts by name, what is not named keeps its default."""

    id: UUID
    facility_id: FacilityId
    valid_from: date
    options: Mapping[str, str]
    proposed_by: PersonId
    proposed_at: datetime


async def add_facility_policy(tx: Transaction, new: NewFacilityPolicy) -> None:
    """Keep a proposal; it holds for nothing until another person approves it."""
    await tx.execute(
        _ADD_FACILITY_POLICY,
        tx.organization_id,
        new.id,
        new.facility_id,
        new.valid_from,
        dict(new.options),
        new.proposed_by,
        new.proposed_at,
    )


_LOCK_FACILITY_POLICY = """
    SELECT proposed_by, approved_by FROM facility_policy WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def lock_facility_policy(tx: Transaction, policy_id: UUID) -> tuple[PersonId, PersonId | None] | None:
    """Who proposed and who approved a set of readings, its row held; None where there is none."""
    row = await tx.fetchrow(_LOCK_FACILITY_POLICY, tx.organization_id, policy_id)
    return None if row is None else (row["proposed_by"], row["approved_by"])


_RECORD_APPROVAL = """
    UPDATE facility_policy SET approved_by = $3, approved_at = $4 WHERE organization_id = $1 AND id = $2
"""


async def record_approval(tx: Transaction, policy_id: UUID, *, by: PersonId, at: datetime) -> None:
    """Let a locked set hold from its day on."""
    await tx.execute(_RECORD_APPROVAL, tx.organization_id, policy_id, by, at)


_POLICY_ON = """
    SELECT options FROM facility_policy
    WHERE organization_id = $1 AND facility_id = $2 AND approved_by IS NOT NULL AND valid_from <= $3
    ORDER BY valid_from DESC, approved_at DESC, id DESC LIMIT 1
"""


async def read_policy_on(tx: Transaction, facility_id: FacilityId, day: date) -> Mapping[str, str] | None:
    """The set that holds on a day; of two from one day, the one approved later. None where nobody ever set one."""
    options: Mapping[str, str] | None = await tx.fetchval(_POLICY_ON, tx.organization_id, facility_id, day)
    return options


_READ_FACILITY_POLICIES = """
    SELECT one.id, facility.code AS facility_code, one.valid_from, one.options, one.proposed_at, one.approved_at,
        proposer.name AS proposed_by, approver.name AS approved_by
    FROM facility_policy AS one
    JOIN facility ON facility.organization_id = $1 AND facility.id = one.facility_id
    JOIN person AS proposer ON proposer.organization_id = $1 AND proposer.id = one.proposed_by
    LEFT JOIN person AS approver ON approver.organization_id = $1 AND approver.id = one.approved_by
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
) -> list[Mapping[str, Any]]:
    """Sets and proposals below `after`, the newest first; None filters nothing."""
    rows = await tx.fetch(_READ_FACILITY_POLICIES, tx.organization_id, after, limit, policy_id, facility_code)
    return [dict(row) for row in rows]

"""Set when the orders of a facility or of one department are paid. Source: docs/visit-accounts.md, Clearance."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.service.facilities import require_facility
from billing.visit_accounts.domain.clearance import DepositExhausted, PaymentTerm
from billing.visit_accounts.store.clearance_policies import (
    SetPolicy,
    add_clearance_policy,
    read_clearance_policies,
)

__all__ = [
    "ClearancePolicyBackdated",
    "NewClearancePolicy",
    "SetPolicy",
    "find_clearance_policy",
    "list_clearance_policies",
    "set_clearance_policy",
]

_DEPARTMENT_LENGTH_MAX = 100


class ClearancePolicyBackdated(InvalidValue):
    """A policy begins today or later: orders of earlier days keep the policy they were placed under."""

    code = "clearance_policy_backdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClearancePolicy:
    """A policy to set; an empty `department` is every department without a policy of its own."""

    facility_code: str
    department: str
    valid_from: date
    term: PaymentTerm
    deposit_exhausted: DepositExhausted


async def set_clearance_policy(
    context: Context,
    organization_id: OrganizationId,
    new: NewClearancePolicy,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Set the policy of a facility or department for orders placed from a day on; of two for one day the later counts.

    Raises NotFound, ClearancePolicyBackdated, InvalidValue, PersonNeeded, or idempotency errors.
    """
    person = require_person(actor)
    department = new.department.strip()
    if len(department) > _DEPARTMENT_LENGTH_MAX or not department.isprintable():
        raise InvalidValue(f"a department has up to {_DEPARTMENT_LENGTH_MAX} printable characters", field="department")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        now = context.clock()
        if new.valid_from < business_date(now):
            raise ClearancePolicyBackdated("a policy begins today or later", field="valid_from")
        facility_id = await require_facility(tx, new.facility_code)
        policy = SetPolicy(
            id=context.ids.new(),
            facility_code=new.facility_code,
            department=department,
            valid_from=new.valid_from,
            term=new.term,
            deposit_exhausted=new.deposit_exhausted,
            set_by=person,
            set_at=now,
        )
        await add_clearance_policy(tx, facility_id, policy)
        await note(tx, context, actor, "clearance_policy_set", ("clearance_policy", policy.id))
        await save_result(tx, request, [policy.id], now=now)
    return policy.id


async def find_clearance_policy(
    context: Context, organization_id: OrganizationId, *, facility_code: str, policy_id: UUID
) -> SetPolicy:
    """One policy. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        facility_id = await require_facility(tx, facility_code)
        rows = await read_clearance_policies(tx, facility_id, ListSlice(limit=1), policy_id=policy_id)
    if not rows:
        raise NotFound("no such policy", field="id")
    return rows[0]


async def list_clearance_policies(
    context: Context, organization_id: OrganizationId, page: ListSlice, *, facility_code: str
) -> list[SetPolicy]:
    """The policies of a facility and its departments, the newest first. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_clearance_policies(tx, await require_facility(tx, facility_code), page)

"""How a facility reads what the law leaves open: proposed by one person, in force once another approves it.

Source: the two-person rule of domain/actor.py; docs/design.md §6: open readings are facility settings.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import NotFound, Refused
from billing.core.ids import OrganizationId
from billing.coverage.formats.policy_json import read_policy_options
from billing.coverage.service.context import PricingContext
from billing.coverage.store.facility_policies import (
    NewFacilityPolicy,
    add_facility_policy,
    lock_facility_policy,
    read_facility_policies,
    record_approval,
)
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.service.second_person import require_second_person
from billing.organizations.store.organizations import find_facility


class AlreadyApproved(Refused):
    """These readings were approved before; propose others to change them."""

    code = "already_approved"


async def propose_facility_policy(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    valid_from: date,
    options: Mapping[str, str],
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Propose the whole set of a facility's readings for visits admitted from a day on; unnamed ones are the default.

    Raises UnknownPolicyOption, InvalidValue, NotFound, PersonNeeded, or idempotency errors.
    """
    proposer = require_person(actor)
    read_policy_options(options)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        facility_id = await find_facility(tx, facility_code)
        if facility_id is None:
            raise NotFound(f"facility {facility_code} is not of this organization", field="facility")
        now, policy_id = context.clock(), context.ids.new()
        new = NewFacilityPolicy(
            id=policy_id,
            facility_id=facility_id,
            valid_from=valid_from,
            options=options,
            proposed_by=proposer,
            proposed_at=now,
        )
        await add_facility_policy(tx, new)
        await note(tx, context, actor, "readings_proposed", ("facility_policy", policy_id))
        await save_result(tx, request, [policy_id], now=now)
    return policy_id


async def approve_facility_policy(
    context: PricingContext, organization_id: OrganizationId, policy_id: UUID, *, actor: Actor
) -> None:
    """Agree with a set as another person. Raises NotFound, AlreadyApproved, SamePerson, PersonNeeded."""
    async with context.database.transaction(organization_id) as tx:
        locked = await lock_facility_policy(tx, policy_id)
        if locked is None:
            raise NotFound("no such readings", field="policy_id")
        proposed_by, approved_by = locked
        if approved_by is not None:
            raise AlreadyApproved("these readings are approved already")
        second = await require_second_person(tx, proposed_by, actor)
        await record_approval(tx, policy_id, by=second, at=context.clock())
        await note(tx, context, actor, "readings_approved", ("facility_policy", policy_id))


async def find_facility_policy(
    context: PricingContext, organization_id: OrganizationId, policy_id: UUID
) -> Mapping[str, Any]:
    """One set with who proposed and approved it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await read_facility_policies(tx, limit=1, policy_id=policy_id)
    if not rows:
        raise NotFound("no such readings", field="policy_id")
    return rows[0]


async def list_facility_policies(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    after: UUID | None = None,
    limit: int,
    facility_code: str | None = None,
) -> list[Mapping[str, Any]]:
    """Sets and proposals of a facility or all, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        return await read_facility_policies(tx, after=after, limit=limit, facility_code=facility_code)

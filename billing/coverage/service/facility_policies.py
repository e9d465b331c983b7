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
from billing.coverage.formats.policy_json import read_readings
from billing.coverage.service.context import PricingContext
from billing.coverage.store.facility_policies import (
    NewReadings,
    add_readings,
    approve_readings,
    list_readings,
    lock_readings,
)
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.service.second_person import require_second_person
from billing.organizations.store.organizations import find_facility


class ReadingsApproved(Refused):
    """These readings were approved before; propose others to change them."""

    code = "readings_approved"


async def propose_readings(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    valid_from: date,
    readings: Mapping[str, str],
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Propose the whole set of a facility's readings for visits admitted from a day on; unnamed ones are the default.

    Raises ReadingUnknown, InvalidValue, NotFound, PersonNeeded, or idempotency errors.
    """
    proposer = require_person(actor)
    read_readings(readings)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        facility_id = await find_facility(tx, facility_code)
        if facility_id is None:
            raise NotFound(f"facility {facility_code} is not of this organization", field="facility")
        now, readings_id = context.clock(), context.ids.new()
        new = NewReadings(
            id=readings_id,
            facility_id=facility_id,
            valid_from=valid_from,
            readings=readings,
            proposed_by=proposer,
            proposed_at=now,
        )
        await add_readings(tx, new)
        await note(tx, context, actor, "readings_proposed", ("facility_readings", readings_id))
        await save_result(tx, request, [readings_id], now=now)
    return readings_id


async def approve_proposed_readings(
    context: PricingContext, organization_id: OrganizationId, readings_id: UUID, *, actor: Actor
) -> None:
    """Agree with a set as another person. Raises NotFound, ReadingsApproved, SamePerson, PersonNeeded."""
    async with context.database.transaction(organization_id) as tx:
        locked = await lock_readings(tx, readings_id)
        if locked is None:
            raise NotFound("no such readings", field="readings_id")
        proposed_by, approved_by = locked
        if approved_by is not None:
            raise ReadingsApproved("these readings are approved already")
        second = await require_second_person(tx, proposed_by, actor)
        await approve_readings(tx, readings_id, by=second, at=context.clock())
        await note(tx, context, actor, "readings_approved", ("facility_readings", readings_id))


async def find_readings(
    context: PricingContext, organization_id: OrganizationId, readings_id: UUID
) -> Mapping[str, Any]:
    """One set with who proposed and approved it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await list_readings(tx, limit=1, readings_id=readings_id)
    if not rows:
        raise NotFound("no such readings", field="readings_id")
    return rows[0]


async def list_all_readings(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    after: UUID | None = None,
    limit: int,
    facility_code: str | None = None,
) -> list[Mapping[str, Any]]:
    """Sets and proposals of a facility or all, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        return await list_readings(tx, after=after, limit=limit, facility_code=facility_code)

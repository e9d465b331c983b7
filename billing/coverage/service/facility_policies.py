"""How a facility reads what the law leaves open: proposed by one person, in force once another approves it.

Source: the two-person rule of domain/actor.py; docs/design.md §6: open readings are facility settings.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.coverage.formats.policy_json import read_policy_options
from billing.coverage.service.context import PricingContext
from billing.coverage.store.facility_policies import (
    NewFacilityPolicy,
    add_facility_policy,
    read_facility_policies,
)
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.service.approvals import propose, read_latest_approvals
from billing.organizations.store.organizations import find_facility


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
    require_person(actor)
    read_policy_options(options)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        facility_id = await find_facility(tx, facility_code)
        if facility_id is None:
            raise NotFound(f"facility {facility_code} is not of this organization", field="facility")
        policy_id = context.ids.new()
        new = NewFacilityPolicy(id=policy_id, facility_id=facility_id, valid_from=valid_from, options=options)
        await add_facility_policy(tx, new)
        payload = {"facility": facility_code, "valid_from": valid_from.isoformat(), "options": dict(options)}
        await propose(tx, context, ApprovalKind.FACILITY_POLICY, policy_id, payload=payload, actor=actor)
        await save_result(tx, request, [policy_id], now=context.clock())
    return policy_id


async def find_facility_policy(
    context: PricingContext, organization_id: OrganizationId, policy_id: UUID
) -> Mapping[str, Any]:
    """One set with who proposed and approved it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await _with_approvals(tx, await read_facility_policies(tx, limit=1, policy_id=policy_id))
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
        rows = await read_facility_policies(tx, after=after, limit=limit, facility_code=facility_code)
        return await _with_approvals(tx, rows)


async def _with_approvals(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    approvals = await read_latest_approvals(tx, ApprovalKind.FACILITY_POLICY, [row["id"] for row in rows])
    return [{**row, "approval": approvals.get(row["id"])} for row in rows]

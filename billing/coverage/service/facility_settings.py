"""A step: propose a setting of a facility for visits admitted from a day on; another person approves it.

`facility_policies` has the policy options, `pricing_settings` the pricing authority. Source: docs/design.md §6.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import FacilityId, OrganizationId
from billing.coverage.service.context import PricingContext
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.service.approvals import propose
from billing.organizations.service.facilities import require_facility


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingScope:
    """The facility (MA_CSKCB) of a setting, and the first day of admission to which it applies."""

    facility_code: str
    valid_from: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedSetting:
    """A setting with the content that the second person reads, and `add`, which stores it under its new id."""

    kind: ApprovalKind
    scope: SettingScope
    content: Mapping[str, object]
    add: Callable[[Transaction, UUID, FacilityId], Awaitable[None]]


async def propose_setting(
    context: PricingContext,
    organization_id: OrganizationId,
    setting: ProposedSetting,
    *,
    actor: Actor,
    request: IdempotentRequest | None,
) -> UUID:
    """Store a setting and its proposal in one transaction; the id of the setting.

    A repeated `request` returns the earlier id. Raises NotFound, PersonNeeded, or idempotency errors.
    """
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        scope, setting_id = setting.scope, context.ids.new()
        await setting.add(tx, setting_id, await require_facility(tx, scope.facility_code, field="facility"))
        payload = {"facility": scope.facility_code, "valid_from": scope.valid_from.isoformat(), **setting.content}
        await propose(tx, context, setting.kind, setting_id, payload=payload, actor=actor)
        await save_result(tx, request, [setting_id], now=context.clock())
    return setting_id

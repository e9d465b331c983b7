"""Desks of a facility and its cash settings: an administrator sets them up."""

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DeskId, OrganizationId
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.facilities import require_facility
from billing.organizations.store.desks import Desk, read_desks
from billing.organizations.store.desks import add_desk as store_desk
from billing.organizations.store.desks import set_cash_setting as store_cash_setting

_NAME_MAX = 100


class DeskNameTaken(Refused):
    """The facility has a desk of this name."""

    code = "desk_name_taken"


async def add_desk(
    context: Context,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    name: str,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> DeskId:
    """Add a desk to a facility. A repeated `request` returns the earlier desk.

    Raises NotFound, DeskNameTaken, InvalidValue.
    """
    clean = " ".join(name.split())
    if not 1 <= len(clean) <= _NAME_MAX or not clean.isprintable():
        raise InvalidValue(f"a desk's name has 1 to {_NAME_MAX} printable characters", field="name")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return DeskId(earlier.subjects[0])
        facility_id = await require_facility(tx, facility_code)
        desk_id = DeskId(context.ids.new())
        if not await store_desk(tx, desk_id, facility_id, clean):
            raise DeskNameTaken("this facility has a desk of this name", field="name")
        await note(tx, context, actor, "desk_added", ("desk", desk_id))
        await save_result(tx, request, [desk_id], now=context.clock())
    return desk_id


async def list_desks(context: Context, organization_id: OrganizationId) -> list[Desk]:
    """Every desk of the organization."""
    async with context.database.transaction(organization_id) as tx:
        return await read_desks(tx)


async def set_cash_settings(
    context: Context,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    setting: CashSetting,
    actor: Actor,
) -> None:
    """Set how a facility takes cash. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        facility_id = await require_facility(tx, facility_code)
        await store_cash_setting(tx, facility_id, setting)
        await note(tx, context, actor, "cash_settings_changed", ("facility", facility_id))

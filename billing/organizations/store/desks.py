"""Desks of facilities, and the cash settings of a facility."""

from dataclasses import dataclass

from billing.core.ids import DeskId, FacilityId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.organizations.domain.cash_setting import CashSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A place where a cashier works, with the MA_CSKCB code of its facility and the facility's cash settings."""

    id: DeskId
    name: str
    facility_code: str
    rounding_step: int
    hides_expected_cash: bool
    confirms_offline: bool


_ADD_DESK = """
    INSERT INTO desk (organization_id, id, facility_id, name) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, facility_id, name) DO NOTHING RETURNING id
"""


async def add_desk(tx: Transaction, desk_id: DeskId, facility_id: FacilityId, name: str) -> bool:
    """Add a desk; False if the facility has one of this name."""
    return await tx.fetchval(_ADD_DESK, tx.organization_id, desk_id, facility_id, name) is not None


_DESKS = """
    SELECT desk.id, desk.name, facility.code AS facility_code, coalesce(setting.rounding_step, 1) AS rounding_step,
        coalesce(setting.hides_expected_cash, false) AS hides_expected_cash,
        coalesce(setting.confirms_offline, false) AS confirms_offline
    FROM desk
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    LEFT JOIN cash_setting AS setting ON setting.organization_id = $1 AND setting.facility_id = desk.facility_id
    WHERE desk.organization_id = $1
    ORDER BY facility.code, desk.name
"""


async def read_desks(tx: Transaction) -> list[Desk]:
    """Every desk of the organization, by facility and name."""
    return [read_row(Desk, row) for row in await tx.fetch(_DESKS, tx.organization_id)]


_SET_CASH_SETTING = """
    INSERT INTO cash_setting (organization_id, facility_id, rounding_step, hides_expected_cash, confirms_offline)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (organization_id, facility_id)
        DO UPDATE SET rounding_step = excluded.rounding_step, hides_expected_cash = excluded.hides_expected_cash,
            confirms_offline = excluded.confirms_offline
"""


async def set_cash_setting(tx: Transaction, facility_id: FacilityId, setting: CashSetting) -> None:
    """Set how a facility takes cash."""
    await tx.execute(
        _SET_CASH_SETTING,
        tx.organization_id,
        facility_id,
        setting.rounding_step,
        setting.hides_expected_cash,
        setting.confirms_offline,
    )

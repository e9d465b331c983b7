"""Desks and the cash settings of their facilities, as the cash of a shift needs them."""

from dataclasses import dataclass

from billing.core.ids import DeskId, FacilityId
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """A desk with the cash settings of its facility; a step of 1 is no rounding."""

    id: DeskId
    name: str
    facility_id: FacilityId
    rounding_step: int
    hides_expected_cash: bool


_FIND_DESK = """
    SELECT desk.id, desk.name, desk.facility_id, coalesce(setting.rounding_step, 1) AS rounding_step,
        coalesce(setting.hides_expected_cash, false) AS hides_expected_cash
    FROM desk
    LEFT JOIN cash_setting AS setting ON setting.organization_id = $1 AND setting.facility_id = desk.facility_id
    WHERE desk.organization_id = $1 AND desk.id = $2
"""


async def find_desk(tx: Transaction, desk_id: DeskId) -> DeskSettings | None:
    """A desk with the cash settings of its facility."""
    row = await tx.fetchrow(_FIND_DESK, tx.organization_id, desk_id)
    return None if row is None else read_row(DeskSettings, row)

"""The deposit settings of facilities; intents and receipts read them in the statement that adds them."""

from dataclasses import dataclass

from billing.core.ids import FacilityId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.deposit import AdvanceType


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositSettings:
    """`threshold`, in đồng: when less of the deposit of an inpatient is left, the ward requests more.

    `return_days`: until when after the last money a payer chooses that an excess is returned; None: no term.
    """

    advance_type: AdvanceType
    threshold: Dong
    return_days: int | None


_SAVE_DEPOSIT_SETTINGS = """
    INSERT INTO deposit_setting AS setting (organization_id, facility_id, advance_type, threshold, return_days)
    VALUES ($1, $2, coalesce($3, 'guarantee_deposit'), coalesce($4, 0), nullif($5::int, 0))
    ON CONFLICT (organization_id, facility_id) DO UPDATE
        SET advance_type = coalesce($3, setting.advance_type), threshold = coalesce($4, setting.threshold),
            return_days = CASE WHEN $5::int IS NULL THEN setting.return_days ELSE nullif($5::int, 0) END
    RETURNING advance_type, threshold, return_days
"""


async def save_deposit_settings(
    tx: Transaction,
    facility_id: FacilityId,
    advance_type: AdvanceType | None,
    threshold: Dong | None,
    return_days: int | None,
) -> DepositSettings:
    """Store the settings of a facility that are given; returns all of them. 0 days end the term."""
    row = await tx.fetchrow(
        _SAVE_DEPOSIT_SETTINGS,
        tx.organization_id,
        facility_id,
        advance_type and advance_type.value,
        threshold,
        return_days,
    )
    assert row is not None, "the statement returns its row"
    return read_row(DepositSettings, row)

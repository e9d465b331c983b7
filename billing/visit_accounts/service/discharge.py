"""The discharge clearance of a visit, computed inside a transaction. These are steps.

`require_discharge_clearance` runs in the transaction of the final bill, with the visit account locked. Source:
docs/visit-accounts.md, Discharge.
"""

from datetime import date, datetime

from billing.core.clock import business_date
from billing.core.ids import VisitId
from billing.db.database import Transaction
from billing.db.single_reads import TenantReader
from billing.visit_accounts.domain.account import require_account
from billing.visit_accounts.domain.bed_days import Bed, Stay
from billing.visit_accounts.domain.discharge import (
    DischargeBlocked,
    DischargeClearance,
    DischargeFacts,
    OpenItem,
    clear_discharge,
    read_quantity,
)
from billing.visit_accounts.domain.discharge_kinds import BLOCKER_KINDS
from billing.visit_accounts.store.discharge import BedRow, DischargeRow, read_discharge
from billing.visits.formats.xml130.timestamps import parse_timestamp

_INPATIENT_KINDS = frozenset({"03", "09"})
"""MA_LOAI_KCB of a stay with bed days; a day patient has none."""


async def require_discharge_clearance(tx: Transaction, visit_id: VisitId, *, now: datetime) -> None:
    """Refuse the final bill while something is unfinished that nobody has overridden.

    The caller has locked the visit account, so that no charge changes meanwhile. Raises DischargeBlocked, NotFound.
    """
    clearance = await compute_discharge_clearance(tx, visit_id, now=now)
    if not clearance.is_clear:
        raise DischargeBlocked(clearance.blocking)


async def compute_discharge_clearance(tx: TenantReader, visit_id: VisitId, *, now: datetime) -> DischargeClearance:
    """Every blocker of a visit, with those that a person has overridden. Raises NotFound."""
    row = require_account(await read_discharge(tx, visit_id, now=now))
    return clear_discharge(_facts(row, now), BLOCKER_KINDS, row.overrides)


def _facts(row: DischargeRow, now: datetime) -> DischargeFacts:
    return DischargeFacts(
        visit_id=row.visit_id,
        department=row.department,
        lines=row.lines,
        intents=row.intents,
        requests=row.requests,
        guarantees=row.guarantees,
        header_gap=None if row.gap_since is None else _header_gap(row, row.gap_since),
        beds=[_bed(bed) for bed in row.beds],
        stay=_stay(row, now),
    )


def _header_gap(row: DischargeRow, since: datetime) -> OpenItem:
    """An override covers the gap of one version of the header."""
    return OpenItem(reference=str(row.visit_id), since=since, version=row.sender_version)


def _stay(row: DischargeRow, now: datetime) -> Stay | None:
    """The stay of an inpatient; it lasts until now where the header states no discharge."""
    if not (row.care_kind in _INPATIENT_KINDS if row.care_kind else row.is_inpatient):
        return None
    admitted_at = parse_timestamp(row.admitted_to_ward) or parse_timestamp(row.admitted) or row.opened_at
    ends_at = parse_timestamp(row.discharged) or now
    if ends_at < admitted_at:
        return None
    return Stay(admitted_at=admitted_at, ends_at=ends_at, leave_days=frozenset(map(date.fromisoformat, row.leave_days)))


def _bed(row: BedRow) -> Bed:
    stated_at = parse_timestamp(row.day)
    return Bed(
        line=row.line,
        version=row.version,
        department=row.department,
        stt=row.stt,
        on=business_date(row.ordered_at) if stated_at is None else stated_at.date(),
        quantity=read_quantity(row.quantity),
        group=row.group,
        scope=row.scope,
        code=row.code,
        recorded_at=row.ordered_at,
    )

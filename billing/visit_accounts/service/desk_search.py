"""Find visits at the desk by what was scanned or typed, and list the queue of a facility. Reads only.

Source: docs/ux.md, Cashier.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing.core.ids import DeskId, OrganizationId, VisitId
from billing.core.text import normalize_heading
from billing.db.context import Context
from billing.db.database import Transaction
from billing.organizations.service.facilities import require_facility
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.desk_search import ReadScan, ScanKind, read_scan
from billing.visit_accounts.store.desk_queue import (
    QueuedVisit,
    find_patients_by_number,
    find_visits_by_code,
    find_visits_by_ma_lk,
    find_visits_by_order,
    find_visits_by_receipt,
    read_queue,
    read_queued_visits,
    read_visits_of_patients,
)
from billing.visit_accounts.store.desk_screens import read_shown_visits, read_waiting_codes

SHOWN_FOR = timedelta(minutes=15)
"""A visit that a desk has shown within this time is not called again."""

QUEUE_AGE = timedelta(hours=24)
"""Visits that were opened longer ago are found by a search; the queue does not list them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVisits:
    """The visits of a text, and what it was read as."""

    scan: ReadScan
    visits: Sequence[QueuedVisit]

    @property
    def only(self) -> QueuedVisit | None:
        """The one visit that a scan opens at once: the only one, or the only open one."""
        if len(self.visits) == 1:
            return self.visits[0]
        still_open = [visit for visit in self.visits if visit.state is AccountState.OPEN]
        return still_open[0] if len(still_open) == 1 and self.scan.kind is not ScanKind.TEXT else None


async def find_at_desk(
    context: Context,
    organization_id: OrganizationId,
    written: str,
    *,
    facility_code: str,
    facility_codes: Collection[str] | None = None,
) -> FoundVisits:
    """The visits of a scanned or typed text. A name is looked for in the queue of the facility.

    `facility_codes` are those that the caller reaches, None for all.
    """
    scan = read_scan(written)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        visits = await _find(tx, scan)
        if not visits and scan.kind is ScanKind.TEXT and scan.text:
            wanted = normalize_heading(scan.text)
            queue = await _queue(tx, context, facility_code)
            visits = [visit for visit in queue if wanted and wanted in normalize_heading(visit.name)]
    reached = [visit for visit in visits if facility_codes is None or visit.facility_code in facility_codes]
    return FoundVisits(scan=scan, visits=reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitQueue:
    """The visits of a facility that wait for payment, the longest waiting first.

    `next` is the first that no desk shows now and whose code does not wait at this desk; None where there is none.
    """

    visits: Sequence[QueuedVisit]
    next: QueuedVisit | None


async def find_queue(
    context: Context, organization_id: OrganizationId, facility_code: str, desk_id: DeskId
) -> VisitQueue:
    """The queue of a facility as a desk sees it. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        queue = await _queue(tx, context, facility_code)
        shown = await read_shown_visits(tx, since=context.clock() - SHOWN_FOR)
        waiting = await read_waiting_codes(tx, desk_id, since=context.clock() - QUEUE_AGE)
    taken = shown | {code.visit_id for code in waiting}
    return VisitQueue(visits=queue, next=next((visit for visit in queue if visit.visit_id not in taken), None))


async def _queue(tx: Transaction, context: Context, facility_code: str) -> list[QueuedVisit]:
    facility_id = await require_facility(tx, facility_code)
    return await read_queue(tx, facility_id, opened_since=context.clock() - QUEUE_AGE)


async def _find(tx: Transaction, scan: ReadScan) -> list[QueuedVisit]:
    visit_ids: list[VisitId] = []
    if scan.receipt is not None:
        series, year, number = scan.receipt
        visit_ids = await find_visits_by_receipt(tx, series=series, year=year, number=number)
    elif scan.payment_code is not None:
        visit_ids = await find_visits_by_code(tx, scan.payment_code)
    if not visit_ids and scan.text:
        visit_ids = await find_visits_by_ma_lk(tx, scan.text) or await find_visits_by_order(tx, scan.text)
    if visit_ids:
        return await read_queued_visits(tx, visit_ids)
    patients = await find_patients_by_number(
        tx,
        citizen_number=scan.citizen_number,
        insurance_number=scan.insurance_number,
        hospital_number=scan.text if scan.kind is ScanKind.TEXT else "",
    )
    return await read_visits_of_patients(tx, patients) if patients else []

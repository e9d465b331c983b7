"""Measures of the installation for monitoring: queues, unallocated money, seals, backups, replication.

The worker measures at an interval and keeps the result; reading `/metrics` runs no statement. Sums and
maxima are over all organizations, so their number adds no metric. Source: docs/operations.md, Monitoring.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import structlog

from billing.core.clock import business_date
from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.ledger.store.balances import read_balances
from billing.ops.measure_rows import (
    BackupCheck,
    OrganizationQueues,
    ReplicationSlot,
    read_backup_checks,
    read_queues,
    read_slots,
)
from billing.payments.service.context import PaymentContext

_CELL_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What was measured at a time. Ages in seconds, money in đồng; an age is 0 where nothing waits.

    `organizations` is how many were measured, `failed` how many could not be. `cells` has each cell by name, and
    whether it answered; `cells_unchecked` is the number of those that did without any check of their backups. Sums,
    slots and backups are of the cells that answered.
    """

    measured_at: datetime
    organizations: int
    failed: int
    exceptions_open: int
    exceptions_overdue: int
    exception_age_s: float
    unallocated_dong: int
    intent_age_s: float
    webhooks_waiting: int
    webhook_age_s: float
    webhooks_dead: int
    dead_letters: int
    unsealed_age_s: float
    slots: Sequence[ReplicationSlot]
    backups: Sequence[BackupCheck]
    cells: Mapping[str, bool]
    cells_unchecked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationMeasures:
    """The queues of an organization and its unallocated money."""

    queues: OrganizationQueues
    unallocated_dong: int


async def measure_organization(context: PaymentContext, organization_id: OrganizationId) -> OrganizationMeasures:
    """Measure one organization: two statements that read ends of indexes, and the postings since the last snapshot."""
    now = context.clock()
    async with context.database.transaction(organization_id, read_only=True) as tx:
        queues = await read_queues(tx, now)
        unallocated = 0
        if queues.unallocated_account_id is not None:
            balances = await read_balances(
                tx, until=date.max, chart_on=business_date(now), account_id=queues.unallocated_account_id
            )
            unallocated = sum(balance.credit - balance.debit for balance in balances)
    return OrganizationMeasures(queues=queues, unallocated_dong=unallocated)


async def measure_installation(
    context: PaymentContext, measured: Sequence[OrganizationMeasures], *, failed: int
) -> Measures:
    """Add up what was measured of the organizations, with the replication and the backups of the servers.

    A cell that does not answer stops no other.
    """
    now = context.clock()
    cells = context.database.cells_by_name
    servers = dict(zip(cells, await asyncio.gather(*(_measure_cell(*each) for each in cells.items())), strict=True))
    answered = [each for each in servers.values() if each is not None]
    queues = [each.queues for each in measured]
    return Measures(
        measured_at=now,
        organizations=len(measured),
        failed=failed,
        exceptions_open=sum(each.exceptions_open for each in queues),
        exceptions_overdue=sum(each.exceptions_overdue for each in queues),
        exception_age_s=_age(now, (each.oldest_exception_at for each in queues)),
        unallocated_dong=sum(each.unallocated_dong for each in measured),
        intent_age_s=_age(now, (each.oldest_intent_at for each in queues)),
        webhooks_waiting=sum(each.webhooks_waiting for each in queues),
        webhook_age_s=_age(now, (each.oldest_webhook_at for each in queues)),
        webhooks_dead=sum(each.webhooks_dead for each in queues),
        dead_letters=sum(each.dead_letters for each in queues),
        unsealed_age_s=_age(now, (each.unsealed_since for each in queues)),
        slots=_worst_slots(slot for each in answered for slot in each.slots),
        backups=_worst_checks(check for each in answered for check in each.backups),
        cells={name: server is not None for name, server in servers.items()},
        cells_unchecked=sum(not each.backups for each in answered),
    )


@dataclass(frozen=True, slots=True)
class _Server:
    """The replication and the backups of one cell."""

    slots: Sequence[ReplicationSlot]
    backups: Sequence[BackupCheck]


async def _measure_cell(name: str, cell: Database) -> _Server | None:
    """Measure the server of a cell; None where it does not answer."""
    try:
        async with asyncio.timeout(_CELL_TIMEOUT_S), cell.system_transaction() as reader:
            return _Server(await read_slots(reader), await read_backup_checks(reader))
    except (Unavailable, TimeoutError) as error:
        log.warning("cell_not_measured", cell=name, error=type(error).__name__)
        return None


def _worst_slots(slots: Iterable[ReplicationSlot]) -> Sequence[ReplicationSlot]:
    """One slot for each name: cells may use the same names."""
    worst: dict[str, ReplicationSlot] = {}
    for slot in slots:
        other = worst.get(slot.name, slot)
        lags = [each for each in (slot.lag_bytes, other.lag_bytes) if each is not None]
        worst[slot.name] = ReplicationSlot(
            name=slot.name, is_active=slot.is_active and other.is_active, lag_bytes=max(lags, default=None)
        )
    return list(worst.values())


def _worst_checks(checks: Iterable[BackupCheck]) -> Sequence[BackupCheck]:
    """One check for each name of a server: the servers of several cells may have the same name on their machines."""
    worst: dict[str, BackupCheck] = {}
    for check in checks:
        other = worst.get(check.server, check)
        worst[check.server] = BackupCheck(
            server=check.server,
            checked_at=min(check.checked_at, other.checked_at),
            problems=max(check.problems, other.problems),
            backup_ended_at=_earlier(check.backup_ended_at, other.backup_ended_at),
            drilled_at=_earlier(check.drilled_at, other.drilled_at),
        )
    return list(worst.values())


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times; None, which stands for never, is the earliest."""
    return None if one is None or other is None else min(one, other)


def _age(now: datetime, times: Iterable[datetime | None]) -> float:
    """Seconds since the oldest of the times; 0 where there is none, or where it is to come."""
    oldest = min((each for each in times if each is not None), default=now)
    return max(0.0, (now - oldest).total_seconds())

"""Metrics of the worker for Prometheus: its loops, and what the loop `measure` last measured of the installation.

Reading them runs no statement. Labels are loops, cells, replication slots and servers of barman, never an
organization. Sums over several workers would count twice: each of them measures the whole installation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from billing.db.context import Clock
from billing.ops.measures import Measures
from billing.ops.process_metrics import ProviderCallMetrics, ProviderCalls, TaskMetrics
from billing.worker.loops import Loop


class WorkerMetrics:
    """The metrics of one worker, in their own registry."""

    def __init__(self, clock: Clock, *, provider_calls: ProviderCalls, log_lines_lost: Callable[[], int]) -> None:
        self._clock = clock
        self._provider_calls = provider_calls
        self._log_lines_lost = log_lines_lost
        self._registry = CollectorRegistry()
        self.measures: Measures | None = None

    def observe(self, loops: Sequence[Loop], restarts: Callable[[], Mapping[str, int]]) -> None:
        """Report the loops and the restarted tasks from now on."""
        self._registry.register(TaskMetrics(restarts, self._log_lines_lost))
        self._registry.register(ProviderCallMetrics(self._provider_calls))
        self._registry.register(_LoopMetrics(loops, self._clock))
        self._registry.register(_MeasureMetrics(lambda: self.measures, self._clock))

    def write(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self._registry)


class _LoopMetrics(Collector):
    """Work, failures and the last success of each loop."""

    def __init__(self, loops: Sequence[Loop], clock: Clock) -> None:
        self._loops = loops
        self._clock = clock
        self._started_at = clock()

    def collect(self) -> Iterable[Metric]:
        done = CounterMetricFamily("vienphi_worker_work_total", "Work done by loop", labels=("loop",))
        failures = GaugeMetricFamily("vienphi_worker_failures", "Failed runs of a loop in a row", labels=("loop",))
        success = GaugeMetricFamily(
            "vienphi_worker_success_age_seconds",
            "Time since a loop last ended a run without a failure, or since the start",
            labels=("loop",),
        )
        now = self._clock()
        for loop in self._loops:
            done.add_metric((loop.name,), loop.done)
            failures.add_metric((loop.name,), loop.failures)
            success.add_metric((loop.name,), (now - (loop.last_success_at or self._started_at)).total_seconds())
        yield from (done, failures, success)


_GAUGES: Sequence[tuple[str, str, Callable[[Measures], float]]] = (
    ("vienphi_exceptions_open", "Open exceptions", lambda found: found.exceptions_open),
    ("vienphi_exceptions_overdue", "Open exceptions past their due time", lambda found: found.exceptions_overdue),
    ("vienphi_exception_age_seconds", "Age of the oldest open exception", lambda found: found.exception_age_s),
    ("vienphi_unallocated_dong", "Unallocated money in dong", lambda found: found.unallocated_dong),
    ("vienphi_intent_age_seconds", "Age of the open intent that expires first", lambda found: found.intent_age_s),
    ("vienphi_webhooks_waiting", "Webhook messages that wait", lambda found: found.webhooks_waiting),
    ("vienphi_webhook_age_seconds", "Time since the oldest waiting message is due", lambda found: found.webhook_age_s),
    ("vienphi_webhooks_dead", "Webhook messages that could not be delivered", lambda found: found.webhooks_dead),
    ("vienphi_dead_letters_waiting", "Dead letters that wait for a person", lambda found: found.dead_letters),
    ("vienphi_unsealed_age_seconds", "Age of the oldest row without a seal", lambda found: found.unsealed_age_s),
    ("vienphi_organizations", "Organizations that were measured", lambda found: found.organizations),
    ("vienphi_organizations_unmeasured", "Organizations that could not be measured", lambda found: found.failed),
)


class _MeasureMetrics(Collector):
    """What was last measured; before the first measurement the metrics have no sample."""

    def __init__(self, last: Callable[[], Measures | None], clock: Clock) -> None:
        self._last = last
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        found, now = self._last(), self._clock()
        for name, description, value_of in _GAUGES:
            yield _gauge(name, description, () if found is None else [value_of(found)])
        age = () if found is None else [(now - found.measured_at).total_seconds()]
        yield _gauge("vienphi_measures_age_seconds", "Time since the installation was last measured", age)
        yield from _cells(found)
        yield from _replication(found)
        yield from _backups(found, self._clock)


def _gauge(name: str, description: str, values: Iterable[float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, description)
    for value in values:
        family.add_metric((), value)
    return family


def _cells(found: Measures | None) -> Iterable[Metric]:
    family = GaugeMetricFamily("vienphi_cell_up", "1 where a cell answered the last measurement", labels=("cell",))
    for name, is_up in found.cells.items() if found else ():
        family.add_metric((name,), is_up)
    yield family


def _replication(found: Measures | None) -> Iterable[Metric]:
    lag = GaugeMetricFamily(
        "vienphi_replication_lag_bytes", "WAL that a standby or the archive has not confirmed", labels=("slot",)
    )
    active = GaugeMetricFamily(
        "vienphi_replication_slot_active", "1 where a standby or the archive is connected", labels=("slot",)
    )
    for slot in found.slots if found else ():
        active.add_metric((slot.name,), slot.is_active)
        if slot.lag_bytes is not None:
            lag.add_metric((slot.name,), slot.lag_bytes)
    yield from (lag, active)


def _backups(found: Measures | None, clock: Clock) -> Iterable[Metric]:
    """The ages grow also where no check runs any more."""
    families = [
        GaugeMetricFamily(name, description, labels=("server",))
        for name, description in (
            ("vienphi_backup_age_seconds", "Time since the last complete backup ended"),
            ("vienphi_backup_drill_age_seconds", "Time since a restore drill last succeeded"),
            ("vienphi_backup_check_age_seconds", "Time since the backups were last checked"),
        )
    ]
    problems = GaugeMetricFamily("vienphi_backup_problems", "Problems of the last check", labels=("server",))
    unchecked = () if found is None else [found.cells_unchecked]
    yield _gauge("vienphi_backup_cells_unchecked", "Cells whose backups were never checked", unchecked)
    for check in found.backups if found else ():
        for family, at in zip(families, (check.backup_ended_at, check.drilled_at, check.checked_at), strict=True):
            if at is not None:
                family.add_metric((check.server,), (clock() - at).total_seconds())
        problems.add_metric((check.server,), check.problems)
    yield from (*families, problems)

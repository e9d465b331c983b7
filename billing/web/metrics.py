"""Measures of this process for Prometheus: counts and times by words of ours, never a name, an id or an address.

Labels are routes, statuses, verdicts: as many as the code has words. What costs a question to the database is not here.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from billing.core.ids import ProviderAccountId
from billing.web.app_state import ProviderCallStats, app_state
from billing.web.operation import Content, Operation, operation

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_METHODS = frozenset({"GET", "HEAD", "POST"})
_NOWHERE = "none"


class Metrics:
    """The measures of one application, in a registry of its own; `callbacks` are counted by outcome elsewhere."""

    def __init__(
        self,
        callbacks: Mapping[str, int],
        provider_calls: Callable[[], Mapping[ProviderAccountId, ProviderCallStats]],
        *,
        restarts: Callable[[], Mapping[str, int]] = dict,
        log_lines_lost: Callable[[], int] = int,
        unreachable: Callable[[], int] = int,
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Callbacks(callbacks))
        self.registry.register(_Process(restarts, log_lines_lost, unreachable))
        self.registry.register(_Calls(provider_calls))
        self._requests = Histogram(
            "vienphi_request_seconds",
            "Time from a request to its answer",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch_size = Histogram(
            "vienphi_intake_batch_size", "Deliveries in one commit", buckets=_BATCHES, registry=self.registry
        )
        self._commit = Histogram(
            "vienphi_commit_seconds",
            "Time from the beginning of a batch's transaction to its commit",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._waiting = Gauge(
            "vienphi_intake_queue_depth", "Deliveries that wait in an intake queue", ("queue",), registry=self.registry
        )

        self._horizon = Gauge(
            "vienphi_horizon_age_seconds",
            "Time since the oldest transaction began that may still write; seals and snapshots wait for it",
            registry=self.registry,
        )

    def note_horizon(self, seconds: float) -> None:
        """The age of the horizon, as it was last seen."""
        self._horizon.set(seconds)

    def note_request(self, *, method: str, route: str | None, status: int, seconds: float) -> None:
        """One request answered; `route` is the pattern of the address, None where there is no such address."""
        labels = (method if method in _METHODS else "other", route or _NOWHERE, str(status))
        self._requests.labels(*labels).observe(seconds)

    def note_batch(self, deliveries: int, seconds: float) -> None:
        """One batch committed."""
        self._batch_size.observe(deliveries)
        self._commit.observe(seconds)

    def write(self, queues: Iterable[int]) -> bytes:
        """All measures as text; `queues` are the numbers of deliveries that wait in each intake queue now."""
        for number, waiting in enumerate(queues):
            self._waiting.labels(str(number)).set(waiting)
        return generate_latest(self.registry)


class _Callbacks(Collector):
    """Callbacks by what became of them, counted where they are answered."""

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._counted = counted

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily("vienphi_callbacks", "Callbacks by what became of them", labels=("outcome",))
        for outcome, count in self._counted.items():
            family.add_metric((outcome,), count)
        yield family


class _Process(Collector):
    """What must not happen in a process: tasks that ended and were started again, lines of the log that were lost."""

    def __init__(
        self,
        restarts: Callable[[], Mapping[str, int]],
        log_lines_lost: Callable[[], int],
        unreachable: Callable[[], int],
    ) -> None:
        self._restarts = restarts
        self._unreachable = unreachable
        self._log_lines_lost = log_lines_lost

    def collect(self) -> Iterable[Metric]:
        restarts = CounterMetricFamily(
            "vienphi_task_restarts", "Tasks that ended and were started again", labels=("task",)
        )
        for task, count in self._restarts().items():
            restarts.add_metric((task,), count)
        yield restarts
        lost = CounterMetricFamily("vienphi_log_lines_lost", "Lines of the log that its stream refused")
        lost.add_metric((), self._log_lines_lost())
        yield lost
        unreachable = CounterMetricFamily(
            "vienphi_provider_unreachable", "Payments not started because the provider could not be reached"
        )
        unreachable.add_metric((), self._unreachable())
        yield unreachable


class _Calls(Collector):
    """Calls to providers of all accounts together, counted by each account's line; /readyz names the accounts."""

    def __init__(self, provider_calls: Callable[[], Mapping[ProviderAccountId, ProviderCallStats]]) -> None:
        self._provider_calls = provider_calls

    def collect(self) -> Iterable[Metric]:
        provider_calls = list(self._provider_calls().values())
        calls = CounterMetricFamily(
            "vienphi_provider_calls", "Calls to providers by how they ended", labels=("outcome",)
        )
        calls.add_metric(("answered",), sum(line.answered for line in provider_calls))
        calls.add_metric(("failed",), sum(line.failed for line in provider_calls))
        calls.add_metric(("refused",), sum(line.refused for line in provider_calls))
        yield calls
        repeats = CounterMetricFamily("vienphi_provider_repeats", "Questions to providers that were sent again")
        repeats.add_metric((), sum(line.repeated for line in provider_calls))
        yield repeats
        silent = GaugeMetricFamily("vienphi_provider_silent_accounts", "Accounts that are not called for a while")
        silent.add_metric((), sum(line.is_stopped for line in provider_calls))
        yield silent


METRICS = web.AppKey("metrics", Metrics)


@operation(
    Operation(
        tag="health",
        responses={HTTPStatus.OK: Content(media_type="text/plain", description="Measures for Prometheus")},
    )
)
async def get_metrics(request: web.Request) -> web.Response:
    """Read the measures of this process."""
    metrics: Metrics = request.config_dict[METRICS]
    content = metrics.write(app_state(request).intake.waiting())
    return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_LATEST})

"""Metrics of this process for Prometheus. Labels are routes, statuses and outcomes, never a name, an id or an address.

No metric needs a query to the database; `billing/worker/metrics.py` measures the database.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from billing.ops.process_metrics import ProviderCallMetrics, ProviderCalls, TaskMetrics
from billing.web.app_state import app_state
from billing.web.operation import Content, Operation, operation

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST"})
"""Of another method a client may choose the name: metrics and traces call it `other`."""

_NOWHERE = "none"


class Metrics:
    """The metrics of one application, in their own registry. The callback handler counts `callbacks` by outcome."""

    def __init__(
        self,
        callbacks: Mapping[str, int],
        provider_calls: ProviderCalls,
        *,
        restarts: Callable[[], Mapping[str, int]] = dict,
        log_lines_lost: Callable[[], int] = int,
        unreachable: Callable[[], int] = int,
        dead_letters: Callable[[], int] = int,
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Callbacks(callbacks))
        self.registry.register(TaskMetrics(restarts, log_lines_lost))
        self.registry.register(_Failures(unreachable, dead_letters))
        self.registry.register(ProviderCallMetrics(provider_calls))
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
        self._queue_depth = Gauge(
            "vienphi_intake_queue_depth", "Deliveries that wait in an intake queue", ("queue",), registry=self.registry
        )

        self._oldest_transaction_age = Gauge(
            "vienphi_oldest_transaction_age_seconds",
            "Age of the oldest transaction that may still write; seals and balance snapshots wait for it",
            registry=self.registry,
        )

    def record_oldest_transaction_age(self, seconds: float) -> None:
        """Record the last known age of the oldest transaction."""
        self._oldest_transaction_age.set(seconds)

    def record_request(self, *, method: str, route: str | None, status: int, seconds: float) -> None:
        """Record a response. `route` is the path pattern, None for an unknown path."""
        labels = (method if method in KNOWN_METHODS else "other", route or _NOWHERE, str(status))
        self._requests.labels(*labels).observe(seconds)

    def record_batch(self, deliveries: int, seconds: float) -> None:
        """Record a committed batch."""
        self._batch_size.observe(deliveries)
        self._commit.observe(seconds)

    def write(self, queue_depths: Iterable[int]) -> bytes:
        """All metrics as text. `queue_depths` counts the deliveries that wait in each intake queue."""
        for number, waiting in enumerate(queue_depths):
            self._queue_depth.labels(str(number)).set(waiting)
        return generate_latest(self.registry)


class _Callbacks(Collector):
    """Callbacks by outcome."""

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._counted = counted

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily("vienphi_callbacks_total", "Callbacks by outcome", labels=("outcome",))
        for outcome, count in self._counted.items():
            family.add_metric((outcome,), count)
        yield family


class _Failures(Collector):
    """Failures of the intake: unreachable providers, dead letters."""

    def __init__(self, unreachable: Callable[[], int], dead_letters: Callable[[], int]) -> None:
        self._unreachable = unreachable
        self._dead_letters = dead_letters

    def collect(self) -> Iterable[Metric]:
        unreachable = CounterMetricFamily(
            "vienphi_provider_unreachable_total", "Payments not started because the provider could not be reached"
        )
        unreachable.add_metric((), self._unreachable())
        yield unreachable
        dead_letters = CounterMetricFamily(
            "vienphi_dead_letters_total", "Verified deliveries that could not be applied, stored for a person"
        )
        dead_letters.add_metric((), self._dead_letters())
        yield dead_letters


METRICS = web.AppKey("metrics", Metrics)


@operation(
    Operation(
        tag="health",
        responses={HTTPStatus.OK: Content(media_type="text/plain", description="Metrics for Prometheus")},
    )
)
async def get_metrics(request: web.Request) -> web.Response:
    """Read the metrics of this process."""
    metrics: Metrics = request.config_dict[METRICS]
    content = metrics.write(app_state(request).intake.waiting())
    return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_LATEST})

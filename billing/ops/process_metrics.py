"""Metrics that web process and worker have in common: restarted tasks, lost log lines and spans, calls to providers.

`billing/web/metrics.py` and `billing/worker/metrics.py` add their own.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from billing.core.ids import ProviderAccountId
from billing.tracing import spans_lost


class ProviderCallStats(Protocol):
    """Counts of the calls to one provider account since the start; `is_circuit_open` while its circuit is open."""

    @property
    def is_circuit_open(self) -> bool: ...
    @property
    def answered(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def retried(self) -> int: ...


ProviderCalls = Callable[[], Mapping[ProviderAccountId, ProviderCallStats]]


class TaskMetrics(Collector):
    """Restarted tasks, lost log lines and lost spans of the process."""

    def __init__(self, restarts: Callable[[], Mapping[str, int]], log_lines_lost: Callable[[], int]) -> None:
        self._restarts = restarts
        self._log_lines_lost = log_lines_lost

    def collect(self) -> Iterable[Metric]:
        restarts = CounterMetricFamily(
            "vienphi_task_restarts_total", "Tasks that ended and were restarted", labels=("task",)
        )
        for task, count in self._restarts().items():
            restarts.add_metric((task,), count)
        yield restarts
        lost = CounterMetricFamily("vienphi_log_lines_lost_total", "Log lines that the stream did not accept")
        lost.add_metric((), self._log_lines_lost())
        yield lost
        spans = CounterMetricFamily("vienphi_spans_lost_total", "Spans of traces that the collector did not get")
        spans.add_metric((), spans_lost())
        yield spans


class ProviderCallMetrics(Collector):
    """Calls to providers, summed over all accounts. /readyz names the accounts."""

    def __init__(self, provider_calls: ProviderCalls) -> None:
        self._provider_calls = provider_calls

    def collect(self) -> Iterable[Metric]:
        provider_calls = list(self._provider_calls().values())
        calls = CounterMetricFamily(
            "vienphi_provider_calls_total", "Calls to providers by outcome", labels=("outcome",)
        )
        calls.add_metric(("answered",), sum(account.answered for account in provider_calls))
        calls.add_metric(("failed",), sum(account.failed for account in provider_calls))
        calls.add_metric(("refused",), sum(account.refused for account in provider_calls))
        yield calls
        retries = CounterMetricFamily("vienphi_provider_retries_total", "Retries of queries to providers")
        retries.add_metric((), sum(account.retried for account in provider_calls))
        yield retries
        open_circuits = GaugeMetricFamily("vienphi_provider_circuits_open", "Provider accounts with an open circuit")
        open_circuits.add_metric((), sum(account.is_circuit_open for account in provider_calls))
        yield open_circuits

"""Sends ended spans to a collector: OTLP, protobuf over HTTP, from a thread of its own.

Imported only where an endpoint is set: it needs the extra `tracing`. Spans wait in a bounded queue. If the queue is
full or the collector does not accept a batch, the spans are counted as lost and nothing is repeated; no request waits
for the collector. Source: OpenTelemetry Protocol 1.9, OTLP/HTTP; docs/decisions/0028-traces.md.
"""

import os
import re
import socket
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan

from billing import __version__, tracing
from billing.tracing import Span, SpanKind, TraceTarget

WAITING_MAX = 4_096
BATCH_MAX = 512
INTERVAL_S = 1.0
TIMEOUT_S = 5.0
CLOSE_S = 3.0

_KINDS = {
    SpanKind.INTERNAL: SentSpan.SPAN_KIND_INTERNAL,
    SpanKind.SERVER: SentSpan.SPAN_KIND_SERVER,
    SpanKind.CLIENT: SentSpan.SPAN_KIND_CLIENT,
}
_NAMES = {
    "organization_id": "vienphi.organization_id",
    "account_id": "vienphi.account_id",
    "request_id": "vienphi.request_id",
    "count": "vienphi.count",
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "error": "error.type",
}
"""The fields of a span as OpenTelemetry's semantic conventions name them; other fields are not sent."""

_NAME = re.compile(r"[A-Za-z0-9_./:<>{} -]{1,200}")
_VALUE = re.compile(r"[A-Za-z0-9_./:<>{}-]{1,200}")

log = structlog.get_logger(__name__)


class TraceExport:
    """The recorder of the process. Use as a context manager; leaving it sends what waits, within CLOSE_S seconds."""

    def __init__(self, target: TraceTarget) -> None:
        self._endpoint = target.endpoint
        self._ratio = target.ratio
        self._headers = {**target.headers, "content-type": "application/x-protobuf"}
        self._resource = Resource(
            attributes=_attributes(
                {
                    "service.name": target.service,
                    "service.version": __version__,
                    "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
                }
            )
        )
        self._waiting: deque[Span] = deque()
        self._wakeup = threading.Event()
        self._is_closing = False
        self._is_refused = False
        self._overflowed = 0
        self._refused = 0
        self._thread = threading.Thread(target=self._run, name="trace-export", daemon=True)

    def __enter__(self) -> Self:
        tracing.start(self, ratio=self._ratio)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tracing.stop()
        self._is_closing = True
        self._wakeup.set()
        self._thread.join(CLOSE_S)
        if self.lost or self._waiting:
            log.warning("spans_lost", count=self.lost + len(self._waiting))

    @property
    def lost(self) -> int:
        """Spans that were not sent: the queue was full, or the collector did not accept them."""
        return self._overflowed + self._refused

    def record(self, span: Span) -> None:
        """Let a span wait to be sent."""
        if len(self._waiting) >= WAITING_MAX:
            self._overflowed += 1
            return
        self._waiting.append(span)
        if len(self._waiting) == BATCH_MAX:
            self._wakeup.set()

    def _run(self) -> None:
        # Neither proxies nor passwords of the environment, and no redirect: the headers are for the endpoint alone.
        with httpx.Client(headers=self._headers, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            while not self._is_closing:
                self._wakeup.wait(INTERVAL_S)
                self._wakeup.clear()
                self._send_waiting(client)
            self._send_waiting(client)

    def _send_waiting(self, client: httpx.Client) -> None:
        """Send batch after batch; after one that is not accepted, the next try is that of the next interval."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
            problem = self._send(client, batch)
            if problem is not None:
                self._refused += len(batch)
            if (problem is not None) != self._is_refused:
                self._is_refused = problem is not None
                if problem is None:
                    log.info("traces_accepted_again")
                else:
                    log.warning("traces_refused", problem=problem)
            if problem is not None:
                return

    def _send(self, client: httpx.Client, batch: Sequence[Span]) -> str | None:
        """Send one batch; returns what is wrong, None if it was accepted. The body of the answer is not read."""
        try:
            scope = ScopeSpans(scope=InstrumentationScope(name="vienphi"), spans=[_encode(span) for span in batch])
            spans = ResourceSpans(resource=self._resource, scope_spans=[scope])
            content = ExportTraceServiceRequest(resource_spans=[spans]).SerializeToString()
            with client.stream("POST", self._endpoint, content=content) as answer:
                return None if answer.is_success else f"status {answer.status_code}"
        except Exception as error:  # noqa: BLE001 - the thread survives every fault: it ends with the process
            return type(error).__name__


def _encode(span: Span) -> SentSpan:
    sent = SentSpan(
        trace_id=_bytes_of_trace(span),
        span_id=span.id.to_bytes(8, "big"),
        name=span.name if _NAME.fullmatch(span.name) else "?",
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.began_ns,
        end_time_unix_nano=span.ended_ns,
        attributes=_attributes({_NAMES[name]: value for name, value in span.fields.items() if name in _NAMES}),
        links=[
            SentSpan.Link(trace_id=_bytes_of_trace(each), span_id=each.id.to_bytes(8, "big")) for each in span.links
        ],
    )
    if span.parent_id:
        sent.parent_span_id = span.parent_id.to_bytes(8, "big")
    if "error" in span.fields:
        sent.status.code = Status.STATUS_CODE_ERROR
    return sent


def _bytes_of_trace(span: Span) -> bytes:
    return span.trace_id.to_bytes(16, "big")


def _attributes(values: Mapping[str, object]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=_checked(str(value))),
        )
        for key, value in values.items()
    ]


def _checked(text: str) -> str:
    """A text as it is if it can be a name of the code or an id; a sentence or a name of a person is not sent."""
    return text if _VALUE.fullmatch(text) else "?"

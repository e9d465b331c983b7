"""A collector of traces on loopback: keeps what it received, and can answer late or with an error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from billing.tracing import TraceTarget


@dataclass(slots=True)
class Received:
    """A span as OTLP carries it; `parent` is the name of its parent, None at the beginning of a trace."""

    name: str
    parent: str | None
    service: str
    trace_id: str
    attributes: dict[str, Any]
    is_error: bool
    links: int


@dataclass
class Collector:
    """`answers` holds back the answers while it is not set."""

    status: int = 200
    address: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)
    received: threading.Event = field(default_factory=threading.Event)

    def target(self, *, ratio: float = 1.0, headers: dict[str, str] | None = None) -> TraceTarget:
        """The settings of a process that sends all its traces here."""
        return TraceTarget(endpoint=self.address, headers=headers or {}, ratio=ratio, service="vienphi-test")

    def spans(self) -> list[Received]:
        """Every span so far, in the order of their ends."""
        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = next(
                    one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                )
                found += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        names = {span.span_id: span.name for _, span in found}
        return [
            Received(
                span.name,
                names.get(span.parent_span_id, span.parent_span_id.hex()) if span.parent_span_id else None,
                service,
                span.trace_id.hex(),
                {one.key: one.value.string_value or one.value.int_value for one in span.attributes},
                span.status.code != 0,
                len(span.links),
            )
            for service, span in found
        ]

    def spans_of(self, service: str) -> list[Received]:
        """The spans of one process."""
        return [each for each in self.spans() if each.service == service]


@contextmanager
def collecting(*, status: int = 200, is_late: bool = False) -> Iterator[Collector]:
    """A running collector; one that is late answers once `answers` is set."""
    collector = Collector(status)
    if not is_late:
        collector.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.bodies.append(body)
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            collector.received.set()
            collector.answers.wait()
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.address = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        collector.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()

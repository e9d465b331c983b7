"""Spans: what is recorded, what is never in them, and what becomes of them when the collector is away."""

import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from random import Random

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from billing import trace_export, tracing
from billing.app import TracingUnavailable, exporting_traces
from billing.checkout.service.expire import expire_once
from billing.core.errors import Unavailable
from billing.db.context import utc_now
from billing.logs import configure_logs
from billing.ops.traced_calls import TracedTransport
from billing.settings import load_settings
from billing.tracing import Span, SpanKind, TraceTarget, begin_trace, current_span, shared_span, span, spans_lost
from billing.worker.loops import Loop, Loops, TickResult, for_each_organization
from tests.collector import collecting
from tests.flow import PaymentFlow

ROOT = Path(__file__).parents[1]


class Kept(list[Span]):
    """A recorder that keeps what ends."""

    lost = 0

    def record(self, ended: Span) -> None:
        self.append(ended)


@contextmanager
def recording(ratio: float = 1.0) -> Iterator[Kept]:
    kept = Kept()
    tracing.start(kept, ratio=ratio)
    try:
        yield kept
    finally:
        tracing.stop()


def test_a_step_is_recorded_within_a_trace_and_nowhere_else() -> None:
    with recording() as kept:
        with span("outside"):
            pass
        with begin_trace("request", SpanKind.SERVER) as request, span("step", count=2):
            pass
        with span("after"):
            pass

    assert isinstance(request, Span)
    assert [each.name for each in kept] == ["step", "request"]
    assert (kept[0].parent_id, kept[0].trace_id, request.parent_id) == (request.id, request.trace_id, 0)
    assert request.ended_ns >= request.began_ns > 0


def test_a_trace_that_is_not_chosen_has_no_steps_even_inside_another() -> None:
    with recording(ratio=1e-12) as kept, begin_trace("request"), span("step"):
        assert current_span() is None
        assert tracing.traceparent() is None

    assert kept == []


async def test_a_task_that_outlives_its_trace_adds_nothing_to_it() -> None:
    is_over = asyncio.Event()

    async def work() -> None:
        await is_over.wait()
        with span("late"):
            pass

    with recording() as kept:
        with begin_trace("request"):
            late = asyncio.create_task(work())
        is_over.set()
        await late

    assert [each.name for each in kept] == ["request"]


def test_of_an_error_only_its_type_is_recorded() -> None:
    with recording() as kept, pytest.raises(Unavailable), begin_trace("request"), span("step"):
        raise Unavailable("Nguyễn Văn Thử cannot be reached")

    assert [each.fields for each in kept] == [{"error": "Unavailable"}, {"error": "Unavailable"}]


def test_a_shared_step_is_in_the_first_trace_and_linked_to_the_others() -> None:
    with recording() as kept:
        waiting = []
        for _ in range(2):
            with begin_trace("request"):
                waiting.append(current_span())
        with shared_span("batch", [None, *waiting]):
            pass
        with shared_span("batch", [None, None]):
            pass

    [batch] = [each for each in kept if each.name == "batch"]
    assert waiting[0] is not None
    assert (batch.trace_id, batch.links, batch.fields) == (waiting[0].trace_id, (waiting[1],), {"count": 3})


def test_a_log_line_names_the_trace_it_belongs_to() -> None:
    stream = StringIO()
    configure_logs(is_json=True, stream=stream)
    log = structlog.get_logger("test")

    with recording(), begin_trace("request") as request:
        log.info("inside")
    log.info("outside")

    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert isinstance(request, Span)
    assert int(inside["trace_id"], 16) == request.trace_id
    assert "trace_id" not in outside


async def test_pass_of_the_worker_is_a_trace_with_its_organizations_and_their_transactions(flow: PaymentFlow) -> None:
    async def run_once() -> TickResult:
        loops.stop.set()
        return await for_each_organization(flow.context, "expire", partial(expire_once, flow.context))()

    loops = Loops(loops=[Loop("expire", 60, run_once)], clock=utc_now, random=Random(1))
    with recording() as kept:
        await loops.run(grace_s=10)

    names = {each.id: each.name for each in kept}
    assert {(each.name, names.get(each.parent_id)) for each in kept} == {
        ("transaction worker.loops.for_each_organization.<locals>.run_once", "worker expire"),
        ("transaction checkout.service.expire.expire_once", "organization expire"),
        ("organization expire", "worker expire"),
        ("worker expire", None),
    }
    [item] = [each for each in kept if each.name == "organization expire"]
    assert item.fields == {"organization_id": flow.hospital.organization_id, "count": 0}


async def test_call_to_a_provider_gets_no_traceparent_and_its_address_is_not_recorded(flow: PaymentFlow) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    transport = TracedTransport(flow.hospital.account_id, httpx.MockTransport(answer))
    async with httpx.AsyncClient(transport=transport) as client:
        with recording() as kept, begin_trace("worker poll"):
            await client.get("https://bank.example/orders/ABC?signature=0123")

    assert "traceparent" not in seen[0].headers
    assert kept[0].fields == {"account_id": flow.hospital.account_id, "method": "GET", "status": 202}
    assert "bank" not in kept[0].name


def test_what_waits_is_sent_at_the_end_with_the_headers_of_the_operator() -> None:
    with collecting() as collector:
        headers = {"authorization": "Bearer hidden-word"}
        with (
            exporting_traces(collector.target(headers=headers)),
            begin_trace("GET /v1/visits/{id}", SpanKind.SERVER, status=200, organization_id=7),
            span("step"),
        ):
            pass

    step, request = collector.spans()
    assert (step.name, step.parent, step.service) == ("step", "GET /v1/visits/{id}", "vienphi-test")
    assert request.attributes == {"http.response.status_code": 200, "vienphi.organization_id": 7}
    assert collector.headers[0]["authorization"] == "Bearer hidden-word"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"
    assert b"hidden-word" not in b"".join(collector.bodies)


def test_a_text_that_is_no_name_of_the_code_is_not_sent() -> None:
    with (
        collecting() as collector,
        exporting_traces(collector.target()),
        begin_trace("Nguyễn Văn Thử", route="NGUYEN VAN THU", request_id="DN4791234567890?key=1"),
    ):
        pass

    [sent] = collector.spans()
    assert (sent.name, sent.attributes) == ("?", {"http.route": "?", "vienphi.request_id": "?"})


def record_some(count: int) -> None:
    for _ in range(count):
        with begin_trace("request"):
            pass


@pytest.mark.parametrize("status", [500, 404, 307])
def test_spans_that_the_collector_refuses_are_counted_and_logged_once(status: int) -> None:
    with capture_logs() as logs, collecting(status=status) as collector:
        export = trace_export.TraceExport(collector.target())
        with export:
            record_some(trace_export.BATCH_MAX)
            collector.received.wait()
            record_some(2)

    assert export.lost == trace_export.BATCH_MAX + 2
    assert [each["event"] for each in logs] == ["traces_refused", "spans_lost"]
    assert logs[0]["problem"] == f"status {status}"


def test_without_a_collector_spans_are_counted_and_nothing_else_happens() -> None:
    with collecting() as collector:
        target = collector.target()
    with capture_logs() as logs, trace_export.TraceExport(target) as export:
        record_some(3)

    assert export.lost == 3
    assert logs[0] == {"event": "traces_refused", "problem": "ConnectError", "log_level": "warning"}


def test_a_collector_that_does_not_answer_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue fills up and then loses spans; the end waits for the collector for a bounded time."""
    monkeypatch.setattr(trace_export, "WAITING_MAX", 5)
    monkeypatch.setattr(trace_export, "BATCH_MAX", 2)
    monkeypatch.setattr(trace_export, "CLOSE_S", 0.1)
    with capture_logs() as logs, collecting(is_late=True) as collector:
        with exporting_traces(collector.target()):
            record_some(2)
            collector.received.wait()
            record_some(5 + 3)
            assert spans_lost() == 3
        thread = next(each for each in threading.enumerate() if each.name == "trace-export")
        collector.answers.set()
        thread.join()

    assert {"event": "spans_lost", "count": 8, "log_level": "warning"} in logs


def test_a_collector_that_returns_gets_the_later_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_export, "INTERVAL_S", 0.01)
    with capture_logs() as logs, collecting(status=503) as collector, exporting_traces(collector.target()):
        record_some(1)
        while spans_lost() < 1:
            time.sleep(0.005)
        collector.status = 200
        record_some(1)

    assert [each["event"] for each in logs] == ["traces_refused", "traces_accepted_again", "spans_lost"]


def test_an_endpoint_without_the_extra_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    for name in [each for each in sys.modules if each.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "billing.trace_export")
    target = TraceTarget(endpoint="http://127.0.0.1:1/v1/traces", headers={}, ratio=1, service="vienphi-test")

    with (
        pytest.raises(TracingUnavailable, match=r"tracing\.endpoint is set .* install vienphi\[tracing\]"),
        exporting_traces(target),
    ):
        """Refused before."""


def test_without_an_endpoint_nothing_is_imported_and_no_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry", "google", "billing.trace_export"):
        monkeypatch.setitem(sys.modules, name, None)
    threads = threading.enumerate()

    with exporting_traces(load_settings().tracing.target("vienphi-web")):
        assert threading.enumerate() == threads
        assert not tracing.is_on()


def test_only_the_export_imports_the_packages_of_the_extra_and_only_its_opening_imports_the_export() -> None:
    texts = {path.relative_to(ROOT): path.read_text("utf-8") for path in (ROOT / "billing").rglob("*.py")}

    importing = {str(path) for path, text in texts.items() if re.search(r"^\s*(from|import) opentelemetry", text, re.M)}
    opening = {str(path) for path, text in texts.items() if re.search(r"import .*(trace_export|TraceExport)", text)}
    assert (importing, opening) == ({"billing/trace_export.py"}, {"billing/app.py"})
    assert re.findall(r"^(\s*)from billing.trace_export", texts[Path("billing/app.py")], re.M) == [" " * 8]

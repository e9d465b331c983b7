"""Bank statements and settlement files that are larger than the body of any other request."""

import tracemalloc
from collections.abc import AsyncIterator

import pytest

from billing.web.app_state import WebLimits
from billing.web.document_workers import DocumentLimits, DocumentWorkers, DocumentWorkersBusy
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.conftest import LIMITS
from tests.web.import_day import BYTES
from tests.web.site import Site, problem
from tests.web.test_document_workers import service

_MEBIBYTE = 1 << 20


_TEXT = "NOP TIEN " * 400
SETTLEMENTS = f"/v1/settlements?account={ACCOUNT_NAME}"
_REFERENCE = "R" * 3_600
_REPORT_HEAD = "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"
_LINES = 2_500
"""Lines with such a text are longer than any other body."""


def _statement(lines: int) -> bytes:
    return statement_csv(*(Line(amount=1_000 + number, text=_TEXT) for number in range(lines)))


def _report(lines: int) -> bytes:
    """A report with lines as long as those of the statement."""
    rows = (f"SB{number:014},{_REFERENCE},SUCCEEDED,{1_000 + number},0,,,\r\n" for number in range(lines))
    return (_REPORT_HEAD + "".join(rows)).encode()


async def _body(chunk: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield chunk


async def test_statement_larger_than_other_bodies_is_imported(site: Site) -> None:
    content = _statement(300)
    assert len(content) > LIMITS.visit_size_max

    answer = await site.client.post("/v1/bank-statements", content=content, headers=BYTES)

    assert (answer.status_code, answer.json()["file"]["new_lines"]) == (201, 300), answer.text


async def test_settlement_file_larger_than_other_bodies_is_imported(site: Site) -> None:
    content = _report(300)
    assert len(content) > LIMITS.visit_size_max

    answer = await site.client.post(SETTLEMENTS, content=content, headers=BYTES)

    assert (answer.status_code, answer.json()["file"]["new_lines"]) == (201, 300), answer.text


async def test_statement_above_its_limit_is_refused_before_its_end(site: Site) -> None:
    body = _body(bytes(_MEBIBYTE), LIMITS.statement_size_max // _MEBIBYTE + 1)  # its size is not stated

    answer = await site.client.post("/v1/bank-statements", content=body, headers=BYTES)

    problem(answer, 413, "body_too_large")
    assert (await site.read("/v1/reconciliation-imports"))["items"] == []


async def test_settlement_file_above_its_limit_is_refused_before_its_end(site: Site) -> None:
    body = _body(bytes(_MEBIBYTE), LIMITS.statement_size_max // _MEBIBYTE + 1)

    answer = await site.client.post(SETTLEMENTS, content=body, headers=BYTES)

    problem(answer, 413, "body_too_large")


async def test_compressed_statement_is_refused(site: Site) -> None:
    headers = {**BYTES, "Content-Encoding": "gzip"}

    answer = await site.client.post("/v1/bank-statements", content=_statement(1), headers=headers)

    problem(answer, 415, "media_type_not_supported")


async def test_memory_does_not_grow_with_a_statement_that_a_document_worker_imports(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIENPHI_SECRET_SANDBOX", SANDBOX_SECRET)
    rows, row = 400, b"x" * 100_000 + b"\n"
    assert rows * len(row) > 4 * WebLimits().visit_size_max
    async with service(site, DocumentLimits(workers=1)) as client:
        content = _statement(_LINES)
        assert len(content) > WebLimits().visit_size_max
        imported = await client.post("/v1/bank-statements", content=content, headers=BYTES)
        del content
        tracemalloc.start()
        try:
            refused = await client.post("/v1/bank-statements", content=_body(row, rows), headers=BYTES)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (imported.status_code, imported.json()["file"]["new_lines"]) == (201, _LINES), imported.text
    problem(refused, 422, "statement_unreadable")
    assert peak < 8 * _MEBIBYTE


async def test_memory_does_not_grow_with_a_settlement_file_that_a_document_worker_imports(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIENPHI_SECRET_SANDBOX", SANDBOX_SECRET)
    async with service(site, DocumentLimits(workers=1)) as client:
        content = _report(_LINES)
        assert len(content) > WebLimits().visit_size_max
        imported = await client.post(SETTLEMENTS, content=content, headers=BYTES)
        del content
        tracemalloc.start()
        try:
            refused = await client.post(SETTLEMENTS, content=_body(b"x" * 100_000 + b"\n", 400), headers=BYTES)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (imported.status_code, imported.json()["file"]["new_lines"]) == (201, _LINES), imported.text
    problem(refused, 422, "settlement_unreadable")
    assert peak < 8 * _MEBIBYTE


async def test_files_that_are_received_at_once_are_limited() -> None:
    workers = DocumentWorkers(_never_run, DocumentLimits(workers=1, waiting_max=1))

    with workers.receiving(), workers.receiving(), pytest.raises(DocumentWorkersBusy), workers.receiving():
        pass
    with workers.receiving(), workers.receiving():
        pass


def _never_run(_path: str, _ready: int) -> None:
    raise AssertionError("no worker is started")

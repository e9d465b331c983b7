"""Queries to the sandbox bank: only an authentic answer is valid, and it states the same as the callback."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest

from providers.contract import Callback, Notice, Notices, Outcome, PendingPayment
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import BankSimulator, Behaviour
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, SandboxSettings, signature_header
from providers.sandbox.query import TransactionLog

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
CODE = "K7ABCDEFR"
SETTINGS = SandboxSettings.model_validate(
    {
        "bank_bin": "970422",
        "account_number": "0110000001",
        "account_holder": "BENH VIEN",
        "merchant_id": "hospital-1",
        "secret": "sandbox-secret-of-the-tests",
        "query_url": "http://bank.test/query",
    }
)
KNOWN = PendingPayment(
    reference=CODE, amount=100_000, provider_reference="", created_at=NOW - timedelta(hours=1), queried_at=NOW
)

Answer = Callable[[httpx.Request], httpx.Response]


async def query(answer: Answer) -> Notices:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await Sandbox(SETTINGS, client).query_payment(KNOWN)


def book_with(*references: str) -> TransactionLog:
    """A book with one transfer for each reference."""
    bank = BankSimulator(httpx.AsyncClient(), "http://none.test/", SETTINGS, clock=lambda: NOW, random=Random(1))
    for reference in references:
        code = VietQr(
            bank_bin=SETTINGS.bank_bin,
            account_number=SETTINGS.account_number,
            amount=KNOWN.amount,
            particulars=Particulars(purpose=f"{reference} VIEN PHI"),
        )
        bank.transfer(build_vietqr(code), Behaviour.EXACT)
    return bank.transactions


def answering(book: TransactionLog) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        result = book.answer(request.content, request.headers.get(SIGNATURE_HEADER))
        return httpx.Response(result.status, headers=result.headers, content=result.body)

    return answer


def signed(status: int, body: bytes, *, key: bytes = SETTINGS.key, at: datetime = NOW) -> Answer:
    headers = {SIGNATURE_HEADER: signature_header(key, at, body)}
    return lambda request: httpx.Response(status, headers=headers, content=body)


async def test_answer_states_what_the_callback_of_the_transaction_states() -> None:
    book = book_with(CODE, "K7ZZZZZZZ")
    (message,) = book.find(CODE)

    result = await query(answering(book))

    assert result.notices == (_by_callback(message),)
    assert message.transaction_id.encode() in result.evidence


def _by_callback(message: SandboxMessage) -> Notice:
    body = message.model_dump_json().encode()
    headers = ((SIGNATURE_HEADER, signature_header(SETTINGS.key, NOW, body)),)
    callback = Callback("POST", "", "", (), headers, body, "127.0.0.1", NOW)
    result = Sandbox(SETTINGS, httpx.AsyncClient()).read_callback(callback)
    assert isinstance(result, Notices)
    (notice,) = result.notices
    return notice


async def test_payment_the_bank_does_not_know_is_not_found() -> None:
    (notice,) = (await query(answering(book_with("K7ZZZZZZZ")))).notices

    assert (notice.outcome, notice.reference, notice.movement_keys) == (Outcome.NOT_FOUND, CODE, frozenset())


def _times_out(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("too slow", request=request)


def _breaks_off(request: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("broke off", request=request)


@pytest.mark.parametrize(
    "answer",
    [
        *(_times_out, _breaks_off),
        *(signed(500, b"{}"), signed(503, b"{}"), signed(302, b"{}"), signed(401, b"{}")),
        signed(200, b"no json"),
        signed(200, b'{"transactions": []}'),
        signed(200, json.dumps({"transactions": [{"amount": 1}]}).encode()),
        signed(200, b" " * 100_000),
        # Not by this bank, or not now: nobody's word.
        lambda request: httpx.Response(404, content=b'{"result":"not_found"}'),
        signed(404, b'{"result":"not_found"}', key=b"somebody else's secret"),
        signed(404, b'{"result":"not_found"}', at=NOW - timedelta(hours=1)),
    ],
)
async def test_whatever_is_no_authentic_answer_is_unknown_and_no_failure(answer: Answer) -> None:
    (notice,) = (await query(answer)).notices

    assert (notice.outcome, notice.movement_keys, notice.amount) == (Outcome.UNKNOWN, frozenset(), KNOWN.amount)


async def test_changed_answer_is_unknown() -> None:
    book = book_with(CODE)

    def altered(request: httpx.Request) -> httpx.Response:
        result = answering(book)(request)
        return httpx.Response(200, headers=result.headers, content=result.content.replace(b"100000", b"900000"))

    (notice,) = (await query(altered)).notices

    assert notice.outcome is Outcome.UNKNOWN


def test_book_reports_nobody_who_does_not_know_the_secret() -> None:
    body = json.dumps({"merchant_id": SETTINGS.merchant_id, "reference": CODE}).encode()
    book = book_with(CODE)

    forged = book.answer(body, signature_header(b"somebody else's secret", NOW, body))
    unsigned = book.answer(body, None)
    garbled = book.answer(b"{}", signature_header(SETTINGS.key, NOW, b"{}"))
    of_another = json.dumps({"merchant_id": "other", "reference": CODE}).encode()
    anonymous_client = book.answer(of_another, signature_header(SETTINGS.key, NOW, of_another))

    assert (forged.status, unsigned.status, garbled.status, anonymous_client.status) == (401, 401, 422, 404)


def test_account_without_an_address_for_questions_cannot_be_queried() -> None:
    silent = SETTINGS.model_copy(update={"query_url": ""})

    assert Sandbox(silent, httpx.AsyncClient()).queries_per_minute == 0
    assert Sandbox(SETTINGS, httpx.AsyncClient()).queries_per_minute > 0

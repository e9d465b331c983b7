"""Requests to vietqr.vn: status queries, orders, refunds, and faults of the network."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from providers.contract import (
    Notices,
    OperationResult,
    Outcome,
    PaymentRefused,
    PaymentUnknown,
    PendingPayment,
    RefundRequest,
)
from providers.vietqr.signing import basic_authorization, check_order_checksum, refund_checksum
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.vietqr_samples import AT, REQUEST, SYNC, account, one, order_code, sync

HOST = "https://dev.vietqr.org/vqr"
API_PASSWORD, SECRET = "FAKE_VIETQRVN_API_PASSWORD", "FAKE_VIETQRVN_REFUND_SECRET"
QUERYING: dict[str, Any] = {"api_username": "hospital-user", "api_password": API_PASSWORD}
ORDERS: dict[str, Any] = {**QUERYING, "creates_orders": True, "bank_code": "VCB", "account_holder": "BENH VIEN TEST"}
REFUNDS: dict[str, Any] = {**QUERYING, "refund_secret": SECRET, "bank_code": "VCB"}
KNOWN = PendingPayment(
    reference="K7ABCDEFR", amount=350_000, provider_reference="", created_at=AT, queried_at=AT + timedelta(minutes=5)
)
REFUND = RefundRequest(
    reference="R7ABCDEFR",
    amount=350_000,
    paid=350_000,
    payment=KNOWN,
    transaction="FT26002000001",
    reason="hoan",
    requested_at=AT,
    requested_by="Thu ngan",
)
ORDER = {
    "referenceNumber": "FT26002000001",
    "orderId": "K7ABCDEFR",
    "amount": "350000",
    "content": "VQR00TEST01 K7ABCDEFR",
    "transType": "C",
    "status": 1,
    "type": 0,
    "timePaid": 1790000000,
    "refundCount": 0,
    "amountRefunded": 0,
}


class World:
    """vietqr.vn as respx plays it: a token, then one answer."""

    def __init__(self, mocked: respx.Router) -> None:
        self.token = mocked.post(f"{HOST}/api/token_generate")
        self.token.return_value = httpx.Response(200, json={"access_token": "FAKE_TOKEN_0001", "expires_in": 300})
        self.orders = mocked.post(f"{HOST}/api/transactions/check-order")
        self.refunds = mocked.post(f"{HOST}/api/transaction/refund")
        self.creations = mocked.post(f"{HOST}/api/qr/generate-customer")


@pytest.fixture
def world() -> Iterator[World]:
    with respx.mock(assert_all_called=False) as mocked:
        yield World(mocked)


def sent(route: respx.Route) -> dict[str, Any]:
    request = route.calls.last.request
    assert request.headers["authorization"] == "Bearer FAKE_TOKEN_0001"
    body: dict[str, Any] = json.loads(request.content)
    return body


async def queried(**settings: Any) -> Notices:
    async with httpx.AsyncClient() as client:
        return await account(client, **{**QUERYING, **settings}).query_payment(KNOWN)


async def refunded(**changed: Any) -> OperationResult:
    async with httpx.AsyncClient() as client:
        return await account(client, **REFUNDS, **changed).refund(REFUND)


async def created(**settings: Any) -> Any:
    async with httpx.AsyncClient() as client:
        return await account(client, **ORDERS, **settings).create_payment(REQUEST)


# ---- status queries


async def test_paid_order_is_reported_as_its_call_back_reports_it(world):
    world.orders.return_value = httpx.Response(200, json=[ORDER])

    ours, bank = one(await queried()), account()

    theirs = one(bank.read_callback(sync(bank)))
    # An order has no id of vietqr.vn's: the bank's reference links it to the call back that has one.
    assert ours.movement_keys & theirs.movement_keys == {"bank:FT26002000001"}
    assert (ours.bank_reference, ours.amount, ours.reference) == (
        theirs.bank_reference,
        theirs.amount,
        theirs.reference,
    )
    assert not any(key.startswith("transaction:") for key in ours.movement_keys)
    assert (ours.outcome, ours.amount, ours.reference) == (Outcome.SUCCEEDED, 350_000, SYNC["orderId"])
    body = sent(world.orders)
    assert (body["type"], body["value"]) == ("0", "K7ABCDEFR")
    assert body["checkSum"] == check_order_checksum(bank_account="0000000000017", username="hospital-user")
    shown = world.token.calls.last.request.headers["authorization"]
    assert shown == basic_authorization("hospital-user", API_PASSWORD)


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"status": 0, "referenceNumber": ""}, Outcome.PENDING),
        ({"status": 7}, Outcome.UNKNOWN),
        ({"status": "1"}, Outcome.UNKNOWN),
        ({"referenceNumber": ""}, Outcome.UNKNOWN),
        ({"transType": "D"}, Outcome.UNKNOWN),
        ({"type": 6}, Outcome.UNKNOWN),
        ({"amount": "1.5"}, Outcome.UNKNOWN),
        ({"amount": "0"}, Outcome.UNKNOWN),
    ],
)
async def test_order_that_does_not_name_our_money_books_nothing(world, changed, outcome):
    world.orders.return_value = httpx.Response(200, json=[{**ORDER, **changed}])

    notice = one(await queried())

    assert (notice.outcome, notice.movement_keys) == (outcome, frozenset())


@pytest.mark.parametrize(("settings", "outcome"), [({}, Outcome.UNKNOWN), (ORDERS, Outcome.NOT_FOUND)])
async def test_unknown_order_means_something_only_where_orders_are_made(world, settings, outcome):
    world.orders.return_value = httpx.Response(200, json=[])

    assert one(await queried(**settings)).outcome is outcome


@pytest.mark.parametrize("trouble", sorted({**BEFORE_SENDING, **AFTER_SENDING}))
@pytest.mark.parametrize("where", ["token", "orders"])
async def test_question_without_an_answer_is_unknown_and_shows_no_secret(world, where, trouble, caplog):
    getattr(world, where).side_effect = {**BEFORE_SENDING, **AFTER_SENDING}[trouble]
    if trouble == "a list" and where == "orders":
        return  # an empty list is an answer here

    notices = await queried()

    assert one(notices).outcome is Outcome.UNKNOWN
    assert API_PASSWORD not in f"{notices!r} {caplog.text}"


def test_account_without_a_password_of_theirs_is_not_queried():
    assert account().queries_per_minute == 0
    assert account(**QUERYING).queries_per_minute == 30


# ---- orders


async def test_code_of_an_order_is_shown_with_the_text_they_made(world):
    world.creations.return_value = httpx.Response(200, json=order_code())

    shown = await created()

    assert (shown.qr_payload, shown.provider_reference) == (order_code()["qrCode"], "ref-1")
    body = sent(world.creations)
    assert (body["content"], body["orderId"], body["amount"]) == ("K7ABCDEFR", "K7ABCDEFR", 350_000)


@pytest.mark.parametrize(
    "answer",
    [
        order_code(account_number="0000000000018"),
        order_code(bank_bin="970422"),
        order_code(amount=350_001),
        {**order_code(), "content": "VQR00TEST K7ABCDEFR X"},
        {**order_code(), "qrCode": "no code"},
    ],
)
async def test_code_that_pays_another_or_states_another_is_never_shown(world, answer):
    world.creations.return_value = httpx.Response(200, json=answer)

    with pytest.raises(PaymentRefused):
        await created()


@pytest.mark.parametrize("trouble", sorted(AFTER_SENDING))
async def test_order_without_an_answer_is_unknown(world, trouble):
    world.creations.side_effect = AFTER_SENDING[trouble]

    with pytest.raises(PaymentUnknown):
        await created()


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_order_that_was_not_sent_is_refused(world, trouble):
    world.creations.side_effect = BEFORE_SENDING[trouble]

    with pytest.raises(PaymentRefused):
        await created()


async def test_order_they_refuse_is_refused(world):
    world.creations.return_value = httpx.Response(400, json={"status": "FAILED", "message": "E01"})

    with pytest.raises(PaymentRefused):
        await created()


# ---- refunds


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("SUCCESS", Outcome.SUCCEEDED), ("FAILED", Outcome.FAILED), ("CHECK", Outcome.UNKNOWN)],
)
async def test_refund_is_what_they_state(world, word, outcome):
    world.refunds.return_value = httpx.Response(200, json={"status": word, "message": "x"})

    assert (await refunded()).outcome is outcome

    body = sent(world.refunds)
    assert (body["amount"], body["multiTimes"], body["content"]) == ("350000", True, "R7ABCDEFR")
    assert body["checkSum"] == refund_checksum(
        secret_key=SECRET, reference_number="FT26002000001", amount="350000", bank_account="0000000000017"
    )


@pytest.mark.parametrize("trouble", sorted(AFTER_SENDING))
async def test_refund_without_an_answer_is_unknown(world, trouble, caplog):
    world.refunds.side_effect = AFTER_SENDING[trouble]

    result = await refunded()

    assert result.outcome is Outcome.UNKNOWN
    assert SECRET not in f"{result!r} {caplog.text}"


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_refund_that_was_not_sent_has_failed(world, trouble):
    world.refunds.side_effect = BEFORE_SENDING[trouble]

    assert (await refunded()).outcome is Outcome.FAILED


async def test_refund_is_not_sent_where_the_settings_do_not_want_it(world):
    part = RefundRequest(**{**{name: getattr(REFUND, name) for name in REFUND.__slots__}, "amount": 1})
    async with httpx.AsyncClient() as client:
        assert (await account(client, **QUERYING).refund(REFUND)).outcome is Outcome.FAILED
        once = account(client, **REFUNDS, refund_multi_times=False)
        assert (await once.refund(part)).outcome is Outcome.FAILED

    assert not world.refunds.called


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({}, Outcome.NOT_FOUND),
        ({"refundCount": 1, "amountRefunded": 350_000}, Outcome.SUCCEEDED),
        ({"refundCount": 1, "amountRefunded": 100_000}, Outcome.UNKNOWN),
        ({"refundCount": None}, Outcome.UNKNOWN),
    ],
)
async def test_refund_is_known_where_nothing_or_everything_went_back(world, changed, outcome):
    world.orders.return_value = httpx.Response(200, json=[{**ORDER, **changed}])

    async with httpx.AsyncClient() as client:
        result = await account(client, **REFUNDS).query_refund(REFUND, provider_reference="", queried_at=AT)

    assert result.outcome is outcome
    assert sent(world.orders)["type"] == "1"

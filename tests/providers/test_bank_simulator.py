import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest
from aiohttp import web

from providers.contract import BadSignature, Callback, PaymentRequest, Verdict
from providers.emvqr import VietQr, VnpayQr, build_vietqr, build_vnpay_qr
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import ATTEMPTS_MAX, OVER_BY, Answer, BankSimulator, Behaviour, ScanRefused
from providers.sandbox.message import SandboxSettings

_SETTINGS = SandboxSettings(
    bank_bin="970436",
    account_number="0000000000017",
    account_holder="BENH VIEN TEST",
    merchant_id="BVTEST",
    secret="a-secret-of-the-tests",
)
_SANDBOX = Sandbox(_SETTINGS, client=None)


class _Clock:
    def __init__(self):
        self.now = datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC)
        self.waited: list[float] = []

    def __call__(self):
        return self.now

    async def pause(self, seconds):
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)


class _Receiver:
    """A callback address that verifies as ours does and remembers what it took."""

    def __init__(self, clock: _Clock, refusals: Sequence[web.Response] = ()):
        self.clock = clock
        self.refusals = list(refusals)
        self.notices = []
        self.requests = 0

    async def receive(self, request):
        self.requests += 1
        if self.refusals:
            return self.refusals.pop(0)
        callback = Callback(
            method=request.method,
            path_suffix="",
            raw_query=request.query_string,
            query=(),
            headers=[(name.lower(), value) for name, value in request.headers.items()],
            body=await request.read(),
            source_address="127.0.0.1",
            received_at=self.clock.now,
        )
        try:
            notices = _SANDBOX.read_callback(callback).notices
        except BadSignature as refused:
            return _response(refused.reply)
        is_new = notices[0] not in self.notices
        self.notices.extend(notices)
        verdict = Verdict.ACCEPTED if is_new else Verdict.DUPLICATE
        return _response(_SANDBOX.answer_callback(callback, verdict, "receipt-1"))


def _response(reply):
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type, headers=reply.headers)


@pytest.fixture
def clock():
    return _Clock()


@pytest.fixture
def receiver(clock):
    return _Receiver(clock)


@pytest.fixture
async def bank(aiohttp_server, clock, receiver):
    application = web.Application()
    application.router.add_route("*", "/callbacks/1/a/", receiver.receive)
    server = await aiohttp_server(application)
    async with httpx.AsyncClient(timeout=5) as client:
        yield BankSimulator(
            client, str(server.make_url("/callbacks/1/a/")), _SETTINGS, clock=clock, random=Random(7), pause=clock.pause
        )


@pytest.fixture
async def payload():
    request = PaymentRequest(
        reference="K7ABCDEFR",
        amount=350_000,
        purpose="K7ABCDEFR VIEN PHI",
        expires_at=None,
        requested_at=datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC),
    )
    return (await _SANDBOX.create_payment(request)).qr_payload


async def test_exact_payment_is_reported_once_with_the_text_of_the_code(bank, receiver, payload):
    answers = await bank.pay(payload, Behaviour.EXACT)

    (notice,) = receiver.notices
    assert answers == (Answer(status=200, result="ok", receipt="receipt-1", attempts=1),)
    assert (notice.amount, notice.transfer_text) == (350_000, "K7ABCDEFR VIEN PHI")
    assert notice.occurred_at == datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC)
    assert not notice.names_other_account


async def test_payment_received_twice_is_one_transaction(bank, receiver, payload):
    answers = await bank.pay(payload, Behaviour.TWICE)

    assert [answer.result for answer in answers] == ["ok", "duplicate"]
    assert receiver.notices[0] == receiver.notices[1]


@pytest.mark.parametrize(
    ("behaviour", "amount"),
    [(Behaviour.SHORT, 175_000), (Behaviour.OVER, 350_000 + OVER_BY), (Behaviour.LATE, 350_000)],
)
async def test_payment_of_that_behaviour_has_its_amount(bank, receiver, payload, behaviour, amount):
    await bank.pay(payload, behaviour)

    assert [notice.amount for notice in receiver.notices] == [amount]


async def test_late_payment_is_reported_after_it_happened(bank, receiver, clock, payload):
    begun = clock.now

    await bank.pay(payload, Behaviour.LATE)

    assert clock.waited == [2.0]
    assert receiver.notices[0].occurred_at == begun


async def test_wrapped_text_holds_the_purpose_whole(bank, receiver, payload):
    await bank.pay(payload, Behaviour.WRAPPED)

    text = receiver.notices[0].transfer_text
    assert text.startswith("MBVCB.")
    assert ".K7ABCDEFR VIEN PHI.CT tu " in text
    assert text.endswith("toi 0000000000017 BENH VIEN TEST")


async def test_split_text_breaks_the_code_and_loses_nothing(bank, receiver, payload):
    for _ in range(20):
        await bank.pay(payload, Behaviour.SPLIT)

    for notice in receiver.notices:
        assert "K7ABCDEFR" not in notice.transfer_text
        assert "".join(notice.transfer_text.split()) == "K7ABCDEFRVIENPHI"


@pytest.mark.parametrize("behaviour", [Behaviour.FORGED, Behaviour.ALTERED])
async def test_forged_or_altered_message_is_refused(bank, receiver, payload, behaviour):
    answers = await bank.pay(payload, behaviour)

    assert [(answer.status, answer.result) for answer in answers] == [(401, "bad_signature")]
    assert receiver.notices == []


async def test_one_transfer_can_be_reported_well_and_then_forged(bank, receiver, payload):
    message = bank.transfer(payload, Behaviour.SPLIT)

    result = [await bank.deliver(message), await bank.deliver(message), await bank.deliver_forged(message)]

    assert [answer.result for answer in result] == ["ok", "duplicate", "bad_signature"]
    assert len(receiver.notices) == 2


async def test_payment_that_never_comes_is_not_reported(bank, receiver, payload):
    assert await bank.pay(payload, Behaviour.NEVER) == ()
    assert receiver.requests == 0


async def test_two_payments_of_one_code_are_two_transactions(bank, receiver, payload):
    await bank.pay(payload, Behaviour.EXACT)
    await bank.pay(payload, Behaviour.EXACT)

    first, second = receiver.notices
    assert first.movement_keys.isdisjoint(second.movement_keys)
    assert first.event_key != second.event_key


async def test_bank_reported_to_try_later_waits_and_signs_again(bank, receiver, clock, payload):
    receiver.refusals = [
        web.Response(status=503, headers={"Retry-After": "1"}, body=b'{"result": "try_later"}'),
        web.Response(status=503, headers={"Retry-After": "400"}),
    ]

    answers = await bank.pay(payload, Behaviour.EXACT)

    assert answers == (Answer(status=200, result="ok", receipt="receipt-1", attempts=3),)
    assert clock.waited == [1.0, 30.0]


async def test_bank_gives_up_after_its_attempts(bank, receiver, payload):
    receiver.refusals = [web.Response(status=503, body=json.dumps({"result": "try_later"})) for _ in range(9)]

    answers = await bank.pay(payload, Behaviour.EXACT)

    assert answers == (Answer(status=503, result="try_later", receipt="", attempts=ATTEMPTS_MAX),)
    assert receiver.requests == ATTEMPTS_MAX


async def test_answer_of_no_sense_is_reported_by_its_status(bank, receiver, payload):
    receiver.refusals = [web.Response(status=404, text="nowhere")]

    assert await bank.pay(payload, Behaviour.EXACT) == (Answer(status=404, result="", receipt="", attempts=1),)


async def test_address_where_nobody_answers_is_an_error_after_retries(clock, payload, unused_tcp_port):
    async with httpx.AsyncClient(timeout=5) as client:
        bank = BankSimulator(
            client, f"http://127.0.0.1:{unused_tcp_port}/", _SETTINGS, clock=clock, random=Random(7), pause=clock.pause
        )
        with pytest.raises(httpx.ConnectError):
            await bank.pay(payload, Behaviour.EXACT)

    assert clock.waited == [1.0] * (ATTEMPTS_MAX - 1)


@pytest.mark.parametrize(
    "code",
    [
        "hello",
        build_vietqr(VietQr(bank_bin="970436", account_number="0000000000017", amount=1))[:-4] + "0000",
        build_vietqr(VietQr(bank_bin="970436", account_number="0000000000018", amount=1)),
        build_vietqr(VietQr(bank_bin="970436", account_number="0000000000017")),
        build_vnpay_qr(VnpayQr(merchant_id="0000000000017", amount=1)),
    ],
    ids=["no-code", "broken", "other-account", "no-amount", "other-network"],
)
async def test_code_that_no_phone_would_pay_here_is_refused(bank, receiver, code):
    with pytest.raises(ScanRefused):
        await bank.pay(code, Behaviour.EXACT)
    assert receiver.requests == 0


async def test_payer_types_the_amount_of_a_code_without_one(clock):
    bank = BankSimulator(
        httpx.AsyncClient(), "", _SETTINGS, clock=clock, random=Random(1), pause=clock.pause, typed_amount=500_000
    )
    without = build_vietqr(VietQr(bank_bin="970436", account_number="0000000000017"))
    stated = build_vietqr(VietQr(bank_bin="970436", account_number="0000000000017", amount=7_000))

    assert [bank.transfer(code).amount for code in (without, stated)] == [500_000, 7_000]


async def test_one_dong_cannot_be_paid_short(bank):
    code = build_vietqr(VietQr(bank_bin="970436", account_number="0000000000017", amount=1))

    with pytest.raises(ScanRefused):
        await bank.pay(code, Behaviour.SHORT)


async def test_same_random_and_clock_report_the_same_story(clock, payload):
    def transfer():
        bank = BankSimulator(httpx.AsyncClient(), "", _SETTINGS, clock=clock, random=Random(1), pause=clock.pause)
        return bank.transfer(payload, Behaviour.WRAPPED)

    assert transfer() == transfer()


async def test_every_behaviour_is_answered(bank, receiver, payload):
    for behaviour in Behaviour:
        answers = await bank.pay(payload, behaviour)
        assert len(answers) == {Behaviour.NEVER: 0, Behaviour.TWICE: 2}.get(behaviour, 1)

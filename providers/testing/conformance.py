"""What every provider must do, as tests to inherit: for providers of this house and of others.

    class TestMine(ProviderConformance):
        provider = MyProvider
        settings = {"merchant": "M1", "secrets": "a-secret-of-the-tests"}
        request = a_request()

        def callback(self, settings, transaction, amount, at): ...   # as the provider would send it, signed

Needs pytest and nothing else: the methods are plain functions that run their own event loop. What a provider has no
ability for is skipped. `docs/adding-a-provider.md` tells how to add a provider. Source: docs/design.md §7.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Feeds,
    FeedUnavailable,
    Notices,
    Outcome,
    PaymentInstruction,
    PaymentRefused,
    PaymentRequest,
    PaymentUnknown,
    PendingPayment,
    Provider,
    ProviderUnreachable,
    Queries,
    Refunds,
    Reply,
    Verdict,
)
from providers.notice_json import read_notices, write_notices
from providers.testing.faults import TIMEOUT_S, Fault, faults, refuse_connection

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
REFERENCE = "K7ABCDEFR"
AMOUNT = 136_000
T = TypeVar("T")


def a_request(**changes: Any) -> PaymentRequest:
    """A payment to begin; change what matters."""
    known: dict[str, Any] = {
        "reference": REFERENCE,
        "amount": AMOUNT,
        "purpose": f"{REFERENCE} VIEN PHI",
        "expires_at": NOW + timedelta(minutes=30),
        "requested_at": NOW,
        "return_url": "https://hospital.example/pay/1-0",
        "callback_url": "https://hospital.example/callbacks/1/account",
        "payer_address": "203.0.113.7",
    }
    return PaymentRequest(**{**known, **changes})


def post(body: bytes, *headers: tuple[str, str], **changes: Any) -> Callback:
    """A delivery of a body as it comes in; change what matters."""
    known: dict[str, Any] = {
        "method": "POST",
        "path_suffix": "",
        "raw_query": "",
        "query": (),
        "headers": (("content-type", "application/json"), *headers),
        "body": body,
        "source_address": "203.0.113.9",
        "received_at": NOW,
    }
    return Callback(**{**known, **changes})


class ProviderConformance:
    """Inherit, and say what stands above the line; override a test only to say why it cannot hold."""

    provider: ClassVar[type[Provider]]
    settings: ClassVar[Mapping[str, object]]
    """Settings of a working account, secrets among them as plain texts of the tests."""

    request: ClassVar[PaymentRequest] = a_request()
    calls_to_begin: ClassVar[int] = 1
    """How many calls it takes to begin a payment; more than one where a token is fetched first."""

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        """A delivery that tells of money received under REFERENCE, signed as the settings' provider would."""
        raise NotImplementedError

    def signed_places(self, callback: Callback) -> Iterator[Callback]:
        """The same delivery with a byte of the signed part changed; by default each tenth byte of the body."""
        step = max(1, len(callback.body) // 24)
        for place in range(0, len(callback.body), step):
            changed = bytearray(callback.body)
            changed[place] ^= 0x01
            yield replace(callback, body=bytes(changed))

    # ---------------------------------------------------------------- settings

    def test_settings_refuse_what_they_do_not_know_without_repeating_a_secret(self) -> None:
        with pytest.raises(ValidationError) as refused:
            self.provider.settings_type.model_validate({**self.settings, "no_such_setting": 1})

        assert "no_such_setting" in str(refused.value)
        self.assert_secret_free(str(refused.value))

    def test_account_shows_no_secret(self) -> None:
        settings = self.provider.settings_type.model_validate(dict(self.settings))
        opened = self.open()

        assert self.secrets(), "the settings hold at least one secret, typed SecretStr"
        for text in (repr(settings), str(settings), settings.model_dump_json(), repr(opened), repr(vars(opened))):
            self.assert_secret_free(text)

    def test_provider_says_what_is_signed(self) -> None:
        assert self.provider.signed_part

    # --------------------------------------------------------------- callbacks

    def test_authentic_delivery_tells_of_the_money(self) -> None:
        notices = self.read(self.deliver("T1"))

        [notice] = [one for one in notices if one.outcome in (Outcome.SUCCEEDED, Outcome.UNKNOWN)]
        assert notice.amount == AMOUNT
        assert notice.occurred_at.tzinfo is not None
        assert notice.outcome is Outcome.UNKNOWN or notice.movement_keys, (
            "money without a name is a person's to look at"
        )
        assert all(key.startswith(("transaction:", "transfer:", "bank:")) for key in notice.movement_keys)
        assert notice.fingerprint

    def test_delivery_told_twice_is_one_event_and_one_fact(self) -> None:
        first, again = self.read(self.deliver("T1")), self.read(self.deliver("T1"))
        other = self.read(self.deliver("T2"))

        assert [self.named(one) for one in first] == [self.named(one) for one in again]
        assert {one.event_key for one in first}.isdisjoint(one.event_key for one in other)
        assert not first[0].movement_keys or first[0].movement_keys.isdisjoint(other[0].movement_keys)

    def test_delivery_is_stored_and_restored_exactly(self) -> None:
        """Its notices are stored, without any credential, and are later booked from there alone."""
        for transaction in ("T1", "T2"):
            notices = self.read(self.deliver(transaction))
            stored = write_notices(notices)

            assert read_notices(stored) == notices
            assert write_notices(read_notices(stored)) == stored
            self.assert_secret_free(stored.decode("ascii"))

    def test_changed_byte_in_the_signed_part_is_refused(self) -> None:
        self.skip_where_nothing_is_signed()
        callback = self.deliver("T1")
        tried = 0
        for changed in self.signed_places(callback):
            tried += 1
            with pytest.raises(BadSignature), self.nothing_secret_logged():
                self.open(Callbacks).read_callback(changed)
        assert tried

    def test_delivery_without_its_proof_is_refused(self) -> None:
        bare = replace(self.deliver("T1"), headers=(), query=(), raw_query="", body=b"{}")

        with self.nothing_secret_logged():
            try:
                read = self.open(Callbacks).read_callback(bare)
            except BadSignature as refused:
                self.assert_reply(refused.reply)
            else:
                assert isinstance(read, Reply), "a method that is not taken may be answered without a look"
                assert read.status >= 400

    def test_every_verdict_has_a_reply_and_one_alone_asks_to_come_again(self) -> None:
        provider, callback = self.open(Callbacks), self.deliver("T1")
        said = {verdict: provider.answer_callback(callback, verdict, "receipt-1") for verdict in Verdict}
        again = {verdict: provider.answer_callback(callback, verdict, "receipt-1") for verdict in Verdict}

        assert said == again
        for reply in said.values():
            self.assert_reply(reply)
        later = said[Verdict.TRY_LATER]
        for verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.STORED):
            assert (later.status, later.body) != (said[verdict].status, said[verdict].body), verdict

    # ---------------------------------------------------------------- payments

    def test_payment_carries_its_purpose_and_goes_to_our_account(self) -> None:
        assert self.request.purpose.isascii()
        assert len(self.request.purpose) <= 25
        sent: list[bytes] = []
        instruction = self.run(self.begin(self.answering(sent)))

        assert isinstance(instruction, PaymentInstruction)
        posted = [value for _, value in instruction.form_fields]
        carried = [
            instruction.qr_payload,
            instruction.redirect_url,
            *posted,
            *(part.decode("latin-1") for part in sent),
        ]
        assert any(self.request.reference in each for each in carried) or not any(carried)
        self.assert_secret_free(repr(instruction))

    def test_payment_without_an_answer_to_trust_is_unknown_or_refused_as_the_contract_says(self) -> None:
        for fault in faults():
            sent: list[bytes] = []
            with self.nothing_secret_logged():
                ended = self.run(self.ended(self.begin(self.failing(fault, sent))))
            if not sent:
                continue  # made here, nobody asked
            wanted = (PaymentUnknown,) if fault.was_sent else (ProviderUnreachable, PaymentUnknown)
            assert isinstance(ended, wanted), f"{fault.name}: {ended!r}"
            self.assert_secret_free(_texts(ended))
            assert len(sent) <= self.calls_to_begin, f"{fault.name}: what begins a payment is sent once"

    def test_question_without_an_answer_to_trust_is_unknown(self) -> None:
        if not issubclass(self.provider, Queries):
            pytest.skip("cannot be asked")
        for fault in faults():
            sent: list[bytes] = []
            provider = self.open(client=self.failing(fault, sent))
            assert isinstance(provider, Queries)
            if provider.queries_per_minute == 0:
                pytest.skip("this account cannot be asked")
            with self.nothing_secret_logged():
                told = self.run(self.bounded(provider.query_payment(self.known())))
            assert [one.outcome for one in told.notices] == [Outcome.UNKNOWN], fault.name
            self.assert_secret_free(repr(told))

    def test_list_that_cannot_be_read_says_so(self) -> None:
        if not issubclass(self.provider, Feeds):
            pytest.skip("has no list")
        for fault in faults():
            provider = self.open(client=self.failing(fault, []))
            assert isinstance(provider, Feeds)
            if provider.feeds_per_minute == 0:
                pytest.skip("the list of this account cannot be read")
            with self.nothing_secret_logged(), pytest.raises(FeedUnavailable) as refused:
                self.run(self.bounded(provider.read_since("", now=NOW)))
            self.assert_secret_free(_texts(refused.value))

    def test_refunds_say_whether_a_part_may_go_back(self) -> None:
        if not issubclass(self.provider, Refunds):
            pytest.skip("sends nothing back")
        assert isinstance(self.provider.partial_refunds, bool)

    # ------------------------------------------------------------ what they use

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        """A client whose other side begins the payment; override where the provider is asked over HTTP."""
        return self.failing(Fault("nobody", refuse_connection, was_sent=False), sent)

    def open(self, ability: type[T] | None = None, *, client: httpx.AsyncClient | None = None) -> Any:
        """The provider of the settings; skipped where it lacks the ability."""
        if ability is not None and not issubclass(self.provider, ability):
            pytest.skip(f"has no ability {ability.__name__}")
        values = dict(self.settings)
        if "timeout_s" in self.provider.settings_type.model_fields:
            values["timeout_s"] = TIMEOUT_S
        return self.provider(
            self.provider.settings_type.model_validate(values), client or httpx.AsyncClient(trust_env=False)
        )

    def deliver(self, transaction: str) -> Callback:
        if not issubclass(self.provider, Callbacks):
            pytest.skip("takes no callbacks")
        return self.callback(self.settings, transaction=transaction, amount=AMOUNT, at=NOW)

    def read(self, callback: Callback) -> Any:
        read = self.open(Callbacks).read_callback(callback)
        assert isinstance(read, Notices)
        return read.notices

    def named(self, notice: Any) -> tuple[object, ...]:
        return notice.event_key, notice.movement_keys, notice.fingerprint, notice.amount, notice.outcome

    def known(self) -> PendingPayment:
        return PendingPayment(
            reference=REFERENCE, amount=AMOUNT, provider_reference="P1", created_at=NOW, queried_at=NOW
        )

    def failing(self, fault: Fault, sent: list[bytes]) -> httpx.AsyncClient:
        async def answer(request: httpx.Request) -> httpx.Response:
            sent.append(request.method.encode() + b" " + str(request.url).encode() + b"\n" + await request.aread())
            return await fault.answer(request)

        return httpx.AsyncClient(transport=httpx.MockTransport(answer), trust_env=False)

    async def begin(self, client: httpx.AsyncClient) -> PaymentInstruction:
        provider: Provider = self.open(client=client)
        return await self.bounded(provider.create_payment(self.request))

    async def bounded(self, work: Awaitable[T]) -> T:
        """What takes far longer than its timeout has none."""
        async with asyncio.timeout(TIMEOUT_S * 10 + 2):
            return await work

    async def ended(self, work: Awaitable[T]) -> "T | PaymentRefused | PaymentUnknown":
        try:
            return await work
        except (PaymentRefused, PaymentUnknown) as error:
            return error

    def run(self, work: Any) -> Any:
        return asyncio.run(work)

    def skip_where_nothing_is_signed(self) -> None:
        if self.provider.signed_part == "none":
            pytest.skip("nothing is signed: its callbacks prove themselves by a credential")

    def secrets(self) -> list[str]:
        """Every secret of the settings, as it would look if it were shown."""
        return list(_secrets(self.provider.settings_type.model_validate(dict(self.settings))))

    def assert_secret_free(self, text: str) -> None:
        for secret in self.secrets():
            assert secret not in text, "a secret was shown"

    def assert_reply(self, reply: Reply) -> None:
        assert 200 <= reply.status <= 599
        assert isinstance(reply.body, bytes)
        self.assert_secret_free(repr(reply))
        if reply.body and reply.content_type.startswith("application/json"):
            json.loads(reply.body)

    @contextmanager
    def nothing_secret_logged(self) -> Iterator[None]:
        heard: list[str] = []

        class Ear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                heard.append(self.format(record))

        ear, root = Ear(logging.DEBUG), logging.getLogger()
        before = root.level
        root.addHandler(ear)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(ear)
            root.setLevel(before)
        for line in heard:
            self.assert_secret_free(line)


def _secrets(value: object) -> Iterator[str]:
    """Every secret inside settings."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, (tuple, list, frozenset, set)):
        for each in value:
            yield from _secrets(each)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets(each)
    elif hasattr(value, "model_fields_set"):
        for each in vars(value).values():
            yield from _secrets(each)


def _texts(error: object) -> str:
    """An exception with all it came from."""
    told = [repr(error), str(error)]
    if isinstance(error, BaseException):
        told += [_texts(cause) for cause in (error.__cause__,) if cause is not None]
    return " ".join(told)

"""Base of the conformance suite: the definitions that a provider's test supplies, and the tools of the checks."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, NoReturn, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Movement,
    Notice,
    Notices,
    Outcome,
    PaymentRequest,
    PendingPayment,
    Provider,
    Reply,
    Unreadable,
)
from providers.settings import secret_fields
from providers.testing.faults import TIMEOUT_S, Fault, refuse_connection
from providers.testing.samples import AMOUNT, NOW, REFERENCE, MessageFields, SamplePayment, build_request, with_field

T = TypeVar("T")


class ConformanceBase:
    """Definitions of one provider's test. Each definition without a value must be supplied."""

    provider: ClassVar[type[Provider]]

    settings: ClassVar[Mapping[str, object]]
    """Settings of a working account, with its secrets as plain test values."""

    fields: ClassVar[MessageFields]
    """The fields of the callback's message. A provider without Callbacks needs none."""

    max_age: ClassVar[timedelta | None]
    """How old a signed callback may be; None if the protocol signs no time."""

    answers_are_signed: ClassVar[bool]
    """Whether the provider signs its answers to status queries. A provider without Queries needs none."""

    request: ClassVar[PaymentRequest] = build_request()
    calls_to_begin: ClassVar[int] = 1
    """Number of calls that start a payment; more than 1 if a token is fetched first."""

    rotates_secrets: ClassVar[bool] = True
    """Whether the settings accept two secrets during a rotation. State the reason in a comment on False."""

    signs_with_a_secret: ClassVar[bool] = True
    """Whether the signature is a hash or HMAC with a secret of the settings; False if a private key signs."""

    # ------------------------------------------------------------- definitions

    def message(self, payment: SamplePayment) -> Mapping[str, Any]:
        """Return the provider's message about a received payment, unsigned, as it names its fields."""
        raise NotImplementedError("the test of the provider defines message()")

    def write(self, message: Mapping[str, Any]) -> bytes:
        """Return the message in the provider's wire format; JSON unless overridden."""
        return json.dumps(message).encode()

    def sign(self, settings: Mapping[str, object], body: bytes, at: datetime) -> Callback:
        """Return the delivery of a written message, signed at a time with the first secret of the settings."""
        raise NotImplementedError("the test of the provider defines sign()")

    def signed_text(self, callback: Callback) -> bytes:
        """Return the text of a delivery that its signature covers; the body unless overridden."""
        return callback.body

    def answer_query(
        self, settings: Mapping[str, object], request: httpx.Request, message: Mapping[str, Any] | None
    ) -> httpx.Response:
        """Return the provider's signed answer to a status query; None: it does not know the payment."""
        raise NotImplementedError("the test of a provider with Queries defines answer_query()")

    def with_status(self, message: Mapping[str, Any], status: Any) -> Mapping[str, Any]:
        """Return the message with another status; override if several fields hold it."""
        assert self.fields.status is not None
        return with_field(message, self.fields.status, status)

    def next_secret(self, name: str) -> object:
        """Return a second valid value of a secret setting."""
        return f"the-next-{name}-of-the-tests"

    def answering(self, sent: list[bytes]) -> httpx.AsyncClient:
        """Return a client whose server starts the payment; override if the provider is called over HTTP."""
        return self.failing(Fault("no server", refuse_connection, was_sent=False), sent)

    # ------------------------------------------------------------------- tools

    def callback(self, settings: Mapping[str, object], *, transaction: str, amount: int, at: datetime) -> Callback:
        """Return the signed delivery of a payment."""
        payment = SamplePayment(transaction=transaction, amount=amount, at=at)
        return self.sign(settings, self.write(self.message(payment)), at)

    def deliver(self, transaction: str = "T1", **changes: Any) -> Callback:
        """Return the signed delivery of the sample payment."""
        self.require(Callbacks)
        payment = SamplePayment(transaction=transaction, **changes)
        return self.sign(self.settings, self.write(self.message(payment)), NOW)

    def deliver_message(self, message: Mapping[str, Any]) -> Callback:
        """Return the signed delivery of a message."""
        return self.sign(self.settings, self.write(message), NOW)

    def require(self, ability: type) -> None:
        """Skip the test if the provider lacks an ability."""
        if not issubclass(self.provider, ability):
            pytest.skip(f"has no ability {ability.__name__}")

    def open(
        self,
        ability: type[T] | None = None,
        *,
        client: httpx.AsyncClient | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Any:
        """Return the provider of the settings; skip the test if it lacks the ability."""
        if ability is not None:
            self.require(ability)
        values = dict(self.settings if settings is None else settings)
        if "timeout_s" in self.provider.settings_type.model_fields:
            values["timeout_s"] = TIMEOUT_S
        return self.provider(
            self.provider.settings_type.model_validate(values), client or self.client(refuse_connection)
        )

    def read(self, callback: Callback) -> tuple[Notice, ...]:
        """Return the notices of a delivery that must be accepted."""
        result = self.result_of(callback)
        if not isinstance(result, Notices):
            self.fail(f"an authentic delivery was rejected: {result!r}")
        return result.notices

    def result_of(self, callback: Callback, settings: Mapping[str, object] | None = None) -> Any:
        """Return the notices, the reply or the rejection of a delivery; every other exception is a failure."""
        self.require(Callbacks)
        provider = self._opened if settings is None else self.open(settings=settings)
        with self.nothing_secret_logged():
            try:
                return provider.read_callback(callback)
            except (BadSignature, Unreadable) as error:
                self.assert_reply(error.reply)
                self.assert_secret_free(error_text(error))
                return error
            except Exception as error:  # noqa: BLE001 - any other exception of the provider is the finding
                self.fail(f"read_callback raised {type(error).__name__} instead of BadSignature or Unreadable: {error}")

    @cached_property
    def _opened(self) -> Any:
        """The provider of the settings, opened once for one test: it is stateless."""
        return self.open()

    def payments(self, result: Any) -> list[Notice]:
        """Return the notices by which billing books a received payment of this account."""
        notices = result.notices if isinstance(result, Notices) else ()
        return [
            each
            for each in notices
            if each.outcome is Outcome.SUCCEEDED and each.movement is Movement.RECEIVED and not each.names_other_account
        ]

    def assert_refused(self, callback: Callback, fault: str, settings: Mapping[str, object] | None = None) -> None:
        """The delivery raises BadSignature; otherwise the test fails and names the fault."""
        result = self.result_of(callback, settings)
        if not isinstance(result, BadSignature):
            self.fail(f"{fault}: read_callback gave {type(result).__name__} instead of BadSignature")

    def assert_not_booked(self, callback: Callback, fault: str) -> None:
        """The delivery books no payment; otherwise the test fails and names the fault."""
        if self.payments(self.result_of(callback)):
            self.fail(fault)

    def rotated_settings(self) -> list[str]:
        """Return the names of the secret settings that accept two values during a rotation."""
        known = secret_fields(self.provider.settings_type)
        return [name for name, field in known.items() if field.is_rotated and name in self.settings]

    def first_secret(self, name: str) -> object:
        """Return the current value of a secret setting."""
        value = self.settings[name]
        return value if isinstance(value, str) else next(iter(value))  # type: ignore[call-overload]  # a sequence

    def pending(self) -> PendingPayment:
        """Return the payment that a status query is about."""
        return PendingPayment(
            reference=REFERENCE, amount=AMOUNT, provider_reference="P1", created_at=NOW, queried_at=NOW
        )

    def failing(self, fault: Fault, sent: list[bytes]) -> httpx.AsyncClient:
        """Return a client whose server fails; `sent` records its requests."""
        return self.client(fault.answer, sent)

    def client(
        self, answer: Callable[[httpx.Request], Awaitable[httpx.Response]], sent: list[bytes] | None = None
    ) -> httpx.AsyncClient:
        """Return a client with the given server; `sent` records its requests."""

        async def respond(request: httpx.Request) -> httpx.Response:
            content = await request.aread()
            if sent is not None:
                sent.append(request.method.encode() + b" " + str(request.url).encode() + b"\n" + content)
            return await answer(request)

        return httpx.AsyncClient(transport=httpx.MockTransport(respond), trust_env=False)

    async def bounded(self, work: Awaitable[T]) -> T:
        """Await the work; a call that takes far longer than its timeout has no timeout."""
        async with asyncio.timeout(TIMEOUT_S * 10 + 2):
            return await work

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return asyncio.run(work)

    def fail(self, fault: str) -> NoReturn:
        """Fail the test with the fault as its message."""
        pytest.fail(fault, pytrace=False)

    def skip_if_nothing_is_signed(self) -> None:
        """Skip the test if a credential alone proves the callbacks."""
        self.require(Callbacks)
        if self.provider.signed_part == "none":
            pytest.skip("nothing is signed: a credential proves the callbacks")

    def secrets(self) -> list[str]:
        """Return every secret of the settings as plain text."""
        return self._known_secrets

    @cached_property
    def _known_secrets(self) -> list[str]:
        """The secrets, read once for one test: settings may check an RSA key at each reading."""
        return list(_secrets(self.provider.settings_type.model_validate(dict(self.settings))))

    def assert_secret_free(self, text: str) -> None:
        """No secret of the settings is in a text."""
        for secret in self.secrets():
            if secret in text:
                self.fail("a secret is visible in a text, a reply, a log or an error message")

    def assert_reply(self, reply: Reply) -> None:
        """A reply is well formed and holds no secret."""
        assert isinstance(reply, Reply), "a reply is a Reply"
        assert 200 <= reply.status <= 599, f"status {reply.status} is no HTTP status of a reply"
        assert isinstance(reply.body, bytes), "the body of a reply is bytes"
        self.assert_secret_free(repr(reply))
        if reply.body and reply.content_type.startswith("application/json"):
            try:
                json.loads(reply.body)
            except ValueError:
                self.fail(
                    f"the body {reply.body!r} of a reply is no JSON, and its content_type is {reply.content_type}"
                )

    @contextmanager
    def nothing_secret_logged(self) -> Iterator[None]:
        """No secret is written to a log while the block runs."""
        logged: list[str] = []

        class Recorder(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                logged.append(self.format(record))

        recorder, root = Recorder(logging.DEBUG), logging.getLogger()
        level = root.level
        root.addHandler(recorder)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(recorder)
            root.setLevel(level)
        for line in logged:
            self.assert_secret_free(line)


def error_text(error: BaseException) -> str:
    """Return an exception with its causes, as a traceback shows them."""
    texts = [repr(error), str(error)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts if cause is None else [*texts, error_text(cause)])


def _secrets(value: object) -> Iterator[str]:
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

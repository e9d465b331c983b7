"""The line to an account: what is down holds up itself alone, and only questions are ever sent twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import httpx
import pytest
from aiohttp import web

from providers.addresses import AddressRules
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.http_client import ClientLimits, GuardedTransport, ProviderClients, Runtime

HERE = AddressRules(allow_private=True, allow_http=True)
LIMITS = ClientLimits(concurrent_calls_max=2, slot_wait_max_s=0.05, failures_max=3, open_s=10, open_max_s=40)


class Far:
    """A provider that answers from a list, the last for ever, on a clock that is turned by hand."""

    def __init__(self, *answers: object, limits: ClientLimits = LIMITS) -> None:
        self.now = 0.0
        self.paused: list[float] = []
        self.seen = 0
        self._answers: Sequence[object] = answers
        runtime = Runtime(clock=lambda: self.now, random=Random(1), pause=self._pause)
        self.transport = GuardedTransport(httpx.MockTransport(self._answer), limits, runtime)
        self.client = httpx.AsyncClient(transport=self.transport)

    async def send(self, method: str = "POST", *, is_retryable: bool = False) -> int:
        request = self.client.build_request(method, "http://far.example/")
        return (await call(self.client, request, timeout_s=1, is_retryable=is_retryable)).status

    async def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._answers[min(self.seen, len(self._answers) - 1)]
        self.seen += 1
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, tuple)
        return httpx.Response(answer[0], headers=answer[1])


OK: tuple[int, dict[str, str]] = (200, {})
DOWN = (503, {})
LOST = httpx.ReadTimeout("")


@pytest.mark.parametrize("fault", [DOWN, LOST, httpx.ConnectError(""), (429, {})])
async def test_what_may_change_something_is_never_sent_twice(fault: object) -> None:
    far = Far(fault, OK)

    with pytest.raises((RequestNotSent, ResponseUnknown)) if isinstance(fault, Exception) else _nothing():
        await far.send("POST")

    assert far.seen == 1


class _nothing:  # noqa: N801 - reads as a sentence
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("fault", [DOWN, LOST, httpx.ConnectError("")])
@pytest.mark.parametrize(("method", "is_retryable"), [("GET", False), ("POST", True)])
async def test_question_is_queried_again_after_a_jittered_timestamp(
    fault: object, method: str, is_retryable: bool
) -> None:
    far = Far(fault, fault, OK)

    assert await far.send(method, is_retryable=is_retryable) == 200

    assert far.seen == 3
    assert 0.1 <= far.paused[0] <= 0.3 < far.paused[1] <= 0.6 or 0.2 <= far.paused[1] <= 0.6
    assert far.transport.stats.retried == 2


async def test_question_is_not_queried_endlessly() -> None:
    far = Far(DOWN)

    assert await far.send("GET") == 503

    assert far.seen == 3


async def test_repeats_add_no_more_than_a_tenth_to_the_calls() -> None:
    far = Far(*[OK, DOWN] * 200, limits=ClientLimits(failures_max=1000))

    for _ in range(100):
        await far.send("GET")

    assert 2 <= far.transport.stats.retried <= 12


async def test_retry_after_is_heeded_within_a_limit() -> None:
    soon, late = Far((503, {"retry-after": "2"}), OK), Far((429, {"retry-after": "999999"}), OK)

    assert await soon.send("GET") == 200
    assert await late.send("GET") == 429

    assert soon.paused == [2.0]
    assert late.paused == []
    late.now = 59
    with pytest.raises(RequestNotSent):
        await late.send("GET")
    late.now = 61
    assert await late.send("GET") == 200


async def test_account_that_fails_again_and_again_is_left_alone_then_tried_by_one_call() -> None:
    far = Far(LOST, LOST, LOST, LOST, OK)
    for _ in range(3):
        with pytest.raises(ResponseUnknown):
            await far.send()

    with pytest.raises(RequestNotSent):
        await far.send()
    stopped = far.transport.stats
    far.now = 11
    with pytest.raises(ResponseUnknown):
        await far.send()  # the one try fails: twice as long
    far.now = 30
    with pytest.raises(RequestNotSent):
        await far.send()
    far.now = 32
    assert [await far.send(), await far.send()] == [200, 200]

    assert (stopped.is_circuit_open, stopped.failures, stopped.refused) == (True, 3, 1)
    assert far.seen == 6
    assert (far.transport.stats.is_circuit_open, far.transport.stats.failures) == (False, 0)


async def test_refusals_of_a_provider_are_answers_and_stop_nothing() -> None:
    far = Far((400, {}))

    for _ in range(20):
        assert await far.send() == 400

    assert far.transport.stats.failures == 0


@asynccontextmanager
async def serving(answer: Callable[[web.Request], object]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/", answer)  # type: ignore[arg-type]
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def hang(_request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(600):
        await response.write(b".")
        await asyncio.sleep(0.1)
    return response


async def well(_request: web.Request) -> web.Response:
    return web.Response(body=b"well")


@pytest.mark.parametrize("ill", [hang, drip])
async def test_account_that_hangs_slows_no_other(ill: Callable[[web.Request], object]) -> None:
    """Sixty calls to a server that never answers run over real sockets with calls to a server that answers."""
    async with serving(ill) as bad, serving(well) as good, ProviderClients[str](LIMITS, addresses=HERE) as clients:

        async def send(key: str, address: str, *, timeout_s: float = 3) -> bytes | type[Exception]:
            client = clients.client(key)
            try:
                return (await call(client, client.build_request("POST", address), timeout_s=timeout_s)).body
            except (RequestNotSent, ResponseUnknown) as error:
                return type(error)

        hanging = [asyncio.create_task(send("bad", bad)) for _ in range(60)]
        await asyncio.sleep(0.1)
        healthy = [await send("good", good) for _ in range(20)]
        still_hanging = sum(not each.done() for each in hanging)
        lost = await asyncio.gather(*hanging)

        assert healthy == [b"well"] * 20
        assert still_hanging == 2, "all was answered before the other account's first call had failed"
        assert set(lost) == {RequestNotSent, ResponseUnknown}, "two were sent at once, the rest never"
        assert lost.count(ResponseUnknown) == 2
        assert clients.stats()["bad"].in_flight == 0
        await send("bad", bad, timeout_s=0.2)
        assert (await send("bad", bad), clients.stats()["bad"].is_circuit_open) == (RequestNotSent, True)
        assert await send("good", good) == b"well"


async def test_client_of_an_account_is_its_own_and_the_same_each_time() -> None:
    async with ProviderClients[str](addresses=HERE) as clients:
        assert clients.client("a") is clients.client("a")
        assert clients.client("a") is not clients.client("b")
        assert set(clients.stats()) == {"a", "b"}

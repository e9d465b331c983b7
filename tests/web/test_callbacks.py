"""The callback route: raw bytes in, the reply of the provider out; a forged callback writes nothing."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from billing.core.errors import CommitUnknown
from billing.payments.service.intake import QueueFull
from providers.contract import Callback, Notices, Reply
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import Behaviour
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.builders import ACCOUNT_NAME
from tests.web.site import Site, problem


def signed(site: Site, body: bytes) -> dict[str, str]:
    """The headers of an authentic delivery."""
    return {SIGNATURE_HEADER: signature_header(site.hospital.settings.key, site.context.clock(), body)}


async def message(site: Site, intent: dict[str, Any], **changes: object) -> bytes:
    """The notice of the bank for a paid code, with changed fields."""
    fields = site.bank().transfer(intent["instruction"]["qr_payload"]).model_dump(mode="json")
    return json.dumps({**fields, **changes}).encode()


async def test_delivery_is_kept_as_it_came(site: Site) -> None:
    body = await message(site, await site.open_intent())
    address = f"{site.hospital.callback_path}/ipn/v2?b=%7e1&a=&a=%20x"

    answer = await site.anonymous_client.post(
        address, content=body, headers={**signed(site, body), "Cookie": "standing=1"}
    )

    assert (answer.status_code, answer.json()["result"]) == (200, "ok")
    [kept] = await site.as_owner("SELECT method, path_suffix, query, headers, body, source_address FROM delivery_body")
    assert (kept["method"], kept["path_suffix"], kept["query"]) == ("POST", "ipn/v2", "b=%7e1&a=&a=%20x")
    assert (kept["body"], kept["source_address"]) == (body, "127.0.0.1")
    assert {"x-sandbox-signature"} <= {name for name, _ in json.loads(kept["headers"])}
    assert "standing" not in kept["headers"]
    assert site.callbacks == {"accepted": 1}


async def test_query_reaches_the_provider_raw_and_in_pairs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Callback] = []

    def read(_self: Sandbox, callback: Callback) -> Reply:
        seen.append(callback)
        return Reply(status=200, body=b"hello", content_type="text/plain")

    monkeypatch.setattr(Sandbox, "read_callback", read)

    answer = await site.anonymous_client.get(f"{site.hospital.callback_path}?b=%7e1&a=&a=%20x+y")

    assert (answer.text, answer.headers["Content-Type"]) == ("hello", "text/plain")
    assert seen[0].raw_query == "b=%7e1&a=&a=%20x+y"
    assert list(seen[0].query) == [("b", "~1"), ("a", ""), ("a", " x y")]
    assert (seen[0].method, seen[0].path_suffix) == ("GET", "")


@pytest.mark.parametrize("behaviour", [Behaviour.FORGED, Behaviour.ALTERED])
async def test_bad_signature_is_refused_counted_and_leaves_no_trace(site: Site, behaviour: Behaviour) -> None:
    intent = await site.open_intent()
    payload = intent["instruction"]["qr_payload"]

    async with site.nothing_written():
        [answer] = await site.bank().pay(payload, behaviour)

    assert (answer.status, answer.result) == (401, "bad_signature")
    assert site.callbacks == {"bad_signature": 1}
    [later] = await site.bank().pay(payload, Behaviour.EXACT)
    assert later.result == "ok", "what was forged shadows nothing"


async def test_delivery_without_signature_is_refused(site: Site) -> None:
    body = await message(site, await site.open_intent())

    async with site.nothing_written():
        answer = await site.anonymous_client.post(site.hospital.callback_path, content=body)

    assert (answer.status_code, answer.json()["result"]) == (401, "bad_signature")


@pytest.mark.parametrize("amount", [136_000.0, 1.5, True, "136000", -136_000, 0, 10**30])
async def test_authentic_amount_that_is_no_whole_dong_is_refused(site: Site, amount: object) -> None:
    body = await message(site, await site.open_intent(), amount=amount)

    async with site.nothing_written():
        answer = await site.anonymous_client.post(site.hospital.callback_path, content=body, headers=signed(site, body))

    assert (answer.status_code, answer.json()["result"]) == (422, "unreadable")
    assert site.callbacks == {"unreadable": 1}


@pytest.mark.parametrize("body", [b'{"amount": 1, "amount": 2}', b"{", b"", b"\xff", b'{"amount": NaN}'])
async def test_authentic_text_that_makes_no_sense_is_refused(site: Site, body: bytes) -> None:
    async with site.nothing_written():
        answer = await site.anonymous_client.post(site.hospital.callback_path, content=body, headers=signed(site, body))

    assert (answer.status_code, answer.json()["result"]) == (422, "unreadable")


@pytest.mark.parametrize(
    "path",
    [
        "/callbacks/7/sandbox",
        "/callbacks/1/elsewhere",
        "/callbacks/0/sandbox",
        "/callbacks/01/sandbox",
        "/callbacks/1000000000/sandbox",
        "/callbacks/one/sandbox",
        "/callbacks/-1/sandbox",
        "/callbacks/1/SANDBOX",
        "/callbacks/1/sandbox%00",
        "/callbacks/1/sandbox/a%00b",
        "/callbacks/1",
    ],
)
async def test_unknown_organization_or_account_is_not_found(site: Site, path: str) -> None:
    body = await message(site, await site.open_intent())

    async with site.nothing_written():
        answer = await site.anonymous_client.post(path, content=body, headers=signed(site, body))

    problem(answer, 404, answer.json()["code"])


async def test_other_method_is_refused(site: Site) -> None:
    answer = await site.anonymous_client.put(site.hospital.callback_path, content=b"{}")

    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET,POST"


async def test_over_long_delivery_is_refused(site: Site) -> None:
    body = b" " * (64 * 1024 + 1)

    async with site.nothing_written():
        answer = await site.anonymous_client.post(site.hospital.callback_path, content=body, headers=signed(site, body))

    problem(answer, 413, "body_too_large")


async def test_full_queue_rejects_before_verifying(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()
    body = await message(site, intent)
    monkeypatch.setattr(type(site.intake), "is_full", lambda *_: True)

    async with site.nothing_written():
        answer = await site.anonymous_client.post(
            site.hospital.callback_path, content=body, headers={SIGNATURE_HEADER: "no"}
        )

    assert (answer.status_code, answer.json()["result"]) == (503, "try_later")
    assert answer.headers["Retry-After"] == "1"
    assert site.callbacks == {"refused_full": 1}
    monkeypatch.undo()
    again = await site.anonymous_client.post(site.hospital.callback_path, content=body, headers=signed(site, body))
    assert again.json()["result"] == "ok"


@pytest.mark.parametrize("error", [CommitUnknown("no answer to COMMIT"), QueueFull("too many")])
async def test_what_is_not_surely_committed_is_not_acknowledged(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    body = await message(site, await site.open_intent())

    async def submit(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(site.intake), "submit", submit)

    answer = await site.anonymous_client.post(site.hospital.callback_path, content=body, headers=signed(site, body))

    assert (answer.status_code, answer.json()) == (503, {"result": "try_later"})
    assert site.callbacks == {"not_acknowledged": 1}


async def test_callback_without_a_notice_is_answered_and_not_stored(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sandbox, "read_callback", lambda *_: Notices(()))

    async with site.nothing_written():
        answer = await site.anonymous_client.post(site.hospital.callback_path, content=b"{}")

    assert (answer.status_code, answer.json()["result"]) == (200, "ok")


async def test_fault_of_a_provider_adapter_is_an_internal_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise RuntimeError("the secret is open-sesame")

    monkeypatch.setattr(Sandbox, "read_callback", read)

    with capture_logs() as logs:
        answer = await site.anonymous_client.post(site.hospital.callback_path, content=b"{}")

    problem(answer, 500, "internal_error")
    assert "open-sesame" not in answer.text
    assert [line["event"] for line in logs].count("request_failed") == 1


async def test_client_that_goes_away_loses_nothing(site: Site) -> None:
    intent = await site.open_intent()
    body = await message(site, intent)
    where = urlsplit(site.address)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed(site, body).items())
    head = f"POST {site.hospital.callback_path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{headers}\r\n"

    writer.write(head.encode() + body)
    await writer.drain()
    writer.transport.abort()

    async with asyncio.timeout(10):
        while (await site.read(f"/v1/intents/{intent['id']}"))["state"] != "succeeded":
            await asyncio.sleep(0.02)
    again = await site.anonymous_client.post(site.hospital.callback_path, content=body, headers=signed(site, body))
    assert again.json()["result"] == "duplicate"


async def test_log_holds_neither_query_nor_body_nor_address(site: Site) -> None:
    with capture_logs() as logs:
        await site.anonymous_client.post(f"{site.hospital.callback_path}/tail?token=hush", content=b"a name")

    log_text = repr(logs)
    assert "callback_signature_bad" in log_text
    assert not any(word in log_text for word in ("hush", "a name", "tail?"))


async def test_delivery_for_an_account_of_another_organization_is_not_found_there(site: Site) -> None:
    body = await message(site, await site.open_intent())

    async with site.nothing_written():
        answer = await site.anonymous_client.post(
            f"/callbacks/2/{ACCOUNT_NAME}", content=body, headers=signed(site, body)
        )

    problem(answer, 404, "not_found")

"""Posting to addresses that an organization set: the request, and the addresses that are never reached."""

import time
from datetime import timedelta

import pytest

from billing.notifications.domain.webhook import WebhookAddressRefused
from billing.worker.sender import Sender, SenderLimits, is_public
from tests.worker.receiver import Receiver, receiving

TRUSTING = SenderLimits(allow_private=True, allow_http=True, timeout_s=5)


async def test_body_and_headers_arrive_as_given_under_the_name_of_the_address() -> None:
    async def lead_to_loopback(host: str, port: int) -> list[str]:
        assert host == "his.example"
        return ["127.0.0.1"]

    async with receiving(Receiver()) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        attempt = await Sender(TRUSTING, resolve=lead_to_loopback).send(
            f"http://his.example:{port}/hook?a=1", b'{"a":1}', {"webhook-id": "m1"}
        )

    (headers, body), *rest = receiver.taken
    assert (attempt.status, attempt.is_delivered, rest) == (200, True, [])
    assert (headers["host"], headers["webhook-id"], body) == (f"his.example:{port}", "m1", b'{"a":1}')


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "2001:0:1::1"),
        *("fec0::1", "64:ff9b:1::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    ],
)
def test_address_inside_a_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["113.160.0.1", "8.8.8.8", "2405:4800::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    async with receiving(Receiver()) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        with pytest.raises(WebhookAddressRefused):
            await Sender(SenderLimits(allow_http=True)).send(f"http://{host}:{port}/", b"{}", {})

    assert receiver.taken == []


async def test_name_that_leads_to_one_private_address_among_public_ones_is_refused() -> None:
    async def lead_to_both(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "127.0.0.1"]

    with pytest.raises(WebhookAddressRefused):
        await Sender(SenderLimits(), resolve=lead_to_both).send("https://his.example/", b"{}", {})


async def test_name_is_resolved_once_so_that_it_cannot_change_after_the_check() -> None:
    resolved: list[str] = []

    async def change_next_time(host: str, port: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"] if len(resolved) == 1 else ["10.0.0.1"]

    async with receiving(Receiver()) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        attempt = await Sender(TRUSTING, resolve=change_next_time).send(f"http://his.example:{port}/", b"", {})

    assert (attempt.status, resolved) == (200, ["his.example"])


@pytest.mark.parametrize(
    "url",
    [
        *("http://his.example/", "ftp://his.example/", "file:///etc/passwd", "https://", "https://u:p@his.example/"),
        *("https://his.example/#a", "https://his.example:99999/", "his.example", "https://his.example/a b"),
    ],
)
async def test_address_of_another_form_is_refused_before_its_name_is_resolved(url: str) -> None:
    async def never(host: str, port: int) -> list[str]:
        raise AssertionError("a name was resolved")

    with pytest.raises(WebhookAddressRefused):
        await Sender(SenderLimits(), resolve=never).send(url, b"{}", {})


async def test_redirect_is_not_followed() -> None:
    async with receiving(Receiver()) as target, receiving(Receiver(status=302)) as receiver:
        receiver.headers["location"] = target.url
        attempt = await Sender(TRUSTING).send(receiver.url, b"{}", {})

    assert (attempt.status, attempt.is_delivered, target.taken) == (302, False, [])


async def test_receiver_that_hangs_is_given_up_in_time() -> None:
    async with receiving(Receiver(hang=True)) as receiver:
        begun = time.monotonic()
        attempt = await Sender(SenderLimits(allow_private=True, allow_http=True, timeout_s=0.3)).send(
            receiver.url, b"{}", {}
        )

    assert (attempt.status, attempt.problem) == (None, "timeout")
    assert time.monotonic() - begun < 3


async def test_nobody_listening_and_no_such_name_are_attempts_that_failed() -> None:
    async def no_such_name(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    nobody = await Sender(TRUSTING).send("http://127.0.0.1:9/", b"{}", {})
    nameless = await Sender(TRUSTING, resolve=no_such_name).send("http://his.example/", b"{}", {})

    assert (nobody.status, nobody.problem) == (None, "ConnectError")
    assert (nameless.status, nameless.problem) == (None, "name_not_resolved")


@pytest.mark.parametrize("host", ["his..example", "a" * 64 + ".example", "xn--a.example"])
async def test_name_that_cannot_be_one_is_an_attempt_that_failed(host: str) -> None:
    attempt = await Sender(SenderLimits()).send(f"https://{host}/", b"{}", {})

    assert (attempt.status, attempt.problem) == (None, "name_not_resolved")


async def test_retry_after_is_respected() -> None:
    async with receiving(Receiver(status=503, headers={"retry-after": "120"})) as receiver:
        attempt = await Sender(TRUSTING).send(receiver.url, b"{}", {})

    assert (attempt.status, attempt.retry_after) == (503, timedelta(minutes=2))

"""A form that is cut, slow, too large or unreadable is refused with its reason, and is no error of the service."""

import asyncio

import httpx
import pytest

from tests.web.conftest import LIMITS
from tests.web.site import Site

FORM = "application/x-www-form-urlencoded"
BROKEN = {
    "slow": (FORM, 100, b"login_name=a", 408),
    "too large": (FORM, LIMITS.visit_size_max + 1, b"a=" + b"b" * LIMITS.visit_size_max, 413),
    "no boundary": ("multipart/form-data", 4, b"a=b\n", 400),
    "not what it says": ("multipart/form-data; boundary=x", 4, b"a=b\n", 400),
    "unknown characters": (FORM + "; charset=nothing", 4, b"a=%E1", 400),
    "broken characters": (FORM, 5, b"a=\xff\xfe\n", 400),
}


async def answer_to(site: Site, content_type: str, length: int, body: bytes) -> bytes:
    """The answer to a sign-in form with these bytes; the connection stays open until it is answered."""
    url = httpx.URL(site.address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST /sign-in HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Type: {content_type}\r\n"
    writer.write(f"{head}Accept: text/html\r\nContent-Length: {length}\r\n\r\n".encode() + body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    writer.close()
    return answer


@pytest.mark.parametrize("kind", BROKEN)
async def test_broken_form_is_refused_with_its_reason(
    site: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content_type, length, body, status = BROKEN[kind]

    answer = await answer_to(site, content_type, length, body)

    assert answer.split(b" ")[1] == str(status).encode()
    assert "request_failed" not in capsys.readouterr().out


async def test_form_that_is_cut_is_no_error_of_the_service(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    url = httpx.URL(site.address)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 100\r\n\r\na=b".encode()
    )
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    written = ""
    async with asyncio.timeout(10):
        while "request_answered" not in written:
            await asyncio.sleep(0.05)
            written += capsys.readouterr().out

    assert "request_failed" not in written
    assert "status=400" in written

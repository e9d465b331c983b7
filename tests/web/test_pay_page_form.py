"""The form of the payment page: headers, size, no foreign hosts, and complete without a script."""

import re
from html.parser import HTMLParser

import pytest

from billing.web.pages.pay.messages import PAGE_MESSAGES
from tests.web.pay_page_view import look
from tests.web.site import Site

WEIGHT_MAX = 60 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Elements(HTMLParser):
    """Every element with its attributes, those inside noscript marked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


async def test_page_is_not_cached_framed_or_sent_as_referrer(site: Site) -> None:
    intent = await site.open_intent()

    for tail in ("", "/state", "/qr.png"):
        headers = (await site.anonymous_client.get(intent["pay_url"] + tail)).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await site.anonymous_client.get(intent["pay_url"])).headers["Content-Security-Policy"] == POLICY


async def test_page_with_its_files_is_smaller_than_60_kb(site: Site) -> None:
    intent = await site.open_intent()
    page = (await site.anonymous_client.get(intent["pay_url"])).content

    files = [
        (await site.anonymous_client.get(address)).content
        for address in re.findall(r'"(/static/[^"]+)"', page.decode())
    ]

    assert len(files) == 2
    assert len(page) + sum(map(len, files)) < WEIGHT_MAX


async def test_page_loads_nothing_from_other_hosts_and_runs_no_inline_script(site: Site) -> None:
    page = await look(site, await site.open_intent())

    for tag, attributes in Elements(page.html).found:
        for name in ("src", "href", "action"):
            value = attributes.get(name, "/")
            # The empty icon prevents a request of browsers for an icon.
            assert value.startswith(("/static/", "/pay/")) or value in ("/", "data:,"), (tag, value)
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert tag != "style"
        if tag == "script":
            assert attributes.keys() == {"src", "defer"}


async def test_everything_is_there_without_a_script(site: Site) -> None:
    page = await look(site, await site.open_intent())
    elements = Elements(page.html).found

    assert page.is_reloading
    assert page.code
    assert next(each for tag, each in elements if tag == "form")["method"] == "post"
    # What only a script can do is not shown without one.
    assert all("hidden" in each for tag, each in elements if tag == "button" and each["type"] == "button")


async def test_fragment_is_the_part_of_the_page_that_changes(site: Site) -> None:
    intent = await site.open_intent()

    fragment = (await site.anonymous_client.get(f"{intent['pay_url']}/state")).text

    assert fragment.strip() in (await look(site, intent)).html
    assert "<html" not in fragment


async def test_static_files_are_immutable_under_names_that_carry_their_hash(site: Site) -> None:
    page = await look(site, await site.open_intent())

    for address in re.findall(r'"(/static/[^"]+)"', page.html):
        answer = await site.anonymous_client.get(address)
        assert re.fullmatch(r"/static/pay\.[0-9a-f]{12}\.(css|js)", address)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Type"].startswith(("text/css", "text/javascript"))


@pytest.mark.parametrize("name", ["pay.css", "pay.000000000000.css", "..%2Fpay%2Fpage.html", "%00"])
async def test_other_files_are_not_there(site: Site, name: str) -> None:
    assert (await site.anonymous_client.get(f"/static/{name}")).status_code == 404


def test_no_message_key_is_a_method_of_dict() -> None:
    for messages in PAGE_MESSAGES.values():
        assert not [name for name in messages if hasattr(messages, name)]
    first, second = PAGE_MESSAGES.values()
    assert first.keys() == second.keys()

"""The OpenAPI document: valid, complete in both directions, and kept by the running service."""

import re
from html.parser import HTMLParser

import httpx
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from billing.web.openapi import plain_path
from tests.web.site import Site

METHODS = {"get", "post", "put", "patch", "delete"}


PAGES = ("/pay/", "/static/")
"""What people open in a browser is no part of the API."""


def operations(site: Site) -> set[tuple[str, str]]:
    """Every method and path of the API that the application answers, also inside its parts; HEAD goes with GET."""
    found = set()
    for route in site.application.router.routes():
        assert isinstance(route.resource, web.Resource)
        if route.method != "HEAD" and not route.resource.canonical.startswith(PAGES):
            found.add((route.method.lower(), plain_path(route.resource.canonical)))
    return found


async def test_document_is_valid_openapi_3_1(site: Site) -> None:
    answer = await site.stranger.get("/openapi.json")

    assert answer.headers["Content-Type"].startswith("application/json")
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_every_route_is_in_the_document_and_the_other_way_round(site: Site) -> None:
    document = (await site.stranger.get("/openapi.json")).json()

    written = {(method, path) for path, item in document["paths"].items() for method in item if method in METHODS}

    assert written == operations(site)


async def test_every_operation_says_what_it_takes_answers_and_asks_for(site: Site) -> None:
    document = (await site.stranger.get("/openapi.json")).json()
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]

    assert len(names) == len(set(names))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["responses"], where
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), where
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}], where
                assert "Roles:" in operation["description"], where
                for status in ("401", "403"):
                    assert "application/problem+json" in operation["responses"][status]["content"], where
            else:
                assert operation["security"] == [], where


async def test_creating_operations_ask_for_a_key(site: Site) -> None:
    document = (await site.stranger.get("/openapi.json")).json()

    creating = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if any(each["name"] == "Idempotency-Key" and each["required"] for each in operation["parameters"])
    }

    assert creating == {
        "/v1/visits",
        "/v1/invoices",
        "/v1/intents",
        "/v1/tariffs",
        "/v1/facility-pricing",
        "/v1/facility-readings",
    }


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.found |= {value or "" for name, value in attrs if name in ("href", "src")}


async def test_page_tells_every_address_and_needs_nothing_from_elsewhere(site: Site) -> None:
    document = (await site.stranger.get("/openapi.json")).json()

    page: httpx.Response = await site.stranger.get("/docs")

    assert page.headers["Content-Type"].startswith("text/html")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page.text
    addresses = _Addresses()
    addresses.feed(page.text)
    anchors = {address[1:] for address in addresses.found if address.startswith("#")}
    assert addresses.found - {f"#{anchor}" for anchor in anchors} == {"/openapi.json"}
    assert anchors <= set(document["components"]["schemas"])

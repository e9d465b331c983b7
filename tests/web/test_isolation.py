"""Every operation of a hospital's day repeated by a key of another organization, and by one of another facility.

The requests are those of the examples of the API: one for each route of `routes.py`, with the path and the body that
succeeded for the owner of the rows.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from billing.core.actor import Role
from billing.db.context import Ids
from billing.db.database import Database
from billing.organizations.service.setup import Setup
from billing.web.facility_limits import NAMED_ROWS, OTHER_IDS, SCOPES, Coded, Reach, Rows
from billing.web.operation import PREFIX, Route
from billing.web.routes import API
from tests.builders import FACILITY_CODE, add_demo_hospital, visit_document
from tests.web.site import Site, problem
from tests.web.test_openapi_examples import record

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PATTERNS = [(route, re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", route.path))) for route in API]
_OTHER = "01002"


@dataclass
class Exchanges:
    """The first successful request of each route, and the ids in all answers."""

    requests: dict[str, tuple[Route, httpx.Request]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    async def keep(self, answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        self.ids |= set(_UUID.findall(answer.text))
        for route, path in _PATTERNS:
            if answer.is_success and route.method == request.method and path.fullmatch(request.url.path):
                self.requests.setdefault(route.handler.__name__, (route, request))
                return

    async def repeat(self, site: Site, key: Mapping[str, str]) -> list[tuple[Route, httpx.Response]]:
        """Every request again with another key."""
        answers = []
        for route, first in self.requests.values():
            headers = {"Content-Type": first.headers["Content-Type"]} if first.content else {}
            if "Idempotency-Key" in first.headers:
                headers["Idempotency-Key"] = f"again-{route.handler.__name__}"
            answer = await site.anonymous_client.request(
                first.method, str(first.url), content=first.content, headers={**headers, **key}
            )
            answers.append((route, answer))
        return answers


def _scope(route: Route) -> Reach | Rows | Coded:
    return SCOPES[route.path.removeprefix(PREFIX).split("/")[1]]


async def spend_day(site: Site) -> Exchanges:
    """Use every operation as organization 1."""
    exchanges = Exchanges()
    await record(site, exchanges.keep)
    assert exchanges.requests.keys() == {route.handler.__name__ for route in API}
    return exchanges


def _of_first(content: dict[str, Any]) -> dict[str, Any]:
    return {table: rows for table, rows in content.items() if table.endswith(" of 1")}


async def test_key_of_another_organization_finds_and_changes_nothing(site: Site) -> None:
    day = await spend_day(site)
    other = await add_demo_hospital(site.database.owner_url, organization=2, facility_code="02001")

    await assert_finds_and_changes_nothing(site, day, other.authorization)


async def assert_finds_and_changes_nothing(site: Site, day: Exchanges, authorization: Mapping[str, str]) -> None:
    """Repeat the day of organization 1 with the key of another organization; also for the tests of moves."""
    before = _of_first(await site.content())

    answers = await day.repeat(site, authorization)

    for route, answer in answers:
        assert answer.status_code < 500, (route, answer.text)
        if "{id}" in route.path:
            assert answer.status_code == 404, (route, answer.text)
        first = day.requests[route.handler.__name__][1]
        sent = set(_UUID.findall(f"{first.url} {first.content.decode()}"))
        assert not (set(_UUID.findall(answer.text)) & day.ids) - sent, (route, answer.text)
    after = _of_first(await site.content())
    assert [table for table in before if after[table] != before[table]] == []


async def test_key_of_another_facility_finds_and_changes_nothing(site: Site) -> None:
    day = await spend_day(site)
    key = await _key_at(site, _OTHER)
    before = await site.content()

    answers = await day.repeat(site, key)

    for route, answer in answers:
        scope, is_list = _scope(route), route.method == "GET" and "{id}" not in route.path
        if scope is Reach.ORGANIZATION or scope is Reach.PATH or (scope is Reach.SHARED and route.method != "GET"):
            assert answer.status_code == 403, (route, answer.text)
        elif scope is Reach.SHARED:
            assert answer.status_code == 200, (route, answer.text)
        elif is_list:
            assert (answer.status_code, answer.json()["items"]) == (200, []), (route, answer.text)
        else:
            assert answer.status_code == 404, (route, answer.text)
    after = await site.content()
    assert [table for table in before if after[table] != before[table]] == []


async def test_key_of_the_facility_of_a_day_reads_all_of_it(site: Site) -> None:
    day = await spend_day(site)
    key = await _key_at(site, FACILITY_CODE, _OTHER)
    read = {name: each for name, each in day.requests.items() if each[0].method == "GET"}

    answers = await Exchanges(requests=read).repeat(site, key)

    for route, answer in answers:
        scope = _scope(route)
        if scope is Reach.ORGANIZATION:
            assert answer.status_code == 403, (route, answer.text)
        elif route.path == "/v1/approvals/{id}":
            assert answer.status_code == 404, "a price list is of the whole organization"
        else:
            everything = await site.client.get(str(read[route.handler.__name__][1].url))
            assert answer.status_code == everything.status_code, (route, answer.text)
            if isinstance(scope, Rows | Coded) and "{id}" not in route.path:
                name = scope.key if isinstance(scope, Rows) else "id"
                shown, known = ({item[name] for item in each.json()["items"]} for each in (answer, everything))
                assert shown <= known, route
                assert shown or not known or route.path == "/v1/approvals", route


async def test_visit_of_another_facility_is_sent_as_json_only(site: Site) -> None:
    key = await _key_at(site, _OTHER)

    sent = await site.anonymous_client.post(
        "/v1/visits", content=b"<GIAMDINHHS/>", headers={**key, "Content-Type": "application/xml"}
    )

    assert (sent.status_code, sent.json()["code"]) == (403, "not_permitted")
    assert "JSON" in sent.json()["detail"]


async def test_facility_code_is_limited_as_text_and_as_number(site: Site) -> None:
    key = await _key_at(site, _OTHER)
    async with _setup(site) as setup:
        await setup.add_facility(site.hospital.organization_id, code="34001", name="Trạm y tế", technical_level="basic")
    before = await site.content()

    for code in ("34001", 34001):
        for path in ("/v1/visits", "/v1/quotes"):
            sent = await site.anonymous_client.post(
                path,
                json={**visit_document(), "MA_CSKCB": code},
                headers={**key, "Idempotency-Key": f"visit-{type(code).__name__}"},
            )
            problem(sent, 404, "not_found")
    assert await site.content() == before


async def test_body_of_a_limited_key_has_the_limit_of_its_route(site: Site) -> None:
    key = await _key_at(site, FACILITY_CODE)
    body = {"account": "x" * 65 * 1024, "visit_id": await site.record_visit()}

    sent = await site.anonymous_client.post("/v1/intents", json=body, headers={**key, "Idempotency-Key": "one"})

    problem(sent, 413, "body_too_large")


async def test_every_path_and_every_id_of_a_body_has_a_scope(site: Site) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()
    named = set()
    for item in document["paths"].values():
        for operation in item.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            named |= set(re.findall(r'"([a-z_]+_ids?)":', json.dumps(_resolved(body.get("schema", {}), document))))

    assert SCOPES.keys() == {route.path.removeprefix(PREFIX).split("/")[1] for route in API}
    assert named - NAMED_ROWS.keys() - OTHER_IDS == set()


def _resolved(schema: Any, document: dict[str, Any]) -> Any:
    """A schema with its references replaced."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _resolved(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]], document)
        return {name: _resolved(each, document) for name, each in schema.items()}
    return [_resolved(each, document) for each in schema] if isinstance(schema, list) else schema


async def _key_at(site: Site, *codes: str) -> dict[str, str]:
    """The header of a key with every role at these facilities; `_OTHER` is added to the organization."""
    organization_id = site.hospital.organization_id
    async with _setup(site) as setup:
        await setup.add_facility(organization_id, code=_OTHER, name="Trạm y tế", technical_level="basic")
        key = await setup.add_key(
            organization_id, person_name="Người trạm", name="station", roles=list(Role), facility_codes=codes
        )
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def _setup(site: Site) -> AsyncIterator[Setup]:
    database = await Database.open(site.database.owner_url)
    try:
        yield Setup(database, site.context.clock, Ids(site.context.clock))
    finally:
        await database.close()

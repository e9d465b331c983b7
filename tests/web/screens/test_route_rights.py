"""Every route of the screens with every role and with none: exactly the table; ids of another organization are unknown.

A route that a person may use opens a page, or rejects the empty form; it never answers 403. Source: docs/rights.md.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest

from billing.core.actor import Role
from billing.db.database import Database
from billing.web.anonymous import AnonymousLimits
from billing.web.operation import Route
from billing.web.screens.routes import SCREENS
from billing.web.screens.sign_in import OPEN_SCREENS
from tests.builders import DemoHospital
from tests.conftest import DatabaseAddress
from tests.web.conftest import LIMITS, serving_site
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import Staff, add_desk, signed_in
from tests.web.test_openapi_examples import record

_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")
_UUID = re.compile(r"/v1/([a-z-]+)/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_VALUES = {"day": "2026-11-02", "ma_lk": "LK0001", "line": "1", "role": "1111", "code": "ABC", "year": "2026"}
_REJECTED = 403


def path_of(route: Route, facility_code: str, ids: str = UNKNOWN_ID) -> str:
    values: Mapping[str, str] = {**_VALUES, "facility_code": facility_code}
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ids), route.path)


async def answer_of(staff: Staff, route: Route, path: str) -> httpx.Response:
    """The head of an answer: an event stream has no end. A form is empty but for its token and key."""
    fields = {} if route.method == "GET" else {"csrf_token": staff.token, "idempotency_key": "key-of-an-empty-form"}
    async with staff.client.stream(route.method, path, data=fields or None) as answer:
        return answer


def test_every_route_of_the_screens_names_a_right() -> None:
    assert SCREENS
    assert [route.path for route in SCREENS if route.right is None] == []
    assert {route.path for route in OPEN_SCREENS} == {"/sign-in", "/sign-in/pin", "/lock", "/sign-out"}


def test_no_route_of_the_screens_is_there_twice() -> None:
    pairs = [(route.method, route.path) for route in SCREENS]

    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("role", list(Role))
async def test_role_opens_exactly_the_screens_of_its_rights(site: Site, role: Role) -> None:
    async with signed_in(site, role, desk_id=await add_desk(site)) as staff:
        for route in SCREENS:
            path = path_of(route, site.hospital.facility_code)
            if path.endswith("/sign-out"):
                continue
            answer = await answer_of(staff, route, path)

            assert answer.status_code < 500, (route.method, path)
            assert (answer.status_code == _REJECTED) == (role not in route.roles), (route.method, path)


async def test_nobody_opens_a_screen_without_a_session(site: Site) -> None:
    for route in SCREENS:
        path = path_of(route, site.hospital.facility_code)
        async with site.anonymous_client.stream(route.method, path) as answer:
            status = answer.status_code

        assert status == (303 if route.method == "GET" else 401), (route.method, path)
        if route.method == "GET":
            assert answer.headers["Location"].startswith("/sign-in?next="), path


async def test_person_without_a_role_opens_no_screen(site: Site) -> None:
    async with signed_in(site) as staff:
        for route in SCREENS:
            answer = await answer_of(staff, route, path_of(route, site.hospital.facility_code))

            assert answer.status_code == _REJECTED, (route.method, route.path)


async def test_form_without_its_token_is_rejected_on_every_route(site: Site) -> None:
    async with signed_in(site, *Role) as staff:
        for route in SCREENS:
            if route.method != "GET":
                answer = await staff.client.request(route.method, path_of(route, site.hospital.facility_code))

                assert answer.status_code == _REJECTED, (route.method, route.path)


async def test_ids_of_another_organization_are_unknown(site: Site, other_organization: object) -> None:
    """One id of each resource of a whole day of organization 1, on every route with an id, by a person of 2."""
    ids: dict[str, str] = {}

    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        for name, found in _UUID.findall(str(answer.request.url)):
            ids.setdefault(name, found)

    await record(site, keep)
    with_id = [route for route in SCREENS if re.search(r"\{(?:[a-z_]+_)?id\}", route.path)]
    assert len(ids) > 15
    assert with_id

    async with signed_in(site, *Role, organization=2) as staff:
        for route in with_id:
            for found in ids.values():
                answer = await answer_of(staff, route, path_of(route, "01002", found))

                expected = {404} if route.method == "GET" else {404, 422}
                assert answer.status_code in expected, (route.method, route.path, answer.status_code)


async def test_persons_behind_one_address_are_not_limited_and_clients_without_a_session_are(
    hospital: DemoHospital, database: DatabaseAddress, app_database: Database
) -> None:
    """All desks of a hospital may share an address. A page costs 8 of the 16 that the address has here."""
    strict = replace(LIMITS, anonymous=AnonymousLimits(reads_per_s=0.01, reads_burst=16, hold_max_s=0.01))
    async with (
        serving_site(hospital, database, app_database, strict) as site,
        signed_in(site, Role.ADMINISTRATOR) as staff,
    ):
        persons = [(await staff.client.get("/my/password")).status_code for _ in range(6)]
        others = [(await site.anonymous_client.get("/sign-in")).status_code for _ in range(4)]

    assert persons == [200] * 6
    assert others == [200, 200, 429, 429]

"""Persons who work at some facilities, on the screens: nothing of other facilities or of the whole organization."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from billing.core.actor import Role
from billing.core.ids import DeskId
from tests.web.screens.live import live_visit
from tests.web.screens.morning import PIN, Morning, staffed
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import add_desk, location, signed_in, text_of
from tests.web.test_isolation import _setup

OTHER_FACILITIES = ["99999"]


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        yield opened


async def test_session_leaves_a_desk_that_the_person_no_longer_reaches(site: Site) -> None:
    """The facilities of the person were changed after the sign-in."""
    desk_id = await add_desk(site, "Quầy 3")
    async with signed_in(site, Role.CASHIER, desk_id=desk_id, facility_codes=OTHER_FACILITIES) as staff:
        idle = await staff.page("/desk")
        queue = await staff.client.get("/desk/waiting-visits")
        opened = await staff.post("/shift", n100000="1", issued_float="100000")

    assert "Quầy 3" not in text_of(idle)
    assert queue.status_code == 404
    assert opened.status_code == 422
    assert not await site.as_owner("SELECT FROM shift")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        (f"/admin/users/{UNKNOWN_ID}/password", Role.ADMINISTRATOR),
        (f"/admin/users/{UNKNOWN_ID}/enable", Role.ADMINISTRATOR),
        ("/safe/bank-deposits", Role.TREASURER),
    ],
)
async def test_what_belongs_to_the_organization_is_refused(site: Site, path: str, role: Role) -> None:
    async with signed_in(site, role, facility_codes=[site.hospital.facility_code]) as staff:
        answer = await staff.post(path)

    assert answer.status_code == 403


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMINISTRATOR, Role.AUDITOR, Role.HEAD_CASHIER, Role.TREASURER])
async def test_bar_of_a_person_of_one_facility_has_no_entry_that_is_refused(site: Site, role: Role) -> None:
    desk_id = await add_desk(site)
    codes = [site.hospital.facility_code]
    async with signed_in(site, role, desk_id=desk_id, facility_codes=codes) as limited:
        page = await limited.page("/my/sessions")
        entries = re.findall(r'<a href="(/[^"]*)"', page[page.index("<nav ") : page.index("</nav>")])
        answers = {path: (await limited.client.get(path)).status_code for path in entries}

    assert answers
    assert {path: status for path, status in answers.items() if status != 200} == {}


async def test_second_person_of_another_facility_decides_nothing(morning: Morning) -> None:
    site, head = morning.site, morning.head
    await morning.open()
    visit = await live_visit(morning)
    receipt = await visit.collect("XML3-1")
    await visit.collect("XML3-2", "XML3-3")
    refund_form = {"reason": "Người bệnh không làm", "room": "Phòng xét nghiệm: KTV Lan"}
    await morning.cashier.post(f"/desk/visits/{visit.id}/refund", line="XML3-3", **refund_form)
    [refund] = await site.as_owner("SELECT id FROM refund")
    limit = "UPDATE sign_in_account SET facility_codes = $1 WHERE person_id = $2"
    await site.as_owner(limit, OTHER_FACILITIES, head.person_id)
    second = {"second_person": str(head.person_id), "second_secret": PIN}

    async with signed_in(site, Role.CASHIER) as staff:
        answers = [
            await staff.post(f"/refunds/{refund['id']}/approve-here", **second),
            await staff.post(f"/receipts/{receipt['id']}/void-here", **second, void_reason="nhầm"),
            await staff.post(
                f"/desk/visits/{visit.id}/discharge/override-here",
                **second,
                kind="ordered_not_performed",
                override_reason="xin về",
            ),
        ]

    assert [answer.status_code for answer in answers] == [422] * 3
    [stored] = await site.as_owner("SELECT state FROM refund")
    assert stored["state"] == "requested"
    assert not await site.as_owner("SELECT FROM receipt WHERE state = 'void'")


async def test_paper_block_of_another_facility_is_unknown(site: Site) -> None:
    async with _setup(site) as setup:
        await setup.add_facility(site.hospital.organization_id, code="34001", name="Trạm y tế", technical_level="basic")
    answer = await site.client.post("/v1/desks", json={"facility_code": "34001", "name": "Quầy trạm"})
    async with (
        signed_in(site, Role.CASHIER, desk_id=await add_desk(site, "Quầy 3")) as staff,
        signed_in(site, Role.CASHIER, desk_id=DeskId(UUID(answer.json()["id"])), facility_codes=["34001"]) as limited,
    ):
        await staff.post("/desk/paper/reserve", count="2")
        [block] = await site.as_owner("SELECT id FROM receipt_block")
        unused = await limited.post("/desk/paper/unused", block_id=str(block["id"]), unused=["1", "2"])
        entered = await limited.post("/desk/paper/enter", block_id=str(block["id"]), number="1", amount="1000")

    assert [unused.status_code, entered.status_code] == [404, 404]
    assert not await site.as_owner("SELECT FROM receipt")


async def test_refund_is_cancelled_by_who_requested_it_or_by_finance(morning: Morning) -> None:
    site = morning.site
    await morning.open()
    visit = await live_visit(morning)
    await visit.collect("XML3-1", "XML3-2", "XML3-3", "XML2-1")
    refund_form = {"reason": "Người bệnh không làm", "room": "Phòng xét nghiệm: KTV Lan"}
    await morning.cashier.post(f"/desk/visits/{visit.id}/refund", line="XML3-3", **refund_form)
    [refund] = await site.as_owner("SELECT id FROM refund")
    address = f"/refunds/{refund['id']}"

    async with signed_in(site, Role.CASHIER) as other:
        refused = await other.post(f"{address}/cancel")
    [still] = await site.as_owner("SELECT state FROM refund")
    done = await morning.cashier.post(f"{address}/cancel")

    assert refused.status_code == 403
    assert still["state"] == "requested"
    assert location(done) == address
    [ended] = await site.as_owner("SELECT state FROM refund")
    assert ended["state"] == "cancelled"

"""The inbox of approvals, price lists and the integration inbox on the pages."""

import re

from billing.core.actor import Actor, ActorKind, Role
from billing.core.money import Dong
from billing.payments.service.refund_limit import propose_refund_limit
from tests.web.live_visit import header
from tests.web.site import Site
from tests.web.staff import location, signed_in, text_of


async def _propose_limit(site: Site) -> str:
    answer = await site.client.post("/v1/refund-limit", json={"amount": 5_000_000})
    assert answer.status_code == 201, answer.text
    approval_id: str = answer.json()["id"]
    return approval_id


async def test_second_person_reads_before_and_after_and_approves(site: Site) -> None:
    approval_id = await _propose_limit(site)
    async with signed_in(site, Role.FINANCE, name="Đinh Thị Nga") as second:
        listed = text_of(await second.page("/approvals"))
        page = text_of(await second.page(f"/approvals/{approval_id}"))
        answer = await second.post(f"/approvals/{approval_id}/approve")
        after = text_of(await second.page(f"/approvals/{approval_id}"))
        again = await second.post(f"/approvals/{approval_id}/approve")
        empty = text_of(await second.page("/approvals"))

    assert "Hạn mức hoàn tiền" in listed
    assert "5.000.000" in page
    assert location(answer) == f"/approvals/{approval_id}"
    assert "Đã duyệt bởi Đinh Thị Nga lúc" in after
    assert again.status_code == 409
    assert "Không có gì chờ duyệt" in empty


async def test_proposer_may_only_withdraw(site: Site) -> None:
    async with signed_in(site, Role.FINANCE) as staff:
        proposer = Actor(ActorKind.PERSON, staff.person_id, staff.person_id)
        organization_id = site.hospital.organization_id
        approval_id = await propose_refund_limit(site.context, organization_id, Dong(5_000_000), actor=proposer)
        page = await staff.page(f"/approvals/{approval_id}")
        refused = await staff.post(f"/approvals/{approval_id}/approve")
        withdrawn = await staff.post(f"/approvals/{approval_id}/reject")

    assert "Người khác phải duyệt việc này." in text_of(page)
    assert f"/approvals/{approval_id}/approve" not in page
    assert (refused.status_code, withdrawn.status_code) == (409, 303)


async def test_rejected_message_is_read_and_retried_by_an_integrator(site: Site) -> None:
    facility = site.hospital.facility_code
    sent = await site.client.put(f"/v1/facilities/{facility}/visits/LK-LOI", json=header(1) | {"surprise": "x"})
    assert sent.status_code == 422, sent.text
    async with signed_in(site, Role.INTEGRATOR) as staff, signed_in(site, Role.FINANCE) as reader:
        page = await staff.page("/finance/inbox?outcome=rejected")
        ids = re.findall(r"/finance/inbox/([0-9a-f-]{36})", page)
        for message_id in set(ids):
            await staff.page(f"/finance/inbox/{message_id}")
            retried = await staff.post(f"/finance/inbox/{message_id}/retry")
            assert retried.status_code in (303, 409, 422, 404)
            assert (await reader.post(f"/finance/inbox/{message_id}/retry")).status_code == 403

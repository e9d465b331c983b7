"""A link that opens nothing: the same words for all, and the phone of the hospital."""

import pytest

from tests.builders import DemoHospital
from tests.web.pay_page_view import look
from tests.web.site import Site

UNKNOWN_TOKEN = "0" * 32


@pytest.mark.parametrize("tail", ["", "/state", "/events", "/qr.png"])
async def test_every_unknown_link_gets_the_same_page(site: Site, other_organization: DemoHospital, tail: str) -> None:
    intent = await site.open_intent()
    token = intent["pay_url"].rpartition("-")[2]
    wrong_tokens = (f"1-{UNKNOWN_TOKEN}", f"2-{token}", f"999999999-{token}", f"1-{token[:-1]}g", f"1-{token[:-1]}")
    pages = (*wrong_tokens, "x", "%00")

    answers = [await site.anonymous_client.get(f"/pay/{page}{tail}") for page in pages]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "Không có trang này" in answers[0].text
    assert "hỏi quầy thu viện phí" in answers[0].text
    assert "Bệnh viện 1" not in answers[0].text


async def test_unknown_link_shows_the_phone_of_the_hospital(site: Site) -> None:
    await site.as_owner("UPDATE organization SET help_phone = '024 3999 0000' WHERE id = 1")
    await site.as_owner("UPDATE facility SET phone = '024 3123 4567' WHERE organization_id = 1")

    for link in (f"1-{UNKNOWN_TOKEN}", "1-cut-off", "1"):
        answer = await site.anonymous_client.get(f"/pay/{link}")
        assert answer.status_code == 404
        assert '<a class="phone" href="tel:02431234567">024 3123 4567</a>' in answer.text
        assert "024 3999 0000" not in answer.text
    for link in (f"999999-{UNKNOWN_TOKEN}", "abc", "0"):
        assert "tel:" not in (await site.anonymous_client.get(f"/pay/{link}")).text


async def test_facility_without_a_phone_shows_that_of_its_organization(site: Site) -> None:
    await site.as_owner("UPDATE organization SET help_phone = '024 3999 0000' WHERE id = 1")

    assert "024 3999 0000" in (await site.anonymous_client.get(f"/pay/1-{UNKNOWN_TOKEN}")).text
    assert "024 3999 0000" in (await look(site, await site.open_intent())).html


async def test_help_phone_is_the_facilitys_before_the_organizations(site: Site) -> None:
    intent = await site.open_intent()
    without = await look(site, intent)
    await site.as_owner("UPDATE organization SET help_phone = '024 3999 0000' WHERE id = 1")
    await site.as_owner("UPDATE facility SET phone = '024 3123 4567' WHERE organization_id = 1")

    page = await look(site, intent)

    assert "Mời hỏi quầy thu viện phí" in without.html
    assert '<a class="phone" href="tel:02431234567">024 3123 4567</a>' in page.html

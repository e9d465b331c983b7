"""The public page of a receipt: opened by the code on its paper, without names in full, gone with the printed form."""

from collections.abc import AsyncIterator

import pytest

from tests.web.screens.live import live_visit
from tests.web.screens.morning import Morning, staffed
from tests.web.site import Site
from tests.web.staff import text_of


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        await opened.open()
        yield opened


async def test_payer_opens_the_receipt_of_the_code_without_signing_in(morning: Morning) -> None:
    visit = await live_visit(morning)
    receipt = await visit.collect("XML3-1", "XML3-2")

    answer = await morning.site.anonymous_client.get(f"/receipt/1-{receipt['printed']['token']}")

    words = text_of(answer.text)
    assert answer.status_code == 200
    assert receipt["number"] in words
    assert "Nguyễn V. Thử" in words
    assert "Một trăm nghìn đồng" in words
    assert "4791234567890" not in answer.text
    assert "Văn" not in words
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_practising_hospital_marks_the_page(morning: Morning) -> None:
    receipt = await morning.take(50_000)
    await morning.site.as_owner("UPDATE organization SET is_training = true WHERE id = 1")

    answer = await morning.site.anonymous_client.get(f"/receipt/1-{receipt['printed']['token']}")

    assert '<body class="sheet training">' in answer.text


async def test_void_receipt_is_marked(morning: Morning) -> None:
    receipt = await morning.take(50_000)
    await morning.head.post(f"/receipts/{receipt['id']}/void", void_reason="nhầm người")

    answer = await morning.site.anonymous_client.get(f"/receipt/1-{receipt['printed']['token']}")

    assert "ĐÃ HỦY" in text_of(answer.text)


@pytest.mark.parametrize(
    "name", ["1-aaaaaaaaaaaaaaaaaaaaaa", "2-{token}", "999999999-{token}", "1-{token}x", "x", "1-%27%20OR%201=1"]
)
async def test_unknown_receipt_is_not_found(morning: Morning, name: str) -> None:
    receipt = await morning.take(50_000)

    answer = await morning.site.anonymous_client.get(f"/receipt/{name.format(token=receipt['printed']['token'])}")

    assert answer.status_code == 404
    assert receipt["number"] not in answer.text


async def test_erased_receipt_is_not_found(morning: Morning) -> None:
    receipt = await morning.take(50_000)
    await morning.site.as_owner("DELETE FROM receipt_print")

    answer = await morning.site.anonymous_client.get(f"/receipt/1-{receipt['printed']['token']}")

    assert answer.status_code == 404

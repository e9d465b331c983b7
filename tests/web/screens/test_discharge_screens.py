"""The discharge through its pages: blockers and overrides, the final bill, money back, reopening, form 01/KBCB."""

import re
from collections.abc import AsyncIterator

import pytest

from billing.core.actor import Role
from tests.web.screens.live import LiveVisit, live_visit
from tests.web.screens.morning import PIN, Morning, staffed
from tests.web.site import Site
from tests.web.staff import location, signed_in, text_of


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        await opened.open()
        yield opened


@pytest.fixture
async def performed(morning: Morning) -> LiveVisit:
    return await live_visit(morning, "LK-RAVIEN", state="performed")


def second(visit: LiveVisit) -> dict[str, str]:
    return {"second_person": str(visit.morning.head.person_id), "second_secret": PIN}


async def test_blockers_are_listed_with_their_way_out(morning: Morning) -> None:
    visit = await live_visit(morning)
    await visit.collect("XML3-1")

    page = await morning.cashier.page(f"/desk/visits/{visit.id}/discharge")

    words = text_of(page)
    assert "Chưa ra viện được: 4 việc" in words
    assert "Đã thu tiền nhưng chưa thực hiện" in words
    assert f'href="/desk/visits/{visit.id}/refund?line=XML3-1"' in page
    assert "Khám Nội" in words


async def test_head_cashier_overrides_at_the_desk_of_the_cashier(morning: Morning) -> None:
    visit = await live_visit(morning)
    address = f"/desk/visits/{visit.id}/discharge"
    fields = {"kind": "ordered_not_performed", "override_reason": "người bệnh xin về"}

    alone = await morning.cashier.post(f"{address}/override-here", **fields, second_person="", second_secret="")
    overridden = await morning.cashier.post(f"{address}/override-here", **fields, **second(visit))

    assert alone.status_code == 422
    assert location(overridden) == address
    assert "Được ra viện" in text_of(await morning.cashier.page(address))


async def test_money_owed_is_collected_before_the_final_bill(performed: LiveVisit) -> None:
    address = f"/desk/visits/{performed.id}/discharge"
    cashier = performed.morning.cashier

    page = text_of(await cashier.page(address))
    refused = await cashier.post(address)
    await performed.advance(136_000)
    billed = await cashier.post(address)

    assert "Còn phải thu 136.000" in page
    assert "Khám bệnh 50.000 40.000 10.000 0 0" in page
    assert refused.status_code == 422
    assert "còn phải nộp thêm" in text_of(refused.text)
    assert location(billed) == f"{address}?closed"
    assert "Không thu thêm, không hoàn" in text_of(await cashier.page(address))


async def test_surplus_is_returned_with_the_final_bill(performed: LiveVisit) -> None:
    address = f"/desk/visits/{performed.id}/discharge"
    cashier = performed.morning.cashier
    await performed.advance(200_000)

    page = text_of(await cashier.page(address))
    billed = await cashier.post(address, other_way="cash")
    [refund] = await performed.morning.site.as_owner("SELECT id, amount, state FROM refund")
    await cashier.post(f"/refunds/{refund['id']}/approve-here", **second(performed))
    paid = await cashier.post(f"/refunds/{refund['id']}/pay")

    assert "Hoàn ứng Trả lại người bệnh 64.000" in page
    assert location(billed) == f"/desk/visits/{performed.id}/refund?requested=64000"
    assert (refund["amount"], refund["state"]) == (64_000, "requested")
    assert location(paid) == f"/refunds/{refund['id']}"
    [balance] = await performed.morning.site.as_owner("SELECT sum(credit) AS credit FROM payment_position")
    assert balance["credit"] == 0


async def test_return_that_was_refused_is_not_requested_again_by_the_same_form(performed: LiveVisit) -> None:
    await performed.advance(200_000)
    address, key = f"/desk/visits/{performed.id}/discharge", "tat-toan-co-hoan-01"
    site, cashier = performed.morning.site, performed.morning.cashier
    await cashier.post(address, key=key, other_way="cash")
    [refund] = await site.as_owner("SELECT id FROM refund")
    async with signed_in(site, Role.FINANCE) as finance:
        await finance.post(f"/refunds/{refund['id']}/refuse")

    await cashier.post(address, key=key, other_way="cash")

    rows = await site.as_owner("SELECT state FROM refund")
    assert len(rows) == 1


async def test_final_bill_sent_twice_is_made_once(performed: LiveVisit) -> None:
    await performed.advance(136_000)
    address, key = f"/desk/visits/{performed.id}/discharge", "tat-toan-mot-lan-01"

    answers = [await performed.morning.cashier.post(address, key=key) for _ in range(2)]

    assert [location(answer) for answer in answers] == [f"{address}?closed"] * 2
    [row] = await performed.morning.site.as_owner("SELECT count(*) AS bills FROM final_bill")
    assert row["bills"] == 1


async def test_closed_visit_is_reopened_with_a_second_person(performed: LiveVisit) -> None:
    await performed.advance(136_000)
    address, cashier = f"/desk/visits/{performed.id}/discharge", performed.morning.cashier
    await cashier.post(address)

    reopened = await cashier.post(
        f"/desk/visits/{performed.id}/reopen-here", reopen_reason="bổ sung thuốc", **second(performed)
    )

    assert location(reopened) == address
    page = text_of(await cashier.page(address))
    assert "bổ sung thuốc" in page
    assert "Được ra viện" in page


@pytest.mark.parametrize("is_billed", [False, True])
async def test_statement_has_thirteen_columns_and_the_whole_card(performed: LiveVisit, is_billed: bool) -> None:
    cashier = performed.morning.cashier
    if is_billed:
        await performed.advance(136_000)
        await cashier.post(f"/desk/visits/{performed.id}/discharge")

    page = await cashier.page(f"/print/visits/{performed.id}/statement")

    words = text_of(page)
    assert all(f"({column})" in words for column in range(1, 14))
    assert "DN4791234567890" in words
    assert "NGUYỄN VĂN THỬ" in words
    assert "Sáu trăm nghìn đồng" in words
    assert "Cộng 600.000 580.000 464.000 116.000 0 20.000" in words
    assert ("BẢN TẠM TÍNH" in words) is not is_billed
    assert len(re.findall(r'<tr class="group">', page)) == 4


async def test_discharge_of_another_facility_is_not_found(performed: LiveVisit) -> None:
    async with signed_in(performed.morning.site, Role.CASHIER, facility_codes=["99999"]) as limited:
        answers = [
            await limited.client.get(path)
            for path in (
                f"/desk/visits/{performed.id}/discharge",
                f"/desk/visits/{performed.id}/refund",
                f"/print/visits/{performed.id}/statement",
            )
        ]

    assert [answer.status_code for answer in answers] == [404] * 3

"""Find money at the desk: taken only with an equal amount and the bank's reference, once, by one of two persons."""

from collections.abc import AsyncIterator

import pytest

from billing.core.actor import Role
from billing.core.clock import business_date, noon_of
from tests.builders import ACCOUNT_NAME
from tests.flow import PaymentFlow
from tests.visit_accounts.accounts import open_visit
from tests.web.screens.desk_day import ORGANIZATION, DeskDay, desk_day
from tests.web.site import Site
from tests.web.staff import location, signed_in, text_of

REFERENCE = "FT26332910488"


@pytest.fixture
async def day(site: Site) -> AsyncIterator[DeskDay]:
    async with desk_day(site) as opened:
        account = await site.context.accounts.find(ORGANIZATION, ACCOUNT_NAME)
        assert account is not None
        flow = PaymentFlow(site.context, site.hospital, account)
        await flow.deliver(flow.notice("T1", "", amount=124_620, bank_reference=REFERENCE))
        yield opened


async def exception_of(site: Site) -> str:
    [row] = await site.as_owner("SELECT id FROM exception_case")
    return str(row["id"])


async def test_reference_is_shown_only_to_who_knows_it(day: DeskDay) -> None:
    visit = await open_visit(day.site.context)

    by_amount = await day.staff.page(f"/desk/find-money?visit={visit.visit_id}&amount=124.620")
    by_both = await day.staff.page(f"/desk/find-money?visit={visit.visit_id}&amount=124620&reference={REFERENCE}")

    assert REFERENCE not in by_amount
    by_another = await day.staff.page(f"/desk/find-money?visit={visit.visit_id}&amount=124620&reference=FT26332910489")
    assert "không trùng" in text_of(by_another)
    assert "không trùng" not in text_of(by_amount)
    assert "Nhận cho lượt này" not in text_of(by_amount)
    assert "Nhận cho lượt này" in text_of(by_both)


async def test_money_is_taken_with_amount_and_reference_once(day: DeskDay) -> None:
    visit = await open_visit(day.site.context)
    await visit.request(124_620)
    fields = {"visit": str(visit.visit_id), "exception": await exception_of(day.site)}

    wrong = [
        await day.staff.post("/desk/find-money/assign", **fields, amount="124.000", reference=REFERENCE),
        await day.staff.post("/desk/find-money/assign", **fields, amount="124.620", reference="FT26332910489"),
        await day.staff.post("/desk/find-money/assign", **fields, amount="124.620", reference=""),
    ]
    taken = await day.staff.post("/desk/find-money/assign", **fields, amount="124.620", reference=REFERENCE)
    again = await day.staff.post("/desk/find-money/assign", **fields, amount="124.620", reference=REFERENCE)

    assert [answer.status_code for answer in (*wrong, again)] == [422] * 4
    assert location(taken) == f"/desk/visits/{visit.visit_id}"
    assert (await visit.deposit()).held == 124_620


async def test_nothing_found_states_the_way_out(day: DeskDay) -> None:
    page = text_of(await day.staff.page("/desk/find-money?amount=999"))

    assert "Không thấy khoản nào" in page
    assert "không phải nộp lần hai" in page


async def test_money_without_a_known_time_is_shown_with_its_day_alone(day: DeskDay) -> None:
    """A line of a statement often has no time: no page, file or answer of the API makes one of it."""
    account = await day.site.context.accounts.find(ORGANIZATION, ACCOUNT_NAME)
    assert account is not None
    flow, today = PaymentFlow(day.site.context, day.site.hospital, account), business_date(day.site.context.clock())
    await flow.deliver(flow.notice("T2", "", amount=77_000, occurred_at=noon_of(today)))
    wanted = {"first_day": today.isoformat(), "last_day": today.isoformat()}

    found = text_of(await day.staff.page("/desk/find-money?amount=77000"))
    searches = [
        await day.site.client.post("/v1/money-searches", json={**wanted, "amount": 77_000, "paid_at": at})
        for at in (None, noon_of(today).isoformat())
    ]
    [known, unknown] = [
        (await day.site.client.get("/v1/payments")).json()["items"][place]["is_time_known"] for place in (1, 0)
    ]
    async with signed_in(day.site, Role.FINANCE) as finance:
        work = text_of(await finance.page("/finance/reconciliation"))
        file = (await finance.client.get("/finance/exceptions/file?format=csv")).text

    assert f"{today:%d/%m/%Y} 77.000" in found
    assert all(each.json()["found"][0]["is_time_known"] is False for each in searches)
    assert searches[1].json()["found"][0]["why"] == ["amount"]
    assert (known, unknown) == (True, False)
    all_texts = found + work + file
    assert "12:00" not in all_texts, all_texts[all_texts.index("12:00") - 80 :][:120]


async def test_person_of_some_facilities_sees_no_money_of_unknown_payers(day: DeskDay) -> None:
    code = day.site.hospital.facility_code
    async with signed_in(day.site, Role.CASHIER, facility_codes=[code]) as limited:
        answer = await limited.client.get("/desk/find-money?amount=124620")

    assert answer.status_code == 403


async def test_person_of_some_facilities_takes_no_money_without_a_payer(day: DeskDay) -> None:
    """It belongs to the organization, so that knowing amount and reference is not enough."""
    visit = await open_visit(day.site.context)
    fields = {"visit": str(visit.visit_id), "exception": await exception_of(day.site)}
    codes = [day.site.hospital.facility_code]

    async with signed_in(day.site, Role.CASHIER, facility_codes=codes) as limited:
        answer = await limited.post("/desk/find-money/assign", **fields, amount="124.620", reference=REFERENCE)

    assert answer.status_code == 403
    [row] = await day.site.as_owner("SELECT count(*) AS decisions FROM exception_decision")
    assert row["decisions"] == 0

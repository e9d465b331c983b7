"""A payer requests on the payment page that an excess is returned; finance accepts it as a refund or declines it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from billing.core.actor import Role
from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Database
from billing.organizations.service.setup import Setup
from billing.reconciliation.service.surplus_returns import keep_lapsed_once
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, BANK_BIN, FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.payments.visit_deposits import open_visit
from tests.web.pay_page_view import look
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import Staff, location, signed_in, text_of

PAGE = "/finance/returns"
EXCESS = 10_000
_PAYER = """
    UPDATE payment_origin SET payer_name = 'NGUYEN VAN AN', payer_account = '0011223344', payer_bank = $1
"""
ORGANIZATION = OrganizationId(1)


@pytest.fixture
async def clerk(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Staff]:
    monkeypatch.setitem(cast(dict[str, str], site.context.bank_names), BANK_BIN, "Ngân hàng Thử")
    async with signed_in(site, Role.FINANCE) as staff:
        yield staff


async def overpaid(site: Site) -> dict[str, Any]:
    """An intent under which 10,000 đồng too much came, from a known account."""
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.OVER)
    await site.without_guards("payment_origin", _PAYER, BANK_BIN)
    return intent


async def wish(site: Site, intent: dict[str, Any], choice: str) -> None:
    answer = await site.anonymous_client.post(f"{intent['pay_url']}/{choice}")
    assert answer.status_code == 303, answer.text


async def refunds(site: Site) -> list[Any]:
    return await site.as_owner("SELECT id, amount, way, state, requested_by FROM refund ORDER BY id")


async def test_wish_becomes_a_refund_of_two_persons_and_the_page_states_its_progress(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")
    listed = text_of(await clerk.page(PAGE))
    hinted = text_of(await clerk.page("/approvals"))

    accepted = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)
    waiting = await look(site, intent)
    [refund] = await refunds(site)
    own = await clerk.post(f"/refunds/{refund['id']}/approve")
    async with signed_in(site, Role.FINANCE, name="Trần Văn Bình") as second:
        await second.post(f"/refunds/{refund['id']}/approve")
    approved = await look(site, intent)

    assert "Nguyễn Văn An" in listed or "10.000" in listed
    assert "không đặt hạn" in listed
    assert "1 yêu cầu trả tiền nộp thừa" in hinted
    assert location(accepted) == f"{PAGE}?done=accepted"
    assert (refund["amount"], refund["state"], refund["requested_by"]) == (EXCESS, "requested", clerk.person_id)
    assert refund["way"] == "manual_transfer"
    [destination] = await site.as_owner("SELECT account_number, source FROM refund_destination")
    assert tuple(destination.values()) == ("0011223344", "captured")
    assert "đang chờ người thứ hai duyệt" in waiting.html
    assert "Giữ lại cho lần sau" not in waiting.html
    assert own.status_code == 422
    assert "Đã duyệt trả lại 10.000 đ" in approved.html
    assert await site.as_owner("SELECT FROM exception_case WHERE reason = 'over_paid' AND state = 'open'") == []
    await assert_books_are_right(site.context.database)


async def test_payer_who_keeps_the_excess_withdraws_the_request(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")
    await wish(site, intent, "keep")

    listed = text_of(await clerk.page(PAGE))
    late = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)

    assert "Không có yêu cầu nào" in listed
    assert late.status_code == 422
    assert "Người nộp đã đổi ý" in text_of(late.text)
    assert await refunds(site) == []


async def test_accepted_twice_it_is_one_refund_and_the_payer_changes_nothing_any_more(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")

    answers = [
        await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS, key="key-of-the-form-0001") for _ in range(2)
    ]
    again = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)
    await wish(site, intent, "keep")
    [choice] = await site.as_owner("SELECT choice, accepted_by FROM surplus_choice")

    assert [location(answer) for answer in answers] == [f"{PAGE}?done=accepted"] * 2
    assert again.status_code == 422
    assert len(await refunds(site)) == 1
    assert (choice["choice"], choice["accepted_by"]) == ("return", clerk.person_id)


async def test_of_two_persons_and_a_payer_at_once_one_decides(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")

    async with signed_in(site, Role.FINANCE, name="Trần Văn Bình") as other:
        answers = await asyncio.gather(
            clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS),
            other.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS),
            site.anonymous_client.post(f"{intent['pay_url']}/keep"),
        )
    found = await refunds(site)
    [choice] = await site.as_owner("SELECT choice FROM surplus_choice")

    accepted = [answer for answer in answers[:2] if answer.status_code == 303]
    assert len(accepted) == len(found) <= 1
    assert choice["choice"] == ("return" if found else "keep")
    await assert_books_are_right(site.context.database)


async def test_declined_request_is_kept_and_stays_declined(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")

    without = await clerk.post(f"{PAGE}/{intent['id']}/decline", reason="")
    declined = await clerk.post(f"{PAGE}/{intent['id']}/decline", reason="Người bệnh còn nợ lượt khám trước")
    await wish(site, intent, "return")
    page, journal = await look(site, intent), text_of(await clerk.page("/finance/journal"))

    assert f"từ chối trả tiền thừa {intent['reference_code']} : “ Người bệnh còn nợ lượt khám trước ”" in journal
    assert (without.status_code, location(declined)) == (422, f"{PAGE}?done=declined")
    assert "Yêu cầu trả lại không được chấp nhận" in page.html
    assert "còn nợ" not in page.html
    assert "Không có yêu cầu nào" in text_of(await clerk.page(PAGE))


async def test_unknown_account_is_refused_with_the_ways_that_are_left(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await site.without_guards("payment_origin", "UPDATE payment_origin SET payer_account = '', payer_bank = ''")
    await wish(site, intent, "return")

    refused = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)
    in_cash = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS, way="cash")

    assert refused.status_code == 422
    assert "Chọn “Tiền mặt tại quầy”; hoặc vào “Giao dịch chờ xử lý”" in text_of(refused.text)
    assert 'href="#account"' not in refused.text
    assert location(in_cash) == f"{PAGE}?done=accepted"


async def test_term_is_stated_and_after_it_the_excess_is_kept(site: Site, clerk: Staff) -> None:
    settings = f"/v1/facilities/{FACILITY_CODE}/deposit-settings"
    await site.client.put(settings, json={"return_days": 5})
    wished, silent = await overpaid(site), await site.open_intent(ma_lk="LK-2")
    await site.bank().pay(silent["instruction"]["qr_payload"], Behaviour.OVER)
    await wish(site, wished, "return")
    stated, listed = await look(site, silent), text_of(await clerk.page(PAGE))

    early = await keep_lapsed_once(site.context, ORGANIZATION)
    await site.without_guards("payment", "UPDATE payment SET recorded_at = recorded_at - interval '6 days'")
    kept = [await keep_lapsed_once(site.context, ORGANIZATION) for _ in range(2)]
    await wish(site, silent, "return")
    page, waiting = await look(site, silent), await look(site, wished)
    rows = await site.as_owner("SELECT choice, chosen_by FROM surplus_choice ORDER BY chosen_at")
    opened = await site.as_owner("SELECT FROM exception_case WHERE reason = 'over_paid' AND state = 'open'")

    day = f"{site.context.clock() + timedelta(hours=7, days=5):%d/%m/%Y}"
    assert f"Chọn đến hết ngày {day}" in stated.html
    assert day in listed
    assert (early, kept) == (0, [1, 0])
    assert "Hạn chọn đã qua" in page.html
    assert "Trả lại cho tôi" not in page.html
    assert "đang chờ kế toán" in waiting.html
    assert [tuple(row.values()) for row in rows] == [("return", "payer"), ("keep", "term")]
    assert len(opened) == 1


async def test_code_over_the_bills_of_a_facility_without_a_term_has_none(site: Site) -> None:
    await site.client.put(f"/v1/facilities/{FACILITY_CODE}/deposit-settings", json={"return_days": 5})
    database = await Database.open(site.database.owner_url)
    await Setup(database, site.context.clock, Ids(site.context.clock)).add_facility(
        ORGANIZATION, code="34001", name="Trạm y tế", technical_level="basic"
    )
    await database.close()
    bills = [await site.issue_invoice(), await site.issue_invoice(ma_lk="LK-2", facility_code="34001")]
    terms = []
    for codes in (bills[:1], bills):
        body = {"account": ACCOUNT_NAME, "invoice_ids": [each["id"] for each in codes]}
        intent = (await site.client.post("/v1/intents", json=body)).json()
        await site.client.post(f"/v1/intents/{intent['id']}/cancel")
        query = "SELECT return_days FROM intent_surplus WHERE intent_id = $1"
        terms += [row["return_days"] for row in await site.as_owner(query, UUID(intent["id"]))]

    assert terms == [5, None]


async def test_term_is_a_setting_that_ends_with_0(site: Site) -> None:
    settings = f"/v1/facilities/{FACILITY_CODE}/deposit-settings"

    first = (await site.client.put(settings, json={"threshold": 0})).json()
    stated = (await site.client.put(settings, json={"return_days": 30})).json()
    kept = (await site.client.put(settings, json={"threshold": 100})).json()
    ended = (await site.client.put(settings, json={"return_days": 0})).json()
    wrong = await site.client.put(settings, json={"return_days": -1})

    assert [each["return_days"] for each in (first, stated, kept, ended)] == [None, 30, 30, None]
    assert wrong.status_code == 422


async def test_money_whose_account_is_unknown_is_not_sent_anywhere(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await site.without_guards("payment_origin", "UPDATE payment_origin SET payer_account = ''")
    await wish(site, intent, "return")

    sent = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)
    nothing = await refunds(site)
    in_cash = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS, way="cash")
    [refund] = await refunds(site)

    assert (sent.status_code, nothing) == (422, [])
    assert location(in_cash) == f"{PAGE}?done=accepted"
    assert refund["way"] == "cash"


async def overpaid_deposit(site: Site) -> tuple[str, dict[str, Any]]:
    """A visit whose request for two orders was paid with 10,000 đồng too much, from a known account."""
    visit = await open_visit(site.context, "LK-TAM-UNG")
    body = {"lines": list(visit.lines)}
    requested = (await site.client.post(f"/v1/visits/{visit.visit_id}/deposit-requests", json=body)).json()
    opened = {"account": ACCOUNT_NAME, "deposit_request_id": requested["id"]}
    intent = (await site.client.post("/v1/intents", json=opened)).json()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.OVER)
    await site.without_guards("payment_origin", _PAYER, BANK_BIN)
    return str(visit.visit_id), intent


async def test_excess_of_a_deposit_is_returned_and_the_paid_orders_stay_paid(site: Site, clerk: Staff) -> None:
    visit_id, intent = await overpaid_deposit(site)
    offered = await look(site, intent)
    await wish(site, intent, "return")

    accepted = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)
    page = await look(site, intent)
    [refund] = await refunds(site)
    requests = (await site.read(f"/v1/deposit-requests?visit_id={visit_id}"))["items"]

    assert offered.status.startswith("Nộp thừa. Đã nhận")
    assert "trong đó nộp thừa 10.000 đ" in offered.status
    assert location(accepted) == f"{PAGE}?done=accepted"
    assert (refund["amount"], [one["state"] for one in requests]) == (EXCESS, ["paid"])
    assert "đang chờ người thứ hai duyệt" in page.html
    assert "Nộp thừa" not in page.html
    await assert_books_are_right(site.context.database)


async def test_excess_of_a_deposit_is_returned_with_the_final_bill(site: Site, clerk: Staff) -> None:
    visit_id, intent = await overpaid_deposit(site)
    await site.without_guards("deposit", "UPDATE deposit SET state = 'closed' WHERE visit_id = $1", UUID(visit_id))

    await wish(site, intent, "return")
    page = await look(site, intent)

    assert "Trả lại cho tôi" not in page.html
    assert "mời đến quầy thu viện phí" in page.html
    assert await site.as_owner("SELECT FROM surplus_choice") == []
    assert "Không có yêu cầu nào" in text_of(await clerk.page(PAGE))


async def test_second_person_decides_on_an_excess_above_the_limit_that_came_in_parts(site: Site, clerk: Staff) -> None:
    await site.without_guards("organization", "UPDATE organization SET refund_approval_above = 140_000 WHERE id = 1")
    intent = await overpaid(site)
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await site.without_guards("payment_origin", _PAYER, BANK_BIN)
    await wish(site, intent, "return")

    await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS + 136_000)

    found = sorted((each["amount"], each["state"]) for each in await refunds(site))
    assert found == [(EXCESS, "requested"), (136_000, "requested")]


async def test_person_accepts_the_amount_that_the_list_showed(site: Site, clerk: Staff) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await site.without_guards("payment_origin", _PAYER, BANK_BIN)

    stale = await clerk.post(f"{PAGE}/{intent['id']}/accept", amount=EXCESS)

    assert stale.status_code == 422
    assert "Số tiền nộp thừa đã thay đổi" in text_of(stale.text)
    assert await refunds(site) == []
    assert 'name="amount" value="146000"' in stale.text


async def test_choice_of_a_payer_changes_twenty_times_at_most(site: Site) -> None:
    intent = await overpaid(site)
    await wish(site, intent, "return")
    await site.without_guards("surplus_choice", "UPDATE surplus_choice SET changes = 19")

    for choice in ("keep", "return"):
        await wish(site, intent, choice)
    [row] = await site.as_owner("SELECT choice, changes FROM surplus_choice")

    assert (row["choice"], row["changes"]) == ("keep", 20)


async def test_request_of_an_unknown_code_is_not_found(site: Site, clerk: Staff) -> None:
    answers = [
        await clerk.post(f"{PAGE}/{UNKNOWN_ID}/{act}", amount=EXCESS, reason="không có")
        for act in ("accept", "decline")
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert await refunds(site) == []

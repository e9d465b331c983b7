"""A head cashier confirms a transfer manually: it releases the service, books nothing, opens an exception."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from billing.core.actor import Actor, Role
from billing.core.ids import VisitId
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.desks import set_cash_settings
from billing.reconciliation.service.manual_confirmations import end_confirmations_once
from billing.visit_accounts.service.clearance_updates import update_clearances_once
from billing.web.app_state import APP_STATE
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.web.screens.desk_day import ORGANIZATION, DeskDay
from tests.web.screens.morning import PIN, Morning, staffed
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import location, signed_in, text_of

REFERENCE = "FT26331999552"
ACCOUNT = """
    WITH patient_row AS (
        INSERT INTO patient (organization_id, id, is_unknown, created_at) VALUES (1, $1, false, $3) RETURNING id
    )
    INSERT INTO visit_account (organization_id, visit_id, facility_id, ma_lk, patient_id, state, version,
        sender_version, is_inpatient, opened_at)
    SELECT 1, visit.id, visit.facility_id, visit.ma_lk, patient_row.id, 'open', 1, 1, false, $3
    FROM visit, patient_row WHERE visit.organization_id = 1 AND visit.id = $2
"""
"""The account of a visit that has an invoice, as a reopened visit has."""


class Confirming(DeskDay):
    """A visit whose payment code waits, with the cashier's form of the confirmation."""

    morning: Morning

    async def form(self, visit_id: VisitId, *, is_offered: bool = True) -> dict[str, str]:
        page = await self.staff.page(f"/desk/find-money?visit={visit_id}&reference={REFERENCE}")
        found = re.search(r'name="request" value="([^"]+)"', page)
        assert (found is not None) == is_offered, text_of(page)
        return {
            "visit": str(visit_id),
            "request": UNKNOWN_ID if found is None else found[1],
            "reference": REFERENCE,
            "confirm_reason": "nội soi cấp, người nhà đã ra về",
            "second_person": str(self.morning.head.person_id),
            "second_secret": PIN,
        }

    async def waiting_visit(self, ma_lk: str = "LK0007") -> VisitId:
        visit_id = await self.visit(ma_lk)
        sent = await self.staff.post(f"/desk/visits/{visit_id}/code", due="100000", method="qr", line=["L1", "L2"])
        assert location(sent) == f"/desk/visits/{visit_id}"
        return visit_id

    async def order(self) -> tuple[bool, str]:
        answer = await self.site.read(f"/v1/facilities/{FACILITY_CODE}/orders/XN-1/clearance")
        return answer["is_cleared"], answer["reason"]

    async def cleared(self, visit_id: VisitId) -> set[str]:
        """The lines that may be performed."""
        rows = await self.site.as_owner(
            "SELECT line FROM charge_item WHERE visit_id = $1 AND state = 'cleared'", visit_id
        )
        return {row["line"] for row in rows}

    async def end(self) -> int:
        return await end_confirmations_once(self.site.context, ORGANIZATION)

    async def exceptions(self) -> list[tuple[str, str, int]]:
        rows = await self.site.as_owner("SELECT reason, state, amount FROM exception_case ORDER BY id")
        return [(row["reason"], row["state"], row["amount"]) for row in rows]


@pytest.fixture
async def desk(site: Site) -> AsyncIterator[Confirming]:
    async with staffed(site) as morning:
        [row] = await site.as_owner("SELECT id FROM desk")
        desk = Confirming(site, morning.cashier, row["id"])
        object.__setattr__(desk, "morning", morning)
        yield desk


def with_circuit(site: Site, *, is_open: bool) -> None:
    """The state of the calls to providers, as the application sees it."""

    class Stats:
        is_circuit_open = is_open

    object.__setattr__(site.application[APP_STATE], "provider_calls", lambda: {"account": Stats()})


async def test_confirmed_transfer_releases_the_service_and_books_nothing(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    before = await desk.order()

    answer = await desk.staff.post(
        "/desk/find-money/confirm-here", key="pressed-once-000001", **await desk.form(visit_id)
    )
    page = text_of(await desk.staff.page(f"/desk/visits/{visit_id}"))

    assert location(answer) == f"/desk/visits/{visit_id}"
    assert before == (False, "not_paid")
    assert await desk.order() == (True, "confirmed_manually")
    assert await desk.exceptions() == [("manual_confirmation_not_seen", "open", 100_000)]
    assert "Xác nhận thủ công 100.000 đ · Nguyễn Thị Tâm" in page
    [counts] = await desk.site.as_owner(
        "SELECT (SELECT count(*) FROM payment) AS payments, (SELECT count(*) FROM receipt) AS receipts"
    )
    assert (counts["payments"], counts["receipts"]) == (0, 0)
    [comment] = await desk.site.as_owner("SELECT text, written_by FROM exception_comment")
    assert comment["text"] == f"LK0007 · {REFERENCE}: nội soi cấp, người nhà đã ra về"
    assert comment["written_by"] == desk.morning.head.person_id
    [audit] = await desk.site.as_owner("SELECT acting_for FROM audit WHERE action = 'transfer_confirmed_manually'")
    assert audit["acting_for"] == desk.morning.head.person_id


async def test_notice_creates_the_payment_and_closes_the_exception(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))
    assert await desk.end() == 0

    await desk.pay_code(100_000)
    ended = [await desk.end() for _ in range(2)]

    assert ended == [1, 0]
    assert await desk.exceptions() == [("manual_confirmation_not_seen", "closed", 100_000)]
    assert await desk.order() == (True, "paid")
    assert "Xác nhận thủ công" not in text_of(await desk.staff.page(f"/desk/visits/{visit_id}"))
    await assert_books_are_right(desk.site.context.database)


async def test_exception_that_finance_closes_withdraws_the_clearance(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))
    [row] = await desk.site.as_owner("SELECT id FROM exception_case")
    async with signed_in(desk.site, Role.FINANCE) as clerk:
        shown = text_of(await clerk.page(f"/finance/exceptions/{row['id']}"))
        decided = await clerk.post(
            f"/finance/exceptions/{row['id']}/decide",
            action="no_action",
            version="1",
            reason="sao kê không có khoản này",
        )
    assert decided.status_code == 303, text_of(decided.text)

    assert await desk.end() == 1

    assert "LK0007" in shown
    assert await desk.order() == (False, "not_paid")
    [waiting] = await desk.site.as_owner("SELECT count(*) AS lines FROM charge_item WHERE state = 'cleared'")
    assert waiting["lines"] == 0


async def test_transfer_is_confirmed_once_and_not_after_it_has_arrived(desk: Confirming) -> None:
    visit_id, other_id = await desk.waiting_visit(), await desk.waiting_visit("LK0008")
    fields, other = await desk.form(visit_id), await desk.form(other_id)

    first = [
        await desk.staff.post("/desk/find-money/confirm-here", key="the-same-press-0001", **fields) for _ in range(2)
    ]
    again = await desk.staff.post("/desk/find-money/confirm-here", **fields)
    for_other = await desk.staff.post("/desk/find-money/confirm-here", **{**other, "reference": "ft 26331.999552"})

    assert [answer.status_code for answer in (*first, again, for_other)] == [303, 303, 422, 422]
    assert "đã được xác nhận thủ công trước đó" in text_of(for_other.text)
    assert len(await desk.exceptions()) == 1


async def test_one_transfer_is_confirmed_for_one_of_two_visits_at_once(desk: Confirming) -> None:
    forms = [await desk.form(await desk.waiting_visit(ma_lk)) for ma_lk in ("LK0007", "LK0008")]

    answers = await asyncio.gather(*(desk.morning.head.post("/desk/find-money/confirm", **each) for each in forms))

    assert sorted(answer.status_code for answer in answers) == [303, 422]
    assert len(await desk.exceptions()) == 1


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"second_secret": "000000"}, "PIN"),
        ({"confirm_reason": ""}, "lý do"),
        ({"reference": "12"}, "mã"),
        ({"request": UNKNOWN_ID}, "mở lại lượt khám"),
    ],
)
async def test_confirmation_without_second_person_reason_or_reference_is_refused(
    desk: Confirming, wrong: dict[str, str], text: str
) -> None:
    visit_id = await desk.waiting_visit()
    fields = await desk.form(visit_id)

    answer = await desk.staff.post("/desk/find-money/confirm-here", **{**fields, **wrong})

    assert answer.status_code == 422
    assert text.lower() in text_of(answer.text).lower()
    assert await desk.exceptions() == []
    assert await desk.order() == (False, "not_paid")


async def test_cashier_confirms_nothing_alone_and_the_head_cashier_needs_no_second_person(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    fields = await desk.form(visit_id)
    alone = {name: value for name, value in fields.items() if not name.startswith("second_")}

    by_cashier = [
        await desk.staff.post("/desk/find-money/confirm", **alone),
        await desk.staff.post("/desk/find-money/confirm-here", **alone),
    ]
    by_head = await desk.morning.head.post("/desk/find-money/confirm", **alone)

    assert [answer.status_code for answer in by_cashier] == [403, 422]
    assert location(by_head) == "/desk/find-money?confirmed"
    assert await desk.order() == (True, "confirmed_manually")


async def test_confirmation_is_not_offered_offline_unless_the_facility_allows_it(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    fields = await desk.form(visit_id)
    title = "xác nhận thủ công đã báo có"

    with_circuit(desk.site, is_open=True)
    page = text_of(await desk.staff.page(f"/desk/find-money?visit={visit_id}"))
    refused = await desk.staff.post("/desk/find-money/confirm-here", **fields)
    await set_cash_settings(
        desk.site.context,
        ORGANIZATION,
        facility_code=FACILITY_CODE,
        setting=CashSetting(confirms_offline=True),
        actor=Actor.system(),
    )
    allowed = text_of(await desk.staff.page(f"/desk/find-money?visit={visit_id}"))
    taken = await desk.staff.post("/desk/find-money/confirm-here", **fields)

    assert title not in page
    assert refused.status_code == 422
    assert "Đang mất kết nối với ngân hàng" in text_of(refused.text)
    assert title in allowed
    assert location(taken) == f"/desk/visits/{visit_id}"


async def test_part_that_has_arrived_is_not_confirmed_again(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    await desk.pay_code(40_000)
    [part] = await desk.site.as_owner("SELECT bank_reference FROM payment")
    fields = await desk.form(visit_id)

    arrived = await desk.staff.post("/desk/find-money/confirm-here", **{**fields, "reference": part["bank_reference"]})
    page = text_of(await desk.staff.page(f"/desk/find-money?visit={visit_id}"))
    rest = await desk.staff.post("/desk/find-money/confirm-here", **fields)

    assert arrived.status_code == 422
    assert "đã về hệ thống" in text_of(arrived.text)
    assert "60.000 đ (đã về 40.000 đ" in page
    assert location(rest) == f"/desk/visits/{visit_id}"
    assert await desk.exceptions() == [("manual_confirmation_not_seen", "open", 60_000)]
    assert await desk.order() == (True, "confirmed_manually")


async def test_transfer_that_comes_with_less_ends_the_release_and_leaves_the_exception(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))

    await desk.pay_code(30_000)
    await desk.site.without_guards("payment", "UPDATE payment SET bank_reference = $1", f" {REFERENCE.lower()} ")
    ended = [await desk.end() for _ in range(2)]

    assert ended == [1, 0]
    assert await desk.exceptions() == [("manual_confirmation_not_seen", "open", 100_000)]
    assert await desk.order() == (False, "not_paid")
    await assert_books_are_right(desk.site.context.database)


async def test_callback_and_confirmation_at_once_count_the_money_once(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    fields = await desk.form(visit_id)

    answer, _ = await asyncio.gather(desk.staff.post("/desk/find-money/confirm-here", **fields), desk.pay_code(110_000))
    await desk.end()

    assert answer.status_code in (303, 422)
    [money] = await desk.site.as_owner("SELECT count(*) AS payments, sum(amount) AS amount FROM payment")
    assert (money["payments"], money["amount"]) == (1, 110_000)
    assert {state for _, state, _ in await desk.exceptions()} <= {"closed"}
    assert await desk.site.as_owner("SELECT FROM manual_confirmation WHERE ended_at IS NULL") == []
    assert await desk.order() == (True, "paid")
    [deposit] = await desk.site.as_owner("SELECT held FROM deposit WHERE visit_id = $1", visit_id)
    assert deposit["held"] == 110_000
    await assert_books_are_right(desk.site.context.database)


async def test_confirmed_advance_releases_what_it_is_enough_for(desk: Confirming) -> None:
    visit_id = await desk.visit("LK0007")
    body = {"amount": 70_000}
    sent = await desk.site.client.post(f"/v1/visits/{visit_id}/deposit-requests", json=body)
    assert sent.status_code == 201, sent.text
    before = await desk.cleared(visit_id)

    answer = await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))
    confirmed = await desk.cleared(visit_id)
    await desk.site.client.post(f"/v1/deposit-requests/{sent.json()['id']}/withdraw")
    ended = await desk.end()

    assert location(answer) == f"/desk/visits/{visit_id}"
    assert (before, len(confirmed)) == (set(), 1)
    assert (ended, await desk.cleared(visit_id)) == (1, set())
    assert await desk.exceptions() == [("manual_confirmation_not_seen", "closed", 70_000)]


async def test_transfer_that_comes_under_another_code_of_the_visit_releases_nothing_twice(desk: Confirming) -> None:
    visit_id = await desk.waiting_visit()
    await desk.site.client.post(f"/v1/visits/{visit_id}/deposit-requests", json={"amount": 70_000})
    await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))
    confirmed = await desk.cleared(visit_id)

    await desk.pay_code(70_000)
    await desk.site.without_guards("payment", "UPDATE payment SET bank_reference = $1", REFERENCE)
    ended = [await desk.end() for _ in range(2)]
    await update_clearances_once(desk.site.context, ORGANIZATION)

    assert await desk.exceptions() == [("manual_confirmation_not_seen", "open", 70_000)]
    assert (ended, len(confirmed), await desk.cleared(visit_id)) == ([1, 0], 1, confirmed)
    await assert_books_are_right(desk.site.context.database)


async def test_part_that_has_arrived_for_confirmed_orders_releases_no_other_order(desk: Confirming) -> None:
    visit_id = await desk.visit("LK0007")
    rows = await desk.site.as_owner("SELECT line, patient_amount FROM charge_item ORDER BY patient_amount DESC")
    dear, cheap = [(row["line"], int(row["patient_amount"])) for row in rows]
    await desk.staff.post(f"/desk/visits/{visit_id}/code", due=str(dear[1]), method="qr", line=[dear[0]])
    assert cheap[1] < dear[1]
    await desk.pay_code(cheap[1])

    await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))
    await update_clearances_once(desk.site.context, ORGANIZATION)

    assert await desk.exceptions() == [("manual_confirmation_not_seen", "open", dear[1] - cheap[1])]
    assert await desk.cleared(visit_id) == {dear[0]}


async def test_confirmed_bill_is_stated_and_ends_with_its_payment(desk: Confirming) -> None:
    intent = await desk.site.open_intent(ma_lk="LK0009")
    [row] = await desk.site.as_owner("SELECT visit_id FROM invoice")
    visit_id = VisitId(row["visit_id"])
    await desk.site.as_owner(ACCOUNT, desk.site.context.ids.new(), visit_id, desk.site.context.clock())

    answer = await desk.staff.post("/desk/find-money/confirm-here", **await desk.form(visit_id))
    again = await desk.staff.post(
        "/desk/find-money/confirm-here", **{**await desk.form(visit_id, is_offered=False), "reference": "FT26331999553"}
    )
    standing = await desk.exceptions()
    await desk.site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    ended = [await desk.end() for _ in range(2)]

    assert (answer.status_code, again.status_code) == (303, 422)
    assert standing == [("manual_confirmation_not_seen", "open", 136_000)]
    assert ended == [1, 0]
    assert await desk.exceptions() == [("manual_confirmation_not_seen", "closed", 136_000)]
    await assert_books_are_right(desk.site.context.database)


async def test_unknown_visit_is_not_found(desk: Confirming) -> None:
    fields = {**await desk.form(await desk.waiting_visit()), "visit": UNKNOWN_ID}

    answer = await desk.morning.head.post("/desk/find-money/confirm", **fields)

    assert answer.status_code == 404
    assert await desk.exceptions() == []

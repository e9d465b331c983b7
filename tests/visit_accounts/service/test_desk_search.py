"""Finding visits at the desk, the queue, the customer display and the codes that wait at a desk."""

import pytest

from billing.checkout.service.intent_targets import RequestTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.ids import OrganizationId, VisitId
from billing.core.money import Dong
from billing.visit_accounts.domain.desk_collection import DeskCollection
from billing.visit_accounts.service.desk_collections import collect_for_visit
from billing.visit_accounts.service.desk_screens import (
    find_customer_screen,
    find_desk_versions,
    find_idle_desk,
    put_away,
    request_for_code,
    show_code,
    show_visit,
)
from billing.visit_accounts.service.desk_search import FoundVisits, find_at_desk, find_queue
from billing.visit_accounts.store.desk_screens import Shown
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.flow import PaymentFlow
from tests.visit_accounts.cashiers import CashDesk
from tests.visit_accounts.ordered import PATIENT, order_visit

ORGANIZATION = OrganizationId(1)


async def find(desk: CashDesk, written: str) -> FoundVisits:
    return await find_at_desk(desk.context, ORGANIZATION, written, facility_code=FACILITY_CODE)


@pytest.mark.parametrize(
    "written",
    [
        "001058000001|012345678|Nguyễn Văn An|12031958|Nam|Hòa Giang|01012022",
        "001058000001",
        "DN4791234567890",
        "1234567890",
        "LK0001",
        "XN-1",
        "MBN-7",
        "nguyen van a",
        "VĂN AN",
    ],
)
async def test_a_scan_opens_the_open_visit_of_its_patient(desk: CashDesk, written: str) -> None:
    visit_id = await order_visit(desk.context, patient={**PATIENT, "MA_BN": "MBN-7"})
    other = {"HO_TEN": "Trần Thị Bình", "NGAY_SINH": "19900101", "SO_CCCD": "001090000002"}
    card = {"code": "DN4790987654321", "valid_from": "2026-01-01"}
    await order_visit(
        desk.context, "LK0002", patient=other, cards=[card], lines={"L1": ("XN-2", "Siêu âm", "400000", 2)}
    )

    found = await find(desk, written)

    assert [visit.visit_id for visit in found.visits] == [visit_id]
    assert found.only is not None
    assert (found.only.due, found.only.birth_year) == (100_000, "1958")


@pytest.mark.parametrize("written", ["", "khong co", "999999999999", "PT2026-000999", "%", "HP738UGXY"])
async def test_an_unknown_text_finds_nothing(desk: CashDesk, written: str) -> None:
    await order_visit(desk.context)

    assert (await find(desk, written)).visits == []


async def test_a_receipt_and_a_payment_code_find_their_visit(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    code = await open_code(desk, visit_id)
    collection = DeskCollection(visit_id=visit_id, shown_due=Dong(100_000), lines=("L1", "L2"))
    await collect_for_visit(desk.context, ORGANIZATION, collection, actor=desk.cashier)

    year = desk.context.clock().year
    for written in (code, f"PT{year}-000001"):
        assert [visit.visit_id for visit in (await find(desk, written)).visits] == [visit_id]


async def test_the_queue_lists_who_owes_the_longest_waiting_first(desk: CashDesk) -> None:
    first = await order_visit(desk.context)
    second = await order_visit(desk.context, "LK0002", patient={**PATIENT, "HO_TEN": "Trần B", "SO_CCCD": ""})
    await order_visit(desk.context, "LK0003", patient={"HO_TEN": "Lê C"}, lines={})

    queue = await find_queue(desk.context, ORGANIZATION, FACILITY_CODE, desk.desk_id)

    assert queue.next is not None
    assert queue.next.visit_id == first
    assert [(visit.visit_id, visit.due) for visit in queue.visits] == [(first, 100_000), (second, 100_000)]


async def test_the_customer_display_shows_a_short_name_and_the_amount(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    shown = Shown(visit_id=visit_id, amount=Dong(100_000))
    before = await versions(desk)

    await show_visit(desk.context, ORGANIZATION, desk.desk_id, shown, actor=desk.cashier)
    await show_visit(desk.context, ORGANIZATION, desk.desk_id, shown, actor=desk.cashier)

    screen = await find_customer_screen(desk.context, ORGANIZATION, desk.desk_id)
    assert (screen.who, screen.amount, screen.desk) == ("Nguyễn V. An – 1958", 100_000, "Quầy 1")
    assert await versions(desk) == before + 1
    other = Shown(visit_id=await order_visit(desk.context, "LK0002"), amount=Dong(1))
    await show_visit(desk.context, ORGANIZATION, desk.desk_id, other, actor=desk.cashier, replaces=False)
    assert (await find_customer_screen(desk.context, ORGANIZATION, desk.desk_id)).visit_id == visit_id
    await show_visit(desk.context, ORGANIZATION, desk.desk_id, Shown(), actor=desk.cashier)
    assert (await find_customer_screen(desk.context, ORGANIZATION, desk.desk_id)).who == ""


async def test_a_code_waits_at_its_desk_until_it_is_put_away(desk: CashDesk, flow: PaymentFlow) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    code = await open_code(desk, visit_id)
    before = await versions(desk)

    idle = await find_idle_desk(desk.context, ORGANIZATION, desk.desk_id, actor=desk.cashier)
    assert [(each.reference_code, each.remaining) for each in idle.waiting] == [(code, 100_000)]
    await put_away(desk.context, ORGANIZATION, visit_id)
    idle = await find_idle_desk(desk.context, ORGANIZATION, desk.desk_id, actor=desk.cashier)
    assert list(idle.waiting) == []
    await flow.deliver(flow.notice("T1", code, amount=100_000))
    assert await versions(desk) != before

    idle = await find_idle_desk(desk.context, ORGANIZATION, desk.desk_id, actor=desk.cashier)
    assert [each.has_receipt_due for each in idle.waiting] == [True]


async def versions(desk: CashDesk) -> int:
    return (await find_desk_versions(desk.context, ORGANIZATION, [desk.desk_id]))[desk.desk_id]


async def open_code(desk: CashDesk, visit_id: VisitId) -> str:
    request_id = await request_for_code(
        desk.context, ORGANIZATION, visit_id, ["L1", "L2"], uses_deposit=True, actor=desk.cashier
    )
    intent_id = await open_intent(
        desk.context,
        ORGANIZATION,
        account_name=ACCOUNT_NAME,
        target=RequestTarget(request_id),
        amount=None,
        actor=desk.cashier,
    )
    shown = Shown(visit_id=visit_id, intent_id=intent_id, amount=Dong(100_000))
    await show_code(desk.context, ORGANIZATION, desk.desk_id, shown, actor=desk.cashier)
    return (await find_intent(desk.context, ORGANIZATION, intent_id)).reference_code

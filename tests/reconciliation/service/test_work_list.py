"""The work list of finance and the totals of a day."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.target_proposals import TargetReason
from billing.reconciliation.domain.work_list import WorkFilter
from billing.reconciliation.service.day_overview import list_bank_accounts, read_day_bridge, read_day_overview
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.work_list import count_work, find_booked_work, find_targets, find_work, list_work
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, ExceptionDesk, open_exception_desk


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def test_money_with_a_mangled_code_is_proposed_and_not_booked(desk: ExceptionDesk) -> None:
    started = await desk.flow.start_intent("LK-PROPOSED")
    text = f"CHUYEN TIEN {started.code[:-1]} KHAM BENH"
    await desk.flow.deliver(desk.flow.notice("T1", text, amount=OWED))

    page = await list_work(desk.flow.context, ORGANIZATION, WorkFilter())

    [proposed] = page.rows
    assert proposed.row.reason is ExceptionReason.NO_REFERENCE
    assert (proposed.row.text, proposed.row.free, proposed.row.version) == (text, OWED, 1)
    assert proposed.best_target is not None
    assert proposed.best_target.target.code == started.code
    assert proposed.best_target.reasons[:2] == (TargetReason.AMOUNT, TargetReason.MISSING_CHARACTER)
    assert proposed.best_target.target.ma_lk == "LK-PROPOSED"
    assert page.next_after is None
    assert await desk.rows("SELECT 1 FROM exception_decision") == [], "a proposal decides nothing"


async def test_line_that_fits_an_item_of_ours_is_proposed_as_this_item(own: MatchingFlow, desk: ExceptionDesk) -> None:
    started = await own.flow.start_intent("LK0001")
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI", bank_reference=""))
    await own.statement(own.line(OWED, "#####", ""))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)

    [proposed] = (await list_work(own.flow.context, ORGANIZATION, WorkFilter())).rows

    assert (proposed.row.reason, proposed.row.signed_amount) == (ExceptionReason.TEXT_UNREADABLE, OWED)
    assert proposed.best_item is not None
    assert proposed.best_target is None


async def test_pages_follow_each_other_the_oldest_first(desk: ExceptionDesk) -> None:
    for number in range(3):
        await desk.receive_without_code(f"T{number}", amount=10_000 + number)

    first = await list_work(desk.flow.context, ORGANIZATION, WorkFilter(), limit=2)
    assert first.next_after is not None
    second = await list_work(desk.flow.context, ORGANIZATION, WorkFilter(), after=first.next_after, limit=2)

    assert [each.row.amount for each in (*first.rows, *second.rows)] == [10_000, 10_001, 10_002]
    assert second.next_after is None


@pytest.mark.parametrize(
    ("wanted", "amounts"),
    [
        (WorkFilter(reason=ExceptionReason.OVER_PAID), []),
        (WorkFilter(is_unowned=True), [10_000, 10_001]),
        (WorkFilter(search="10001"), [10_001]),
        (WorkFilter(search="NGUYEN VAN A"), [10_000, 10_001]),
        (WorkFilter(search="%"), []),
        (WorkFilter(bank_account_id=UUID(int=1)), []),
    ],
)
async def test_filter_leaves_what_it_names(desk: ExceptionDesk, wanted: WorkFilter, amounts: list[int]) -> None:
    for number in range(2):
        await desk.receive_without_code(f"T{number}", amount=10_000 + number)

    page = await list_work(desk.flow.context, ORGANIZATION, wanted)

    assert [each.row.amount for each in page.rows] == amounts


async def test_decided_row_is_found_with_its_person_and_without_proposals(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.NO_ACTION)
    today = business_date(desk.flow.context.clock())

    found = await find_work(desk.flow.context, ORGANIZATION, exception_id)
    decided = await list_work(
        desk.flow.context, ORGANIZATION, WorkFilter(state=ExceptionState.CLOSED, changed_on=today)
    )

    assert (found.row.state, found.row.changer, found.targets) == (ExceptionState.CLOSED, "Vũ Thị Đối", ())
    assert [each.row.id for each in decided.rows] == [exception_id]
    assert await count_work(desk.flow.context, ORGANIZATION) == []
    with pytest.raises(NotFound):
        await find_work(desk.flow.context, ORGANIZATION, UUID(int=7))


async def test_totals_of_a_day_differ_by_what_nobody_decided(own: MatchingFlow, desk: ExceptionDesk) -> None:
    started = await own.flow.start_intent("LK0001")
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"), own.line(77_000, "CHO BO", "FT-X"))
    await own.match()
    day = business_date(own.flow.context.clock())

    fresh = await read_day_overview(own.flow.context, ORGANIZATION, day)
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    overview = await read_day_overview(own.flow.context, ORGANIZATION, day)

    assert (fresh.bank.unsorted, overview.bank.unsorted) == (1, 0)
    assert (overview.provider.count, overview.provider.amount) == (1, OWED)
    assert (overview.bank.count, overview.bank.net, overview.bank.matched) == (2, OWED + 77_000, 1)
    assert (overview.ledger, overview.difference, overview.bank.undecided_amount) == (OWED, 77_000, 77_000)
    assert [(each.reason, each.amount) for each in overview.reasons] == [(ExceptionReason.BANK_ONLY, 77_000)]
    bridge = await read_day_bridge(own.flow.context, ORGANIZATION, day)
    assert [(each.kind, each.amount) for each in bridge.lines] == [("line_unmatched", 77_000)]
    assert (bridge.residual, overview.is_clean) == (0, False)
    assert overview.last_import is not None


async def test_day_is_clean_once_everything_is_matched(own: MatchingFlow) -> None:
    started = await own.flow.start_intent("LK0001")
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))
    await own.match()

    day = business_date(own.flow.context.clock())

    overview = await read_day_overview(own.flow.context, ORGANIZATION, day)
    bridge = await read_day_bridge(own.flow.context, ORGANIZATION, day)

    assert (overview.difference, bridge.residual, overview.is_clean) == (0, 0, True)


async def test_day_without_an_entry_has_empty_totals(own: MatchingFlow) -> None:
    context = own.flow.context
    day = business_date(context.clock()) - timedelta(days=400)
    [account] = await list_bank_accounts(context, ORGANIZATION)

    overview = await read_day_overview(context, ORGANIZATION, day, bank_account_id=account.id)

    bridge = await read_day_bridge(context, ORGANIZATION, day)
    assert (overview.state, overview.bank.count, overview.ledger, bridge.residual) == (None, 0, 0, None)
    with pytest.raises(NotFound):
        await read_day_overview(context, ORGANIZATION, day, bank_account_id=UUID(int=5))


@pytest.mark.parametrize("by", ["ma_lk", "code", "number"])
async def test_target_is_found_by_visit_code_or_invoice_number(desk: ExceptionDesk, by: str) -> None:
    started = await desk.flow.start_intent("LK-NAMED")
    [invoice] = await desk.rows("SELECT number FROM invoice")
    names = {"ma_lk": "LK-NAMED", "code": started.code, "number": invoice["number"]}

    [target] = await find_targets(desk.flow.context, ORGANIZATION, names[by])

    assert (target.ma_lk, target.number, target.owed, target.is_deposit) == ("LK-NAMED", invoice["number"], OWED, False)
    assert list(await find_targets(desk.flow.context, ORGANIZATION, "LK-NOBODY")) == []


async def test_booked_line_leads_to_the_exception_of_its_payment(own: MatchingFlow, desk: ExceptionDesk) -> None:
    await own.flow.start_intent("LK0001")
    await own.statement(own.line(77_000, "CHO BO", "FT-X"))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [proposed] = (await list_work(own.flow.context, ORGANIZATION, WorkFilter())).rows
    assert proposed.row.item_id is not None
    assert await find_booked_work(own.flow.context, ORGANIZATION, proposed.row.item_id) is None

    await desk.decide(proposed.row.id, DecisionAction.BOOK_PAYMENT)
    booked = await find_booked_work(own.flow.context, ORGANIZATION, proposed.row.item_id)

    assert booked is not None
    assert (booked.reason, booked.free, booked.bank_reference) == (ExceptionReason.NO_REFERENCE, 77_000, "FT-X")

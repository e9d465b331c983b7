"""The desk's view of a visit, and collecting ticked lines in one step."""

import asyncio
import hashlib
from uuid import UUID

import pytest

from billing.checkout.service.intent_targets import RequestTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.errors import NotFound
from billing.core.ids import DepositRequestId, OrganizationId, ReceiptId, VisitId
from billing.core.money import Dong
from billing.db.idempotency import IdempotentRequest
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.desks import set_cash_settings
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.desk_collection import CardPayment, DeskCollection, DeskResult, DueChanged
from billing.visit_accounts.domain.desk_panel import PanelState
from billing.visit_accounts.domain.desk_visit import LineStatus
from billing.visit_accounts.domain.receipt import PartMethod, ReceiptMoneyUsed
from billing.visit_accounts.service.card_batches import NewTerminal, add_card_terminal
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.deposit_requests import withdraw_request
from billing.visit_accounts.service.desk_collections import collect_for_visit
from billing.visit_accounts.service.desk_screens import request_for_code
from billing.visit_accounts.service.desk_visits import DeskChoice, DeskView, find_desk_view
from billing.visit_accounts.service.receipts import find_receipt, void_issued_receipt
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.cashiers import CashDesk
from tests.visit_accounts.ordered import order_visit

ORGANIZATION = OrganizationId(1)


async def view(desk: CashDesk, visit_id: VisitId, **choice: object) -> DeskView:
    return await find_desk_view(
        desk.context,
        ORGANIZATION,
        visit_id,
        DeskChoice(desk_id=desk.desk_id, **choice),  # type: ignore[arg-type]
    )


async def collect(desk: CashDesk, visit_id: VisitId, due: int, **changes: object) -> DeskResult:
    key = changes.pop("key", None)
    request = None
    if key is not None:
        request = IdempotentRequest(
            caller="quay-mot", route="POST /desk", key=str(key), request_hash=hashlib.sha256(b"1").digest()
        )
    collection = DeskCollection(visit_id=visit_id, shown_due=Dong(due), **changes)  # type: ignore[arg-type]
    return await collect_for_visit(desk.context, ORGANIZATION, collection, actor=desk.cashier, request=request)


async def advance(desk: CashDesk, visit_id: VisitId, amount: int) -> ReceiptId:
    taken = Collection(
        visit_id=visit_id, parts=[CollectedPart(method=PartMethod.CASH, amount=Dong(amount))], amount=Dong(amount)
    )
    return await collect_at_desk(desk.context, ORGANIZATION, taken, actor=desk.cashier)


async def void(desk: CashDesk, receipt_id: ReceiptId) -> None:
    await void_issued_receipt(desk.context, ORGANIZATION, receipt_id, reason="nhầm người bệnh", actor=desk.head)


async def open_code(desk: CashDesk, request_id: DepositRequestId, amount: int | None = None) -> str:
    intent_id = await open_intent(
        desk.context,
        ORGANIZATION,
        account_name=ACCOUNT_NAME,
        target=RequestTarget(request_id),
        amount=None if amount is None else Dong(amount),
        actor=desk.cashier,
    )
    return (await find_intent(desk.context, ORGANIZATION, intent_id)).reference_code


async def bank_account(desk: CashDesk) -> UUID:
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        return UUID(str(await tx.fetchval("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")))


async def pay(flow: PaymentFlow, code: str, amount: int) -> None:
    await flow.deliver(flow.notice(f"T-{code}", code, amount=amount))


async def test_orders_are_shown_by_slip_with_their_shares_and_reasons(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)

    shown = await view(desk, visit_id)

    assert [(slip.order_number, slip.is_ticked, int(slip.patient)) for slip in shown.slips] == [
        ("PK-1", True, 10_000),
        ("XN-1", True, 90_000),
    ]
    first = shown.slips[0].lines[0]
    assert (first.name, first.copay, first.self_pay, first.insurer) == ("Khám Nội", 10_000, 0, 40_000)
    assert first.reasons, "each amount opens to its rules"
    assert (shown.panel.state, shown.panel.due, shown.panel.lines) == (PanelState.UNPAID, 100_000, ("L1", "L2"))
    assert (shown.patient.name, shown.patient.birth_year, shown.patient.card) == (
        "Nguyễn Văn An",
        "1958",
        "DN 4 79 •••••• 7890",
    )


async def test_cash_for_ticked_lines_makes_one_receipt_and_pays_only_these(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()

    result = await collect(desk, visit_id, 90_000, lines=("L2",), tendered=Dong(100_000))

    assert result.receipt_id is not None
    printed = await find_receipt(desk.context, ORGANIZATION, result.receipt_id)
    assert (printed.receipt.amount, (printed.printed or {})["change"]) == (90_000, 10_000)
    shown = await view(desk, visit_id)
    assert [line.status for slip in shown.slips for line in slip.lines] == [LineStatus.DUE, LineStatus.PAID]
    assert (shown.panel.due, shown.receipts[0].id) == (10_000, result.receipt_id)
    assert await desk.drawer() == 90_000
    await assert_books_are_right(desk.context.database)


async def test_pressing_twice_takes_the_money_once(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()

    both = await asyncio.gather(
        *(collect(desk, visit_id, 100_000, lines=("L1", "L2"), key="k1") for _ in range(2)), return_exceptions=True
    )
    again = await collect(desk, visit_id, 100_000, lines=("L1", "L2"), key="k1")

    assert next(each for each in both if isinstance(each, DeskResult)) == again
    assert await desk.drawer() == 100_000


async def test_an_amount_that_changed_meanwhile_is_refused(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()

    with pytest.raises(DueChanged) as refused:
        await collect(desk, visit_id, 99_000, lines=("L1", "L2"))

    assert refused.value.due == 100_000
    assert (await view(desk, visit_id)).panel.due == 100_000
    assert await desk.drawer() == 0


async def test_other_ticks_supersede_a_request_without_money(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    request_id = await request_for_code(
        desk.context, ORGANIZATION, visit_id, ["L1", "L2"], uses_deposit=True, actor=desk.cashier
    )
    code = await open_code(desk, request_id)

    await collect(desk, visit_id, 10_000, lines=("L1",))

    shown = await view(desk, visit_id)
    assert code
    assert (shown.panel.state, shown.panel.due) == (PanelState.UNPAID, 90_000)


async def test_the_free_deposit_pays_ticked_lines_first(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    await advance(desk, visit_id, 30_000)

    shown = await view(desk, visit_id, ticked=frozenset({"L2"}))
    assert (shown.panel.gross, shown.panel.from_deposit, shown.panel.due) == (90_000, 30_000, 60_000)
    await collect(desk, visit_id, 60_000, lines=("L2",))

    shown = await view(desk, visit_id)
    assert (shown.free_deposit, shown.panel.from_deposit, shown.panel.due) == (0, 0, 10_000)
    assert shown.deposit_held == 90_000
    await assert_books_are_right(desk.context.database)


async def test_a_deposit_that_covers_the_lines_needs_no_receipt(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    await advance(desk, visit_id, 95_000)

    result = await collect(desk, visit_id, 0, lines=("L2",))

    assert result.receipt_id is None
    assert result.request_id is not None
    assert (await view(desk, visit_id)).free_deposit == 5_000


async def test_an_advance_that_pays_lines_is_not_voided(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    receipt_id = await advance(desk, visit_id, 95_000)
    await collect(desk, visit_id, 0, lines=("L2",))

    with pytest.raises(ReceiptMoneyUsed):
        await void(desk, receipt_id)

    assert (await view(desk, visit_id)).deposit_held == 95_000


async def test_an_advance_is_voided_once_the_request_that_used_it_is_withdrawn(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    receipt_id = await advance(desk, visit_id, 30_000)
    request_id = await request_for_code(
        desk.context, ORGANIZATION, visit_id, ["L2"], uses_deposit=True, actor=desk.cashier
    )
    with pytest.raises(ReceiptMoneyUsed):
        await void(desk, receipt_id)

    await withdraw_request(desk.context, ORGANIZATION, request_id, actor=desk.cashier)
    await void(desk, receipt_id)

    shown = await view(desk, visit_id)
    assert (shown.deposit_held, shown.panel.due) == (0, 100_000)
    assert await desk.drawer() == 0
    await assert_books_are_right(desk.context.database)


async def test_cash_is_rounded_and_a_card_takes_a_part(desk: CashDesk, flow: PaymentFlow) -> None:
    visit_id = await order_visit(desk.context, lines={"L1": ("XN-1", "Xét nghiệm", "623100", 1)})
    await set_cash_settings(
        desk.context,
        ORGANIZATION,
        facility_code=FACILITY_CODE,
        setting=CashSetting(rounding_step=500),
        actor=desk.head,
    )
    terminal_id = await add_card_terminal(
        desk.context,
        ORGANIZATION,
        NewTerminal(
            facility_code=FACILITY_CODE, name="POS 1", terminal_number="T01", bank_account_id=await bank_account(desk)
        ),
        actor=desk.head,
    )
    await desk.open()
    shown = await view(desk, visit_id)
    assert (shown.panel.due, shown.panel.rounding, shown.panel.cash_due) == (124_620, -120, 124_500)

    card = CardPayment(terminal_id=terminal_id, approval_code="A00001", amount=Dong(24_620))
    result = await collect(desk, visit_id, 124_620, lines=("L1",), card=card)

    assert result.receipt_id is not None
    receipt = (await find_receipt(desk.context, ORGANIZATION, result.receipt_id)).receipt
    assert {part.method: part.amount for part in receipt.parts} == {PartMethod.CARD: 24_620, PartMethod.CASH: 100_000}
    await assert_books_are_right(desk.context.database)


async def test_a_code_is_waited_for_then_its_money_and_cash_share_one_receipt(
    desk: CashDesk, flow: PaymentFlow
) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    request_id = await request_for_code(
        desk.context, ORGANIZATION, visit_id, ["L1", "L2"], uses_deposit=True, actor=desk.cashier
    )
    code = await open_code(desk, request_id, 60_000)
    assert (await view(desk, visit_id)).panel.state is PanelState.WAITING
    assert (await view(desk, visit_id, wants_other_method=True)).panel.state is PanelState.UNPAID

    await pay(flow, code, 60_000)

    shown = await view(desk, visit_id)
    assert (shown.panel.state, shown.panel.received, shown.panel.due) == (PanelState.PART, 60_000, 40_000)
    result = await collect(desk, visit_id, 40_000, request_id=request_id)
    assert result.receipt_id is not None
    receipt = (await find_receipt(desk.context, ORGANIZATION, result.receipt_id)).receipt
    assert {part.method: part.amount for part in receipt.parts} == {
        PartMethod.PROVIDER: 60_000,
        PartMethod.CASH: 40_000,
    }
    assert (await view(desk, visit_id)).panel.state is PanelState.NOTHING


@pytest.mark.parametrize(
    ("paid", "state"), [(100_000, PanelState.PAID), (40_000, PanelState.SHORT), (175_000, PanelState.OVER)]
)
async def test_money_under_a_code_turns_the_panel(
    desk: CashDesk, flow: PaymentFlow, paid: int, state: PanelState
) -> None:
    visit_id = await order_visit(desk.context)
    request_id = await request_for_code(
        desk.context, ORGANIZATION, visit_id, ["L1", "L2"], uses_deposit=True, actor=desk.cashier
    )
    code = await open_code(desk, request_id)

    await pay(flow, code, paid)

    panel = (await view(desk, visit_id)).panel
    assert (panel.state, panel.received) == (state, paid)
    assert panel.over == max(0, paid - 100_000)


async def test_a_visit_of_another_facility_is_not_found(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)

    with pytest.raises(NotFound):
        await find_desk_view(desk.context, ORGANIZATION, visit_id, DeskChoice(), facility_codes={"99999"})

"""What the invoices of a reopened visit have received is not collected again."""

from billing.core.money import Dong
from billing.visit_accounts.domain.clearance import ClearanceReason
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.desk_panel import PanelState
from billing.visit_accounts.domain.desk_visit import LineStatus
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.desk_search import find_queue
from billing.visit_accounts.service.desk_visits import DeskChoice, find_desk_view
from billing.visit_accounts.service.final_bills import close_visit, reopen_visit
from billing.visit_accounts.service.order_clearance import find_order_clearance
from tests.builders import FACILITY_CODE
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.ordered import order_lines, order_visit
from tests.visit_accounts.stay import Stay


async def test_lines_that_the_first_final_bill_billed_are_not_due_again(desk: CashDesk, stay: Stay) -> None:
    await stay.exempt(36_000)
    await stay.visit.pay(100_000)
    await stay.close()
    await stay.reopen()

    shown = await find_desk_view(desk.context, ORGANIZATION, stay.visit.open.visit_id, DeskChoice(desk_id=desk.desk_id))
    queue = await find_queue(desk.context, ORGANIZATION, FACILITY_CODE, desk.desk_id)

    assert (shown.panel.state, shown.panel.due) == (PanelState.NOTHING, 0)
    assert {line.status for slip in shown.slips for line in slip.lines} <= {LineStatus.SECURED, LineStatus.FREE}
    assert [visit.visit_id for visit in queue.visits] == []


async def test_a_new_order_of_a_reopened_visit_is_due_alone(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    taken = CollectedPart(method=PartMethod.CASH, amount=Dong(100_000))
    collection = Collection(visit_id=visit_id, parts=[taken], amount=Dong(100_000))
    await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        await tx.execute("UPDATE charge_item SET state = 'performed', performed_at = changed_at")
    await close_visit(desk.context, ORGANIZATION, visit_id, actor=desk.cashier)
    await reopen_visit(desk.context, ORGANIZATION, visit_id, reason="thêm xét nghiệm", actor=desk.head)

    await order_lines(desk.context, "LK0001", {"L3": ("XN-2", "Xét nghiệm", "100000", 1)})

    shown = await find_desk_view(desk.context, ORGANIZATION, visit_id, DeskChoice(desk_id=desk.desk_id))
    found = await find_order_clearance(desk.context, ORGANIZATION, facility_code=FACILITY_CODE, order_number="XN-2")
    assert (shown.panel.lines, shown.panel.due) == (("L3",), 20_000)
    assert (found.is_cleared, found.reason) == (False, ClearanceReason.NOT_PAID)

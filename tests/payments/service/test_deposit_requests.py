"""Money counted for deposit requests, and the clearance of the lines they collect."""

from billing.core.money import Dong
from billing.payments.domain.deposit import RequestState
from billing.payments.service.deposit_requests import apply_to_request
from tests.flow import PaymentFlow
from tests.payments.visit_deposits import open_visit, read_messages


async def test_paid_request_clears_its_ordered_lines_once(flow: PaymentFlow) -> None:
    visit = await open_visit(flow.context)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        request = await visit.request(tx, ["A", "B"])
        request = await apply_to_request(tx, flow.context, request, Dong(60_000))
        assert (request.state, await visit.states(tx)) == (RequestState.PARTLY, {"A": "ordered", "B": "ordered"})
        request = await apply_to_request(tx, flow.context, request, Dong(40_000))
        request = await apply_to_request(tx, flow.context, request, Dong(1_000))

        assert await visit.locked_request(tx, request) == request
        assert (request.state, request.received) == (RequestState.PAID, 101_000)
        assert await visit.states(tx) == {"A": "cleared", "B": "cleared"}
        assert await read_messages(tx, "charge.cleared") == [
            ("charge.cleared", {"visit_id": str(visit.visit_id), "line": line, "order_number": f"LK0001-{line}"})
            for line in ("A", "B")
        ]


async def test_money_that_leaves_withdraws_the_lines_that_are_not_started(flow: PaymentFlow) -> None:
    visit = await open_visit(flow.context)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        request = await apply_to_request(tx, flow.context, await visit.request(tx, ["A", "B"]), Dong(100_000))
        await tx.execute(
            "UPDATE charge_item SET state = 'started', started_at = now() WHERE organization_id = $1 AND line = 'A'",
            tx.organization_id,
        )
        request = await apply_to_request(tx, flow.context, request, Dong(-1))

        assert request.state is RequestState.PARTLY
        assert await visit.states(tx) == {"A": "started", "B": "ordered"}
        assert [payload["line"] for _, payload in await read_messages(tx, "charge.withdrawn")] == ["B"]


async def test_line_stays_cleared_while_another_paid_request_collects_it(flow: PaymentFlow) -> None:
    visit = await open_visit(flow.context)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        first, second = await visit.request(tx, ["A"]), await visit.request(tx, ["A", "B"])
        first = await apply_to_request(tx, flow.context, first, Dong(60_000))
        second = await apply_to_request(tx, flow.context, second, Dong(100_000))
        await apply_to_request(tx, flow.context, second, Dong(-100_000))

        assert await visit.states(tx) == {"A": "cleared", "B": "ordered"}


async def test_lines_of_another_visit_are_never_cleared(flow: PaymentFlow) -> None:
    visit, other = await open_visit(flow.context), await open_visit(flow.context, "LK0002")
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await apply_to_request(tx, flow.context, await visit.request(tx, ["A", "B"]), Dong(100_000))

        assert await other.states(tx) == {"A": "ordered", "B": "ordered"}

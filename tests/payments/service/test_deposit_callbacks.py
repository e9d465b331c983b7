"""Callbacks for a deposit: a standing code, a request of order lines, a closed deposit, and money that leaves again."""

from uuid import UUID

import pytest

from billing.core.ids import DepositRequestId
from billing.core.money import Dong
from billing.core.reference_code import reference_code
from billing.organizations.store.organizations import read_prefixes
from billing.payments.domain.deposit import DepositRequest, DepositState, RequestKind, RequestState
from billing.payments.store.deposits import add_request, lock_requests, update_deposits
from providers.contract import Movement, Verdict
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.open_visits import OpenVisit, open_visit

_INTENT = """
    INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, created_at,
        deposit_id, deposit_request_id, is_standing)
    VALUES ($1, $2, $3, $4, 'created', 1, $5, $6, $7, $8, $9)
"""

_CHARGE = """
    INSERT INTO charge_item (organization_id, visit_id, line, facility_id, order_number, version, kind, state, stt,
        document, ordered_at, changed_at)
    SELECT $1, $2, $3, facility_id, 'CD-1', 1, 'service', 'ordered', $4, '{}', $5, $5 FROM visit
    WHERE organization_id = $1 AND id = $2
"""

_CHARGE_STATES = """
    SELECT line, state FROM charge_item WHERE organization_id = $1 AND visit_id = $2 ORDER BY line
"""

_TOPICS = """
    SELECT topic FROM outbox WHERE organization_id = $1 AND topic LIKE 'charge.%' ORDER BY id
"""


@pytest.fixture
async def visit(flow: PaymentFlow, database: DatabaseAddress) -> OpenVisit:
    return await open_visit(flow, database.owner_url)


async def _code(visit: OpenVisit, flow: PaymentFlow, *, amount: int = 0, request_id: UUID | None = None) -> str:
    """The reference code of a new intent of the deposit; standing without an amount."""
    organization_id = flow.hospital.organization_id
    async with flow.context.database.transaction(organization_id) as tx:
        [prefix, *_] = await read_prefixes(tx)
        deposit = await visit.deposit(tx)
        code = reference_code(prefix, 12_345)
        await tx.execute(
            _INTENT,
            organization_id,
            flow.context.ids.new(),
            flow.account.id,
            code,
            amount,
            flow.context.clock(),
            deposit.id,
            request_id,
            amount == 0,
        )
    return code


async def test_standing_code_takes_any_amount_any_number_of_times(visit: OpenVisit) -> None:
    flow = visit.flow
    code = await _code(visit, flow)

    answers = await flow.deliver(flow.notice("T1", code, amount=200_000), flow.notice("T2", code, amount=30_000))

    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        deposit = await visit.deposit(tx)
        state = await tx.fetchval("SELECT state FROM intent WHERE organization_id = $1 AND is_standing", 1)
    assert (deposit.held, state) == (230_000, "pending")
    await assert_books_are_right(flow.context.database)


async def test_paid_request_clears_its_lines_and_money_that_leaves_withdraws_that(visit: OpenVisit) -> None:
    flow = visit.flow
    organization_id = flow.hospital.organization_id
    request_id = DepositRequestId(flow.context.ids.new())
    async with flow.context.database.transaction(organization_id) as tx:
        deposit = await visit.deposit(tx)
        for number, line in enumerate(("A", "B"), start=1):
            await tx.execute(_CHARGE, organization_id, visit.visit_id, line, number, flow.context.clock())
        request = DepositRequest(
            id=request_id,
            deposit_id=deposit.id,
            kind=RequestKind.ORDER_LINES,
            state=RequestState.REQUESTED,
            version=1,
            amount=Dong(100_000),
            proposed_amount=Dong(100_000),
            requested_at=flow.context.clock(),
        )
        await add_request(tx, request, visit_id=visit.visit_id, lines={"A": Dong(100_000)}, requested_by=None)
    code = await _code(visit, flow, amount=100_000, request_id=request_id)

    async def seen() -> tuple[object, ...]:
        async with flow.context.database.transaction(organization_id) as tx:
            states = {row["line"]: row["state"] for row in await tx.fetch(_CHARGE_STATES, 1, visit.visit_id)}
            topics = [row["topic"] for row in await tx.fetch(_TOPICS, organization_id)]
            request = (await lock_requests(tx, [request_id]))[request_id]
            return states, request.state, (await visit.deposit(tx)).held, topics

    await flow.deliver(flow.notice("T1", code, amount=40_000))
    assert await seen() == ({"A": "ordered", "B": "ordered"}, RequestState.PARTLY, 40_000, [])

    await flow.deliver(flow.notice("T2", code, amount=60_000))
    assert await seen() == ({"A": "cleared", "B": "ordered"}, RequestState.PAID, 100_000, ["charge.cleared"])

    out = flow.notice("T2", code, amount=60_000, status="REVERSED", movement=Movement.REVERSED)
    await flow.deliver(out)
    assert await seen() == (
        {"A": "ordered", "B": "ordered"},
        RequestState.PARTLY,
        40_000,
        ["charge.cleared", "charge.withdrawn"],
    )
    await assert_books_are_right(flow.context.database)


async def test_money_for_a_closed_deposit_is_credit_of_the_patient(visit: OpenVisit) -> None:
    flow = visit.flow
    code = await _code(visit, flow)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await update_deposits(tx, [(await visit.deposit(tx)).with_state(DepositState.CLOSED)])

    await flow.deliver(flow.notice("T1", code, amount=50_000))

    balances = await visit.balances()
    assert (balances.get("deposit"), balances["patient_credit"]) == (None, 50_000)
    await assert_books_are_right(flow.context.database)

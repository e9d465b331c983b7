"""Bank traces: opened by a decision, noted, and taken through their states once."""

from datetime import timedelta
from itertools import product

import pytest

from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.list_slice import ListSlice
from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.bank_trace import (
    TRANSITIONS,
    BankTrace,
    TraceChanged,
    TraceOpen,
    TraceState,
    read_note,
)
from billing.reconciliation.domain.exception_case import DecisionAction, DecisionFinal
from billing.reconciliation.service.bank_traces import (
    TraceDetails,
    TraceStep,
    add_trace_note,
    advance_bank_trace,
    list_bank_traces,
    read_bank_trace,
)
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.service.exceptions_desk import (
    ORGANIZATION,
    UNKNOWN_PAID,
    ExceptionDesk,
    open_exception_desk,
)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _traces(desk: ExceptionDesk, **filters: object) -> list[BankTrace]:
    part = ListSlice(limit=9)
    return await list_bank_traces(desk.flow.context, ORGANIZATION, part, **filters)  # type: ignore[arg-type]


async def _advance(desk: ExceptionDesk, trace: BankTrace, state: TraceState, *, version: int) -> TraceDetails:
    step = TraceStep(state=state, version=version, text="công văn gửi ngân hàng", document="CV-12/2026")
    await advance_bank_trace(desk.flow.context, ORGANIZATION, trace.id, step, actor=desk.second)
    return await read_bank_trace(desk.flow.context, ORGANIZATION, trace.id)


async def test_trace_is_opened_once_and_its_exception_stays_open(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()

    await desk.decide(exception_id, DecisionAction.OPEN_TRACE)

    [trace] = await _traces(desk, state=TraceState.OPEN, exception_id=exception_id)
    assert (trace.amount, trace.owner, trace.version) == (UNKNOWN_PAID, "Vũ Thị Đối", 1)
    assert trace.due_on == business_date(desk.flow.context.clock()) + timedelta(days=7)
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN
    with pytest.raises(TraceOpen):
        await desk.decide(exception_id, DecisionAction.OPEN_TRACE, version=2)
    with pytest.raises(InvalidValue):
        await desk.decide(exception_id, DecisionAction.OPEN_TRACE, version=2, due_on=trace.due_on - timedelta(days=8))
    with pytest.raises(DecisionFinal):
        await desk.revert(exception_id, version=2)


async def test_trace_is_won_with_its_evidence(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.OPEN_TRACE)
    [trace] = await _traces(desk)

    requested = await _advance(desk, trace, TraceState.EVIDENCE_REQUESTED, version=1)
    written = read_note("đã nhận báo có", "BC-7")
    await add_trace_note(desk.flow.context, ORGANIZATION, trace.id, written, actor=desk.first)
    won = await _advance(desk, trace, TraceState.WON, version=2)

    assert (requested.trace.state, requested.trace.ended_at) == ("evidence_requested", None)
    assert (won.trace.state, won.trace.ender) == ("won", "Đỗ Văn Soát")
    assert [(each.step, each.document, each.person) for each in won.notes] == [
        ("open", "", "Vũ Thị Đối"),
        ("evidence_requested", "CV-12/2026", "Đỗ Văn Soát"),
        (None, "BC-7", "Vũ Thị Đối"),
        ("won", "CV-12/2026", "Đỗ Văn Soát"),
    ]
    with pytest.raises(TraceChanged, match=r"won at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by Đỗ Văn Soát"):
        await _advance(desk, trace, TraceState.LOST, version=3)
    await desk.decide(exception_id, DecisionAction.OPEN_TRACE, version=2)
    assert len(await _traces(desk)) == 2


async def test_step_of_an_old_version_or_of_no_trace_is_refused(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.OPEN_TRACE)
    [trace] = await _traces(desk)
    await _advance(desk, trace, TraceState.EVIDENCE_REQUESTED, version=1)

    with pytest.raises(TraceChanged):
        await _advance(desk, trace, TraceState.WON, version=1)
    step = TraceStep(state=TraceState.WON, version=1, text="x")
    with pytest.raises(NotFound):
        await advance_bank_trace(desk.flow.context, ORGANIZATION, exception_id, step, actor=desk.first)


@pytest.mark.parametrize(("before", "after"), list(product(TraceState, TraceState)))
async def test_every_pair_of_states_is_a_transition_or_refused(
    desk: ExceptionDesk, before: TraceState, after: TraceState
) -> None:
    exception_id, _ = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.OPEN_TRACE)
    [trace] = await _traces(desk)
    if before is not TraceState.OPEN:
        await _advance(desk, trace, before, version=1)
    version = 1 if before is TraceState.OPEN else 2

    if (before, after) in TRANSITIONS:
        assert (await _advance(desk, trace, after, version=version)).trace.state is after
    else:
        with pytest.raises(TraceChanged):
            await _advance(desk, trace, after, version=version)
        assert (await read_bank_trace(desk.flow.context, ORGANIZATION, trace.id)).trace.state is before

"""Codes of a line that are readable only without spaces and signs: the amount must equal the amount due."""

import pytest

from tests.flow import OWED, PaymentFlow
from tests.reconciliation.builders import MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


def _cut(code: str) -> str:
    return f"VIEN PHI {code[:4]} {code[4:]}"


@pytest.mark.parametrize(("amount", "matched"), [(OWED, 1), (OWED - 10_000, 0)])
async def test_line_under_a_rejoined_code_is_matched_with_the_amount_due(
    own: MatchingFlow, amount: int, matched: int
) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI", amount=amount))
    await own.statement(own.line(amount, _cut(started.code)))

    await own.match()

    assert len(await own.matches()) == matched


@pytest.mark.parametrize(("amount", "booked"), [(OWED, 1), (OWED - 10_000, 0)])
async def test_line_under_a_rejoined_code_is_booked_with_the_amount_due(
    own: MatchingFlow, amount: int, booked: int
) -> None:
    started = await own.flow.start_intent()
    await own.statement(own.line(amount, _cut(started.code), "FT-T1"))

    run = await own.match()

    assert (run.booked, len(await own.fetch("SELECT id FROM payment"))) == (booked, booked)


async def test_line_under_a_whole_code_is_booked_with_another_amount(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.statement(own.line(OWED - 10_000, started.code, "FT-T1"))

    run = await own.match()

    assert run.booked == 1

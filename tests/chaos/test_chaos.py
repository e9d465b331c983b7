"""Cycles of killing, on a server, a service and a bank of their own; `make chaos CYCLES=200` runs more."""

import pytest

from tests.chaos.chaos import break_everything
from tests.rounds import long_rounds

pytestmark = pytest.mark.own_server

SEED = 20261123


@pytest.mark.parametrize(
    "cycles", [pytest.param(1, marks=pytest.mark.short), pytest.param(long_rounds(3), marks=pytest.mark.slow)]
)
async def test_whatever_is_killed_each_acknowledged_callback_is_booked_once_and_whole(cycles: int) -> None:
    assert await break_everything(cycles, SEED) == []

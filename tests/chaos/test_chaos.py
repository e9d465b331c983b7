"""Five cycles of killing, on a server, a service and a bank of their own; `make chaos CYCLES=200` runs more."""

import pytest

from tests.chaos.chaos import break_everything

pytestmark = pytest.mark.own_server

CYCLES = 5
SEED = 20261123


async def test_whatever_is_killed_each_acknowledged_callback_is_booked_once_and_whole() -> None:
    assert await break_everything(CYCLES, SEED) == []

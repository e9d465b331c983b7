"""Moves under callbacks while everything is killed, at a small size; `make move CYCLES=20` runs more."""

import pytest

from tests.move.moving import move_under_load
from tests.rounds import long_rounds

pytestmark = [pytest.mark.own_server, pytest.mark.slow]

SEED = 20261130


async def test_organization_that_moves_under_load_loses_and_doubles_nothing_whatever_is_killed() -> None:
    wrongs, _ = await move_under_load(long_rounds(2), SEED, orders=40)

    assert wrongs == []

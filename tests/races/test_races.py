"""Each pair of operations at once: nothing is doubled, the books are right, and a loser learns who was first and when.

`make races RACES=1000` makes more rounds of each pair.
"""

from typing import Any

import pytest

from tests.builders import DemoHospital
from tests.database_server import DatabaseAddress
from tests.flow import assert_books_are_right
from tests.races.races import ACTS_AT, Place, one_hospital, pairs_of, race_pair
from tests.rounds import long_rounds

_LONG_ROUNDS = {Place.VISIT: 20, Place.DESK: 5, Place.EXCEPTION: 5}


def _cases() -> list[Any]:
    """Each act of each place, in a short and in a long form."""
    acts = [(place, act) for place, of_place in ACTS_AT.items() for act in of_place]
    short = [pytest.param(place, act, 1, marks=pytest.mark.short) for place, act in acts]
    return short + [
        pytest.param(place, act, long_rounds(_LONG_ROUNDS[place]), marks=pytest.mark.slow) for place, act in acts
    ]


@pytest.mark.parametrize(("place", "first", "rounds"), _cases())
async def test_each_act_at_once_with_each_other(
    hospital: DemoHospital, database: DatabaseAddress, place: Place, first: str, rounds: int
) -> None:
    pairs = [pair for pair in pairs_of(ACTS_AT[place]) if pair[0] == first]

    async with one_hospital(database, hospital) as (flow, desk):
        for one, other in pairs:
            tally, wrongs = await race_pair(flow, desk, one, other, rounds=rounds, place=place, is_verified=False)
            assert wrongs == [], tally
        await assert_books_are_right(flow.context.database)

"""Ids of one process grow, one at a time and many at once."""

from datetime import UTC, datetime, timedelta

from billing.db.context import Ids

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


def test_ids_grow_within_a_millisecond_and_when_the_clock_is_set_back() -> None:
    times = iter([NOW, NOW, NOW, NOW - timedelta(seconds=5), NOW + timedelta(milliseconds=1)])
    ids = Ids(lambda: next(times))

    made = [ids.new(), *ids.several(3), ids.new(), *ids.several(2), *ids.several(1)]

    assert made == sorted(set(made))
    assert len(made) == 8
    assert ids.several(0) == []

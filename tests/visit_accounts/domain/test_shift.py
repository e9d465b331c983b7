"""The rules of a shift: who ends and closes it, the blind count, and rounding of cash."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from billing.core.errors import InvalidValue
from billing.core.ids import DeskId, PersonId, ShiftId
from billing.core.money import Dong
from billing.visit_accounts.domain.shift import (
    DifferenceReasonNeeded,
    Drawer,
    NotEnoughCash,
    Shift,
    ShiftNotEnded,
    ShiftNotOpen,
    ShiftState,
    WrongShift,
    count_cash,
    round_cash,
)

AT = datetime(2026, 11, 29, 8, tzinfo=UTC)
CASHIER, HEAD = PersonId(UUID(int=1)), PersonId(UUID(int=2))


def shift() -> Shift:
    return Shift(
        id=ShiftId(UUID(int=10)),
        desk_id=DeskId(UUID(int=11)),
        cashier_id=CASHIER,
        state=ShiftState.OPEN,
        version=1,
        expected_float=Dong(0),
        opening_float=Dong(500_000),
        opened_at=AT,
    )


def test_count_sums_the_notes() -> None:
    assert count_cash({"500000": 2, "1000": 3, "200": 0}).cash == 1_003_000


@pytest.mark.parametrize("counted", [{"300000": 1}, {"x": 1}, {"1000": -1}, {"500000": 10**6, "1000": 10**7}])
def test_count_of_other_notes_is_rejected(counted: dict[str, int]) -> None:
    with pytest.raises(InvalidValue):
        count_cash(counted)


def test_shift_ends_with_the_expected_cash() -> None:
    ended = shift().end(count_cash({"500000": 1}), expected=Dong(500_000), by=CASHIER, at=AT)

    assert (ended.state, ended.counted_cash, ended.expected_cash) == (ShiftState.ENDED, 500_000, 500_000)


def test_difference_needs_a_reason_and_is_not_stated() -> None:
    with pytest.raises(DifferenceReasonNeeded) as refused:
        shift().end(count_cash({"500000": 1}), expected=Dong(510_000), by=CASHIER, at=AT)

    assert "10" not in refused.value.detail
    reasoned = count_cash({"500000": 1}, difference_reason="thối nhầm")
    assert shift().end(reasoned, expected=Dong(510_000), by=CASHIER, at=AT).difference_reason == "thối nhầm"


def test_ended_shift_states_when_it_ended() -> None:
    ended = shift().end(count_cash({}), expected=Dong(0), by=CASHIER, at=AT)

    with pytest.raises(ShiftNotOpen, match="2026-11-29 08:00:00"):
        ended.require_open()


def test_open_shift_is_not_closed_and_closed_one_not_twice() -> None:
    with pytest.raises(ShiftNotEnded):
        shift().close(by=HEAD, at=AT)
    closed = shift().end(count_cash({}), expected=Dong(0), by=CASHIER, at=AT).close(by=HEAD, at=AT)
    with pytest.raises(ShiftNotEnded, match=str(HEAD)):
        closed.close(by=HEAD, at=AT)


def test_forced_close_is_for_the_shift_of_another_cashier() -> None:
    with pytest.raises(WrongShift):
        shift().force_end(count_cash({}), expected=Dong(0), by=CASHIER, at=AT, reason="về sớm")
    forced = shift().force_end(count_cash({}), expected=Dong(1_000), by=HEAD, at=AT, reason="về sớm")
    assert (forced.state, forced.is_forced, forced.ended_by) == (ShiftState.ENDED, True, HEAD)
    assert forced.difference_reason == "về sớm"


def test_drawer_is_never_below_zero() -> None:
    drawer = Drawer(shift(), Dong(5_000))

    assert drawer.move(-5_000).cash == 0
    with pytest.raises(NotEnoughCash) as refused:
        drawer.move(-5_001)
    assert "5" not in refused.value.detail


@pytest.mark.parametrize(
    ("amount", "step", "added"),
    [
        (100_300, 1, 0),
        (100_300, 500, 200),
        (100_249, 500, -249),
        (100_250, 500, 250),
        (100_500, 1000, 500),
        (200, 500, 0),
    ],
)
def test_cash_is_rounded_to_the_nearest_step(amount: int, step: int, added: int) -> None:
    assert round_cash(Dong(amount), step=step) == added

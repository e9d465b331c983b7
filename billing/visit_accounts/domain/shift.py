"""Shifts: the cash of one cashier at one desk, from the counted float to the audited close.

open → ended (the cashier has counted and left) → closed (another person has audited it). The drawer of a desk is what
its last shift left plus the events of the shift that is open. Source: docs/design.md §2; docs/visit-accounts.md, Cash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DeskId, EntryId, PersonId, ReceiptId, ShiftId
from billing.core.money import DONG_MAX, Dong
from billing.core.reasons import read_reason

DENOMINATIONS = (500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100)
"""The notes of the State Bank of Vietnam that are in circulation, in đồng."""

_NOTES_MAX = 1_000_000


class ShiftState(StrEnum):
    """The progress of a shift."""

    OPEN = "open"
    ENDED = "ended"
    CLOSED = "closed"


class ShiftEventKind(StrEnum):
    """Why cash came into a drawer or left it."""

    FLOAT = "float"
    FLOAT_DIFFERENCE = "float_difference"
    COLLECTION = "collection"
    REFUND = "refund"
    VOID = "void"
    PAID_IN = "paid_in"
    PAID_OUT = "paid_out"
    ROUNDING = "rounding"
    HAND_OVER = "hand_over"
    HAND_OVER_REJECTED = "hand_over_rejected"
    OVER = "over"
    SHORT = "short"
    MOVED_IN = "moved_in"
    MOVED_OUT = "moved_out"


class NoOpenShift(Refused):
    """The caller has no open shift: cash is taken and returned in a shift only."""

    code = "no_open_shift"


class ShiftNotOpen(Refused):
    """The shift has ended: no cash moves in it any more."""

    code = "shift_not_open"


class ShiftNotEnded(Refused):
    """The cashier has not ended the shift yet, or it is closed already."""

    code = "shift_not_ended"


class WrongShift(Refused):
    """The thing belongs to the shift of another cashier, or to an earlier shift."""

    code = "wrong_shift"


class ShiftAlreadyOpen(Refused):
    """The desk or the cashier has an open shift."""

    code = "shift_already_open"


class DifferenceReasonNeeded(Refused):
    """The counted cash is not the expected cash: count again, or state the reason."""

    code = "difference_reason_needed"


class NotEnoughCash(Refused):
    """The drawer holds less than the amount that is to leave it."""

    code = "not_enough_cash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The shift of a cashier at a desk; amounts in đồng. `expected_float` is what the desk's last shift left."""

    id: ShiftId
    desk_id: DeskId
    cashier_id: PersonId
    state: ShiftState
    version: int
    expected_float: Dong
    opening_float: Dong
    opened_at: datetime
    counted: Mapping[str, int] | None = None
    counted_cash: Dong | None = None
    expected_cash: Dong | None = None
    difference_reason: str = ""
    is_forced: bool = False
    forced_reason: str = ""
    ended_at: datetime | None = None
    ended_by: PersonId | None = None
    closed_at: datetime | None = None
    closed_by: PersonId | None = None

    def require_open(self) -> None:
        """Raises ShiftNotOpen, which states when and by whom it ended."""
        if self.state is not ShiftState.OPEN:
            assert self.ended_at is not None, "a shift that is not open has ended"
            raise ShiftNotOpen(f"the shift was ended at {self.ended_at:%Y-%m-%d %H:%M:%S} UTC by {self.ended_by}")

    def require_cashier(self, person: PersonId) -> None:
        """Raises WrongShift unless it is this person's shift."""
        if self.cashier_id != person:
            raise WrongShift("this is the shift of another cashier", field="shift_id")

    def end(self, count: "CashCount", *, expected: Dong, by: PersonId, at: datetime) -> Self:
        """The shift after its cash was counted. Raises ShiftNotOpen, DifferenceReasonNeeded."""
        self.require_open()
        if count.cash != expected:
            require_difference_reason(count.difference_reason, needed_for="the counted cash is not the expected cash")
        return replace(
            self,
            state=ShiftState.ENDED,
            version=self.version + 1,
            counted=count.notes,
            counted_cash=count.cash,
            expected_cash=expected,
            difference_reason=count.difference_reason,
            ended_at=at,
            ended_by=by,
        )

    def force_end(self, count: "CashCount", *, expected: Dong, by: PersonId, at: datetime, reason: str) -> Self:
        """The shift ended by another person than its cashier, who states why; the audit comes later.

        Raises ShiftNotOpen, InvalidValue, WrongShift.
        """
        self.require_open()
        if by == self.cashier_id:
            raise WrongShift("you end your own shift; a forced close is for the shift of another cashier")
        given = read_reason(reason, field="reason")
        ended = self.end(replace(count, difference_reason=given), expected=expected, by=by, at=at)
        return replace(ended, is_forced=True, forced_reason=given)

    def close(self, *, by: PersonId, at: datetime) -> Self:
        """The shift audited by a person who neither took nor counted its cash; the caller compares the persons.

        Raises ShiftNotEnded.
        """
        if self.state is ShiftState.OPEN:
            raise ShiftNotEnded("the shift is still open: its cashier ends it first, or a head cashier forces it")
        if self.state is ShiftState.CLOSED:
            raise ShiftNotEnded(f"the shift was closed at {self.closed_at:%Y-%m-%d %H:%M:%S} UTC by {self.closed_by}")
        return replace(self, state=ShiftState.CLOSED, version=self.version + 1, closed_at=at, closed_by=by)


@dataclass(frozen=True, slots=True, kw_only=True)
class CashCount:
    """Cash as counted: the number of notes of each denomination, with the reason of a difference if one is known."""

    notes: Mapping[str, int]
    cash: Dong
    difference_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftEvent:
    """One movement of cash in the drawer, in đồng: positive into it, negative out of it."""

    id: UUID
    shift_id: ShiftId
    kind: ShiftEventKind
    amount: int
    recorded_at: datetime
    reason: str = ""
    receipt_id: ReceiptId | None = None
    entry_id: EntryId | None = None


@dataclass(frozen=True, slots=True)
class Drawer:
    """A locked shift with the cash in its drawer, in đồng."""

    shift: Shift
    cash: Dong

    def move(self, amount: int) -> Self:
        """The drawer after cash came in or (negative) went out. Raises NotEnoughCash, which states no amount."""
        if self.cash + amount < 0:
            raise NotEnoughCash("the drawer holds less cash than this amount")
        return replace(self, cash=Dong(self.cash + amount))


def count_cash(counted: Mapping[str, int], *, difference_reason: str = "") -> CashCount:
    """Sum the counted notes by denomination. Raises InvalidValue."""
    cash = 0
    for denomination, number in counted.items():
        if denomination not in _DENOMINATIONS:
            raise InvalidValue(f"{denomination[:20]} is no denomination of the đồng", field="counted")
        if not 0 <= number <= _NOTES_MAX:
            raise InvalidValue(f"a number of notes is from 0 to {_NOTES_MAX}", field="counted")
        cash += int(denomination) * number
    if cash > DONG_MAX:
        raise InvalidValue("this is more cash than there is", field="counted")
    reason = read_reason(difference_reason, field="difference_reason") if difference_reason else ""
    return CashCount(
        notes={note: number for note, number in counted.items() if number}, cash=Dong(cash), difference_reason=reason
    )


def round_cash(amount: Dong, *, step: int) -> int:
    """What rounding adds to a cash amount, negative if it takes off: to the nearest multiple of `step`, half up.

    An amount is never rounded to nothing.
    """
    assert step > 0, "1 is no rounding"
    rounded = (amount + step // 2) // step * step
    return rounded - amount if rounded else 0


def require_difference_reason(text: str, *, needed_for: str) -> None:
    """Raises DifferenceReasonNeeded where a difference has no reason; the amount is not stated: the count is blind.

    A reason has a letter: a number alone is an amount that was typed into the wrong field.
    """
    if not any(sign.isalpha() for sign in text):
        raise DifferenceReasonNeeded(f"{needed_for}: count again, or send difference_reason", field="difference_reason")


_DENOMINATIONS = frozenset(map(str, DENOMINATIONS))

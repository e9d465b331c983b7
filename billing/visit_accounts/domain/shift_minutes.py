"""The minutes of a shift (biên bản chốt ca): numbered, and frozen when the shift ends. Source: docs/ux.md.

Amounts in đồng. The signature of the person who closes the shift comes later and is part of the shift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from billing.core.ids import ShiftId
from billing.visit_accounts.domain.receipt import Direction, PartMethod
from billing.visit_accounts.domain.shift import Shift, ShiftEventKind

MINUTES_SERIES = "CC"
"""The number series of minutes (chốt ca)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftMinutes:
    """The stored minutes of a shift."""

    shift_id: ShiftId
    year: int
    number: int
    document: Mapping[str, Any]

    @property
    def written_number(self) -> str:
        """The number as it is printed: CC2026-000331."""
        return write_minutes_number(self.year, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementSum:
    """The cash movements of a kind: their number and sum, negative out of the drawer."""

    kind: ShiftEventKind
    count: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTotal:
    """What valid receipts sum to by direction and method."""

    direction: Direction
    method: PartMethod
    parts: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutesFacts:
    """What minutes state besides the shift itself. `receipts` are for money in, from
    `first_receipt` to `last_receipt`; `vouchers` are for money out."""

    names: Mapping[str, str]
    movements: Sequence[MovementSum]
    methods: Sequence[MethodTotal]
    receipts: int
    vouchers: int
    voided: int
    first_receipt: str
    last_receipt: str
    counts: int
    missing_receipts: Sequence[str]


def write_minutes_number(year: int, number: int) -> str:
    """A number of minutes as it is printed."""
    return f"{MINUTES_SERIES}{year}-{number:06d}"


def minutes_document(shift: Shift, facts: MinutesFacts) -> dict[str, Any]:
    """The minutes of a shift that was just ended, as they are stored and printed."""
    assert shift.ended_at is not None, "an ended shift has its time"
    assert shift.counted_cash is not None, "an ended shift is counted"
    assert shift.expected_cash is not None, "an ended shift is counted"
    return {
        **facts.names,
        "opened_at": shift.opened_at.isoformat(),
        "ended_at": shift.ended_at.isoformat(),
        "expected_float": shift.expected_float,
        "opening_float": shift.opening_float,
        "counted": dict(shift.counted or {}),
        "counted_cash": shift.counted_cash,
        "expected_cash": shift.expected_cash,
        "difference": shift.counted_cash - shift.expected_cash,
        "difference_reason": shift.difference_reason,
        "is_forced": shift.is_forced,
        "forced_reason": shift.forced_reason,
        "movements": [{"kind": one.kind.value, "count": one.count, "amount": one.amount} for one in facts.movements],
        "methods": [
            {"direction": one.direction.value, "method": one.method.value, "parts": one.parts, "amount": one.amount}
            for one in facts.methods
        ],
        "receipts": facts.receipts,
        "vouchers": facts.vouchers,
        "voided": facts.voided,
        "first_receipt": facts.first_receipt,
        "last_receipt": facts.last_receipt,
        "counts": facts.counts,
        "missing_receipts": list(facts.missing_receipts),
    }

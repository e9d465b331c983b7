"""Money: whole đồng, claim-line amounts with two decimals, and the few allowed roundings.

Whole đồng are `Dong`. Amounts of claim lines are `Decimal` with two decimals, as the data standard requires. Products
are exact (50 digits, any loss raises); only the functions named here round, half-up. Source: Decision 130/QĐ-BYT and
amendments, field formats; rule B-080 (the tie rule is our choice).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import NewType, Self

from billing.core.errors import InvalidValue

Dong = NewType("Dong", int)

NOTHING = Dong(0)
ZERO = Decimal("0.00")
HUNDRED = Decimal(100)
_HUNDREDTH = Decimal("0.01")
_UNIT = Decimal(1)

_TRAPS = [InvalidOperation, DivisionByZero, Overflow, Clamped]
_EXACT = Context(prec=50, rounding=ROUND_HALF_UP, traps=[*_TRAPS, Inexact])
_ROUNDING = Context(prec=50, rounding=ROUND_HALF_UP, traps=_TRAPS)
_multiply = _EXACT.multiply
_add = _EXACT.add
_quantize = _ROUNDING.quantize
"""Bound once: it runs several times for every line of every visit."""

DONG_MAX = 10**15
"""Largest accepted amount: a field of the data standard has 15 digits."""


def product(first: Decimal, second: Decimal) -> Decimal:
    """Multiply exactly; a product of more than 50 digits raises instead of losing one."""
    return _multiply(first, second)


def percent(amount: Decimal, percentage: Decimal) -> Decimal:
    """`amount × percentage / 100`, exact and not yet rounded."""
    return _multiply(_multiply(amount, percentage), _HUNDREDTH)


def round_2dp(amount: Decimal) -> Decimal:
    """Round half-up to two decimals: the amounts of claim lines (rule B-080)."""
    return _quantize(amount, _HUNDREDTH)


def share_of(amount: Decimal, *, part: Decimal, whole: Decimal) -> Decimal:
    """`amount × part / whole`, rounded half-up once to two decimals; `whole` must not be 0."""
    return round_2dp(_ROUNDING.divide(_EXACT.multiply(amount, part), whole))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add exactly; the empty sum is 0.00."""
    result = ZERO
    for amount in amounts:
        result = _add(result, amount)
    return result


def half_up_dong(amount: Decimal) -> Dong:
    """Round half-up to whole đồng: the amount that a patient pays (rule B-080)."""
    return Dong(int(_quantize(amount, _UNIT)))


def dong(value: object, *, field: str = "amount") -> Dong:
    """Validate a whole, non-negative amount of đồng from an external source.

    Raises InvalidValue for anything but an int in 0 … 10^15: no bool, no float, no text.
    """
    if type(value) is not int or not 0 <= value <= DONG_MAX:
        raise InvalidValue(f"{field} must be a whole number of đồng from 0 to {DONG_MAX}", field=field)
    return Dong(value)


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of the payers of an invoice, in whole đồng; the parts sum to `total`.

    `private` is the part that a private insurer has guaranteed (bảo lãnh viện phí); it is no part of the patient's.
    """

    patient: Dong
    other: Dong
    insurer: Dong
    private: Dong = NOTHING

    def __post_init__(self) -> None:
        if min(self.patient, self.other, self.insurer, self.private) < 0:
            raise InvalidValue("a share of a bill cannot be negative")

    @property
    def total(self) -> Dong:
        return Dong(self.patient + self.other + self.insurer + self.private)

    def guaranteed(self, amount: Dong) -> Self:
        """The shares if a private insurer pays that amount of the patient's.

        Source: docs/reference/bhyt.md, rule B-090.
        """
        return replace(self, patient=Dong(self.patient - amount), private=Dong(self.private + amount))


def sum_shares(shares: Iterable[Shares]) -> Shares:
    """The sum of shares, payer by payer."""
    patient = other = insurer = private = 0
    for each in shares:
        patient += each.patient
        other += each.other
        insurer += each.insurer
        private += each.private
    return Shares(patient=Dong(patient), other=Dong(other), insurer=Dong(insurer), private=Dong(private))


def to_dong(*, patient: Decimal, other: Decimal, insurer: Decimal) -> Shares:
    """Convert a split rounded to two decimals into whole đồng that sum to the rounded total.

    The patient's share is rounded half-up, then the other funds', and the last payer with a share (the insurer if it
    has one) pays the rest; no share becomes negative. Source: rule B-080; docs/design.md §4.
    """
    named = {"patient": patient, "other": other, "insurer": insurer}
    with_share = [name for name, amount in named.items() if amount > 0]
    rest = half_up_dong(total(named.values()))
    shares = dict.fromkeys(named, Dong(0))
    for name in with_share:
        is_last = name == with_share[-1]
        shares[name] = rest if is_last else Dong(min(half_up_dong(named[name]), rest))
        rest = Dong(rest - shares[name])
    return Shares(patient=shares["patient"], other=shares["other"], insurer=shares["insurer"])

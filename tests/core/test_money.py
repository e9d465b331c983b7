"""Exact products, the roundings that are allowed, and shares that sum to the bill."""

from decimal import Decimal, Inexact, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.errors import InvalidValue
from billing.core.money import DONG_MAX, dong, half_up_dong, percent, product, round_2dp, to_dong, total

_TWO_DECIMALS = st.decimals(min_value=0, max_value=10**12, places=2, allow_nan=False, allow_infinity=False)


def test_product_keeps_every_digit() -> None:
    assert product(Decimal("1234.567"), Decimal("0.333")) == Decimal("411.110811")


def test_product_that_would_lose_a_digit_raises() -> None:
    with pytest.raises(Inexact):
        product(Decimal("1." + "1" * 30), Decimal("1." + "1" * 30))


def test_percent_is_exact_and_not_rounded() -> None:
    assert percent(Decimal("8641.97"), Decimal(95)) == Decimal("8209.8715")


@given(_TWO_DECIMALS, st.integers(0, 100))
def test_percent_is_the_plain_formula_to_every_digit(amount: Decimal, percentage: int) -> None:
    with localcontext(prec=60):
        plain = amount * percentage / 100

    assert percent(amount, Decimal(percentage)) == plain


@pytest.mark.parametrize(
    ("amount", "rounded"), [("0.005", "0.01"), ("0.004", "0.00"), ("8209.8715", "8209.87"), ("2.675", "2.68")]
)
def test_two_decimals_round_half_up(amount: str, rounded: str) -> None:
    assert round_2dp(Decimal(amount)) == Decimal(rounded)


@pytest.mark.parametrize(("amount", "rounded"), [("0.49", 0), ("0.50", 1), ("75900.20", 75900), ("20432.50", 20433)])
def test_patient_pays_half_up_dong(amount: str, rounded: int) -> None:
    assert half_up_dong(Decimal(amount)) == rounded


@pytest.mark.parametrize("value", [0, 1, DONG_MAX])
def test_whole_dong_are_taken(value: int) -> None:
    assert dong(value) == value


@pytest.mark.parametrize("value", [True, False, 1.0, "1", Decimal(1), None, -1, DONG_MAX + 1])
def test_anything_but_whole_dong_is_refused(value: object) -> None:
    with pytest.raises(InvalidValue):
        dong(value)


@pytest.mark.parametrize(
    ("patient", "other", "insurer", "shares"),
    [
        ("75900.20", "0.00", "303600.80", (75900, 0, 303601)),  # 379501 in all
        ("0.50", "0.00", "0.40", (1, 0, 0)),  # 0.90 → 1, all of it the patient's
        ("0.50", "0.50", "0.40", (1, 0, 0)),  # 1.40 → 1: the other fund's half đồng finds nothing left
        ("0.50", "0.50", "0.00", (1, 0, 0)),
        ("0.00", "0.00", "0.00", (0, 0, 0)),
        ("0.00", "10.50", "0.00", (0, 11, 0)),
    ],
)
def test_shares_in_dong_sum_to_the_rounded_bill(
    patient: str, other: str, insurer: str, shares: tuple[int, int, int]
) -> None:
    result = to_dong(patient=Decimal(patient), other=Decimal(other), insurer=Decimal(insurer))

    assert (result.patient, result.other, result.insurer) == shares


@given(patient=_TWO_DECIMALS, other=_TWO_DECIMALS, insurer=_TWO_DECIMALS)
def test_shares_sum_and_none_is_negative(patient: Decimal, other: Decimal, insurer: Decimal) -> None:
    shares = to_dong(patient=patient, other=other, insurer=insurer)

    assert shares.total == half_up_dong(total((patient, other, insurer)))
    assert min(shares.patient, shares.other, shares.insurer) >= 0
    assert shares.patient == min(half_up_dong(patient), shares.total)

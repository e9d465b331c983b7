"""Price lists: every move that is allowed, every one that is not, and what two lists differ in."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from billing.core.errors import InvalidValue
from billing.tariffs.domain.tariff import (
    ChangeKind,
    ListedPrice,
    TariffEvent,
    TariffState,
    TariffStateForbids,
    compare_lists,
    next_state,
)

MOVES = {
    (TariffState.DRAFT, TariffEvent.APPROVE): TariffState.APPROVED,
    (TariffState.DRAFT, TariffEvent.DISCARD): TariffState.DISCARDED,
    (TariffState.APPROVED, TariffEvent.ACTIVATE): TariffState.EFFECTIVE,
    (TariffState.APPROVED, TariffEvent.DISCARD): TariffState.DISCARDED,
    (TariffState.EFFECTIVE, TariffEvent.REPLACE): TariffState.REPLACED,
}
LISTED = ListedPrice(code="A1", name="Khám", unit="Lần", insured=Decimal(5), fee=Decimal(7), on_demand=None)


@pytest.mark.parametrize(("state", "event"), list(product(TariffState, TariffEvent)))
def test_only_these_moves_are_allowed(state: TariffState, event: TariffEvent) -> None:
    if (state, event) in MOVES:
        assert next_state(state, event) is MOVES[state, event]
    else:
        with pytest.raises(TariffStateForbids):
            next_state(state, event)


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": ""},
        {"code": "A\n1"},
        {"code": "x" * 101},
        {"insured": None, "fee": None},
        {"insured": Decimal(-1)},
        {"fee": Decimal("1.2345")},
        {"on_demand": Decimal(10) ** 13},
        {"insured": Decimal("NaN")},
    ],
    ids=str,
)
def test_impossible_price_cannot_be_built(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        replace(LISTED, **wrong)  # type: ignore[arg-type]


def test_difference_names_added_removed_and_changed_prices_by_code() -> None:
    old = {"A1": LISTED, "A2": replace(LISTED, code="A2"), "A3": replace(LISTED, code="A3")}
    new = {
        "A1": replace(LISTED, name="Khám Nội", insured=Decimal("5.0"), fee=Decimal(8)),
        "A3": replace(LISTED, code="A3", fee=None),
        "A4": replace(LISTED, code="A4", fee=None),
    }

    changes = [(each.kind, each.code, each.price, each.old, each.new) for each in compare_lists(old, new)]

    assert changes == [
        (ChangeKind.CHANGED, "A1", "fee", 7, 8),
        (ChangeKind.REMOVED, "A2", "insured", 5, None),
        (ChangeKind.REMOVED, "A2", "fee", 7, None),
        (ChangeKind.CHANGED, "A3", "fee", 7, None),
        (ChangeKind.ADDED, "A4", "insured", None, 5),
    ]

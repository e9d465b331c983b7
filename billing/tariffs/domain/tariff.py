"""A price list [bảng giá] of an organization or of one facility: states, prices, and the comparison of two lists.

A list is in force from its day until the day before the next list of the same facility begins, so no two are in force
on one day. Source: rule B-053 (the facility's own approved price list with effective dates; Medical Examination
Law Art. 110, Decree 96/2023/NĐ-CP Art. 119).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NewType
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.visits.domain.visit import PRICE_LIMIT

TariffId = NewType("TariffId", UUID)

ITEMS_MAX = 200_000
TEXT_LENGTH_MAX = 1_000
CODE_LENGTH_MAX = 100
_DECIMALS_MAX = 3


class TariffState(StrEnum):
    """The state of a list. Only an effective list is ever in force."""

    DRAFT = "draft"
    APPROVED = "approved"
    EFFECTIVE = "effective"
    REPLACED = "replaced"
    DISCARDED = "discarded"


class TariffEvent(StrEnum):
    """An event of a list; `replace` means that another list of the same day replaces it."""

    APPROVE = "approve"
    ACTIVATE = "activate"
    REPLACE = "replace"
    DISCARD = "discard"


_MOVES: Mapping[tuple[TariffState, TariffEvent], TariffState] = {
    (TariffState.DRAFT, TariffEvent.APPROVE): TariffState.APPROVED,
    (TariffState.APPROVED, TariffEvent.ACTIVATE): TariffState.EFFECTIVE,
    (TariffState.EFFECTIVE, TariffEvent.REPLACE): TariffState.REPLACED,
    (TariffState.DRAFT, TariffEvent.DISCARD): TariffState.DISCARDED,
    (TariffState.APPROVED, TariffEvent.DISCARD): TariffState.DISCARDED,
}


class TariffStateForbids(Refused):
    """The state of the list does not allow this event."""

    code = "tariff_state_forbids"


class TariffIncomplete(Refused):
    """Not every row of this draft has arrived: repeat the import, which continues where it stopped."""

    code = "tariff_incomplete"


def next_state(state: TariffState, event: TariffEvent) -> TariffState:
    """The state after an event. Raises TariffStateForbids."""
    try:
        return _MOVES[state, event]
    except KeyError as cause:
        raise TariffStateForbids(f"a price list that is {state} cannot {event}", field="state") from cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPrice:
    """One row of a price list: đồng a unit with up to three decimals; None where the list has no price of that kind."""

    code: str  # MA_DICH_VU, or MA_THUOC or MA_VAT_TU where a list holds drugs or supplies
    name: str
    unit: str
    insured: Decimal | None  # giá BHYT
    fee: Decimal | None  # giá viện phí: uninsured patients, and items not in scope
    on_demand: Decimal | None  # giá yêu cầu

    def __post_init__(self) -> None:
        for text, field, length_max in (
            (self.code, "code", CODE_LENGTH_MAX),
            (self.name, "name", TEXT_LENGTH_MAX),
            (self.unit, "unit", TEXT_LENGTH_MAX),
        ):
            if len(text) > length_max or not text.isprintable():
                raise InvalidValue(f"at most {length_max} printable characters", field=field)
        if not self.code:
            raise InvalidValue("a row with a price needs a code", field="code")
        if not any(price is not None for _, price in self.prices()):
            raise InvalidValue("a row with a code needs at least one price", field="price")
        for kind, price in self.prices():
            if price is not None:
                _check_price(price, kind)

    def prices(self) -> tuple[tuple[str, Decimal | None], ...]:
        """Each kind of price with its name."""
        return ("insured", self.insured), ("fee", self.fee), ("on_demand", self.on_demand)


def _check_price(price: Decimal, kind: str) -> None:
    if not price.is_finite() or not 0 <= price <= PRICE_LIMIT:
        raise InvalidValue(f"a price is from 0 to {PRICE_LIMIT}", field=kind)
    exponent = price.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _DECIMALS_MAX:
        raise InvalidValue(f"a price has at most {_DECIMALS_MAX} decimals (B-080)", field=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedList:
    """A draft list to reprice past visits: its prices by code, and its facilities [MA_CSKCB]."""

    prices: Mapping[str, ListedPrice]
    facilities: frozenset[str]


class ChangeKind(StrEnum):
    """The kind of difference of one code between two lists."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """One price of one code before and after; None where the list has none. `name` is that of the newer list."""

    kind: ChangeKind
    code: str
    name: str
    price: str  # insured, fee or on_demand
    old: Decimal | None
    new: Decimal | None


def compare_lists(old: Mapping[str, ListedPrice], new: Mapping[str, ListedPrice]) -> Iterator[PriceChange]:
    """The price changes when `new` replaces `old`, by code; names and units are not compared."""
    for code in sorted({*old, *new}):
        before, after = old.get(code), new.get(code)
        shown = after or before
        assert shown is not None, "a code stands in one of the lists"
        kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED if after is None else ChangeKind.CHANGED
        olds = dict(before.prices()) if before else {}
        news = dict(after.prices()) if after else {}
        for price, _ in shown.prices():
            if olds.get(price) != news.get(price):
                yield PriceChange(
                    kind=kind, code=code, name=shown.name, price=price, old=olds.get(price), new=news.get(price)
                )

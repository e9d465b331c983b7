"""Rules that need a list of the facility: ceilings of stents (B-071), prices that include others (B-067)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from billing.core.clock import business_date
from billing.coverage.domain.expectation import Expected, expect_quantity
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.facts import LineLists, StentCeiling
from billing.visits.domain.visit import ChargeItem, Scope, Table, Visit

_HALF = Decimal("0.5")
_NOTHING = Decimal(0)


def second_ceiling(first: Decimal) -> Decimal:
    """Ceiling of the second coronary stent: half of the first's (B-071)."""
    return first * _HALF


def expect_stents(visit: Visit, lists: LineLists) -> tuple[Expected, ...]:
    """The ceiling [T_TRANTT] of each coronary stent by its order in the visit.

    The first up to its ceiling, the second up to half of it. The list may state other ceilings and those of further
    stents: its last ceiling applies to all that follow. Where it names only the first, half applies to the second and
    no rule to the rest. Stents are in order of time, then of price. Source: Circulars 04/2017/TT-BYT, 24/2025/TT-BYT.
    """
    day = business_date(visit.admitted_at)
    stents = [(item, row) for item in visit.items if (row := _stent_row(item, lists, day)) is not None]
    stents.sort(key=lambda stent: (stent[0].ordered_at or visit.admitted_at, -stent[0].hospital_price, stent[0].number))
    expected = []
    place = 0
    for item, row in stents:
        place += 1
        ceiling = _ceiling(row, place)
        if ceiling is not None:
            operands = {"place": str(place), "ceiling": format(ceiling, "f")}
            expected.append(
                Expected(
                    item=item,
                    field="T_TRANTT",
                    found=item.ceiling or _NOTHING,
                    accepted=(ceiling,),
                    reason=AppliedRule("B-071", operands),
                )
            )
        place += int(item.quantity) - 1 if item.quantity > 1 else 0
    return tuple(expected)


def expect_contained(visit: Visit, lists: LineLists) -> tuple[Expected, ...]:
    """Quantity 0 for a service included in the price of another service of the same day, for any payer (B-067).

    Source: Circular 35/2016/TT-BYT Art. 4, 4a. The facility's list states which price includes which services.
    """
    return tuple(_expect_contained(visit, lists))


def _expect_contained(visit: Visit, lists: LineLists) -> Iterator[Expected]:
    days = {(item.code, business_date(item.ordered_at or visit.admitted_at)) for item in visit.items if item.quantity}
    for item in visit.items:
        day = business_date(item.ordered_at or visit.admitted_at)
        for price in lists.contained:
            if item.code in price.contains and (price.service, day) in days:
                reason = AppliedRule("B-067", {"code": item.code, "service": price.service})
                yield expect_quantity(item, (_NOTHING,), reason)
                break


def _stent_row(item: ChargeItem, lists: LineLists, day: date) -> StentCeiling | None:
    rows = [row for row in lists.stents if row.since <= day and item.code in row.codes]
    is_charged = item.table is Table.SERVICES and item.scope is not Scope.PATIENT and item.quantity
    return max(rows, key=lambda row: row.since) if rows and is_charged else None


def _ceiling(row: StentCeiling, place: int) -> Decimal | None:
    if place <= len(row.ceilings):
        return row.ceilings[place - 1]
    if len(row.ceilings) > 1:
        return row.ceilings[-1]
    return second_ceiling(row.ceilings[0]) if place == 2 else None

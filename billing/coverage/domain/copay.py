"""The yearly co-payment: threshold, accumulation and exemption (rules B-025 … B-029).

Care out of route is not exempt unless the facility's policy option exempts it. Years are calendar years; a stay across
1 January counts in both, by the time of each line. Only co-payments of care in route accumulate. All amounts have two
decimals; the threshold is rounded half-up where the base salary changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from billing.core.clock import VIETNAM, business_date
from billing.core.errors import NotSupported
from billing.core.money import HUNDRED, percent, product, round_2dp, share_of, total
from billing.coverage.domain.benefit_level import Level
from billing.coverage.domain.care_route import RouteFactor
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import CopayCrossing, OutOfRouteExemption, Policy
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.copay_history import CopayHistory, CopayPaid
from billing.visits.domain.visit import Visit


@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold of a year, its operands, and whether it was reached before the base salary changed."""

    amount: Decimal
    reason: AppliedRule
    is_reached: bool = False


def yearly_threshold(history: CopayHistory, day: date, parameters: Parameters) -> Threshold:
    """The threshold of the calendar year of `day`, as in force on that day.

    6 × the base salary. Where that changed in the year, earlier co-payments count in old base salaries: amount still
    to pay = (6 − A / old) × new, with A by day of discharge. Once A reaches 6 × the old one, the exemption remains.
    Source: Decree 188/2025/NĐ-CP Art. 18 cl. 2 c, from 2025-07-01 (B-027); before, 6 × the base salary of the day.
    """
    first = date(day.year, 1, 1)
    multiple = parameters.copay_exemption_multiple
    try:
        salary = parameters.base_salary_on(first)
    except NotSupported:
        salary = parameters.base_salary_on(day)
    changes = parameters.base_salary_changes(first, day)
    if changes and day < parameters.copay_kept_since:
        salary, changes = changes[-1], ()
    amount = round_2dp(product(Decimal(salary.amount), multiple))
    reason = AppliedRule("B-025", {"multiple": format(multiple, "f"), "base_salary": str(salary.amount)}, "threshold")
    for change in changes:
        before = total(paid.amount for paid in history.paid if first <= paid.paid_on < change.since)
        operands = {
            "before": format(before, "f"),
            "since": change.since.isoformat(),
            "old": str(salary.amount),
            "new": str(change.amount),
        }
        if before >= amount:
            return Threshold(
                amount, AppliedRule("B-027", operands | {"threshold": format(amount, "f")}, "reached"), True
            )
        rest = share_of(amount - before, part=Decimal(change.amount), whole=Decimal(salary.amount))
        amount, salary = before + rest, change
        operands |= {"rest": format(rest, "f"), "threshold": format(amount, "f")}
        reason = AppliedRule("B-027", operands)
    return Threshold(amount, reason)


@dataclass(slots=True)
class _Year:
    """The running state of one calendar year while the lines of a visit are priced."""

    threshold: Threshold
    before: Decimal
    accumulated: Decimal
    until: date


class CopayYears:
    """The years of one visit: `level_at` is called for each line in order of time, then `add` with its co-payment."""

    def __init__(self, visit: Visit, route: RouteFactor, last: date, *, parameters: Parameters, policy: Policy) -> None:
        self._history = visit.copay_history
        self._exempt_from = visit.exempt_from
        self._counts = route.is_in_route
        self._is_out_of_route = route.is_out_of_route
        self._is_excluded = route.is_out_of_route and policy.out_of_route_exemption is OutOfRouteExemption.EXCLUDED
        self._full = percent(HUNDRED, route.percent)
        self._factor = route.percent
        self._last = last
        self._parameters, self._policy = parameters, policy
        self._years: dict[int, _Year] = {}
        self._days: dict[datetime, date] = {}
        self.is_kept = self._history is not None
        if self.is_kept:
            self._year(last)

    def level_at(self, ordered_at: datetime, level: Level) -> tuple[Level, Decimal | None]:
        """The level of a line ordered at that time, and the maximum of its co-payment (None: no maximum).

        The level of care out of route is unchanged, with the reason; an exemption certificate does not change it.
        Source: Health Insurance Law Art. 22 cl. 1 d; Law 46/2014/QH13 Art. 22 cl. 1 c; Law 51/2024/QH15 Art. 22 cl. 1
        (care under Art. 26–28); Decree 188/2025/NĐ-CP Art. 18 cl. 2; field NGAY_MIEN_CCT.
        """
        if level.percent >= self._full or not level.percent:
            return level, None
        day = self._day(ordered_at)
        result = level.percent if self._is_excluded else self._full
        if self._has_certificate(ordered_at, day):
            assert self._exempt_from is not None, "a certificate has its moment"
            return Level(result, self._exempt_since(self._exempt_from, result)), None
        if self._history is None or self._history.five_years_on is None or day < self._history.five_years_on:
            return level, None
        year = self._year(day)
        threshold, is_cap = year.threshold, self._policy.copay_crossing is CopayCrossing.CAP
        is_above = year.accumulated > threshold.amount or (is_cap and year.accumulated == threshold.amount)
        if is_above or threshold.is_reached:
            operands = {
                "accumulated": format(year.accumulated, "f"),
                "threshold": format(threshold.amount, "f"),
                "five_years_on": self._history.five_years_on.isoformat(),
                "level": format(result, "f"),
            }
            at_it = "reached" if threshold.is_reached else "at_threshold"
            variant = "" if year.accumulated > threshold.amount else at_it
            return Level(result, AppliedRule("B-025", operands, self._out_of_route_variant() or variant)), None
        is_limited = is_cap and self._counts and not self._is_excluded
        return level, threshold.amount - year.accumulated if is_limited else None

    def add(self, ordered_at: datetime, copay: Decimal) -> AppliedRule | None:
        """Add the co-payment of a line; returns the applied rule if this line crosses the threshold."""
        if self._history is None or not self._counts or not copay:
            return None
        day = self._day(ordered_at)
        year = self._year(day)
        was_above = year.accumulated > year.threshold.amount
        year.accumulated += copay
        five_years_on = self._history.five_years_on
        is_insured_long = five_years_on is not None and five_years_on <= day
        if was_above or year.accumulated <= year.threshold.amount or not is_insured_long or self._is_excluded:
            return None
        operands = {"accumulated": format(year.accumulated, "f"), "threshold": format(year.threshold.amount, "f")}
        return AppliedRule("B-026", operands)

    @property
    def threshold(self) -> Decimal | None:
        """The threshold of the year the visit ends in; None without a history."""
        return self._year(self._last).threshold.amount if self.is_kept else None

    @property
    def accumulated(self) -> Decimal | None:
        """The co-payments accumulated in that year including this visit; None without a history."""
        return self._year(self._last).accumulated if self.is_kept else None

    @property
    def paid(self) -> tuple[CopayPaid, ...]:
        """The co-payments this visit adds to the history, by year; those of an earlier year count on its last day."""
        added = ((year.until, year.accumulated - year.before) for _, year in sorted(self._years.items()))
        return tuple(CopayPaid(until, amount) for until, amount in added if amount)

    def reasons(self) -> tuple[AppliedRule, ...]:
        """The applied rules of the whole visit: each year's threshold, and whether its co-payments count (B-029)."""
        if self._history is None:
            return ()
        several = len(self._years) > 1
        reasons: list[AppliedRule] = []
        for number, year in sorted(self._years.items()):
            operands = {"accumulated": format(year.before, "f"), "threshold": format(year.threshold.amount, "f")}
            reasons.append(year.threshold.reason)
            reasons.append(
                AppliedRule("B-025", {"year": str(number), **operands}, "standing_of_year")
                if several
                else AppliedRule("B-025", operands, "standing")
            )
        if not self._counts:
            reasons.append(AppliedRule("B-029", {"factor": format(self._factor, "f")}))
        return tuple(reasons)

    def _has_certificate(self, ordered_at: datetime, day: date) -> bool:
        """Whether a certified exemption has begun by the time of the order; it ends with its year (B-025, B-028)."""
        since = self._exempt_from
        return since is not None and ordered_at >= since and day.year == business_date(since).year

    def _exempt_since(self, ordered_at: datetime, level: Decimal) -> AppliedRule:
        """The rule of an exemption: from a day on, or from a minute where it began within a day (B-028)."""
        local = ordered_at.astimezone(VIETNAM)
        operands = {"since": local.date().isoformat(), "level": format(level, "f")}
        variant = self._out_of_route_variant()
        if variant or local.time() == time.min:
            return AppliedRule("B-028", operands, variant)
        return AppliedRule("B-028", {**operands, "time": f"{local:%H:%M}"}, "from_day_and_time")

    def _out_of_route_variant(self) -> str:
        """The variant of the sentence on the exemption and care out of route; empty for care in route."""
        if not self._is_out_of_route:
            return ""
        return "out_of_route" if self._is_excluded else "out_of_route_rate"

    def _day(self, ordered_at: datetime) -> date:
        day = self._days.get(ordered_at)
        if day is None:
            day = self._days[ordered_at] = business_date(ordered_at)
        return day

    def _year(self, day: date) -> _Year:
        year = self._years.get(day.year)
        if year is None:
            assert self._history is not None, "years are kept only with a history"
            until = min(self._last, date(day.year, 12, 31))
            before = total(_paid_in(self._history.paid, day.year, until))
            threshold = yearly_threshold(self._history, until, self._parameters)
            year = self._years[day.year] = _Year(threshold, before, before, until)
        return year


def _paid_in(paid: Iterable[CopayPaid], year: int, until: date) -> Iterable[Decimal]:
    return (entry.amount for entry in paid if entry.paid_on.year == year and entry.paid_on <= until)

"""Parameters of the law, by date: base salary, limits, benefit levels, object codes. Read from `parameters.toml`.

Numbers are exact: a number written as a binary float is refused. `benefit_level` and `care_route` apply the
parameters; this module only selects those in force.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, NoReturn

from billing.core.errors import InvalidValue
from billing.core.money import Dong, percent
from billing.coverage.domain.refusals import RuleNotSupported


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSalary:
    """The base salary (lương cơ sở) in force from a day until the next one begins (B-030)."""

    since: date
    amount: Dong
    source: str
    status: str  # verified, partly or unverified


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The effect of one object code [MA_DOITUONG_KCB] from `since` to `until` (both inclusive; None means open).

    `inpatient` and `outpatient` are percent of the card level; None means the code does not exist for that side.
    `is_flat` means 100 % with any card. `is_unsure`: the table does not state the percentage.
    """

    code: str
    since: date
    until: date | None
    inpatient: Decimal | None
    outpatient: Decimal | None
    rule: str
    is_flat: bool = False
    is_unsure: bool = False

    def is_in_force(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedGroup:
    """A group that has the level of another digit from a day on, whatever digit its cards show (B-013)."""

    group: str  # as on the card, `CN3`
    since: date
    as_digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredCardDays:
    """The number of days after its end that a card counts for a treatment at whose beginning it was valid (B-015)."""

    since: date
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """All parameters that price a visit; `base_salaries` is in order of date."""

    base_salaries: tuple[BaseSalary, ...]
    small_visit_percent: Decimal
    supply_package_multiple: Decimal
    levels: Mapping[str, Decimal]
    routes: Mapping[str, tuple[Route, ...]]
    former_tiers: Mapping[str, tuple[Route, ...]]
    inpatient_kinds: frozenset[str]
    outpatient_kinds: frozenset[str]
    day_kinds: frozenset[str]
    treatment_kinds: frozenset[str]
    raised_groups: tuple[RaisedGroup, ...]
    expired_card_days: tuple[ExpiredCardDays, ...]
    copay_exemption_multiple: Decimal
    copay_kept_since: date

    def base_salary_on(self, day: date) -> BaseSalary:
        """The base salary in force on a day (B-030); raises RuleNotSupported before the first known one."""
        for salary in reversed(self.base_salaries):
            if salary.since <= day:
                return salary
        raise RuleNotSupported("B-030", field="NGAY_VAO", found=day.isoformat())

    def base_salary_changes(self, first: date, last: date) -> tuple[BaseSalary, ...]:
        """The base salaries that begin after `first` and up to `last`, in order."""
        return tuple(salary for salary in self.base_salaries if first < salary.since <= last)

    def expired_days_on(self, day: date) -> int:
        """The number of days that a card which ends on `day` still counts (B-015); 0 where no rule is known."""
        return next((row.days for row in reversed(self.expired_card_days) if row.since <= day), 0)

    def small_visit_threshold(self, salary: BaseSalary) -> Decimal:
        """15 % of the base salary, exact (B-020)."""
        return percent(Decimal(salary.amount), self.small_visit_percent)


@cache
def load_parameters() -> Parameters:
    """Read the parameters of this version; returns the same object every time."""
    text = resources.files("billing.coverage.domain").joinpath("parameters.toml").read_text("utf-8")
    return read_parameters(text)


def read_parameters(text: str) -> Parameters:
    """Read parameters from TOML text; raises InvalidValue for a binary float, a missing value or a bad date order."""
    try:
        document = tomllib.loads(text, parse_float=_refuse_float)
        return _parameters(document)
    except (KeyError, ArithmeticError, tomllib.TOMLDecodeError) as cause:
        raise InvalidValue(f"parameters.toml cannot be read: {cause!r}") from cause


def _parameters(document: Mapping[str, Any]) -> Parameters:
    salaries = tuple(
        BaseSalary(
            since=row["from"],
            amount=Dong(int(row["amount"])),
            source=row["source"],
            status=row["status"],
        )
        for row in document["base_salary"]
    )
    if list(salaries) != sorted(salaries, key=lambda salary: salary.since):
        raise InvalidValue("base salaries must stand in order of date", field="base_salary")
    limits, kinds = document["limits"], document["care_kinds"]
    return Parameters(
        base_salaries=salaries,
        small_visit_percent=Decimal(limits["small_visit_percent"]),
        supply_package_multiple=Decimal(limits["supply_package_multiple"]),
        levels={digit: Decimal(level) for digit, level in document["levels"].items()},
        routes=_by_code(document["route"]),
        former_tiers=_by_code(document["former_tier"]),
        inpatient_kinds=frozenset(kinds["inpatient"]),
        outpatient_kinds=frozenset(kinds["outpatient"]),
        day_kinds=frozenset(kinds["day"]),
        treatment_kinds=frozenset(kinds["treatment"]),
        raised_groups=tuple(
            RaisedGroup(group=row["group"], since=row["from"], as_digit=row["as_digit"])
            for row in document["raised_group"]
        ),
        expired_card_days=tuple(
            ExpiredCardDays(since=row["from"], days=int(row["days"])) for row in document["expired_card"]
        ),
        copay_exemption_multiple=Decimal(limits["copay_exemption_multiple"]),
        copay_kept_since=limits["copay_kept_since"],
    )


def _by_code(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Route, ...]]:
    routes: dict[str, tuple[Route, ...]] = {}
    for row in rows:
        routes[row["code"]] = (*routes.get(row["code"], ()), _route(row))
    return routes


def _route(row: Mapping[str, Any]) -> Route:
    return Route(
        code=row["code"],
        since=row["from"],
        until=row.get("until"),
        inpatient=Decimal(row["inpatient"]) if "inpatient" in row else None,
        outpatient=Decimal(row["outpatient"]) if "outpatient" in row else None,
        rule=row["rule"],
        is_flat=row.get("flat", False),
        is_unsure=row.get("unsure", False),
    )


def _refuse_float(text: str) -> NoReturn:
    raise InvalidValue(f"{text} must be written in quotes: parameters are exact decimals")

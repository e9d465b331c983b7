"""What-if: price a visit under each lawful route, that is each object code that the facts do not rule out.

Each route has a status: it fits, facts are missing, or the patient would have to show a paper (a referral, an
appointment, a declared residence) or be an emergency. A what-if stores nothing.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from billing.core.errors import BillingError, InvalidValue, NotSupported
from billing.coverage.domain.patient_category import CategoryFacts, CategoryMatch, choose_category
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.coverage.domain.price_result import PricedVisit
from billing.coverage.domain.refusals import RuleNotSupported
from billing.visits.domain.finding import Finding

_NOT_A_ROUTE = frozenset({"9", "10"})


class RouteStatus(StrEnum):
    """FITS: the facts allow the route. OPEN: facts are missing. NEEDS_PAPER: only papers or circumstances are."""

    FITS = "fits"
    OPEN = "open"
    NEEDS_PAPER = "needs_paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOption:
    """One route with its price. `facts` are those that are missing, or that the patient would have to show.

    `priced` is None where the visit has no price by this route; then `refused_rule` names the rule that is not
    supported, or is empty and `refusal` states the reason.
    """

    code: str
    status: RouteStatus
    facts: tuple[str, ...]
    priced: PricedVisit | None
    refused_rule: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The routes of one visit in table order; `chosen` is the code the facts select (B-049), None if any is missing."""

    stated: str
    chosen: str | None
    routes: tuple[RouteOption, ...]

    @property
    def is_stated_lawful(self) -> bool:
        """Whether the stated code is among the routes."""
        return any(option.code == self.stated for option in self.routes)


@dataclass(frozen=True, slots=True)
class ComparedVisit:
    """The routes of one visit; `hoso` is its position in the file."""

    hoso: int | None
    ma_lk: str
    routes: WhatIf


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """The visits of one file, and the findings that refused the others."""

    visits: tuple[ComparedVisit, ...]
    findings: tuple[Finding, ...]


def compare_routes(inputs: CategoryFacts, *, policy: Policy) -> WhatIf:
    """Price a visit by every route the facts allow, leave open, or would allow with a paper.

    Routes that the facility, the disease or the kind of care rules out are omitted, also the stated one.
    Source: Decision 3276/QĐ-BYT annex 1; Law 51/2024/QH15 Art. 22.
    """
    choice = choose_category(inputs)
    routes = [
        _option(fit, status, inputs, policy)
        for fit in choice.fits
        if fit.code not in _NOT_A_ROUTE and (status := _status(fit)) is not None
    ]
    return WhatIf(stated=inputs.visit.category_code, chosen=choice.code, routes=tuple(routes))


def _status(fit: CategoryMatch) -> RouteStatus | None:
    if fit.fits:
        return RouteStatus.FITS
    if fit.fits is None:
        return RouteStatus.OPEN
    return RouteStatus.NEEDS_PAPER if fit.needs_paper_only else None


def _option(fit: CategoryMatch, status: RouteStatus, inputs: CategoryFacts, policy: Policy) -> RouteOption:
    facts = (*fit.unmet, *fit.lacking)
    priced: PricedVisit | None = None
    refused_rule = refusal = ""
    try:
        priced = price(replace(inputs.visit, category_code=fit.code), parameters=inputs.parameters, policy=policy)
    except (NotSupported, InvalidValue) as refused:
        refused_rule, refusal = _refused_rule(refused), refused.detail
    return RouteOption(
        code=fit.code, status=status, facts=facts, priced=priced, refused_rule=refused_rule, refusal=refusal
    )


def _refused_rule(refused: BillingError) -> str:
    return refused.rule if isinstance(refused, RuleNotSupported) else ""

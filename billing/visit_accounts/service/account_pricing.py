"""Price the visit of an account. CPU only: called outside of the event loop, with no lock held.

A refusal of one item leaves that item without a price and prices the others; a refusal of the whole visit states why.
"""

from dataclasses import replace

from billing.core.errors import InvalidValue, NotSupported
from billing.coverage.domain.price_result import PricedVisit
from billing.coverage.domain.refusals import PriceNotInForce
from billing.coverage.service.pricing_inputs import PricingInputs
from billing.visit_accounts.domain.pricing import AccountPrice, account_price
from billing.visits.domain.visit import ChargeItem, Visit

_ERROR_LENGTH_MAX = 1000


def price_account(visit: Visit, terms: PricingInputs) -> AccountPrice:
    """The price of a visit at its facility. Never raises for the content: the price states the reason."""
    priced, error = price_lines(visit, terms)
    return no_price(error) if priced is None else account_price(priced, error=error)


def price_lines(visit: Visit, terms: PricingInputs) -> tuple[PricedVisit | None, str]:
    """The price of the lines that have one with their applied rules, and why others have none.

    None where the visit has no price. Never raises for the content.
    """
    reasons: list[str] = []
    left = visit
    while True:
        try:
            priced = terms.price_for_collection(left).priced
        except (NotSupported, InvalidValue, PriceNotInForce) as refusal:
            reasons.append(refusal.detail)
            item: ChargeItem | None = getattr(refusal, "item", None)
            rest = () if item is None else tuple(each for each in left.items if each.key != item.key)
            if item is None or len(rest) == len(left.items):
                return None, "; ".join(reasons)[:_ERROR_LENGTH_MAX]
            left = replace(left, items=rest)
        else:
            return priced, "; ".join(reasons)[:_ERROR_LENGTH_MAX]


def no_price(reason: str) -> AccountPrice:
    """The price of a visit that has none, with the reason."""
    return AccountPrice(shares=None, lines={}, error=reason[:_ERROR_LENGTH_MAX])

"""The price of an account: shares of the payers in whole đồng, and the amounts of each line."""

from collections.abc import Mapping
from dataclasses import dataclass

from billing.core.money import Shares
from billing.coverage.domain.price_result import PricedVisit
from billing.visit_accounts.domain.charge import Charge, LineAmounts
from billing.visits.domain.visit import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPrice:
    """The price of the charges of an account.

    `lines` are the amounts by table and STT. `error` states why lines have no price, or, with `shares` None, why the
    visit has none.
    """

    shares: Shares | None
    lines: Mapping[tuple[Table, int], LineAmounts]
    error: str = ""


def account_price(priced: PricedVisit, *, error: str = "") -> AccountPrice:
    """The amounts of a priced visit as an account stores them."""
    lines = {
        line.item.key: LineAmounts(
            hospital=line.hospital_amount,
            patient=line.self_pay + line.copay,
            insurer=line.fund,
            other=line.other_funds,
        )
        for line in priced.lines
    }
    return AccountPrice(shares=priced.shares, lines=lines, error=error)


def with_line_amounts(charges: Mapping[str, Charge], price: AccountPrice, changed: frozenset[str]) -> dict[str, Charge]:
    """The charges at a price. Where the visit has no price, the lines that changed lose theirs; others keep it."""
    result = {}
    for line, charge in charges.items():
        if charge.is_cancelled:
            result[line] = charge.with_amounts(None)
        elif price.shares is None:
            result[line] = charge.with_amounts(None) if line in changed else charge
        else:
            result[line] = charge.with_amounts(price.lines.get((Table(charge.document["table"]), charge.stt)))
    return result

"""The private insurer share: the part of the patient share that a private insurer pays after BHYT (B-090 … B-093).

The private insurer is a separate payer and has no field in the claim: T_NGUONKHAC is for other funds. Nothing is sent
to the insurer. `core/money.py` (`Shares`) holds the shares of an invoice; docs/design.md §3.7 lists every place that
knows a payer.
"""

from decimal import Decimal

from billing.core.money import NOTHING, Dong, half_up_dong, percent, total
from billing.coverage.domain.price_result import AppliedRule, PricedLine
from billing.visits.domain.private_insurance import CoveredPart, PrivateInsurance

_TO_CLAIM = AppliedRule("B-092", {})


def private_insurer_notes(insurance: PrivateInsurance) -> tuple[AppliedRule, ...]:
    """The notes for a patient with private insurance: whether the patient requests the payment or it is guaranteed."""
    term = AppliedRule("B-090", {"guarantor": insurance.guarantor}, "guaranteed") if insurance.guarantor else _TO_CLAIM
    return AppliedRule("B-091", {}), term, AppliedRule("B-093", {})


def private_share(
    lines: tuple[PricedLine, ...], insurance: PrivateInsurance, *, patient: Dong
) -> tuple[Dong, AppliedRule]:
    """The private insurer share in whole đồng, never more than the patient share, with its applied rule.

    The parts that the policy covers are eligible, without the cost groups it excludes; less the deductible, times the
    co-insurance, at most the limit. Source: the contract; no statute fixes the terms (docs/reference/bhyt.md, rule
    B-090).
    """
    eligible = total(
        amount
        for line in lines
        if line.item.group not in insurance.excluded_groups
        for amount in _parts(line, insurance)
    )
    answered = percent(max(eligible - insurance.deductible, Decimal(0)), insurance.coinsurance)
    is_limited = insurance.limit is not None and answered > insurance.limit
    pays = half_up_dong(insurance.limit if is_limited and insurance.limit is not None else answered)
    pays = max(NOTHING, min(pays, patient))
    operands = {
        "eligible": format(eligible, "f"),
        "deductible": format(insurance.deductible, "f"),
        "coinsurance": format(insurance.coinsurance, "f"),
        "pays": str(pays),
    }
    if is_limited:
        return pays, AppliedRule("B-090", operands | {"limit": format(insurance.limit or 0, "f")}, "limited")
    return pays, AppliedRule("B-090", operands)


def _parts(line: PricedLine, insurance: PrivateInsurance) -> tuple[Decimal, ...]:
    parts = ((CoveredPart.COPAY, line.copay), (CoveredPart.SELF_PAY, line.self_pay))
    return tuple(amount for part, amount in parts if part in insurance.covers)

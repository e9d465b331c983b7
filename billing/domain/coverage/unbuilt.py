"""What is lawful but not priced yet: each gate refuses by the name of the rule that would decide.

Building a rule removes its gate here and adds a step to the pipeline; nothing else changes. Refusals that need a table
or a card stand where that is read: object codes in `route`, cards in `level`, packages in `supplies`.
"""

from billing.domain.coverage.policy import HospitalAmountMode, OtherFundsMode, Policy
from billing.domain.coverage.refusals import RuleNotBuilt
from billing.domain.visit import Visit

_OTHER_FUNDS_RULES = {OtherFundsMode.FACILITY_POOL: "B-076", OtherFundsMode.COPAY_REPLACEMENT: "B-077"}


def refuse_unbuilt_readings(visit: Visit, policy: Policy) -> None:
    """Refuse a facility's reading where this visit has an item it would price otherwise (B-052, B-076, B-077)."""
    for item in visit.items:
        if policy.hospital_amount_mode is HospitalAmountMode.NO_EXTRA_CHARGE and item.service_ratio != 100:
            raise RuleNotBuilt("B-052", field="TYLE_TT_DV", found=format(item.service_ratio, "f"), item=item)
        if policy.other_funds_mode in _OTHER_FUNDS_RULES and item.other_funds.total:
            rule = _OTHER_FUNDS_RULES[policy.other_funds_mode]
            raise RuleNotBuilt(rule, field="T_NGUONKHAC", found=format(item.other_funds.total, "f"), item=item)


def refuse_unbuilt_rules(visit: Visit) -> None:
    """Refuse what an insured visit carries that would change its amounts: exemption day, lines another source pays."""
    if visit.exempt_from is not None:
        raise RuleNotBuilt("B-028", field="NGAY_MIEN_CCT", found=visit.exempt_from.isoformat())
    for item in visit.items:
        if item.paying_source != "1":
            raise RuleNotBuilt("B-075", field="NGUON_CTRA", found=item.paying_source, item=item)

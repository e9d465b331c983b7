"""The arithmetic told of a line gives its amounts, whatever visit and readings."""

from hypothesis import HealthCheck, settings
from hypothesis import given as for_all

from billing.domain.coverage.arithmetic import arithmetic
from tests.domain.coverage.any_visits import visits_and_policies
from tests.domain.coverage.builders import priced

bounded = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FIELDS = {
    "THANH_TIEN_BV": "hospital_amount",
    "THANH_TIEN_BH": "insured_amount",
    "T_NGUONKHAC": "other_funds",
    "T_BHTT": "fund",
    "T_BNCCT": "copay",
    "T_BNTT": "self_pay",
}


@bounded
@for_all(visits_and_policies())
def test_arithmetic_gives_the_amounts_of_any_line(told):
    visit, policy = told

    for line in priced(visit, **policy).lines:
        steps = {step.field: step for step in arithmetic(line)}
        amounts = {field: getattr(line, name) for field, name in FIELDS.items()}
        assert {field: step.evaluate() for field, step in steps.items()} == {
            field: amount for field, amount in amounts.items() if amount
        }
        assert all(step.amount == amounts[field] for field, step in steps.items())

"""Private insurance after BHYT: what the policy covers, deductible, co-insurance, limit (B-090)."""

from decimal import Decimal

import pytest

from billing.core.errors import InvalidValue
from billing.visits.domain.private_insurance import CoveredPart, PrivateInsurance
from tests.coverage.builders import a_visit, an_item, priced, rules_of

BOTH = frozenset(CoveredPart)


def _priced(**terms):
    """Self-pay 2,000,000 and co-pay 3,000,000; and 100,000 of each for a bed."""
    surgery = an_item(1, group=8, hospital_price=17_000_000, insurance_price=15_000_000)
    bed = an_item(2, group=15, hospital_price=600_000, insurance_price=500_000)
    return priced(a_visit(surgery, bed, private_insurance=PrivateInsurance(**{"covers": BOTH} | terms)))


@pytest.mark.parametrize(
    ("terms", "pays"),
    [
        ({}, 5_200_000),
        ({"covers": frozenset({CoveredPart.COPAY})}, 3_100_000),
        ({"covers": frozenset({CoveredPart.SELF_PAY})}, 2_100_000),
        ({"covers": frozenset()}, 0),
        ({"excluded_groups": frozenset({15})}, 5_000_000),
        ({"deductible": Decimal(500_000), "coinsurance": Decimal(80)}, 3_760_000),
        ({"deductible": Decimal(500_000), "coinsurance": Decimal(80), "limit": Decimal(3_000_000)}, 3_000_000),
        ({"deductible": Decimal(9_000_000)}, 0),
        ({"limit": Decimal(0)}, 0),
        ({"coinsurance": Decimal("33.33")}, 1_733_160),
    ],
)
def test_private_insurer_answers_for_what_the_policy_covers(terms, pays):
    visit = _priced(**terms)

    assert visit.private_insurer == pays
    assert visit.patient_after_private == visit.shares.patient - pays == 5_200_000 - pays
    assert visit.other_funds == 0


def test_limit_that_binds_is_reported():
    assert ("B-090", "limited") in rules_of(_priced(limit=Decimal(1)))
    assert ("B-090", "") in rules_of(_priced())


def test_insurer_never_pays_more_than_the_rounded_share_of_the_patient():
    # 0.50 đ rounds to 1 đ for the patient; 0.49 đ to nothing for both.
    item = an_item(hospital_price=Decimal("0.49"), insurance_price=0)
    visit = priced(a_visit(item, private_insurance=PrivateInsurance(covers=BOTH)))

    assert (visit.shares.patient, visit.private_insurer, visit.patient_after_private) == (0, 0, 0)


def test_private_insurer_states_where_it_stands_and_what_the_patient_does():
    notes = {("B-091", ""), ("B-092", ""), ("B-093", "")}

    assert notes <= rules_of(_priced())
    assert not notes & rules_of(_priced(coinsurance=Decimal(0)))


def test_guaranteed_part_is_not_collected_from_the_patient():
    """5 200 000 are the patient's, of which 3 760 000 are guaranteed; the sum of all payers stays."""
    terms = {"deductible": Decimal(500_000), "coinsurance": Decimal(80)}

    claimed, guaranteed = _priced(**terms), _priced(**terms, guarantor="Bảo Việt")

    assert (claimed.shares.patient, claimed.shares.private) == (5_200_000, 0)
    assert (guaranteed.shares.patient, guaranteed.shares.private) == (1_440_000, 3_760_000)
    assert guaranteed.patient_share == claimed.patient_share == 5_200_000
    assert guaranteed.patient_after_private == 1_440_000
    assert guaranteed.shares.total == claimed.shares.total
    assert {("B-091", ""), ("B-090", "guaranteed"), ("B-093", "")} <= rules_of(guaranteed)


def test_without_a_policy_the_patient_pays_the_whole_share():
    visit = priced(a_visit())

    assert (visit.private_insurer, visit.patient_after_private) == (None, 200_000)


@pytest.mark.parametrize(
    "terms",
    [
        {"deductible": Decimal(-1)},
        {"limit": Decimal(-1)},
        {"coinsurance": Decimal(101)},
        {"guarantor": "x" * 101},
        {"guarantor": "a\nb"},
    ],
)
def test_terms_that_cannot_be_are_refused(terms):
    with pytest.raises(InvalidValue):
        PrivateInsurance(covers=BOTH, **terms)

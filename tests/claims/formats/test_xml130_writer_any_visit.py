"""Any visit under any policy options: the written file states the billed amounts, to two decimals."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given as for_all
from hypothesis import settings

from billing.claims.formats.xml130_writer import ClaimNotWritable, PricedClaim, write_claim_file
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.coverage.domain.price_result import PricedVisit
from billing.visits.domain.card import Card
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import CeilingKind, PayerClass, StatedAmounts, Visit
from billing.visits.formats.xml130 import ClaimFile, read_claim_file
from billing.visits.formats.xml130.formats import write_level
from tests.claims.formats.test_xml130_writer import MADE_ON, shares
from tests.coverage.any_visits import visits_and_policies
from tests.coverage.builders import a_visit

PARAMETERS = load_parameters()
CENT = Decimal("0.01")


def written(visit: Visit, priced: PricedVisit) -> ClaimFile:
    return read_claim_file(write_claim_file(PricedClaim(visit=visit, lines=priced.lines, made_on=MADE_ON)))


def as_a_file_tells(visit: Visit) -> Visit:
    """The visit without what the tables of the standard have no field for."""
    stated = {
        "ceiling_kind": CeilingKind.UNIT,
        "payer_class": PayerClass.INSURANCE,
        "is_copay_replaced": False,
        "paying_source": "1",
    }
    items = tuple(replace(item, **stated) for item in visit.items)
    return replace(of_this_standard(visit), items=items, copay_history=None, private_insurance=None)


def of_this_standard(visit: Visit) -> Visit:
    """The object codes of the standard begin with Decision 3276/QĐ-BYT; a visit off line under Law 46 has none.

    A ceiling [T_TRANTT] is an amount of two decimals.
    """
    items = tuple(
        replace(item, ceiling=item.ceiling and max(CENT, item.ceiling.quantize(CENT))) for item in visit.items
    )
    visit = replace(visit, items=items)
    return visit if visit.out_of_route_tier is None else replace(visit, category_code="1.1", out_of_route_tier=None)


@settings(max_examples=60, deadline=None)
@for_all(visits_and_policies())
def test_file_states_what_was_billed_and_its_own_sums(case: tuple[Visit, dict[str, object]]) -> None:
    visit, readings = of_this_standard(case[0]), case[1]
    priced = price(visit, parameters=PARAMETERS, policy=Policy(**readings))

    claim = written(visit, priced)

    assert {finding.code for finding in claim.findings} <= {FindingCode.LEVEL_ROUNDED}
    (read,) = claim.visits
    last_day = MADE_ON if visit.discharged_at is None else visit.discharged_at.date()
    billed = {line.item.key: line for line in priced.lines}
    for item in read.visit.items:
        line = billed[item.key]
        assert item.stated == StatedAmounts(
            hospital_amount=line.hospital_amount,
            insured_amount=line.insured_amount,
            level=Decimal(write_level(line.level, on=last_day)),
            other_funds=line.other_funds,
            self_pay=line.self_pay,
            copay=line.copay,
            fund=line.fund,
        )
    totals = read.visit.stated
    assert totals is not None
    assert (totals.hospital_amount, totals.insured_amount) == (priced.hospital_amount, priced.insured_amount)
    assert (totals.self_pay, totals.copay, totals.fund) == (priced.self_pay, priced.copay, priced.fund)
    assert totals.other_funds == priced.other_funds


@settings(max_examples=60, deadline=None)
@for_all(visits_and_policies())
def test_what_a_file_can_carry_is_priced_the_same_again(case: tuple[Visit, dict[str, object]]) -> None:
    visit, policy = as_a_file_tells(case[0]), Policy(**case[1])
    priced = price(visit, parameters=PARAMETERS, policy=policy)

    (read,) = written(visit, priced).visits

    again = price(read.visit, parameters=PARAMETERS, policy=policy)
    assert shares(again.lines) == shares(priced.lines)


def test_card_without_a_code_is_refused_until_the_gateway_gave_one() -> None:
    child = Card("", date(2026, 1, 1), None, "TE1")
    visit = a_visit(cards=(child,))
    priced = price(visit, parameters=PARAMETERS, policy=Policy())
    assert priced.fund > 0

    with pytest.raises(ClaimNotWritable) as refusal:
        written(visit, priced)

    assert refusal.value.field == "GT_THE_TU"
    assert written(replace(visit, cards=(Card("TE179KT00000123", date(2026, 1, 1), None),)), priced).visits

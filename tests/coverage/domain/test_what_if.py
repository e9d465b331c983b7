"""The same visit by each lawful route. DN4, one test of 1,000,000 đ: at 80 % the patient pays 200,000 đ."""

from dataclasses import replace

from billing.claims.domain.route_checks import category_facts
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.what_if import RouteStatus, compare_routes
from billing.visits.domain.facts import FacilityFacts
from billing.visits.domain.visit import FormerTier
from tests.claims.builders import CONTEXT, REGISTERED, a_claim
from tests.coverage.builders import an_item, at, given


def _routes(claim, context=CONTEXT):
    return compare_routes(category_facts(claim, context), policy=Policy())


AT_ANOTHER_FACILITY = replace(REGISTERED, registered_facilities=("01002",))


def test_routes_a_patient_could_come_by_are_priced_side_by_side():
    compared = _routes(a_claim(category_code="1.12", facts=AT_ANOTHER_FACILITY))

    assert (compared.stated, compared.chosen, compared.is_stated_lawful) == ("1.12", "1.12", True)
    assert {option.code: (option.status, option.facts) for option in compared.routes} == {
        "1.3": (RouteStatus.NEEDS_PAPER, ("referral",)),
        "1.4": (RouteStatus.NEEDS_PAPER, ("residence",)),
        "1.5": (RouteStatus.NEEDS_PAPER, ("appointment",)),
        "1.12": (RouteStatus.FITS, ()),
        "2": (RouteStatus.NEEDS_PAPER, ("emergency",)),
        "3.3": (RouteStatus.FITS, ()),
    }
    assert {option.priced.shares.patient for option in compared.routes} == {200_000}


def test_commune_care_costs_the_patient_nothing():
    context = replace(CONTEXT, facility=FacilityFacts(former_tier=FormerTier.COMMUNE))

    shares = {option.code: option.priced.shares for option in _routes(a_claim(), context).routes if option.priced}

    assert (shares["1.2"].patient, shares["1.2"].insurer) == (0, 1_000_000)
    assert (shares["1.3"].patient, shares["1.3"].insurer) == (200_000, 800_000)


def test_route_the_facts_rule_out_is_left_out_even_where_it_is_stated():
    compared = _routes(a_claim(facts=AT_ANOTHER_FACILITY))

    assert "1.1" not in {option.code for option in compared.routes}
    assert not compared.is_stated_lawful


def test_route_whose_facts_lack_is_shown_with_them():
    routes = {option.code: option for option in _routes(a_claim(facts=replace(REGISTERED, is_emergency=None))).routes}

    assert (routes["2"].status, routes["2"].facts) == (RouteStatus.OPEN, ("emergency",))


def test_visit_without_a_price_names_the_rule_or_the_reason():
    unpriced = _routes(a_claim(), replace(CONTEXT, parameters=replace(CONTEXT.parameters, base_salaries=())))
    impossible = _routes(a_claim(an_item(other_funds=given("2000000"))))

    assert {(option.priced, option.refused_rule) for option in unpriced.routes} == {(None, "B-030")}
    assert {(option.priced, option.refused_rule) for option in impossible.routes} == {(None, "")}
    assert all("other funds" in option.refusal for option in impossible.routes)


def test_uninsured_visit_and_one_before_2025_have_no_route():
    before = a_claim(admitted_at=at("2024-12-30 08:00"), discharged_at=at("2024-12-30 09:00"))

    assert _routes(a_claim(cards=())).routes == ()
    assert _routes(before).routes == ()

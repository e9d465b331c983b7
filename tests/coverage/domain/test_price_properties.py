"""What holds for every visit: parts sum to the whole, none is negative, order does not matter, no float anywhere."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from billing.core.money import half_up_dong, to_dong, total
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.formats.worked_case_json import write_priced_visit
from billing.visits.domain.visit import NO_OTHER_FUNDS, PayerClass, Table
from billing.visits.formats.strict_json import read_object
from billing.visits.formats.visit_document import canonical, write_snapshot_visit
from tests.coverage.any_visits import values_in, visits_and_policies
from tests.coverage.builders import priced

bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@bounded
@for_all(visits_and_policies())
def test_parts_of_every_line_and_of_the_visit_sum_to_the_whole(case):
    visit, policy = case
    result = priced(visit, **policy)

    for line in result.lines:
        parts = (line.self_pay, line.copay, line.fund, line.other_funds)
        assert min(parts) >= 0
        assert total(parts) == line.hospital_amount
        assert 0 <= line.insured_amount <= line.hospital_amount
        assert line.fund <= line.insured_amount
        assert all(part.as_tuple().exponent == -2 for part in parts)
    whole = total((result.self_pay, result.copay, result.fund, result.other_funds))
    assert whole == result.hospital_amount == total(line.hospital_amount for line in result.lines)


@bounded
@for_all(visits_and_policies())
def test_views_agree_in_two_decimals_and_entries_in_whole_dong(case):
    visit, policy = case
    result = priced(visit, **policy)

    written = write_priced_visit(visit.ma_lk, result)

    for key in ("T_BNTT", "T_BNCCT", "T_BHTT", "T_NGUONKHAC"):
        assert Decimal(written["totals"][key]) == total(Decimal(line[key]) for line in written["lines"])
    shares = to_dong(patient=result.self_pay + result.copay, other=result.other_funds, insurer=result.fund)
    assert result.shares == shares
    assert shares.total == half_up_dong(result.hospital_amount)
    assert written["patient_pays"] == shares.patient
    private = result.private_insurer or 0
    assert 0 <= private <= shares.patient
    assert result.patient_after_private + private == shares.patient


@bounded
@for_all(visits_and_policies(), st.randoms())
def test_order_of_items_does_not_matter(case, random):
    visit, policy = case
    shuffled = list(visit.items)
    random.shuffle(shuffled)

    assert priced(replace(visit, items=tuple(shuffled)), **policy) == priced(visit, **policy)


@bounded
@for_all(visits_and_policies(), st.integers(0, 5), st.decimals(0, 50_000_000, places=3))
def test_raising_the_hospital_price_alone_never_lowers_what_it_charges_or_the_patient_s_share(case, place, more):
    # Of a service whose insurance price is not above the hospital's. Where it is above, it is cut to it, and a drug has
    # one price for both: there the cost in scope rises too, and with it the co-payments that end in the exemption.
    visit, policy = case
    other = list(visit.items)
    item = other.pop(place % len(other))
    item = replace(item, table=Table.SERVICES, other_funds=NO_OTHER_FUNDS, payer_class=PayerClass.INSURANCE)
    item = replace(item, insurance_price=min(item.insurance_price, item.hospital_price))
    dearer = replace(item, hospital_price=item.hospital_price + more)

    before, after = (priced(replace(visit, items=(*other, one)), **policy) for one in (item, dearer))

    assert after.hospital_amount >= before.hospital_amount
    assert after.insured_amount == before.insured_amount
    assert after.shares.patient >= before.shares.patient


@bounded
@for_all(visits_and_policies())
def test_no_float_is_anywhere_in_a_price_or_its_parameters(case):
    visit, policy = case
    result = priced(visit, **policy)

    leaves = [*values_in(result), *values_in(load_parameters()), *values_in(replace(Policy(), **policy))]
    assert len(leaves) > 100
    assert not [leaf for leaf in leaves if isinstance(leaf, float)]


@bounded
@for_all(visits_and_policies())
def test_snapshot_document_gives_the_same_price(case):
    visit, policy = case

    frozen = read_visit(read_object(canonical(write_snapshot_visit(visit)).encode()))

    ours, again = priced(visit, **policy), priced(frozen, **policy)
    assert write_priced_visit("LK1", again) == write_priced_visit("LK1", ours)
    assert again.reasons == ours.reasons

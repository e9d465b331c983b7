"""What holds for every visit: parts sum to the whole, none is negative, order does not matter."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from billing.domain.money import half_up_dong, total
from billing.domain.visit import OtherFunds, Scope, Table
from tests.domain.coverage.builders import a_card, a_visit, an_item, priced

quantities = st.decimals(0, 1000, places=3)
prices = st.decimals(0, 50_000_000, places=3)
ratios = st.sampled_from([Decimal(ratio) for ratio in (0, 10, 30, 33, 50, 80, 100)])
shares = st.decimals(0, 1, places=3)
cards = st.sampled_from(["TE1", "HN2", "HT3", "DN4", "QN5", None])
codes = st.sampled_from(["1.1", "1.2", "1.3", "2", "9"])


@st.composite
def items(draw, number):
    table = draw(st.sampled_from(list(Table)))
    hospital_price = draw(prices)
    is_drug = table is Table.DRUGS
    return an_item(
        number,
        table=table,
        group=draw(st.sampled_from([1, 4, 8, 10, 13, 15])),
        scope=draw(st.sampled_from(list(Scope))),
        quantity=draw(quantities),
        hospital_price=hospital_price,
        insurance_price=hospital_price if is_drug else draw(prices),
        service_ratio=Decimal(100) if is_drug else draw(ratios),
        payment_ratio=draw(ratios),
        ceiling=draw(st.none() | prices),
        is_war_wound=draw(st.booleans()),
    )


@st.composite
def visits(draw):
    chosen = [draw(items(number)) for number in range(1, draw(st.integers(1, 6)) + 1)]
    card = draw(cards)
    visit = a_visit(*chosen, cards=() if card is None else (a_card(card),), object_code=draw(codes))
    return _with_other_funds(visit, [draw(shares) for _ in chosen])


def _with_other_funds(visit, parts):
    """Other funds may give at most what an item costs, so the cost is priced first."""
    lines = priced(visit).lines
    given = [
        replace(line.item, other_funds=OtherFunds(remaining=(line.hospital_amount * part).quantize(Decimal("0.01"))))
        for line, part in zip(lines, parts, strict=True)
    ]
    return replace(visit, items=tuple(given))


@settings(max_examples=150, deadline=None)
@for_all(visits())
def test_parts_of_every_line_and_of_the_visit_sum_to_the_whole(visit):
    result = priced(visit)

    for line in result.lines:
        parts = (line.self_pay, line.copay, line.fund, line.other_funds)
        assert min(parts) >= 0
        assert total(parts) == line.hospital_amount
        assert 0 <= line.insured_amount <= line.hospital_amount
        assert all(part.as_tuple().exponent == -2 for part in parts)
    whole = total((result.self_pay, result.copay, result.fund, result.other_funds))
    assert whole == result.hospital_amount == total(line.hospital_amount for line in result.lines)


@settings(max_examples=100, deadline=None)
@for_all(visits())
def test_shares_in_whole_dong_sum_to_the_rounded_total(visit):
    result = priced(visit)

    assert result.shares.total == half_up_dong(result.hospital_amount)
    assert min(result.shares.patient, result.shares.other, result.shares.insurer) >= 0


@settings(max_examples=100, deadline=None)
@for_all(visits(), st.randoms())
def test_order_of_items_does_not_matter(visit, random):
    shuffled = list(visit.items)
    random.shuffle(shuffled)

    assert priced(replace(visit, items=tuple(shuffled))) == priced(visit)


@settings(max_examples=100, deadline=None)
@for_all(visits())
def test_fund_never_pays_more_than_what_is_in_scope(visit):
    for line in priced(visit).lines:
        assert line.fund <= line.insured_amount
        assert line.fund + line.copay <= line.insured_amount

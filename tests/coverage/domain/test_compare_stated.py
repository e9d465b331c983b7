from dataclasses import replace
from decimal import Decimal

from billing.coverage.domain.compare_stated import compare_with_stated
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import Scope, StatedAmounts
from tests.coverage.builders import a_card, a_visit, an_item, priced

RIGHT = StatedAmounts(
    hospital_amount=Decimal(1_000_000),
    insured_amount=Decimal(1_000_000),
    level=Decimal(80),
    other_funds=Decimal(0),
    self_pay=Decimal(0),
    copay=Decimal(200_000),
    fund=Decimal(800_000),
)


def _compare(stated, *, visit=None, **changes):
    visit = visit or a_visit(an_item(stated=stated, **changes))
    return compare_with_stated(priced(visit), file="f.xml", hoso=3, ma_lk="LK1")


def test_equal_amounts_give_no_finding():
    assert _compare(RIGHT) == ()


def test_nothing_stated_gives_no_finding():
    assert _compare(None) == ()
    assert _compare(StatedAmounts()) == ()


def test_amount_off_by_a_hundredth_is_listed_with_its_place_and_both_values():
    (finding,) = _compare(replace(RIGHT, copay=Decimal("200000.01")))

    assert finding.code is FindingCode.AMOUNT_DIFFERS
    assert (finding.file, finding.hoso, finding.ma_lk, finding.table, finding.stt) == ("f.xml", 3, "LK1", "XML3", 1)
    assert (finding.field, finding.found, finding.expected) == ("T_BNCCT", "200000.01", "200000.00")
    assert not finding.refuses


def test_difference_below_a_hundredth_is_not_listed():
    assert _compare(replace(RIGHT, copay=Decimal("200000.009"))) == ()


def test_every_amount_that_differs_is_listed():
    wrong = StatedAmounts(*[Decimal(1)] * 7)

    assert [finding.field for finding in _compare(wrong)] == [
        "THANH_TIEN_BV",
        "THANH_TIEN_BH",
        "T_NGUONKHAC",
        "T_BNTT",
        "T_BNCCT",
        "T_BHTT",
        "MUC_HUONG",
    ]


def test_level_that_is_only_rounded_is_listed_as_rounded():
    (finding,) = _compare(replace(RIGHT, level=Decimal("80.4")))

    assert (finding.code, finding.found, finding.expected) == (FindingCode.LEVEL_ROUNDED, "80.4", "80")


def test_other_level_is_a_difference():
    (finding,) = _compare(replace(RIGHT, level=Decimal(95)))

    assert (finding.code, finding.field) == (FindingCode.AMOUNT_DIFFERS, "MUC_HUONG")


def test_level_of_an_item_nothing_is_insured_of_is_not_compared():
    stated = StatedAmounts(insured_amount=Decimal(0), level=Decimal(0), fund=Decimal(0))

    assert _compare(stated, scope=Scope.PATIENT) == ()
    assert _compare(None, visit=a_visit(an_item(stated=stated), cards=(a_card(valid_to="2020-01-01"),))) == ()


def test_whole_dong_is_compared_to_the_dong():
    # 1,000,001 × 80 % = 800,000.80: 800,000 and 800,001 are the same amount stated in whole đồng.
    item = an_item(hospital_price=1_000_001, insurance_price=1_000_001)

    for stated in ("800000", "800001", "800000.80", "800001.00"):
        assert _compare(None, visit=a_visit(replace(item, stated=StatedAmounts(fund=Decimal(stated))))) == ()
    for stated in ("799999", "800002", "800000.79", "800000.5"):
        assert len(_compare(None, visit=a_visit(replace(item, stated=StatedAmounts(fund=Decimal(stated)))))) == 1


def test_whole_dong_that_is_off_by_a_dong_is_listed():
    (finding,) = _compare(replace(RIGHT, copay=Decimal(200_001)))

    assert (finding.code, finding.field, finding.found) == (FindingCode.AMOUNT_DIFFERS, "T_BNCCT", "200001")

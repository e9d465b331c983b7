"""Sums, levels and other funds of a visit as they are stated, checked against its lines."""

from decimal import Decimal

import pytest

from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import OtherFunds
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    drug,
    file_of_drug,
    file_of_service,
    hoso,
    summary,
    visit_blocks,
    without_totals,
    xml1,
    xml2,
)
from tests.visits.formats.xml130.parsing import listed, only_item, refused


def test_old_names_of_other_funds_are_the_three_parts() -> None:
    item = only_item(
        file_of_drug(
            T_NGUONKHAC_NSNN=None,
            T_NGUONKHAC_VTNN=None,
            T_NGUONKHAC_VTTN=None,
            T_NGUONKHAC_NS="100",
            T_NGUONKHAC_VT="200",
            T_NGUONKHAC_VT_TN="300",
            T_NGUONKHAC="600",
            T_BHTT="2400",
        )
    )

    assert item.other_funds == OtherFunds(
        state_budget=Decimal(100), from_abroad=Decimal(200), domestic=Decimal(300), remaining=Decimal(0)
    )


def test_part_of_other_funds_written_again_as_remaining_counts_once() -> None:
    content = file_of_drug(T_NGUONKHAC_NSNN="600", T_NGUONKHAC_CL="600", T_NGUONKHAC="600", T_BHTT="2400")

    visit, (finding,) = listed(content, FindingCode.FUNDS_DIFFER)

    assert visit.items[0].other_funds == OtherFunds(state_budget=Decimal(600), remaining=Decimal(0))
    assert (finding.field, finding.found, finding.expected) == ("T_NGUONKHAC", "1200", "600")


def test_parts_of_other_funds_that_do_not_add_up_give_way_to_the_whole() -> None:
    content = file_of_drug(T_NGUONKHAC_NSNN="1", T_NGUONKHAC_VTTN="2", T_NGUONKHAC="600", T_BHTT="2400")

    visit, _ = listed(content, FindingCode.FUNDS_DIFFER)

    assert visit.items[0].other_funds == OtherFunds(remaining=Decimal(600))


def test_other_funds_stated_only_in_parts_or_only_as_a_whole_are_no_finding() -> None:
    no_parts = {f"T_NGUONKHAC_{part}": None for part in ("NSNN", "VTNN", "VTTN", "CL")}

    in_parts = only_item(file_of_drug(T_NGUONKHAC_VTTN="600", T_NGUONKHAC=None, T_BHTT="2400"))
    whole = only_item(file_of_drug(**no_parts, T_NGUONKHAC="600", T_BHTT="2400"))

    assert in_parts.other_funds.domestic == Decimal(600)
    assert whole.other_funds.remaining == Decimal(600)


@pytest.mark.parametrize("level", ["100", "100.00", "100.0"])
def test_level_is_a_number(level: str) -> None:
    stated = only_item(file_of_drug(MUC_HUONG=level)).stated

    assert stated is not None
    assert stated.level == Decimal(100)


@pytest.mark.parametrize(("written", "fund", "actual"), [("48", "24035.00", "47.5"), ("47", "24035", "47.5")])
def test_level_that_differs_by_rounding_only_is_listed(written: str, fund: str, actual: str) -> None:
    content = file_of_service(MUC_HUONG=written, T_BHTT=fund, T_BNCCT="26565")

    _, (finding,) = listed(content, FindingCode.LEVEL_ROUNDED)

    assert (finding.table, finding.stt, finding.field) == ("XML3", 1, "MUC_HUONG")
    assert (finding.found, finding.expected) == (written, actual)


def test_level_written_as_a_ratio_is_listed() -> None:
    _, (finding,) = listed(file_of_service(MUC_HUONG="0.8", T_BHTT="40480", T_BNCCT="10120"), FindingCode.LEVEL_ROUNDED)

    assert (finding.found, finding.expected) == ("0.8", "80")


@pytest.mark.parametrize("fund", ["24035", "24035.4"])
def test_level_with_a_decimal_that_explains_the_amount_is_no_finding(fund: str) -> None:
    only_item(file_of_service(MUC_HUONG="47.5", T_BHTT=fund, T_BNCCT="26565"))


def test_level_in_xml1_is_ignored() -> None:
    table = xml1(without_totals(MUC_HUONG="0.8"))

    assert only_item(claim_file(hoso(block("XML1", table), block("XML2", xml2())))).number == 1


@pytest.mark.parametrize("off", ["52600", "53601"])
def test_total_off_by_a_dong_or_more_is_listed(off: str) -> None:
    table = xml1(summary(T_TONGCHI_BV=off))

    visit, (finding,) = listed(claim_file(hoso(block("XML1", table), *visit_blocks()[1:])), FindingCode.TOTALS_DIFFER)

    assert (finding.table, finding.field, finding.found, finding.expected) == ("XML1", "T_TONGCHI_BV", off, "53600.00")
    assert visit.stated is not None
    assert visit.stated.hospital_amount == Decimal(off)


@pytest.mark.parametrize("near", ["53600.99", "53599.01", "", None, "53600.00"])
def test_total_in_whole_dong_or_not_stated_is_no_finding(near: str | None) -> None:
    listed(claim_file(hoso(block("XML1", xml1(summary(T_TONGCHI_BV=near))), *visit_blocks()[1:])))


def test_total_with_a_comma_is_read_by_the_sum_of_the_lines() -> None:
    table = xml1(summary(T_THUOC="3,000"))

    visit, (finding,) = listed(
        claim_file(hoso(block("XML1", table), *visit_blocks()[1:])), FindingCode.NUMBER_NORMALISED
    )

    assert (finding.found, finding.expected) == ("3,000", "3000")
    assert visit.stated is not None
    assert visit.stated.drugs == Decimal(3000)


def test_total_with_a_comma_that_fits_no_sum_is_refused() -> None:
    table = xml1(summary(T_THUOC="7,000"))

    refused(claim_file(hoso(block("XML1", table), *visit_blocks()[1:])), FindingCode.NUMBER_AMBIGUOUS)


@pytest.mark.parametrize(("card", "is_listed"), [("QN5971234567890", False), ("HT3791234567890", True)])
def test_amount_outside_capitation_is_left_out_for_army_and_police(card: str, is_listed: bool) -> None:
    table = xml1(summary(MA_THE_BHYT=card, T_BHTT_GDV="0"))

    listed(claim_file(hoso(block("XML1", table), *visit_blocks()[1:])), *[FindingCode.TOTALS_DIFFER] * is_listed)


def test_lines_under_capitation_are_no_part_of_the_amount_outside_it() -> None:
    table = xml1(summary(T_BHTT_GDV="50600"))
    two = block("XML2", xml2(drug(MA_PTTT="2")))

    listed(claim_file(hoso(block("XML1", table), two, visit_blocks()[2])))


@pytest.mark.parametrize("whole", [None, ""])
def test_other_funds_stated_only_in_parts_count_in_the_totals(whole: str | None) -> None:
    table = xml1(summary(T_NGUONKHAC="600", T_BHTT="53000", T_BHTT_GDV="53000"))
    two = xml2(drug(T_NGUONKHAC_VTTN="600", T_NGUONKHAC=whole, T_BHTT="2400"))

    listed(claim_file(hoso(block("XML1", table), block("XML2", two), visit_blocks()[2])))


def test_level_is_not_judged_where_other_funds_stated_in_parts_lower_the_fund() -> None:
    content = file_of_service(MUC_HUONG="100", T_NGUONKHAC_VTTN="400", T_NGUONKHAC=None, T_BHTT="50200")

    listed(content)

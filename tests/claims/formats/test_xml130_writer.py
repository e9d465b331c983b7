"""Claim files we write: read back they are the same visit at the same price, without a warning."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from billing.claims.formats.xml130_writer import ClaimNotWritable, PricedClaim, write_claim_file
from billing.core.text import is_garbled
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.coverage.domain.price_result import PricedLine
from billing.visits.domain.card import Card
from billing.visits.domain.visit import OtherFunds, Patient, Scope, Table, Visit
from billing.visits.formats.xml130 import ReadVisit, read_claim_file
from billing.visits.formats.xml130.layout import FIELDS
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    drug,
    file_of_drug,
    file_of_service,
    hoso,
    summary,
    xml1,
    xml2,
)

TESTS = Path(__file__).parents[2]
FILES = sorted([*(TESTS / "cases" / "xml130").glob("*.xml"), *(TESTS.parent / "examples").glob("*.xml")])
MADE_ON = date(2026, 11, 22)
PARAMETERS = load_parameters()

amounts = st.decimals(0, 20_000_000, places=3)
ratios = st.sampled_from([Decimal(ratio) for ratio in (0, 10, 30, 50, 80, 100)])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def write(visit: Visit, *, supplied: ReadVisit | None = None, policy: Policy | None = None) -> bytes:
    lines = price(visit, parameters=PARAMETERS, policy=policy or Policy()).lines
    return write_claim_file(
        PricedClaim(visit=visit, lines=lines, supplied=() if supplied is None else supplied.rows, made_on=MADE_ON)
    )


def shares(lines: Sequence[PricedLine]) -> dict[tuple[Table, int], tuple[Decimal, ...]]:
    """Every amount of every line; where nothing is insured the level decides nothing."""
    return {
        line.item.key: (
            line.hospital_amount,
            line.insured_amount,
            line.level if line.insured_amount else Decimal(0),
            line.other_funds,
            line.self_pay,
            line.copay,
            line.fund,
        )
        for line in lines
    }


def assert_reads_back(visit: Visit, *, supplied: ReadVisit | None = None) -> Visit:
    """The written file gives no finding, states what we priced, and is priced the same once more."""
    claim = read_claim_file(write(visit, supplied=supplied))
    assert claim.findings == ()
    (read,) = claim.visits
    ours = price(visit, parameters=PARAMETERS, policy=Policy())
    again = price(read.visit, parameters=PARAMETERS, policy=Policy())
    assert shares(again.lines) == shares(ours.lines)
    assert again.shares == ours.shares
    for line in again.lines:
        stated = line.item.stated
        assert stated is not None
        assert (stated.hospital_amount, stated.insured_amount) == (line.hospital_amount, line.insured_amount)
        assert (stated.self_pay, stated.copay, stated.fund) == (line.self_pay, line.copay, line.fund)
        assert stated.other_funds == line.other_funds == line.item.other_funds.total
    totals = read.visit.stated
    assert totals is not None
    assert (totals.hospital_amount, totals.insured_amount) == (ours.hospital_amount, ours.insured_amount)
    assert (totals.self_pay, totals.copay, totals.fund) == (ours.self_pay, ours.copay, ours.fund)
    assert totals.other_funds == ours.other_funds
    return read.visit


def rows(content: bytes, table: str) -> list[dict[str, str]]:
    """The rows of a table as plain text shows them, fields in the order of the file."""
    for tag, packed in re.findall(r"<LOAIHOSO>(\w+)</LOAIHOSO>\s*<NOIDUNGFILE>([^<]*)<", content.decode()):
        if tag == table:
            text = base64.b64decode(packed).decode()
            name = {"XML1": "TONG_HOP", "XML2": "CHI_TIET_THUOC", "XML3": "CHI_TIET_DVKT"}[table]
            found = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
            return [dict(re.findall(r"<(\w+)>([^<]*)</\1>", row)) for row in found]
    return []


def only_row(content: bytes, table: str) -> Mapping[str, str]:
    (row,) = rows(content, table)
    return row


@st.composite
def visits(draw):
    items = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        table = draw(st.sampled_from(list(Table)))
        hospital_price = draw(amounts)
        is_drug = table is Table.DRUGS
        group = draw(st.sampled_from([1, 4, 8, 10, 13, 15]))
        items.append(
            an_item(
                number,
                table=table,
                name=draw(texts).strip(),
                group=group,
                is_supply=not is_drug and group == 10,
                scope=draw(st.sampled_from(list(Scope))),
                quantity=draw(st.decimals("0.001", 1000, places=3)),
                hospital_price=hospital_price,
                insurance_price=hospital_price if is_drug else draw(amounts),
                service_ratio=Decimal(100) if is_drug else draw(ratios),
                payment_ratio=draw(ratios),
                ceiling=None if is_drug else draw(st.none() | st.decimals(1, 20_000_000, places=2)),
                is_war_wound=draw(st.booleans()),
                ordered_at=draw(st.none() | st.just(at("2026-11-02 09:30"))),
            )
        )
    card = draw(st.sampled_from(["TE1", "HN2", "HT3", "DN4", "QN5", None]))
    cards = () if card is None else (a_card(card, valid_to=draw(st.sampled_from([None, "2027-12-31"]))),)
    visit = a_visit(*items, cards=cards, category_code=draw(st.sampled_from(["1.1", "1.3", "2", "9"])))
    lines = price(visit, parameters=PARAMETERS, policy=Policy()).lines
    given = [draw(st.decimals(0, 1, places=2)) for _ in lines]
    parts = [
        (line.hospital_amount * part / 2).quantize(Decimal("0.01")) for line, part in zip(lines, given, strict=True)
    ]
    return replace(
        visit,
        patient=Patient(
            name=draw(texts.filter(lambda text: not is_garbled(text))).strip(),
            birth=draw(st.sampled_from(["", "1985", "19850131"])),
        ),
        items=tuple(
            replace(line.item, other_funds=OtherFunds(state_budget=part, remaining=min(part, Decimal(1))))
            if line.hospital_amount >= 2
            else line.item
            for line, part in zip(lines, parts, strict=True)
        ),
    )


@settings(max_examples=60, deadline=None)
@for_all(visits())
def test_any_visit_reads_back_at_the_same_price(visit: Visit) -> None:
    back = assert_reads_back(visit)

    assert (back.ma_lk, back.cards, back.admitted_at) == (visit.ma_lk, visit.cards, visit.admitted_at)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_worked_file_reads_back_at_the_same_price_with_what_it_came_in_with(path: Path) -> None:
    claim = read_claim_file(path.read_bytes())

    for read in claim.visits:
        back = assert_reads_back(read.visit, supplied=read)
        assert (back.patient, back.cards, back.exempt_from) == (
            read.visit.patient,
            read.visit.cards,
            read.visit.exempt_from,
        )
        again = write(back, supplied=read_claim_file(write(read.visit, supplied=read)).visits[0])
        assert again == write(read.visit, supplied=read), "written once more nothing changes"
    assert claim.visits or path.stem in {"doctype-entities", "old-standard-4210", "ma-lk-mismatch-xml2"}


def test_fields_stand_in_the_order_of_the_standard_and_only_tables_with_lines_are_attached() -> None:
    content = write(a_visit(a_drug()))

    assert re.findall(r"<LOAIHOSO>(\w+)<", content.decode()) == ["XML1", "XML2"]
    assert [len(FIELDS[table]) for table in ("XML1", "XML2", "XML3")] == [66, 39, 47]
    assert tuple(only_row(content, "XML1")) == FIELDS["XML1"]
    assert tuple(only_row(content, "XML2")) == FIELDS["XML2"]
    assert tuple(only_row(write(a_visit()), "XML3")) == FIELDS["XML3"]


def test_envelope_names_the_facility_the_day_and_one_unsigned_visit() -> None:
    outside = re.sub(r"<NOIDUNGFILE>[^<]*", "<NOIDUNGFILE>", write(a_visit()).decode()).replace("\n", "")

    assert outside == (
        '<?xml version="1.0" encoding="utf-8"?><GIAMDINHHS><THONGTINDONVI><MACSKCB>01001</MACSKCB></THONGTINDONVI>'
        "<THONGTINHOSO><NGAYLAP>20261122</NGAYLAP><SOLUONGHOSO>1</SOLUONGHOSO><DANHSACHHOSO><HOSO>"
        "<FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE></NOIDUNGFILE></FILEHOSO>"
        "<FILEHOSO><LOAIHOSO>XML3</LOAIHOSO><NOIDUNGFILE></NOIDUNGFILE></FILEHOSO>"
        "</HOSO></DANHSACHHOSO></THONGTINHOSO><CHUKYDONVI/></GIAMDINHHS>"
    )


def test_amounts_have_two_decimals_prices_three_and_none_an_exponent() -> None:
    drug_row = only_row(write(a_visit(a_drug(price=Decimal("1E+4"), quantity=Decimal("2.5")))), "XML2")

    assert (drug_row["SO_LUONG"], drug_row["DON_GIA"]) == ("2.500", "10000.000")
    assert (drug_row["THANH_TIEN_BV"], drug_row["T_BHTT"], drug_row["T_NGUONKHAC_CL"]) == (
        "25000.00",
        "25000.00",
        "0.00",
    )
    assert (drug_row["TYLE_TT_BH"], drug_row["MUC_HUONG"]) == ("100", "100")


def test_digits_a_price_was_made_with_are_all_written() -> None:
    item = a_drug(price=Decimal("17999.640007199856"), quantity=Decimal("0.16667"))

    row = only_row(write(a_visit(item)), "XML2")

    assert (row["SO_LUONG"], row["DON_GIA"]) == ("0.16667", "17999.640007199856")
    assert_reads_back(a_visit(item))


@pytest.mark.parametrize(
    ("level", "discharged", "written"),
    [
        ("47.50", "2026-07-01 09:00", "47.5"),
        ("47.50", "2026-06-30 23:59", "48"),
        ("38.00", "2026-06-30 09:00", "38"),
        ("33.333", "2026-07-02 09:00", "33.3"),
        ("100.00", "2026-06-30 09:00", "100"),
        ("0", "2026-06-30 09:00", "0"),
    ],
)
def test_level_is_as_wide_as_its_field_on_the_last_day(level: str, discharged: str, written: str) -> None:
    visit = a_visit(admitted_at=at("2026-06-20 08:00"), discharged_at=at(discharged))
    lines = [replace(line, level=Decimal(level)) for line in price(visit, parameters=PARAMETERS, policy=Policy()).lines]

    content = write_claim_file(PricedClaim(visit=visit, lines=lines, made_on=MADE_ON))

    assert only_row(content, "XML3")["MUC_HUONG"] == written


def test_visit_that_came_without_a_file_has_no_more_than_we_hold() -> None:
    content = write(a_visit(patient=Patient(name="Nguyễn Thử <&>", birth="1985")))

    row = only_row(content, "XML1")
    assert {name for name, value in row.items() if value} == {
        *("MA_LK", "STT", "HO_TEN", "NGAY_SINH", "MA_THE_BHYT", "GT_THE_TU", "GT_THE_DEN", "MA_DOITUONG_KCB"),
        *("NGAY_VAO", "NGAY_RA", "MA_LOAI_KCB", "MA_CSKCB"),
        *(name for name in row if name.startswith("T_")),
    }
    assert (row["NGAY_SINH"], row["NGAY_VAO"], row["GT_THE_TU"]) == ("198500000000", "202611020800", "20180101")
    assert read_claim_file(content).visits[0].visit.patient.name == "Nguyễn Thử <&>"


def test_what_we_do_not_hold_is_kept_from_the_file_in_the_notation_of_the_standard() -> None:
    one = xml1(
        summary(
            CHAN_DOAN_RV="Sốt <39 & ho",
            MA_DANTOC="1",
            NGAY_TTOAN="20261102160530",
            T_BHTT="1",
            NAM_NAM_LIEN_TUC="202401010000",
            NGAY_RA="202611020000",
            ILLEGAL="x",
            MA_LYDO_VVIEN="1",
        )
    )
    two = xml2(drug(HAM_LUONG="500 mg", NGAY_TH_YL="20261102", MA_BAC_SI="0001;0002"))
    (read,) = read_claim_file(claim_file(hoso(block("XML1", one), block("XML2", two)))).visits

    content = write(read.visit, supplied=read)

    row, line = only_row(content, "XML1"), only_row(content, "XML2")
    assert row["CHAN_DOAN_RV"] == "Sốt &lt;39 &amp; ho"
    assert (row["MA_DANTOC"], row["NGAY_TTOAN"], row["NAM_NAM_LIEN_TUC"]) == ("01", "202611021605", "20240101")
    assert row["NGAY_RA"] == "202611020000", "an unknown time stays unknown"
    assert row["T_BHTT"] == "3000.00"
    assert "STRANGE" not in row
    assert (line["HAM_LUONG"], line["NGAY_TH_YL"], line["MA_BAC_SI"]) == ("500 mg", "202611020000", "0001;0002")


@pytest.mark.parametrize("written", ["20260301", "202603010930"])
def test_exemption_keeps_the_digits_that_show_whether_there_is_a_certificate(written: str) -> None:
    content = claim_file(hoso(block("XML1", xml1(summary(NGAY_MIEN_CCT=written))), block("XML2", xml2())))
    (read,) = read_claim_file(content).visits

    row = only_row(
        write_claim_file(PricedClaim(visit=read.visit, lines=(), supplied=read.rows, made_on=MADE_ON)), "XML1"
    )

    assert row["NGAY_MIEN_CCT"] == written


def test_ratio_is_the_one_the_insured_amount_was_made_with() -> None:
    """A child's card lifts the limit of a drug, a war wound too: the gateway recomputes with what is written."""
    child = a_visit(a_drug(payment_ratio=50), cards=(a_card("TE1"),))
    wound = a_visit(a_drug(payment_ratio=50, is_war_wound=True))
    limited = a_visit(a_drug(payment_ratio=50))
    own = a_visit(a_drug(payment_ratio=50, scope=Scope.PATIENT))

    written = [only_row(write(visit), "XML2")["TYLE_TT_BH"] for visit in (child, wound, limited, own)]

    assert written == ["100", "100", "50", "0"]


def test_insurance_price_above_the_ceiling_is_written_as_the_ceiling() -> None:
    visit = a_visit(an_item(group=10, is_supply=True, ceiling=600_000))

    row = only_row(write(visit), "XML3")

    assert (row["DON_GIA_BV"], row["DON_GIA_BH"], row["T_TRANTT"]) == ("1000000.000", "600000.000", "600000.00")
    assert_reads_back(visit)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"MA_DICH_VU": "10.0001", "MA_VAT_TU": "N01.01"}, ("10.0001", "N01.01", "Khám bệnh", "")),
        ({"MA_VAT_TU": ""}, ("02.0001.0001", "", "Khám bệnh", "")),
        ({"TEN_VAT_TU": "Bơm tiêm", "MA_VAT_TU": "N02"}, ("02.0001.0001", "N02", "Khám bệnh", "Bơm tiêm")),
    ],
)
def test_codes_and_names_stay_in_the_fields_they_came_in(
    changes: dict[str, str], expected: tuple[str, str, str, str]
) -> None:
    (read,) = read_claim_file(file_of_service(**changes)).visits

    row = only_row(write(read.visit, supplied=read), "XML3")

    assert (row["MA_DICH_VU"], row["MA_VAT_TU"], row["TEN_DICH_VU"], row["TEN_VAT_TU"]) == expected


@pytest.mark.parametrize(("group", "written"), [("5", "4"), ("6", "4"), ("4", "4")])
def test_groups_of_the_old_standard_are_written_as_those_of_this_one(group: str, written: str) -> None:
    (read,) = read_claim_file(file_of_drug(MA_NHOM=group)).visits

    assert only_row(write(read.visit, supplied=read), "XML2")["MA_NHOM"] == written


def test_service_of_the_old_group_9_is_refused_by_name() -> None:
    with pytest.raises(ClaimNotWritable, match="XML3 line 1: group 9") as refusal:
        write(a_visit(an_item(group=9)))

    assert refusal.value.field == "MA_NHOM"


def test_several_cards_stand_in_step() -> None:
    first, second = a_card("DN4", valid_to="2026-10-31"), a_card("HT3", valid_from="2026-11-01")
    visit = a_visit()
    lines = price(visit, parameters=PARAMETERS, policy=Policy()).lines

    content = write_claim_file(PricedClaim(visit=replace(visit, cards=(first, second)), lines=lines, made_on=MADE_ON))

    row = only_row(content, "XML1")
    assert row["MA_THE_BHYT"] == f"{first.code};{second.code}"
    assert (row["GT_THE_TU"], row["GT_THE_DEN"]) == ("20180101;20261101", "20261031;20271231")
    assert read_claim_file(content).visits[0].visit.cards == (first, second)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"patient": Patient(birth="01/02/1980")}, "NGAY_SINH"),
        ({"ma_lk": "A\x01B"}, "MA_LK"),
        ({"cards": (a_card(), Card("HT3791234567890", date(2026, 1, 1), None))}, "GT_THE_DEN"),
    ],
)
def test_what_could_not_be_read_back_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    visit = a_visit()
    lines = price(visit, parameters=PARAMETERS, policy=Policy()).lines

    with pytest.raises(ClaimNotWritable) as refusal:
        write_claim_file(PricedClaim(visit=replace(visit, **changes), lines=lines, made_on=MADE_ON))

    assert refusal.value.field == field


def test_parts_of_other_funds_sum_to_their_whole_in_two_decimals() -> None:
    funds = OtherFunds(*(Decimal("0.005"),) * 4)

    row = only_row(write(a_visit(an_item(other_funds=funds))), "XML3")

    parts = [row[f"T_NGUONKHAC_{part}"] for part in ("NSNN", "VTNN", "VTTN", "CL")]
    assert (parts, row["T_NGUONKHAC"]) == (["0.01", "0.00", "0.01", "0.00"], "0.02")

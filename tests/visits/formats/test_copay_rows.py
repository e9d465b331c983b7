"""The gateway's co-payment rows are sums of the year: a history takes what each adds, never their sum."""

import json
from datetime import date
from decimal import Decimal

import pytest

from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.service.quote_file import quote_file, quote_json
from billing.visits.domain.copay_history import CopayPaid
from billing.visits.formats.json_fields import InvalidField
from tests.builders import visit_document

ROWS = [
    {"Id": 3, "ngayRa": "202603101600", "tBNCCTMCCT": 3_000_000, "tBNCCTLuyKe": 9_000_000},
    {"Id": 2, "ngayRa": "202602101600", "tBNCCTMCCT": 4_000_000, "tBNCCTLuyKe": 6_000_000},
    {"Id": 1, "ngayRa": "202601101600", "tBNCCTMCCT": 2_000_000, "tBNCCTLuyKe": 2_000_000},
]
PAID = [(date(2026, 1, 10), 2_000_000), (date(2026, 2, 10), 4_000_000), (date(2026, 3, 10), 3_000_000)]


def paid_of(rows: object) -> tuple[CopayPaid, ...]:
    history = read_visit(visit_document(copay_history=rows, five_year_date="2020-01-01")).copay_history
    assert history is not None
    return history.paid


def brief(rows: object) -> list[tuple[date, int]]:
    return [(paid.paid_on, int(paid.amount)) for paid in paid_of(rows)]


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1], [*ROWS, ROWS[0]]], ids=["newest first", "oldest first", "twice"])
def test_cumulative_rows_are_differenced_never_added(rows: list[dict[str, object]]) -> None:
    assert brief(rows) == PAID


@pytest.mark.parametrize("form", ["{y}{m}{d}", "{y}{m}{d}160000", "{y}-{m}-{d}", "{y}-{m}-{d}T16:00:00", "{d}/{m}/{y}"])
def test_day_of_discharge_is_read_in_each_form(form: str) -> None:
    def written(day: str) -> str:
        return form.format(y=day[:4], m=day[4:6], d=day[6:8])

    assert brief([row | {"ngayRa": written(str(row["ngayRa"]))} for row in ROWS]) == PAID


def test_discharge_written_in_utc_counts_on_its_day_in_vietnam() -> None:
    rows = [
        {"ngayRa": "2025-12-31T18:30:00Z", "tBNCCTLuyKe": 100},
        {"ngayRa": "2025-12-31T16:30:00.5Z", "tBNCCTLuyKe": 70},
    ]

    assert brief(rows) == [(date(2025, 12, 31), 70), (date(2026, 1, 1), 100)]


@pytest.mark.parametrize("written", ["2025-12-31Z", "2025-13-31T18:30:00Z", "Z", "202512311830Z"])
def test_discharge_that_is_no_time_of_utc_is_refused(written: str) -> None:
    with pytest.raises(InvalidField):
        paid_of([{"ngayRa": written, "tBNCCTLuyKe": 100}])


def test_each_calendar_year_has_a_sum_of_its_own() -> None:
    last_year = {"ngayRa": "202512201600", "tBNCCTLuyKe": "14000000.50"}

    assert [paid.amount for paid in paid_of([*ROWS, last_year])][:2] == [Decimal("14000000.50"), Decimal(2_000_000)]


def test_first_row_of_a_part_of_the_year_carries_what_came_before() -> None:
    assert brief(ROWS[:2]) == [(date(2026, 2, 10), 6_000_000), PAID[2]]


def test_rows_of_one_day_are_taken_in_order_of_their_sums() -> None:
    rows = [{"ngayRa": "20260110", "tBNCCTLuyKe": amount} for amount in (300, 100, 200)]

    assert brief(rows) == [(date(2026, 1, 10), 100)] * 3


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([ROWS[2], ROWS[1] | {"tBNCCTLuyKe": 1_000_000}], "copay_history[0]"),
        ([ROWS[2], ROWS[1] | {"tBNCCTMCCT": 4_000_001}], "copay_history[0]"),
        ([ROWS[2], {"date": "2026-02-10", "amount": 5}], "copay_history[1].date"),
        ([ROWS[2] | {"ngayRa": "sau"}], "copay_history[0].ngayRa"),
        ([ROWS[2] | {"tBNCCTLuyKe": "-1"}], "copay_history[0].tBNCCTLuyKe"),
    ],
)
def test_rows_that_cannot_be_sums_of_a_year_are_refused(rows: list[dict[str, object]], field: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        paid_of(rows)

    assert refusal.value.field == field


def test_price_of_a_case_takes_the_year_s_sum_once() -> None:
    # 9,000,000 in all, not 17,000,000: below the threshold of 15,180,000 or its like, so nobody is exempt.
    line = {"table": "XML3", "stt": 1, "name": "s", "MA_NHOM": 1, "PHAM_VI": 1, "SO_LUONG": "1", "TYLE_TT_BH": 100}
    line |= {"DON_GIA_BV": "1000000", "DON_GIA_BH": "1000000", "TYLE_TT_DV": 100}
    visit = {"MA_LK": "LK1", "MA_LOAI_KCB": "01", "MA_DOITUONG_KCB": "1.1", "NGAY_VAO": "202606020800", "lines": [line]}
    cards = [{"code": "DN4791234567890", "valid_from": "2026-01-01"}]
    given = {"cards": cards, "five_year_date": "2020-01-01", "copay_history": ROWS, "visits": [visit]}
    case = {"schema": "bhyt-case/1", "input": given}

    quoted = quote_file(json.dumps(case).encode(), file="case.json", parameters=load_parameters(), policy=Policy())

    (priced,) = quote_json(quoted)["visits"]  # type: ignore[misc]
    assert (priced["totals"]["T_BNCCT"], priced["copay_accumulated_after"]) == ("200000.00", "9200000.00")

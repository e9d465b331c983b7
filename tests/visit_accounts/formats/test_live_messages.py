"""Headers and charges of open visits as JSON, and charges as CSV: what is read, and what is refused by its field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.core.errors import InvalidValue
from billing.visit_accounts.domain.charge import ChargeKind
from billing.visit_accounts.formats.charge_json import BATCH_MAX, read_charge, read_charges
from billing.visit_accounts.formats.charge_rows import FileUnreadable, read_rows
from billing.visit_accounts.formats.header_json import read_header
from tests.builders import FACILITY_CODE
from tests.web.live_visit import PATIENT, charge, header, item

AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
STAY = {"code": "K03", "from": "202611020800"}


def refused_field(body: dict[str, Any]) -> str | None:
    with pytest.raises(InvalidValue) as refused:
        read_header(body, facility_code=FACILITY_CODE, ma_lk="LK0001")
    return refused.value.field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": 0}, "version"),
        ({"MA_LK": "LK0002"}, "MA_LK"),
        ({"MA_CSKCB": "99999"}, "MA_CSKCB"),
        ({"leave_days": "2026-11-03"}, "leave_days"),
        ({"leave_days": ["03/11/2026"]}, "leave_days[0].day"),
        ({"patient": {**PATIENT, "child_of": {"SO_CCCD": "001080000001", "MA_BN": "BN1"}}}, "patient.child_of"),
        ({"patient": {**PATIENT, "is_unknown": True}}, "patient.is_unknown"),
        ({"departments": [{**STAY, "to": "202611010800"}]}, "departments[0].to"),
        ({"departments": [{**STAY, "code": "K" * 101}]}, "departments[0]"),
    ],
)
def test_header_is_refused_by_the_path_of_its_field(changes: dict[str, Any], field: str) -> None:
    assert refused_field(header(**changes)) == field


def test_header_repeats_the_address_and_names_the_last_department_and_the_parent() -> None:
    stays = [{**STAY, "to": "202611030800"}, {"code": "K19", "from": "202611030800"}]
    child = {"HO_TEN": "Con bà Thử", "child_of": {"SO_CCCD": "001080000001"}}

    read = read_header(
        header(MA_LK="LK0001", MA_CSKCB=FACILITY_CODE, departments=stays, leave_days=["2026-11-03"], patient=child),
        facility_code=FACILITY_CODE,
        ma_lk="LK0001",
    )

    assert (read.department, read.identity.is_unknown) == ("K19", False)
    assert read.identity.document["child_of"] == {"SO_CCCD": "001080000001"}
    assert (read.document["leave_days"], "MA_LK" in read.document) == (["2026-11-03"], False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (charge(item={**item(), "stt": 0}), "item.stt"),
        (charge(order_number="X" * 101), "order_number"),
        (charge(department="K" * 101), "department"),
    ],
)
def test_charge_is_refused_by_the_path_of_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read_charge(body, "L1")

    assert refused.value.field == field


@pytest.mark.parametrize("count", [0, BATCH_MAX + 1])
def test_batch_without_charges_or_with_too_many_is_refused(count: int) -> None:
    with pytest.raises(InvalidValue, match=f"1 to {BATCH_MAX} charges") as refused:
        read_charges({"charges": [charge()] * count}, line=None, received_at=AT)

    assert refused.value.field == "charges"


def test_charge_of_a_supply_has_that_kind_and_equal_content_has_one_hash() -> None:
    supply = {**item(group=10), "MA_VAT_TU": "N01.01.010"}

    read = read_charge(charge(item=supply), "L1")
    again = read_charge(charge(item={**supply, "GOI_VTYT": ""}, is_elective=False), "L1")

    assert read.kind is ChargeKind.SUPPLY
    assert read.content_hash == again.content_hash


def rows(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def test_rows_of_a_file_are_read_as_the_charges_that_http_takes() -> None:
    names = "MA_LK,line,version,table,SO_LUONG,NGUONKHAC.NSNN,is_elective,,"

    [row] = read_rows(rows(names, ",,,,,,,,", "LK0001,L1,2,XML3,1.5,1000,true,,"))

    assert (row.number, row.ma_lk, row.line) == (3, "LK0001", "L1")
    assert json.loads(row.body) == {
        "version": 2,
        "is_elective": True,
        "item": {"table": "XML3", "SO_LUONG": "1.5", "NGUONKHAC": {"NSNN": "1000"}},
    }


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (rows(""), "the file is empty"),
        (rows("MA_LK,line,version,table", "LK0001,L1,1,XML3,more"), "row 2 has more cells"),
        (rows("MA_LK,line,version,table,color"), "'color' is not known"),
        (rows("MA_LK,line,version,table,line"), "the column line is there twice"),
        (rows("MA_LK,line,table"), "the column version is missing"),
    ],
)
def test_file_that_is_no_table_of_charges_is_refused_whole(content: bytes, detail: str) -> None:
    with pytest.raises(FileUnreadable, match=detail):
        read_rows(content)

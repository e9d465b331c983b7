"""Convert a priced charge item to the fields of its row in XML2 or XML3.

Priced values are written as priced; fields that we do not store are copied from the supplied row of the item, if any.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from billing.core.errors import Refused
from billing.core.money import HUNDRED, ZERO, percent, product, round_2dp, total
from billing.core.text import compose
from billing.coverage.domain.price_result import PricedLine
from billing.visits.domain.visit import CeilingKind, ChargeItem, OtherFunds, Scope, Table
from billing.visits.formats.xml130.formats import (
    AMOUNT_DECIMALS,
    PRICE_DECIMALS,
    as_timestamp,
    write_amount,
    write_level,
    write_number,
    write_percent,
    write_timestamp,
)
from billing.visits.formats.xml130.layout import FIELDS
from billing.visits.formats.xml130.line_numbers import FUND_PARTS
from billing.visits.formats.xml130.tables import Row

_TIMESTAMPS = frozenset({"NGAY_TH_YL", "NGAY_KQ"})
_GROUP_OF_4210 = {5: 4, 6: 4, 11: 10}
_UNPLACEABLE_GROUP = 9


class ClaimNotWritable(Refused):
    """The invoice has a value that the tables of the data standard cannot hold."""

    code = "claim_not_writable"


def line_fields(ma_lk: str, line: PricedLine, supplied: Row | None, *, on: date) -> dict[str, str]:
    """The fields of one line; `supplied` is its source row, `on` the day that decides the width of MUC_HUONG.

    Raises ClaimNotWritable. Source: Decision 130/QĐ-BYT as amended, tables XML2 and XML3.
    """
    item = line.item
    return {
        **_kept(supplied),
        "MA_LK": ma_lk,
        "STT": str(item.number),
        "MA_NHOM": str(_group(item)),
        "DON_VI_TINH": item.unit,
        "PHAM_VI": item.scope.value,
        "SO_LUONG": write_number(item.quantity, decimals=PRICE_DECIMALS),
        "TYLE_TT_BH": write_percent(_default_ratio(line)),
        "THANH_TIEN_BV": write_amount(line.hospital_amount),
        "THANH_TIEN_BH": write_amount(line.insured_amount),
        **dict(zip(FUND_PARTS, _fund_parts(item.other_funds, line.other_funds), strict=True)),
        "T_NGUONKHAC": write_amount(line.other_funds),
        "MUC_HUONG": write_level(line.level, on=on),
        "T_BNTT": write_amount(line.self_pay),
        "T_BNCCT": write_amount(line.copay),
        "T_BHTT": write_amount(line.fund),
        "MA_KHOA": item.department,
        "NGAY_YL": write_timestamp(item.ordered_at),
        "MA_PTTT": item.payment_method,
        "VET_THUONG_TP": "1" if item.is_war_wound else "",
        **(_of_drug(item) if item.table is Table.DRUGS else _of_service(item, supplied)),
    }


def _kept(supplied: Row | None) -> dict[str, str]:
    """The fields of the standard in the supplied row, timestamps in 12 digits."""
    if supplied is None:
        return {}
    return {
        name: as_timestamp(supplied.text(name)) if name in _TIMESTAMPS else supplied.text(name)
        for name in FIELDS[supplied.table]
    }


def _of_drug(item: ChargeItem) -> dict[str, str]:
    return {
        "MA_THUOC": item.code,
        "TEN_THUOC": item.name,
        "DON_GIA": write_number(item.hospital_price, decimals=PRICE_DECIMALS),
        "NGUON_CTRA": item.paying_source,
    }


def _of_service(item: ChargeItem, supplied: Row | None) -> dict[str, str]:
    return {
        **_pair(item.code, "MA_VAT_TU", "MA_DICH_VU", item, supplied),
        **_pair(item.name, "TEN_VAT_TU", "TEN_DICH_VU", item, supplied),
        "GOI_VTYT": item.package,
        "DON_GIA_BV": write_number(item.hospital_price, decimals=PRICE_DECIMALS),
        "DON_GIA_BH": write_number(_written_price(item), decimals=PRICE_DECIMALS),
        "TYLE_TT_DV": write_percent(item.service_ratio),
        "T_TRANTT": "" if item.ceiling is None else write_number(item.ceiling, decimals=AMOUNT_DECIMALS),
    }


def _pair(value: str, of_supply: str, of_service: str, item: ChargeItem, supplied: Row | None) -> Mapping[str, str]:
    """A code or name in its field; both fields as supplied where one of them is the item's."""
    if supplied is not None and value in {compose(supplied.text(of_supply)), compose(supplied.text(of_service))}:
        return {of_supply: supplied.text(of_supply), of_service: supplied.text(of_service)}
    return {of_supply: value, of_service: ""} if item.is_supply else {of_supply: "", of_service: value}


def _group(item: ChargeItem) -> int:
    """MA_NHOM; the names of the 4210 era are read, never written.

    Source: Decision 5937/QĐ-BYT annex 3, which has no 5, 6, 9, 11; docs/reference/xml130.md, section 8. It does not
    state the new group of a service of the old group 9.
    """
    if item.group == _UNPLACEABLE_GROUP:
        place = f"{item.table.value} line {item.number}"
        raise ClaimNotWritable(f"{place}: group 9 of Decision 4210 has no place in this standard", field="MA_NHOM")
    return _GROUP_OF_4210.get(item.group, item.group)


def _covered_price(item: ChargeItem) -> Decimal:
    """The insurance price, at most the ceiling of a unit."""
    if item.ceiling is None or item.ceiling_kind is not CeilingKind.UNIT:
        return item.insurance_price
    return min(item.insurance_price, item.ceiling)


def _written_price(item: ChargeItem) -> Decimal:
    """DON_GIA_BH: above the ceiling the standard writes the ceiling as the insurance price.

    Not with a service ratio, where the hospital amount may be computed from the supplied insurance price (B-052).
    """
    return _covered_price(item) if item.service_ratio == HUNDRED else item.insurance_price


def _default_ratio(line: PricedLine) -> Decimal:
    """TYLE_TT_BH that THANH_TIEN_BH was computed with: 0 out of scope, 100 where a limit was removed (B-011).

    The gateway recomputes THANH_TIEN_BH with it.
    """
    item = line.item
    if item.scope is Scope.PATIENT or (item.scope is Scope.ARMED_FORCES and not line.insured_amount):
        return ZERO
    if line.insured_amount == _insured_at(line, item.payment_ratio):
        return item.payment_ratio
    return HUNDRED if line.insured_amount == _insured_at(line, HUNDRED) else item.payment_ratio


def _insured_at(line: PricedLine, ratio: Decimal) -> Decimal:
    item = line.item
    whole = percent(product(item.quantity, _covered_price(item)), item.service_ratio)
    return min(round_2dp(percent(whole, ratio)), line.hospital_amount)


def _fund_parts(funds: OtherFunds, whole: Decimal) -> Iterator[str]:
    """The four parts of other funds with two decimals; they sum to `whole`, and the last part has the remainder."""
    supplied = given = ZERO
    for part in (funds.state_budget, funds.from_abroad, funds.domestic):
        supplied = total((supplied, part))
        so_far = min(round_2dp(supplied), whole)
        yield write_amount(so_far - given)
        given = so_far
    yield write_amount(whole - given)

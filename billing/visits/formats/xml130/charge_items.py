"""Convert one row of XML2 or XML3 to a charge item with the amounts that the file states.

`codes` reads coded fields, `line_numbers` reads numbers. A value that cannot be read is logged, and the result is None.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from billing.core.errors import InvalidValue
from billing.core.money import round_2dp
from billing.core.text import compose
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.invalid_input import InvalidInput
from billing.visits.domain.visit import ChargeItem, OtherFunds, Scope, StatedAmounts, Table, is_supply_line
from billing.visits.formats.xml130.codes import GROUPS, PAYING_SOURCES, PAYMENT_METHODS, read_code
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.line_numbers import FUND_PARTS, HUNDRED, price_fields, read_line_numbers
from billing.visits.formats.xml130.numbers import as_text, candidates_of
from billing.visits.formats.xml130.table_names import XML2
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.timestamps import parse_timestamp

_NIL = Decimal(0)
_STT_DIGITS_MAX = 10
_STT_MAX = 2**31 - 1
_TEXT_LENGTH_MAX = 1024
_TEXTS = (
    *("TEN_THUOC", "TEN_DICH_VU", "TEN_VAT_TU", "MA_THUOC", "MA_DICH_VU", "MA_VAT_TU"),
    *("DON_VI_TINH", "GOI_VTYT", "MA_KHOA"),
)
_PRODUCT_DIGITS_MAX = 44
"""Digits of quantity and price together: with two whole percentages the product stays exact in 50 digits."""


def read_stt(row: Row) -> int | None:
    """The number of a line in its table; None if it is absent or cannot be read."""
    values = candidates_of(row.text("STT"))
    if len(values) != 1 or values[0] != values[0].to_integral_value() or len(row.text("STT")) > 2 * _STT_DIGITS_MAX:
        return None
    number = int(values[0])
    return number if 0 <= number <= _STT_MAX else None


def read_charge_item(row: Row, log: FindingLog) -> ChargeItem | None:
    """The charge item of a row, its `stated` filled; None where a finding refuses it."""
    stt = read_stt(row)
    line_log = log.at_line(row.table, stt)
    if stt is None:
        line_log.add(FindingCode.NUMBER_AMBIGUOUS, field="STT", found=row.text("STT"), expected="a whole number")
    before = len(log.findings)
    numbers = read_line_numbers(row, line_log)
    group = _group(row, line_log)
    scope = _scope(row, numbers, line_log)
    ordered_at = _timestamps(row, line_log)
    paying_source = read_code(row, "NGUON_CTRA", PAYING_SOURCES, line_log, default="1")
    payment_method = read_code(row, "MA_PTTT", PAYMENT_METHODS, line_log, default="1")
    other_funds = _other_funds(numbers, line_log)
    _check_lengths(row, line_log)
    if stt is None or any(finding.refuses for finding in log.findings[before:]):
        return None
    assert other_funds is not None, "a negative part of other funds was noted"
    hospital_price, insurance_price = price_fields(row.table)
    is_supply = is_supply_line(Table(row.table), group=group, supply_code=row.text("MA_VAT_TU"))
    if _digits(numbers["SO_LUONG"]) + max(_digits(numbers[hospital_price]), _digits(numbers[insurance_price])) > (
        _PRODUCT_DIGITS_MAX
    ):
        expected = f"at most {_PRODUCT_DIGITS_MAX} digits with SO_LUONG"
        line_log.add(FindingCode.VALUE_INVALID, field=hospital_price, found=row.text(hospital_price), expected=expected)
        return None
    try:
        return ChargeItem(
            table=Table(row.table),
            number=stt,
            name=compose(_name(row, is_supply=is_supply)),
            code=_code(row),
            unit=row.text("DON_VI_TINH"),
            group=group,
            scope=scope,
            quantity=numbers["SO_LUONG"],
            hospital_price=numbers[hospital_price],
            insurance_price=numbers[insurance_price],
            service_ratio=numbers.get("TYLE_TT_DV", HUNDRED) if row.table != XML2 else HUNDRED,
            payment_ratio=numbers.get("TYLE_TT_BH", HUNDRED),
            ceiling=numbers.get("T_TRANTT") or None if row.table != XML2 else None,
            package=row.text("GOI_VTYT"),
            is_supply=is_supply,
            other_funds=other_funds,
            ordered_at=ordered_at,
            department=row.text("MA_KHOA"),
            is_war_wound=row.text("VET_THUONG_TP") == "1",
            paying_source=paying_source,
            payment_method=payment_method,
            stated=_stated(numbers),
        )
    except InvalidValue as refusal:
        field = refusal.field or ""
        code = refusal.finding if isinstance(refusal, InvalidInput) else FindingCode.VALUE_INVALID
        line_log.add(code, field=field, found=row.text(field), expected=refusal.detail)
        return None


def _check_lengths(row: Row, log: FindingLog) -> None:
    """No text of a line is longer than the longest field of the standard."""
    for field in _TEXTS:
        if len(row.text(field)) > _TEXT_LENGTH_MAX:
            expected = f"at most {_TEXT_LENGTH_MAX} characters"
            log.add(FindingCode.VALUE_INVALID, field=field, found=row.text(field), expected=expected)


def _digits(number: Decimal) -> int:
    return len(number.as_tuple().digits)


def _group(row: Row, log: FindingLog) -> int:
    values = candidates_of(row.text("MA_NHOM"))
    if len(values) != 1 or values[0] not in GROUPS:
        log.add(FindingCode.CODE_UNKNOWN, field="MA_NHOM", found=row.text("MA_NHOM"), expected="1 … 19")
        return 0
    return int(values[0])


def _scope(row: Row, numbers: Mapping[str, Decimal], log: FindingLog) -> Scope:
    """Who the item is covered for, from TYLE_TT_BH and THANH_TIEN_BH.

    One system writes PHAM_VI 2 on every line that the fund pays nothing for; where the ratio and the insured amount
    state that the line is covered, it is covered, and the contradiction is listed. A ratio that covers a line of
    PHAM_VI 2 without insured amount is listed too. Without PHAM_VI the ratio decides.
    """
    written = row.text("PHAM_VI")
    values = candidates_of(written) if written else ()
    ratio, insured = numbers.get("TYLE_TT_BH"), numbers.get("THANH_TIEN_BH")
    is_covered = bool(ratio) and bool(insured)
    if not written:
        return Scope.PATIENT if ratio == 0 or insured == 0 else Scope.INSURED
    if len(values) != 1 or values[0] not in {1, 2, 3}:
        log.add(FindingCode.CODE_UNKNOWN, field="PHAM_VI", found=written, expected="1, 2 or 3")
        return Scope.PATIENT
    scope = Scope(str(int(values[0])))
    if scope is Scope.PATIENT and is_covered:
        log.add(FindingCode.SCOPE_DIFFERS, field="PHAM_VI", found=written, expected="1")
        return Scope.INSURED
    if scope is Scope.PATIENT and insured == 0 and ratio and _has_insurance_price(row, numbers):
        log.add(FindingCode.SCOPE_DIFFERS, field="TYLE_TT_BH", found=row.text("TYLE_TT_BH"), expected="0")
    return scope


def _has_insurance_price(row: Row, numbers: Mapping[str, Decimal]) -> bool:
    """Whether the product of quantity, insurance price and service ratio is positive."""
    factors = ("SO_LUONG", price_fields(row.table)[1], "TYLE_TT_DV")
    return all(numbers.get(name, HUNDRED) for name in factors)


def _timestamps(row: Row, log: FindingLog) -> datetime | None:
    """NGAY_YL, None if absent; logs any timestamp of the line that cannot be read."""
    for field in ("NGAY_YL", "NGAY_TH_YL", "NGAY_KQ"):
        text = row.text(field)
        if text and parse_timestamp(text) is None:
            log.add(FindingCode.DATE_UNREADABLE, field=field, found=text, expected="yyyymmddHHMM")
    return parse_timestamp(row.text("NGAY_YL"))


def _other_funds(numbers: Mapping[str, Decimal], log: FindingLog) -> OtherFunds | None:
    """Other funds whose total is T_NGUONKHAC: the parts if they sum to it (with or without the remaining part), else
    the whole as remaining. Parts that do not sum to it are listed; None where a part is negative.
    """
    parts = [numbers.get(field, _NIL) for field in FUND_PARTS]
    in_parts = sum(parts, _NIL)
    whole = numbers.get("T_NGUONKHAC", in_parts)
    if whole != in_parts:
        if any(field in numbers for field in FUND_PARTS):
            log.add(FindingCode.FUNDS_DIFFER, field="T_NGUONKHAC", found=as_text(in_parts), expected=as_text(whole))
        parts = [*parts[:3], _NIL] if sum(parts[:3], _NIL) == whole else [_NIL, _NIL, _NIL, whole]
    finer = [part for part in parts if part != round_2dp(part)]
    if finer:
        found, expected = as_text(finer[0]), "an amount of two decimals"
        log.add(FindingCode.VALUE_INVALID, field="T_NGUONKHAC", found=found, expected=expected)
        return None
    try:
        return OtherFunds(*parts)
    except InvalidValue as refusal:
        log.add(FindingCode.VALUE_INVALID, field="T_NGUONKHAC", found=as_text(min(parts)), expected=refusal.detail)
        return None


def _name(row: Row, *, is_supply: bool) -> str:
    if row.table == XML2:
        return row.text("TEN_THUOC")
    names = ("TEN_VAT_TU", "TEN_DICH_VU") if is_supply else ("TEN_DICH_VU", "TEN_VAT_TU")
    return row.text(names[0]) or row.text(names[1])


def _code(row: Row) -> str:
    if row.table == XML2:
        return row.text("MA_THUOC")
    return row.text("MA_VAT_TU") or row.text("MA_DICH_VU")


def _stated(numbers: Mapping[str, Decimal]) -> StatedAmounts:
    return StatedAmounts(
        hospital_amount=numbers.get("THANH_TIEN_BV"),
        insured_amount=numbers.get("THANH_TIEN_BH"),
        level=numbers.get("MUC_HUONG"),
        other_funds=numbers.get("T_NGUONKHAC"),
        self_pay=numbers.get("T_BNTT"),
        copay=numbers.get("T_BNCCT"),
        fund=numbers.get("T_BHTT"),
    )

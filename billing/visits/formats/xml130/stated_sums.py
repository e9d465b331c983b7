"""Check the consistency of a file: totals of XML1 with the sums of its lines, levels with its amounts.

Differences are listed and never refuse a visit; the visit is read with its lines. The coverage package compares the
file with our price.
Source: Decision 4750/QĐ-BYT, formulae of XML1; docs/reference/xml130.md, sections 3.1 and "Variants …".
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from billing.core.money import ZERO, round_2dp
from billing.visits.domain.card import Card
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import ChargeItem, StatedAmounts, StatedTotals, Table
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.line_numbers import HUNDRED, read_numbers
from billing.visits.formats.xml130.numbers import EXACT, Formula, as_text
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.value_formats import amount_warning, percentage_warning

DONG = Decimal(1)
_NOT_REPORTED_OUTSIDE_CAPITATION = frozenset({"CA", "QN", "CY"})


def read_totals(row: Row, items: Sequence[ChargeItem], cards: Sequence[Card], log: FindingLog) -> StatedTotals:
    """The totals that XML1 states; logs each outside the format of an amount or 1 đồng off the sum of the lines."""
    sums = _sums(items)
    written = {field: row.text(field) for field in sums if row.text(field)}
    for field, text in written.items():
        if expected := amount_warning(text):
            log.add(FindingCode.FORMAT_DIFFERS, field=field, found=text, expected=expected)
    totals = read_numbers(written, [_is_sum(field, value) for field, value in sums.items()], log)
    for field, stated in totals.items():
        if abs(EXACT.subtract(stated, sums[field])) >= DONG and not _is_left_out(field, stated, cards):
            expected = as_text(round_2dp(sums[field]))
            log.add(FindingCode.TOTALS_DIFFER, field=field, found=written[field], expected=expected)
    return StatedTotals(
        drugs=totals.get("T_THUOC"),
        supplies=totals.get("T_VTYT"),
        hospital_amount=totals.get("T_TONGCHI_BV"),
        insured_amount=totals.get("T_TONGCHI_BH"),
        self_pay=totals.get("T_BNTT"),
        copay=totals.get("T_BNCCT"),
        fund=totals.get("T_BHTT"),
        other_funds=totals.get("T_NGUONKHAC"),
        fund_outside_capitation=totals.get("T_BHTT_GDV"),
    )


def report_rounded_level(item: ChargeItem, log: FindingLog) -> None:
    """List a MUC_HUONG that differs from T_BHTT / THANH_TIEN_BH by rounding only, or is a ratio instead of a percent.

    47.5 is often written 48. A level of at most 1 is always listed: no card has such a level. Rounding is not checked
    where other funds lower the fund's part, or where the level explains the fund's amount to within 1 đồng.
    """
    stated = item.stated
    if stated is None or stated.level is None:
        return
    is_explained = _is_rounded_or_ratio(item, stated, stated.level, log)
    expected = "" if is_explained else percentage_warning(as_text(stated.level), is_whole=False)
    if expected:
        log.at_line(item.table, item.number).add(
            FindingCode.FORMAT_DIFFERS, field="MUC_HUONG", found=as_text(stated.level), expected=expected
        )


def _is_rounded_or_ratio(item: ChargeItem, stated: StatedAmounts, level: Decimal, log: FindingLog) -> bool:
    """Whether the amounts of the line show that its level is rounded or a ratio; lists it then."""
    if stated.fund is None or not stated.insured_amount:
        return False
    explained = EXACT.scaleb(EXACT.multiply(stated.insured_amount, level), -2)
    if _other_funds(item) or abs(EXACT.subtract(explained, stated.fund)) < DONG:
        return False
    actual = EXACT.divide(EXACT.multiply(stated.fund, HUNDRED), stated.insured_amount)
    is_ratio = level <= 1 and abs(EXACT.subtract(EXACT.multiply(level, HUNDRED), actual)) < 1
    if is_ratio or abs(EXACT.subtract(level, actual)) < 1:
        expected = format(round_2dp(actual).normalize(), "f")
        log.at_line(item.table, item.number).add(
            FindingCode.LEVEL_ROUNDED, field="MUC_HUONG", found=as_text(level), expected=expected
        )
        return True
    return False


def _sums(items: Sequence[ChargeItem]) -> Mapping[str, Decimal]:
    stated = [(item, item.stated) for item in items if item.stated is not None]
    drugs = [amounts for item, amounts in stated if item.table is Table.DRUGS]
    supplies = [amounts for item, amounts in stated if item.is_supply]
    everything = [amounts for _, amounts in stated]
    outside_capitation = [amounts for item, amounts in stated if item.payment_method == "1"]
    return {
        "T_THUOC": _sum(amounts.hospital_amount for amounts in drugs),
        "T_VTYT": _sum(amounts.hospital_amount for amounts in supplies),
        "T_TONGCHI_BV": _sum(amounts.hospital_amount for amounts in everything),
        "T_TONGCHI_BH": _sum(amounts.insured_amount for amounts in everything),
        "T_BNTT": _sum(amounts.self_pay for amounts in everything),
        "T_BNCCT": _sum(amounts.copay for amounts in everything),
        "T_BHTT": _sum(amounts.fund for amounts in everything),
        "T_NGUONKHAC": _sum(_other_funds(item) for item, _ in stated),
        "T_BHTT_GDV": _sum(amounts.fund for amounts in outside_capitation),
    }


def _other_funds(item: ChargeItem) -> Decimal:
    """T_NGUONKHAC of a line as the file states it, or the sum of its parts where only they are stated."""
    if item.stated is None or item.stated.other_funds is None:
        return item.other_funds.total
    return item.stated.other_funds


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount or ZERO)
    return result


def _is_sum(field: str, value: Decimal) -> Formula:
    return Formula((field,), lambda values: abs(EXACT.subtract(values[field], value)) < DONG)


def _is_left_out(field: str, stated: Decimal, cards: Sequence[Card]) -> bool:
    """Whether a total is exempt: one large system writes T_BHTT_GDV 0 for cards of army, police and cipher."""
    is_theirs = any(card.category_code in _NOT_REPORTED_OUTSIDE_CAPITATION for card in cards)
    return field == "T_BHTT_GDV" and stated == 0 and is_theirs

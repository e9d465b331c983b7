"""Compare our price with the amounts that the source states: differences are listed and never refuse a visit.

Compares charge items only. The reader compares the totals of a claim file with the file's own lines.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from billing.coverage.domain.explain import plain_number
from billing.coverage.domain.price_result import PricedLine, PricedVisit
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import ChargeItem, StatedAmounts

_DIFFERENCE_MIN = Decimal("0.01")
_DIFFERENCE_MIN_OF_WHOLE_DONG = Decimal(1)
_LEVEL_STEP = Decimal(1)
_BED_GROUPS = frozenset({14, 15, 16})


def compare_with_stated(priced: PricedVisit, *, file: str, hoso: int | None, ma_lk: str) -> tuple[Finding, ...]:
    """List the amounts of charge items that differ from the stated ones, and items of quantity 0 (`quantity-zero`).

    `amount-differs` names each amount that is off by 0.01 đồng or more, or by 1 đồng where whole đồng are stated: some
    systems write integers for money. `level-rounded` names a MUC_HUONG that is off by less than one percent while all
    amounts agree (47.5 written as 48). Amounts that the source omits are not compared, nor is the level of an item
    without an insured amount.
    """
    return tuple(
        Finding(
            code=code,
            file=file,
            hoso=hoso,
            ma_lk=ma_lk,
            table=line.item.table.value,
            stt=line.item.number,
            field=field,
            found=format(stated, "f"),
            expected=expected,
        )
        for line in priced.lines
        for code, field, stated, expected in (*_without_quantity(line.item), *_differences(line, line.item.stated))
    )


def exclude_reported(differences: Iterable[Finding], reported: Iterable[Finding]) -> tuple[Finding, ...]:
    """Exclude differences that the reader of the file reported already: of the same field, or a rounded level.

    A reader compares a level with the file's amounts, this module with ours: both report the same difference.
    """
    known = {(_place(finding), finding.code) for finding in reported}
    return tuple(
        finding
        for finding in differences
        if (_place(finding), finding.code) not in known and (_place(finding), FindingCode.LEVEL_ROUNDED) not in known
    )


def _place(finding: Finding) -> tuple[int | None, str, int | None, str]:
    return finding.hoso, finding.table, finding.stt, finding.field


def _without_quantity(item: ChargeItem) -> Iterator[tuple[FindingCode, str, Decimal, str]]:
    """Quantity 0 is valid for a bed on a day of several transfers (B-064); for other items it is probably an error."""
    if not item.quantity and item.group not in _BED_GROUPS:
        yield FindingCode.QUANTITY_ZERO, "SO_LUONG", item.quantity, "more than 0"


def _differences(line: PricedLine, stated: StatedAmounts | None) -> Iterator[tuple[FindingCode, str, Decimal, str]]:
    if stated is None:
        return
    amounts = (
        ("THANH_TIEN_BV", stated.hospital_amount, line.hospital_amount),
        ("THANH_TIEN_BH", stated.insured_amount, line.insured_amount),
        ("T_NGUONKHAC", stated.other_funds, line.other_funds),
        ("T_BNTT", stated.self_pay, line.self_pay),
        ("T_BNCCT", stated.copay, line.copay),
        ("T_BHTT", stated.fund, line.fund),
    )
    amounts_agree = True
    for field, found, ours in amounts:
        if found is not None and is_off(found, ours):
            amounts_agree = False
            yield FindingCode.AMOUNT_DIFFERS, field, found, format(ours, "f")
    if stated.level is not None and stated.level != line.level and line.insured_amount:
        is_rounding = amounts_agree and abs(stated.level - line.level) < _LEVEL_STEP
        code = FindingCode.LEVEL_ROUNDED if is_rounding else FindingCode.AMOUNT_DIFFERS
        yield code, "MUC_HUONG", stated.level, plain_number(line.level)


def is_off(stated: Decimal, ours: Decimal) -> bool:
    """Whether an amount differs by more than rounding: 0.01 đồng, or 1 đồng where whole đồng are stated."""
    is_whole = stated == stated.to_integral_value()
    return abs(stated - ours) >= (_DIFFERENCE_MIN_OF_WHOLE_DONG if is_whole else _DIFFERENCE_MIN)

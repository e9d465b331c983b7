"""The numbers of one line of XML2 or XML3, read together: the line's formulae decide an ambiguous comma.

Source: formulae of Decision 4750/QĐ-BYT (docs/reference/xml130.md, section 4), checked to within 1 đồng as the
gateway does.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.numbers import (
    EXACT,
    Candidates,
    Formula,
    Values,
    as_text,
    candidates_of,
    fitting,
    has_one_comma,
    is_plain,
    prune,
)
from billing.visits.formats.xml130.table_names import XML2
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.value_formats import line_warnings

TOLERANCE = Decimal(1)
HUNDRED = Decimal(100)

FUND_PARTS = ("T_NGUONKHAC_NSNN", "T_NGUONKHAC_VTNN", "T_NGUONKHAC_VTTN", "T_NGUONKHAC_CL")
_OLD_FUND_PARTS = {
    "T_NGUONKHAC_NSNN": "T_NGUONKHAC_NS",
    "T_NGUONKHAC_VTNN": "T_NGUONKHAC_VT",
    "T_NGUONKHAC_VTTN": "T_NGUONKHAC_VT_TN",
}
_PRICES = {XML2: ("DON_GIA", "DON_GIA")}
_SHARES = ("T_BNTT", "T_BNCCT", "T_BHTT", "T_NGUONKHAC")
_FIELDS = (
    *("SO_LUONG", "TYLE_TT_DV", "TYLE_TT_BH", "THANH_TIEN_BV", "THANH_TIEN_BH", "T_TRANTT", "MUC_HUONG"),
    *(*FUND_PARTS, *_SHARES),
)
_MAY_BE_MISSING = frozenset({"TYLE_TT_DV", "TYLE_TT_BH", *_SHARES, *FUND_PARTS})
_GROUPS_OF_GOODS = frozenset({"4", "5", "6", "7", "10", "11", "12", "17"})  # drugs, blood, supplies, transport
_MUST_HAVE = frozenset({"SO_LUONG", "DON_GIA", "DON_GIA_BV", "DON_GIA_BH"})


def price_fields(table: str) -> tuple[str, str]:
    """Names of the hospital price and the insurance price in a table."""
    return _PRICES.get(table, ("DON_GIA_BV", "DON_GIA_BH"))


def read_line_numbers(row: Row, log: FindingLog) -> dict[str, Decimal]:
    """The numbers of a line by field; a field without a value is omitted.

    Logs `number-normalised` for another readable notation, `number-ambiguous` for an unreadable one and for a
    quantity or price without a value, `format-differs` for a value outside the format of its field.
    """
    texts = dict(_texts(row))
    for field in sorted(_MUST_HAVE & texts.keys()):
        if not texts[field]:
            log.add(FindingCode.NUMBER_AMBIGUOUS, field=field, expected="a number")
    written = {field: text for field, text in texts.items() if text}
    formulas = formulas_of(row.table)
    for warning in line_warnings(written, formulas, is_service=is_service(row.table, row.fields)):
        log.add(FindingCode.FORMAT_DIFFERS, field=warning.field, found=warning.found, expected=warning.expected)
    return read_numbers(written, formulas, log)


def is_service(table: str, fields: Mapping[str, object]) -> bool:
    """Whether a line is a service: of XML3, neither a supply nor a drug by its code or group."""
    return table != XML2 and not fields.get("MA_VAT_TU") and str(fields.get("MA_NHOM", "")) not in _GROUPS_OF_GOODS


def read_numbers(written: Mapping[str, str], formulas: Sequence[Formula], log: FindingLog) -> dict[str, Decimal]:
    """Read texts by field, with formulae to decide ambiguous commas; logs each text that is not plain."""
    candidates = {field: candidates_of(text) for field, text in written.items()}
    speaking: list[Formula] = []
    if any(has_one_comma(text) for text in written.values()):
        speaking = [_with_zeros(formula, candidates) for formula in formulas if _is_applicable(formula, candidates)]
        candidates = prune(candidates, speaking)
    values: dict[str, Decimal] = {}
    for field, left in candidates.items():
        if len(left) != 1:
            expected = " or ".join(as_text(value) for value in left) or "a number"
            log.add(FindingCode.NUMBER_AMBIGUOUS, field=field, found=written[field], expected=expected)
            continue
        if has_one_comma(written[field]) and _conflicts(field, candidates, speaking):
            expected = f"{as_text(left[0])} does not fit the line"
            log.add(FindingCode.NUMBER_AMBIGUOUS, field=field, found=written[field], expected=expected)
            continue
        values[field] = left[0]
        if not is_plain(written[field]):
            log.add(FindingCode.NUMBER_NORMALISED, field=field, found=written[field], expected=as_text(left[0]))
    return values


def _texts(row: Row) -> Iterator[tuple[str, str]]:
    for field in dict.fromkeys((*_FIELDS, *price_fields(row.table))):
        yield field, row.text(field) or row.text(_OLD_FUND_PARTS.get(field, ""))


def _with_zeros(formula: Formula, candidates: Mapping[str, Candidates]) -> Formula:
    """The formula over the fields that have a value; an amount without one is 0 in a sum, a ratio is 100."""
    missing = {name: HUNDRED if name.startswith("TYLE") else Decimal(0) for name in formula.fields}
    present = tuple(name for name in formula.fields if name in candidates)
    return Formula(present, lambda values: formula.holds({**missing, **values}))


def _is_applicable(formula: Formula, candidates: Mapping[str, Candidates]) -> bool:
    """Whether a formula applies: its result (the first field) and its factors have a value."""
    result, *others = formula.fields
    return result in candidates and all(name in candidates or name in _MAY_BE_MISSING for name in others)


def _conflicts(field: str, candidates: Mapping[str, Candidates], speaking: Sequence[Formula]) -> bool:
    """Whether a quantity or price fits none of the amounts the line states.

    An insured amount of 0 decides nothing: the line may be out of scope at any price. The hospital amount does not
    decide the insurance price.
    """
    if field not in _MUST_HAVE:
        return False
    amounts = {"THANH_TIEN_BH"} if field == "DON_GIA_BH" else {"THANH_TIEN_BV", "THANH_TIEN_BH"}
    if candidates.get("THANH_TIEN_BH") == (Decimal(0),):
        amounts.discard("THANH_TIEN_BH")
    judging = [formula for formula in speaking if formula.fields[0] in amounts and field in formula.fields]
    readable = [formula for formula in judging if all(candidates[name] for name in formula.fields)]
    return bool(readable) and not any(fitting(formula, candidates) for formula in readable)


def formulas_of(table: str) -> tuple[Formula, ...]:
    """The formulae of a line of XML2 or XML3."""
    hospital_price, insurance_price = price_fields(table)
    ratio = ("TYLE_TT_DV",) if table != XML2 else ()
    of_both = (
        Formula(
            ("THANH_TIEN_BV", "SO_LUONG", hospital_price, *ratio),
            lambda v: _near(v["THANH_TIEN_BV"], _priced(v, hospital_price, *ratio)),
        ),
        Formula(
            ("THANH_TIEN_BH", "SO_LUONG", insurance_price, *ratio, "TYLE_TT_BH"),
            lambda v: _near(v["THANH_TIEN_BH"], _priced(v, insurance_price, *ratio, "TYLE_TT_BH")),
        ),
        Formula(("THANH_TIEN_BV", *_SHARES), lambda v: _near(v["THANH_TIEN_BV"], sum(v[name] for name in _SHARES))),
        Formula(("T_NGUONKHAC", *FUND_PARTS), lambda v: _near(v["T_NGUONKHAC"], sum(v[name] for name in FUND_PARTS))),
        Formula(("T_BHTT", "THANH_TIEN_BH", "MUC_HUONG", "T_NGUONKHAC"), _fund_fits),
    )
    return of_both if table == XML2 else (*of_both, *_FORMULAS_OF_SERVICES)


def _priced(values: Values, price: str, *ratios: str) -> Decimal:
    amount = EXACT.multiply(values["SO_LUONG"], values[price])
    for ratio in ratios:
        amount = EXACT.scaleb(EXACT.multiply(amount, values[ratio]), -2)
    return amount


def _without_extra_charge(values: Values) -> bool:
    """The special form of THANH_TIEN_BV: the hospital adds nothing where the insurer pays a part (rule B-052)."""
    left_out = {**values, "TYLE_TT_DV": HUNDRED - values["TYLE_TT_DV"]}
    amount = EXACT.subtract(_priced(values, "DON_GIA_BV"), _priced(left_out, "DON_GIA_BH", "TYLE_TT_DV"))
    return _near(values["THANH_TIEN_BV"], amount)


def _ceiling_fits(values: Values) -> bool:
    """No ceiling, a ceiling that equals the insurance price, or a ceiling above the hospital price."""
    ceiling = values["T_TRANTT"]
    return ceiling in {0, values["DON_GIA_BH"]} or ceiling >= values["DON_GIA_BV"]


def _fund_fits(values: Values) -> bool:
    """The fund's part before other funds; with other funds it may be less, so that any value fits."""
    fund = EXACT.scaleb(EXACT.multiply(values["THANH_TIEN_BH"], values["MUC_HUONG"]), -2)
    return values["T_NGUONKHAC"] > 0 or _near(values["T_BHTT"], fund)


def _near(stated: Decimal, computed: Decimal | int) -> bool:
    return abs(EXACT.subtract(stated, Decimal(computed))) <= TOLERANCE


_FORMULAS_OF_SERVICES = (
    Formula(("THANH_TIEN_BV", "SO_LUONG", "DON_GIA_BV", "DON_GIA_BH", "TYLE_TT_DV"), _without_extra_charge),
    Formula(("T_TRANTT", "DON_GIA_BV", "DON_GIA_BH"), _ceiling_fits),
)

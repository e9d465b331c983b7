"""`bhyt-case/1` files: read the visits, cards, history and policy options of one patient; write `expected` prices.

Cards, co-payment history and private insurance of a file apply to each of its visits. Visits are priced in order: the
co-payments of a visit count in the history of the next. A refused visit does not stop the others.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from billing.core.errors import InvalidValue
from billing.core.money import total
from billing.coverage.domain.explain import plain_number
from billing.coverage.domain.policy import (
    CardChoice,
    CopayCrossing,
    HospitalAmountMode,
    OtherFundsMode,
    Policy,
    SupplyPackageCap,
)
from billing.coverage.domain.price_result import PricedLine, PricedVisit
from billing.coverage.domain.refusals import refusal_as_finding
from billing.coverage.formats.visit_input import read_visit
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import NO_OTHER_FUNDS, Table, Visit
from billing.visits.formats.json_fields import Fields, InvalidField
from billing.visits.formats.strict_json import read_object
from billing.visits.formats.visit_value_formats import find_value_warnings

__all__ = ["CaseFile", "CaseVisit", "read_case_file", "read_visit", "write_finding", "write_priced_visit"]

SCHEMA = "bhyt-case/1"
FACILITY_OF_CASES = "00000"

_INPUT_KEYS = frozenset({"cards", "visits", "five_year_date", "copay_history", "policy", "private_insurance"})
_POLICY_KEYS = frozenset(
    {"card_choice", "copay_crossing_mode", "supply_package_cap", "other_source_mode", "thanh_tien_bv_mode"}
)
_OF_PERSON = ("cards", "five_year_date", "copay_history", "private_insurance")
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class CaseVisit:
    """One visit of a file; `hoso` is its position, counted from 1; `findings` are those of this visit."""

    hoso: int
    visit: Visit
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The visits of a file and the policy: the options that the file names replace those of the facility.

    `findings` are those of the file, of refused visits and of visits that were read.
    """

    visits: tuple[CaseVisit, ...]
    policy: Policy
    findings: tuple[Finding, ...]


def read_case_file(content: bytes, *, file: str, policy: Policy) -> CaseFile:
    """Read one file. Never raises for the content; where nothing can be read, a finding states the reason."""
    try:
        fields = Fields(read_object(content), "")
    except InvalidValue as refusal:
        finding = _file_finding(refusal, file, FindingCode.FILE_NOT_WELLFORMED)
        return CaseFile((), policy, (replace(finding, found=refusal.detail, expected="one JSON object"),))
    try:
        if fields.values.get("schema") != SCHEMA:
            raise InvalidField("schema", f"{SCHEMA} is expected", found=fields.values.get("schema"))
        given = fields.object("input")
        given.refuse_other_keys(_INPUT_KEYS)
        policy = _policy(given.object("policy"), policy) if given.has("policy") else policy
        visits = list(given.objects("visits"))
    except InvalidValue as refusal:
        return CaseFile((), policy, (_file_finding(refusal, file, FindingCode.VALUE_INVALID),))
    read = [_read_one(hoso, visit, given, file, policy) for hoso, visit in enumerate(visits, start=1)]
    return CaseFile(
        visits=tuple(result for result in read if isinstance(result, CaseVisit)),
        policy=policy,
        findings=tuple(finding for one in read for finding in ((one,) if isinstance(one, Finding) else one.findings)),
    )


def write_priced_visit(ma_lk: str, priced: PricedVisit) -> dict[str, object]:
    """A priced visit in the shape of `expected.visits`: amounts as text with two decimals, MUC_HUONG shortest."""
    drugs = total(line.hospital_amount for line in priced.lines if line.item.table is Table.DRUGS)
    supplies = total(line.hospital_amount for line in priced.lines if line.item.is_supply)
    written: dict[str, object] = {
        "MA_LK": ma_lk,
        "base_salary": int(priced.base_salary),
        "threshold_15pct": f"{priced.threshold:.2f}",
        "route_factor_pct": int(priced.route_factor),
        "lines": [_write_line(line) for line in priced.lines],
        "totals": {
            "T_TONGCHI_BV": f"{priced.hospital_amount:.2f}",
            "T_TONGCHI_BH": f"{priced.insured_amount:.2f}",
            "T_BNTT": f"{priced.self_pay:.2f}",
            "T_BNCCT": f"{priced.copay:.2f}",
            "T_BHTT": f"{priced.fund:.2f}",
            "T_NGUONKHAC": f"{priced.other_funds:.2f}",
            "T_THUOC": f"{drugs:.2f}",
            "T_VTYT": f"{supplies:.2f}",
        },
        "patient_pays": int(priced.patient_share),
    }
    if priced.copay_threshold is not None and priced.copay_accumulated is not None:
        written["copay_threshold_year"] = f"{priced.copay_threshold:.2f}"
        written["copay_accumulated_after"] = f"{priced.copay_accumulated:.2f}"
    if priced.private_insurer is not None:
        written["private_insurer_pays"] = int(priced.private_insurer)
        written["patient_pays_after_private"] = int(priced.patient_after_private)
    return written


def write_finding(finding: Finding) -> dict[str, object]:
    """A finding as an object with the field names of the standard; a field that does not apply is empty or null."""
    return {
        "code": finding.code.value,
        "file": finding.file,
        "hoso": finding.hoso,
        "MA_LK": finding.ma_lk,
        "table": finding.table,
        "STT": finding.stt,
        "field": finding.field,
        "found": finding.found,
        "expected": finding.expected,
    }


def _write_line(line: PricedLine) -> dict[str, object]:
    return {
        "STT": line.item.number,
        "table": line.item.table.value,
        "THANH_TIEN_BV": f"{line.hospital_amount:.2f}",
        "THANH_TIEN_BH": f"{line.insured_amount:.2f}",
        "MUC_HUONG": plain_number(line.level),
        "T_NGUONKHAC": f"{line.other_funds:.2f}",
        "T_BNTT": f"{line.self_pay:.2f}",
        "T_BNCCT": f"{line.copay:.2f}",
        "T_BHTT": f"{line.fund:.2f}",
    }


def _read_one(hoso: int, visit: Fields, given: Fields, file: str, policy: Policy) -> CaseVisit | Finding:
    ma_lk = visit.values.get("MA_LK")
    ma_lk = ma_lk if isinstance(ma_lk, str) else ""
    try:
        document = {**{key: given.values.get(key) for key in _OF_PERSON}, **visit.values}
        read = read_visit(document, default_facility=FACILITY_OF_CASES, path=visit.path)
        is_replaced = policy.other_funds_mode is OtherFundsMode.COPAY_REPLACEMENT
        warnings = find_value_warnings(document, file=file, hoso=hoso)
        return CaseVisit(hoso, _with_copay_replaced(read) if is_replaced else read, warnings)
    except InvalidField as refusal:
        return replace(_file_finding(refusal, file, refusal.finding), hoso=hoso, ma_lk=ma_lk, expected=refusal.expected)
    except InvalidValue as refusal:
        return refusal_as_finding(refusal, file=file, hoso=hoso, ma_lk=ma_lk)


def _with_copay_replaced(visit: Visit) -> Visit:
    """Mark the items whose co-payment another source pays: those that name NGUONKHAC, else all drugs (B-077)."""
    named = {item.key for item in visit.items if item.other_funds is not NO_OTHER_FUNDS}
    items = tuple(
        replace(item, is_copay_replaced=item.key in named if named else item.table is Table.DRUGS)
        for item in visit.items
    )
    return replace(visit, items=items)


def _policy(fields: Fields, policy: Policy) -> Policy:
    fields.refuse_other_keys(_POLICY_KEYS)
    return replace(
        policy,
        card_choice=_reading(fields, "card_choice", CardChoice, policy.card_choice),
        copay_crossing=_reading(fields, "copay_crossing_mode", CopayCrossing, policy.copay_crossing),
        supply_package_cap=_reading(fields, "supply_package_cap", SupplyPackageCap, policy.supply_package_cap),
        other_funds_mode=_reading(fields, "other_source_mode", OtherFundsMode, policy.other_funds_mode),
        hospital_amount_mode=_reading(fields, "thanh_tien_bv_mode", HospitalAmountMode, policy.hospital_amount_mode),
    )


def _reading(fields: Fields, key: str, choices: type[_Choice], otherwise: _Choice) -> _Choice:
    return fields.choice(key, choices) if fields.has(key) else otherwise


def _file_finding(refusal: InvalidValue, file: str, code: FindingCode) -> Finding:
    found = refusal.found if isinstance(refusal, InvalidField) else ""
    return Finding(
        code=code,
        file=file,
        hoso=None,
        ma_lk="",
        table="",
        stt=None,
        field=refusal.field or "",
        found=found,
        expected=refusal.detail,
    )

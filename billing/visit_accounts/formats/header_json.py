"""The header of an open visit as JSON: the fields of the visit document without `lines`, and facts of the stay.

`departments` [{code, from, to}] in order, `leave_days` [yyyy-mm-dd], `is_provisional`, `appointment` (the MA_LK of the
appointment that becomes this visit). `patient` has in addition `is_unknown`, `nationality` and `child_of`
{patient_id | SO_CCCD | MA_BN}.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from billing.core.errors import InvalidValue
from billing.core.text import compose
from billing.coverage.formats.visit_input import read_visit
from billing.visit_accounts.domain.charge import VisitContent
from billing.visit_accounts.domain.patient import Identity
from billing.visits.domain.visit import Visit
from billing.visits.formats.json_fields import Fields, InvalidField
from billing.visits.formats.visit_json import PATIENT_KEYS, VISIT_KEYS

HEADER_KEYS = frozenset({"departments", "leave_days", "is_provisional", "appointment"})
IDENTITY_KEYS = frozenset({*PATIENT_KEYS, "is_unknown", "nationality", "child_of"})
_CHILD_OF = frozenset({"patient_id", "SO_CCCD", "MA_BN"})
_FROM_PATH = ("MA_LK", "MA_CSKCB")
_PRICED_KEYS = VISIT_KEYS - {"lines", "patient", *_FROM_PATH}
_VERSION_MAX = 2**63 - 1
INSURANCE_NUMBER_LENGTH = 10
_DEPARTMENTS_MAX = 1000
_DEPARTMENT_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedHeader:
    """A header as its sender states it. `document` is the header without version; `visit` has no charge items."""

    version: int
    document: Mapping[str, Any]
    visit: Visit
    identity: Identity
    department: str
    is_provisional: bool
    appointment: str


def read_header(body: Mapping[str, object], *, facility_code: str, ma_lk: str) -> SubmittedHeader:
    """Read the body of `PUT …/visits/{ma_lk}`. Raises InvalidValue (its `field` is the path)."""
    fields = Fields(body, "")
    fields.refuse_other_keys((VISIT_KEYS - {"lines"}) | HEADER_KEYS | {"version"})
    for key, stated in zip(_FROM_PATH, (ma_lk, facility_code), strict=True):
        if fields.has(key) and fields.text(key) != stated:
            raise InvalidField(key, "must equal that of the address", found=fields.text(key))
    document = {key: value for key, value in body.items() if key != "version" and key not in _FROM_PATH}
    identity = read_identity(fields.object("patient") if fields.has("patient") else Fields({}, "patient"))
    visit = read_visit(_visit_document(document, (), ma_lk=ma_lk, facility_code=facility_code))
    if "leave_days" in document:
        _leave_days(fields)
    return SubmittedHeader(
        version=read_version(fields),
        document=document,
        visit=replace(visit, items=()),
        identity=replace(identity, insurance_number=_insurance_number(visit)),
        department=_last_department(fields),
        is_provisional=fields.flag("is_provisional"),
        appointment=fields.text("appointment", default=""),
    )


def _insurance_number(visit: Visit) -> str:
    """The last ten digits of the newest insurance card; empty without one, or for a temporary code.

    Source: docs/reference/hospital-money.md, §1.2; rule B-001.
    """
    newest = max(visit.cards, key=lambda card: card.valid_from, default=None)
    digits = "" if newest is None else newest.code[-INSURANCE_NUMBER_LENGTH:]
    return digits if digits.isdigit() and len(digits) == INSURANCE_NUMBER_LENGTH else ""


def read_version(fields: Fields) -> int:
    """The sender's version: a whole number above 0."""
    version = fields.values.get("version")
    if type(version) is not int or not 0 < version <= _VERSION_MAX:
        raise InvalidField(fields.at("version"), "a whole number above 0 is expected", found=version)
    return version


def read_identity(fields: Fields) -> Identity:
    """The identity of a person; one without name and numbers is unknown."""
    fields.refuse_other_keys(IDENTITY_KEYS)
    known = {key: compose(fields.text(key, default="")) for key in (*PATIENT_KEYS, "nationality")}
    document: dict[str, object] = {key: value for key, value in known.items() if value}
    if fields.has("child_of"):
        parent = fields.object("child_of")
        parent.refuse_other_keys(_CHILD_OF)
        if sum(parent.has(key) for key in _CHILD_OF) != 1:
            raise InvalidField(parent.path, f"one of {', '.join(sorted(_CHILD_OF))} is expected")
        document["child_of"] = {key: parent.text(key) for key in _CHILD_OF if parent.has(key)}
    has_identity = bool(known["HO_TEN"] or known["SO_CCCD"] or known["MA_BN"])
    if fields.flag("is_unknown") and known["SO_CCCD"]:
        raise InvalidField(fields.at("is_unknown"), "a person with a citizen number is not unknown")
    return Identity(
        is_unknown=fields.flag("is_unknown") or not has_identity,
        name=known["HO_TEN"],
        citizen_number=known["SO_CCCD"],
        hospital_number=known["MA_BN"],
        document=document,
    )


def write_snapshot(content: VisitContent, *, ma_lk: str, facility_code: str) -> dict[str, object]:
    """The visit document of a header and its charges that are not cancelled, as `visit_json` reads it."""
    charges = sorted(content.charges.values(), key=lambda charge: (charge.stt, charge.line))
    lines = tuple({**charge.document, "stt": charge.stt} for charge in charges if not charge.is_cancelled)
    return _visit_document(content.header, lines, ma_lk=ma_lk, facility_code=facility_code)


def _visit_document(
    header: Mapping[str, object], lines: tuple[Mapping[str, object], ...], *, ma_lk: str, facility_code: str
) -> dict[str, object]:
    document: dict[str, object] = {key: value for key, value in header.items() if key in _PRICED_KEYS}
    document |= {"MA_LK": ma_lk, "MA_CSKCB": facility_code, "lines": list(lines)}
    document.setdefault("cards", [])
    patient = header.get("patient")
    if isinstance(patient, Mapping):
        document["patient"] = {key: value for key, value in patient.items() if key in PATIENT_KEYS}
    return document


def _last_department(fields: Fields) -> str:
    """The code of the department of the patient now: the last one of the list."""
    if not fields.has("departments"):
        return ""
    current = ""
    for position, department in enumerate(fields.objects("departments")):
        department.refuse_other_keys(frozenset({"code", "from", "to"}))
        current = department.text("code")
        begins = department.timestamp("from")
        ends = department.timestamp("to") if department.has("to") else None
        if ends is not None and ends < begins:
            raise InvalidField(department.at("to"), "a stay in a department ends before it begins")
        if len(current) > _DEPARTMENT_LENGTH_MAX or position >= _DEPARTMENTS_MAX:
            raise InvalidField(department.path, "too many departments, or a code of over 100 characters")
    return current


def _leave_days(fields: Fields) -> tuple[date, ...]:
    days = fields.values.get("leave_days")
    if not isinstance(days, list):
        raise InvalidField("leave_days", "a list of days is expected", found=days)
    return tuple(Fields({"day": day}, f"leave_days[{position}]").day("day") for position, day in enumerate(days))


def require_text(text: str, *, field: str, length_max: int = 100) -> str:
    """A code of the address: 1 to `length_max` printable characters. Raises InvalidValue."""
    if not text or len(text) > length_max or not text.isprintable():
        raise InvalidValue(f"{field} has 1 to {length_max} printable characters", field=field)
    return text

"""A visit as a JSON object with the field names of the data standard: the HTTP API and `bhyt-case/1` files.

Shape: MA_LK, MA_CSKCB, MA_LOAI_KCB, MA_DOITUONG_KCB, NGAY_VAO, NGAY_RA (absent while open), `cards` [{code, valid_from,
valid_to}], `lines` [{table, stt, …}], optional `patient`. Money and quantities are texts or numbers, taken exactly. A
key this shape does not know is refused: a misspelt field must not change an amount silently.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from billing.domain.coverage.figures import VIETNAM_TIME
from billing.domain.coverage.refusals import RuleNotBuilt
from billing.domain.errors import InvalidValue
from billing.domain.finding import FindingCode
from billing.domain.money import HUNDRED
from billing.domain.visit import Card, ChargeItem, OtherFunds, Patient, Scope, StatedAmounts, Table, Visit

CARE_KINDS = frozenset(f"{kind:02}" for kind in range(1, 17))
_SUPPLY_GROUPS = frozenset({10, 11})
_CARD_FILLERS = re.compile(r"[\s-]+")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,28})?")
_MOMENT = re.compile(r"[0-9]{12}")
_DAY = re.compile(r"[0-9]{8}")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TEXT_LENGTH_MAX = 1024
FOUND_LENGTH_MAX = 200

_VISIT_KEYS = frozenset(
    {
        "MA_LK",
        "MA_CSKCB",
        "MA_LOAI_KCB",
        "MA_DOITUONG_KCB",
        "NGAY_VAO",
        "NGAY_RA",
        "NGAY_MIEN_CCT",
        "route",
        "cards",
        "lines",
        "patient",
    }
)
_LINE_KEYS = frozenset(
    {
        "table",
        "stt",
        "name",
        "MA_NHOM",
        "PHAM_VI",
        "SO_LUONG",
        "TYLE_TT_BH",
        "DON_VI_TINH",
        "MA_KHOA",
        "NGAY_YL",
        "NGUONKHAC",
        "VET_THUONG_TP",
        "NGUON_CTRA",
        "MA_PTTT",
        "THANH_TIEN_BV",
        "THANH_TIEN_BH",
        "MUC_HUONG",
        "T_NGUONKHAC",
        "T_BNTT",
        "T_BNCCT",
        "T_BHTT",
        "MA_DICH_VU",
    }
)
_KEYS_OF_TABLE = {
    Table.DRUGS: _LINE_KEYS | frozenset({"DON_GIA", "MA_THUOC"}),
    Table.SERVICES: _LINE_KEYS
    | frozenset({"DON_GIA_BV", "DON_GIA_BH", "TYLE_TT_DV", "T_TRANTT", "ceiling", "GOI_VTYT", "MA_VAT_TU"}),
}
_PATIENT_KEYS = {
    "HO_TEN": "name",
    "NGAY_SINH": "birth",
    "GIOI_TINH": "sex",
    "SO_CCCD": "citizen_number",
    "MA_BN": "hospital_number",
    "DIA_CHI": "address",
    "DIEN_THOAI": "phone",
}
_Choice = TypeVar("_Choice", bound=StrEnum)


class InvalidField(InvalidValue):
    """A field of the object that cannot be what it claims to be; `field` is its path, `found` what stands there."""

    def __init__(
        self, path: str, expected: str, *, found: object = "", finding: FindingCode = FindingCode.VALUE_INVALID
    ) -> None:
        super().__init__(f"{path}: {expected}", field=path)
        self.expected = expected
        self.found = str(found)[:FOUND_LENGTH_MAX]
        self.finding = finding


def read_visit(document: Mapping[str, object], *, default_facility: str | None = None, path: str = "") -> Visit:
    """Read one visit object.

    `default_facility` is MA_CSKCB where the object names none; with None it must name one. `path` stands before the
    field paths of errors. Raises InvalidValue (its `field` is the path) and RuleNotBuilt for a route under Law 46.
    """
    fields = Fields(document, path)
    fields.refuse_other_keys(_VISIT_KEYS)
    if fields.has("route"):
        raise RuleNotBuilt("B-040", field="route", found=str(document["route"])[:FOUND_LENGTH_MAX])
    with fields.naming():
        return Visit(
            ma_lk=fields.text("MA_LK"),
            facility_code=fields.text("MA_CSKCB", default=default_facility),
            care_kind=fields.code("MA_LOAI_KCB", CARE_KINDS),
            object_code=fields.text("MA_DOITUONG_KCB"),
            admitted_at=fields.moment("NGAY_VAO"),
            discharged_at=fields.moment("NGAY_RA") if fields.has("NGAY_RA") else None,
            exempt_from=fields.moment("NGAY_MIEN_CCT", day_is_enough=True) if fields.has("NGAY_MIEN_CCT") else None,
            cards=tuple(_card(card) for card in fields.objects("cards")),
            items=tuple(_charge_item(line) for line in fields.objects("lines")),
            patient=_patient(fields.object("patient")) if fields.has("patient") else Patient(),
        )


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object with the path it stands at; every reading names its field when it refuses."""

    values: Mapping[str, object]
    path: str

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Give the path to what a domain value refuses about its own fields."""
        try:
            yield
        except InvalidField:
            raise
        except InvalidValue as refusal:
            field = refusal.field or ""
            found = self.values.get(field, "")
            raise InvalidField(self.at(field) if field else self.path, refusal.detail, found=found) from refusal

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether there is a value; null and the empty text are none."""
        return self.values.get(key) not in (None, "")

    def refuse_other_keys(self, known: frozenset[str]) -> None:
        for key in self.values:
            if key not in known:
                raise InvalidField(self.at(key), "this field is not known here", found=self.values[key])

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text; a whole number is taken as its digits, so that codes may be written either way."""
        if default is not None and not self.has(key):
            return default
        value = self.values.get(key)
        if type(value) is int:
            value = str(value)
        if not isinstance(value, str) or not value or len(value) > _TEXT_LENGTH_MAX:
            raise InvalidField(self.at(key), f"a text of 1 to {_TEXT_LENGTH_MAX} characters is expected", found=value)
        return value

    def code(self, key: str, known: frozenset[str], *, default: str | None = None) -> str:
        code = self.text(key, default=default)
        if code not in known:
            expected = "a code of the list is expected"
            raise InvalidField(self.at(key), expected, found=code, finding=FindingCode.CODE_UNKNOWN)
        return code

    def choice(self, key: str, choices: type[_Choice]) -> _Choice:
        return choices(self.code(key, frozenset(choice.value for choice in choices)))

    def number(self, key: str, *, default: Decimal | None = None, decimals_max: int = 28) -> Decimal:
        """A number from 0, exact; as text it has no sign, exponent or thousands mark."""
        if default is not None and not self.has(key):
            return default
        value = self.values.get(key)
        if type(value) is int or isinstance(value, Decimal):
            value = format(Decimal(value), "f") if -30 < Decimal(value).adjusted() < 30 else str(value)
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise InvalidField(self.at(key), "a number from 0 without exponent is expected", found=value)
        if len(value.partition(".")[2].rstrip("0")) > decimals_max:
            raise InvalidField(self.at(key), f"at most {decimals_max} decimals are expected", found=value)
        return Decimal(value)

    def amount(self, key: str) -> Decimal | None:
        """An amount the source states, or None where it states nothing."""
        return self.number(key) if self.has(key) else None

    def integer(self, key: str) -> int:
        number = self.number(key)
        if number != int(number):
            raise InvalidField(self.at(key), "a whole number is expected", found=number)
        return int(number)

    def moment(self, key: str, *, day_is_enough: bool = False) -> datetime:
        """A moment yyyymmddHHMM in Vietnam time; with `day_is_enough` also a day yyyymmdd, from its first minute."""
        text = self.text(key)
        shape = "yyyymmddHHMM or yyyymmdd is expected" if day_is_enough else "yyyymmddHHMM is expected"
        if day_is_enough and _DAY.fullmatch(text):
            text += "0000"
        try:
            if not _MOMENT.fullmatch(text):
                raise ValueError(shape)
            return datetime(
                int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), tzinfo=VIETNAM_TIME
            )
        except ValueError as cause:
            raise InvalidField(self.at(key), shape, found=text, finding=FindingCode.DATE_UNREADABLE) from cause

    def day(self, key: str) -> date:
        """A day written yyyy-mm-dd."""
        text = self.text(key)
        try:
            if not _ISO_DAY.fullmatch(text):
                raise ValueError(text)
            return date.fromisoformat(text)
        except ValueError as cause:
            expected = "yyyy-mm-dd is expected"
            raise InvalidField(self.at(key), expected, found=text, finding=FindingCode.DATE_UNREADABLE) from cause

    def object(self, key: str) -> "Fields":
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise InvalidField(self.at(key), "an object is expected", found=value)
        return Fields(value, self.at(key))

    def objects(self, key: str) -> "Iterator[Fields]":
        value = self.values.get(key)
        if not isinstance(value, list):
            raise InvalidField(self.at(key), "a list is expected", found=value)
        for position, element in enumerate(value):
            path = f"{self.at(key)}[{position}]"
            if not isinstance(element, dict):
                raise InvalidField(path, "an object is expected", found=element)
            yield Fields(element, path)


def _card(fields: Fields) -> Card:
    fields.refuse_other_keys(frozenset({"code", "valid_from", "valid_to"}))
    written = fields.text("code")
    valid_from = fields.day("valid_from")
    valid_to = fields.day("valid_to") if fields.has("valid_to") else None
    try:
        return Card(_CARD_FILLERS.sub("", written), valid_from, valid_to)
    except InvalidValue as refusal:
        is_order = refusal.field == "GT_THE_DEN"
        path = fields.at("valid_to" if is_order else "code")
        found = fields.values["valid_to"] if is_order else written
        finding = FindingCode.VALUE_INVALID if is_order else FindingCode.CODE_UNKNOWN
        raise InvalidField(path, refusal.detail, found=found, finding=finding) from refusal


def _charge_item(fields: Fields) -> ChargeItem:
    table = fields.choice("table", Table)
    fields.refuse_other_keys(_KEYS_OF_TABLE[table])
    is_drug = table is Table.DRUGS
    group = fields.integer("MA_NHOM")
    has_ceiling = fields.has("T_TRANTT") and fields.number("T_TRANTT") > 0
    if has_ceiling and fields.text("ceiling", default="unit") != "unit":
        raise RuleNotBuilt("B-071", field=fields.at("ceiling"), found=fields.text("ceiling"))
    with fields.naming():
        return ChargeItem(
            table=table,
            number=fields.integer("stt"),
            name=fields.text("name", default=""),
            code=_code(fields, is_drug=is_drug),
            unit=fields.text("DON_VI_TINH", default=""),
            group=group,
            scope=fields.choice("PHAM_VI", Scope),
            quantity=fields.number("SO_LUONG"),
            hospital_price=fields.number("DON_GIA" if is_drug else "DON_GIA_BV"),
            insurance_price=fields.number("DON_GIA" if is_drug else "DON_GIA_BH"),
            service_ratio=fields.number("TYLE_TT_DV", default=HUNDRED),
            payment_ratio=fields.number("TYLE_TT_BH", default=HUNDRED),
            ceiling=fields.number("T_TRANTT") if has_ceiling else None,
            package=fields.text("GOI_VTYT", default=""),
            is_supply=not is_drug and (fields.has("MA_VAT_TU") or group in _SUPPLY_GROUPS),
            other_funds=_other_funds(fields),
            ordered_at=fields.moment("NGAY_YL") if fields.has("NGAY_YL") else None,
            department=fields.text("MA_KHOA", default=""),
            is_war_wound=fields.code("VET_THUONG_TP", frozenset("01"), default="0") == "1",
            paying_source=fields.code("NGUON_CTRA", frozenset("1234"), default="1"),
            payment_method=fields.code("MA_PTTT", frozenset("123"), default="1"),
            stated=_stated(fields),
        )


def _code(fields: Fields, *, is_drug: bool) -> str:
    keys = ("MA_THUOC",) if is_drug else ("MA_VAT_TU", "MA_DICH_VU")
    return next((fields.text(key) for key in keys if fields.has(key)), "")


def _other_funds(fields: Fields) -> OtherFunds:
    if not fields.has("NGUONKHAC"):
        return OtherFunds()
    parts = fields.object("NGUONKHAC")
    parts.refuse_other_keys(frozenset({"NSNN", "VTNN", "VTTN", "CL"}))
    zero = Decimal("0.00")
    return OtherFunds(
        state_budget=parts.number("NSNN", default=zero, decimals_max=2),
        from_abroad=parts.number("VTNN", default=zero, decimals_max=2),
        domestic=parts.number("VTTN", default=zero, decimals_max=2),
        remaining=parts.number("CL", default=zero, decimals_max=2),
    )


def _stated(fields: Fields) -> StatedAmounts | None:
    stated = StatedAmounts(
        hospital_amount=fields.amount("THANH_TIEN_BV"),
        insured_amount=fields.amount("THANH_TIEN_BH"),
        level=fields.amount("MUC_HUONG"),
        other_funds=fields.amount("T_NGUONKHAC"),
        self_pay=fields.amount("T_BNTT"),
        copay=fields.amount("T_BNCCT"),
        fund=fields.amount("T_BHTT"),
    )
    return None if stated == StatedAmounts() else stated


def _patient(fields: Fields) -> Patient:
    fields.refuse_other_keys(frozenset(_PATIENT_KEYS))
    return Patient(**{name: fields.text(key, default="") for key, name in _PATIENT_KEYS.items()})

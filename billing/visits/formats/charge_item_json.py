"""A charge item as a JSON object with the field names of the data standard, a line of `visit_json`.

Money and quantities are texts or numbers, read exactly. A field that is absent, null or empty has no value. Only fields
with a value are read, by the table below: repricing reads every line of every invoice.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from billing.core.errors import InvalidValue
from billing.visits.domain.visit import (
    CeilingKind,
    ChargeItem,
    OtherFunds,
    PayerClass,
    Scope,
    StatedAmounts,
    Table,
    is_supply_line,
)
from billing.visits.formats.json_fields import Fields, InvalidField

_Read = Callable[[Fields, str], object]


def _choice(choices: type[StrEnum]) -> _Read:
    return lambda fields, key: fields.choice(key, choices)


def _code(known: str) -> _Read:
    codes = frozenset(known)
    return lambda fields, key: fields.code(key, codes)


def _is_one(fields: Fields, key: str) -> bool:
    return fields.code(key, frozenset("01")) == "1"


def _ceiling(fields: Fields, key: str) -> Decimal | None:
    """A ceiling; 0 means none: some systems write it where there is no ceiling."""
    return fields.number(key) or None


def _other_funds(fields: Fields, key: str) -> OtherFunds:
    parts = fields.object(key)
    parts.refuse_other_keys(frozenset({"NSNN", "VTNN", "VTTN", "CL"}))
    zero = Decimal("0.00")
    return OtherFunds(
        state_budget=parts.number("NSNN", default=zero, decimals_max=2),
        from_abroad=parts.number("VTNN", default=zero, decimals_max=2),
        domestic=parts.number("VTTN", default=zero, decimals_max=2),
        remaining=parts.number("CL", default=zero, decimals_max=2),
    )


_STATED: Mapping[str, str] = {
    "THANH_TIEN_BV": "hospital_amount",
    "THANH_TIEN_BH": "insured_amount",
    "MUC_HUONG": "level",
    "T_NGUONKHAC": "other_funds",
    "T_BNTT": "self_pay",
    "T_BNCCT": "copay",
    "T_BHTT": "fund",
}
_LINE: Mapping[str, tuple[str, _Read]] = {
    "table": ("table", _choice(Table)),
    "stt": ("number", Fields.integer),
    "name": ("name", Fields.text),
    "MA_DICH_VU": ("service_code", Fields.text),
    "MA_NHOM": ("group", Fields.integer),
    "PHAM_VI": ("scope", _choice(Scope)),
    "SO_LUONG": ("quantity", Fields.number),
    "TYLE_TT_BH": ("payment_ratio", Fields.number),
    "DON_VI_TINH": ("unit", Fields.text),
    "MA_KHOA": ("department", Fields.text),
    "NGAY_YL": ("ordered_at", Fields.timestamp),
    "NGUONKHAC": ("other_funds", _other_funds),
    "VET_THUONG_TP": ("is_war_wound", _is_one),
    "NGUON_CTRA": ("paying_source", _code("1234")),
    "MA_PTTT": ("payment_method", _code("123")),
    "payer_class": ("payer_class", _choice(PayerClass)),
    "copay_replaced": ("is_copay_replaced", Fields.flag),
}
_FIELDS: Mapping[Table, Mapping[str, tuple[str, _Read]]] = {
    Table.DRUGS: {**_LINE, "DON_GIA": ("hospital_price", Fields.number), "MA_THUOC": ("code", Fields.text)},
    Table.SERVICES: {
        **_LINE,
        "DON_GIA_BV": ("hospital_price", Fields.number),
        "DON_GIA_BH": ("insurance_price", Fields.number),
        "TYLE_TT_DV": ("service_ratio", Fields.number),
        "T_TRANTT": ("ceiling", _ceiling),
        "ceiling": ("ceiling_kind", _choice(CeilingKind)),
        "GOI_VTYT": ("package", Fields.text),
        "MA_VAT_TU": ("supply_code", Fields.text),
    },
}
"""The attribute of `ChargeItem` for each field, and its reader; codes of services and supplies share one attribute."""

LINE_FACTS = frozenset({"NGAY_TH_YL", "NGUOI_THUC_HIEN", "patients_in_bed", "number_at_desk"})
"""Fields of a service that decide its service ratio, in addition to its price: read by `visit_facts_json`."""


def line_keys(is_service: bool) -> frozenset[str]:
    """Every field that a line of XML3, or of XML2, may have."""
    fields = _FIELDS[Table.SERVICES if is_service else Table.DRUGS]
    return frozenset(fields) | frozenset(_STATED) | (LINE_FACTS if is_service else frozenset())


_NEEDED: Mapping[Table, Mapping[str, str]] = {
    table: {
        fields[key][0]: key
        for key in ("stt", "MA_NHOM", "PHAM_VI", "SO_LUONG", "DON_GIA", "DON_GIA_BV", "DON_GIA_BH")
        if key in fields
    }
    for table, fields in _FIELDS.items()
}


def read_charge_item(fields: Fields) -> ChargeItem:
    """Read one line. Raises InvalidValue (`field` is the path) for an unknown, missing or invalid field."""
    table = fields.choice("table", Table)
    read = _read_fields(fields, _FIELDS[table])
    needed = _NEEDED[table]
    if not needed.keys() <= read.keys():
        key = next(key for name, key in needed.items() if name not in read)
        raise InvalidField(fields.at(key), "a number or code is expected", found=fields.values.get(key))
    service_code, supply_code = read.pop("service_code", ""), read.pop("supply_code", "")
    if table is Table.DRUGS:
        read["insurance_price"] = read["hospital_price"]
    else:
        read["code"] = supply_code or service_code
    read["is_supply"] = is_supply_line(table, group=read["group"], supply_code=supply_code)
    read["stated"] = _stated(fields)
    try:
        return ChargeItem(**{"name": "", **read})
    except InvalidValue as refusal:
        raise fields.named(refusal) from refusal


def _read_fields(fields: Fields, known: Mapping[str, tuple[str, _Read]]) -> dict[str, Any]:
    """The values of the object by attribute of `ChargeItem`; an unknown field is refused."""
    read: dict[str, Any] = {}
    for key, value in fields.values.items():
        reading = known.get(key)
        if reading is None:
            if key in _STATED or (key in LINE_FACTS and "DON_GIA_BV" in known):
                continue
            raise fields.unknown(key, line_keys("DON_GIA_BV" in known))
        if value is not None and value != "":
            read[reading[0]] = reading[1](fields, key)
    return read


def _stated(fields: Fields) -> StatedAmounts | None:
    """The results that the source states; None where it states none."""
    if fields.values.keys().isdisjoint(_STATED):
        return None
    stated = StatedAmounts(**{name: fields.amount(key) for key, name in _STATED.items()})
    return None if stated == StatedAmounts() else stated

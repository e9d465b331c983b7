"""The JSON schema of a visit as `visit_json` reads it, for the OpenAPI document.

It describes every field; the reader refuses some values that a schema cannot describe (a period that ends before it
begins, a card of an unknown group). A test compares the field names of both.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from billing.visits.domain.private_insurance import CoveredPart
from billing.visits.domain.visit import OUT_OF_ROUTE_TIERS, CeilingKind, PayerClass, Scope, Table
from billing.visits.formats.copay_rows import GATEWAY_KEYS, GATEWAY_KEYS_READ
from billing.visits.formats.visit_json import CARE_KINDS

Json = dict[str, Any]

_EXACT = "[0-9]{1,15}(\\.[0-9]{1,38})?"


def _text(description: str, **more: object) -> Json:
    return {"type": "string", "description": description, "minLength": 1, "maxLength": 1024, **more}


def _code(description: str) -> Json:
    """The schema of a code: a text, or a number."""
    return {"type": ["string", "integer"], "description": description}


def _words(description: str, words: Iterable[object]) -> Json:
    return {"type": "string", "description": description, "enum": sorted(str(word) for word in words)}


def _number(description: str) -> Json:
    return {
        "description": f"{description}; a text or number from 0, taken exactly",
        "oneOf": [{"type": "string", "pattern": f"^{_EXACT}$"}, {"type": "number", "minimum": 0}],
    }


def _timestamp(description: str) -> Json:
    return {"type": "string", "description": f"{description}, yyyymmddHHMM in Vietnam", "pattern": "^[0-9]{12}$"}


def _day(description: str) -> Json:
    return {"type": "string", "format": "date", "description": description}


def _object(properties: Mapping[str, Json], *, required: Iterable[str] = (), description: str = "") -> Json:
    schema: Json = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    schema |= {"required": list(required)} if required else {}
    return {**schema, "description": description} if description else schema


def _list(items: Json, description: str) -> Json:
    return {"type": "array", "items": items, "description": description}


_STATED: Mapping[str, Json] = {
    name: {
        "description": f"{what}, as the sender computed it; compared, never believed",
        "type": ["string", "number"],
    }
    for name, what in {
        "THANH_TIEN_BV": "amount at the hospital's price",
        "THANH_TIEN_BH": "amount at the insurance price",
        "MUC_HUONG": "benefit level in percent",
        "T_NGUONKHAC": "paid by other sources",
        "T_BNTT": "paid by the patient outside the insurance",
        "T_BNCCT": "co-payment of the patient",
        "T_BHTT": "paid by the insurance fund",
    }.items()
}
_OTHER_FUNDS = _object(
    {
        "NSNN": _number("state budget"),
        "VTNN": _number("aid from abroad"),
        "VTTN": _number("domestic aid"),
        "CL": _number("remaining sources"),
    },
    description="amounts of other sources for this line",
)
_LINE: Mapping[str, Json] = {
    "stt": {"type": ["integer", "string"], "minimum": 0, "description": "number of the line in its table"},
    "name": _text("name of the service, drug or supply"),
    "MA_DICH_VU": _code("code of the service"),
    "MA_NHOM": {"type": ["integer", "string"], "minimum": 0, "description": "cost group of the data standard"},
    "PHAM_VI": _words("scope: 1 insured, 2 outside the insurance, 3 armed forces", Scope),
    "SO_LUONG": _number("quantity"),
    "TYLE_TT_BH": _number("percentage that the insurance pays for"),
    "DON_VI_TINH": _text("unit"),
    "MA_KHOA": _code("department"),
    "NGAY_YL": _timestamp("when it was ordered"),
    "NGUONKHAC": _OTHER_FUNDS,
    "VET_THUONG_TP": _words("1: for a recurring war wound", ("0", "1")),
    "NGUON_CTRA": _words("paying source", "1234"),
    "MA_PTTT": _words("payment method of the data standard", "123"),
    "payer_class": _words("the payer by the hospital's own books", PayerClass),
    "copay_replaced": {"type": "boolean", "description": "whether another source replaces the co-payment"},
    **_STATED,
}
_DRUG = _object(
    {
        "table": {"const": Table.DRUGS.value, "description": "table of the claim file: drugs"},
        **_LINE,
        "DON_GIA": _number("price of one unit"),
        "MA_THUOC": _code("code of the drug"),
    },
    required=("table", "stt", "MA_NHOM", "PHAM_VI", "SO_LUONG", "DON_GIA"),
    description="a drug, as in XML2",
)
_SERVICE = _object(
    {
        "table": {"const": Table.SERVICES.value, "description": "table of the claim file: services and supplies"},
        **_LINE,
        "DON_GIA_BV": _number("the hospital's price of one unit"),
        "DON_GIA_BH": _number("the insurance price of one unit"),
        "TYLE_TT_DV": _number("percentage of the price that is charged; without it the rules give it (B-061 to B-063)"),
        "T_TRANTT": _number("ceiling of the insurance"),
        "ceiling": _words("what the ceiling limits", CeilingKind),
        "GOI_VTYT": _code("package of supplies that the line belongs to"),
        "MA_VAT_TU": _code("code of the supply"),
        "NGAY_TH_YL": _timestamp("when it was performed"),
        "NGUOI_THUC_HIEN": _text("codes of the persons who performed it, parted by `;`"),
        "patients_in_bed": {"type": ["integer", "string"], "description": "patients who shared the bed"},
        "number_at_desk": {"type": ["integer", "string"], "description": "place in the queue of the desk that day"},
    },
    required=("table", "stt", "MA_NHOM", "PHAM_VI", "SO_LUONG", "DON_GIA_BV", "DON_GIA_BH"),
    description="a service or supply, as in XML3",
)
_CARD = _object(
    {
        "code": _text(
            "insurance card code, 15 characters, or 10 digits with `entitlement`; spaces and `-` are ignored"
        ),
        "valid_from": _day("first day of validity"),
        "valid_to": _day("last day of validity; without it, no end"),
        "entitlement": _text(
            "two letters and the benefit digit, where the code does not hold them", pattern="^[A-Z]{2}[1-5]$"
        ),
        "shown_at": _timestamp("when the card was shown; without it, at the beginning"),
    },
    required=("valid_from",),
)
_GATEWAY_ROW = _object(
    {
        **{key: _code("as the gateway answers; not read") for key in sorted(GATEWAY_KEYS - GATEWAY_KEYS_READ)},
        "Id": _code("name of the row: a row named twice is taken once"),
        "ngayRa": _code("moment of discharge: yyyymmddHHMM, yyyy-mm-dd or dd/mm/yyyy"),
        "tBNCCTLuyKe": _number("sum of the year up to and including this row: rows are differenced, never added"),
        "tBNCCTMCCT": _number("part of the row that counts"),
    },
    required=("ngayRa", "tBNCCTLuyKe"),
    description="a row of the gateway's co-payment look-up (DataCCT)",
)
_PRIVATE = _object(
    {
        "covers": _list(_words("part of the patient's share", CoveredPart), "parts that are covered; without it, all"),
        "deductible": _number("amount that the patient keeps, in đồng"),
        "coinsurance_pct": _number("percentage of the rest that is covered, 100 without it"),
        "limit": _number("largest amount that is covered, in đồng"),
        "excluded_groups": _list({"type": "integer"}, "cost groups (MA_NHOM) that are not covered"),
        "guaranteed_by": _text("name of the insurer that has guaranteed the amount; it then owes it"),
    }
)
VISIT_SCHEMA: Json = {
    "title": "Visit",
    **_object(
        {
            "MA_LK": _text("the visit's code at its facility"),
            "MA_CSKCB": _text("code of the facility; without it, the only one of the organization"),
            "MA_LOAI_KCB": _words("kind of care of the data standard", CARE_KINDS),
            "MA_DOITUONG_KCB": _text("patient category: route and reason of the visit", examples=["1.1"]),
            "NGAY_VAO": _timestamp("admission"),
            "NGAY_RA": _timestamp("discharge; absent while the visit is open"),
            "NGAY_MIEN_CCT": _text(
                "from when the patient is exempt from co-payment by certificate, yyyymmddHHMM or yyyymmdd",
                pattern="^[0-9]{8}([0-9]{4})?$",
            ),
            "route": _object(
                {
                    "regime": _words("law of the route", ("law-46-2014",)),
                    "kind": _words("kind of route", ("offline",)),
                    "line": _words("former tier of the facility", OUT_OF_ROUTE_TIERS),
                },
                required=("regime", "kind", "line"),
                description="only for visits out of route under Law 46/2014",
            ),
            "five_year_date": _day("from when the card counts five continuous years"),
            "copay_history": _list(
                {
                    "oneOf": [
                        _object(
                            {"date": _day("day paid"), "amount": _number("amount in đồng")}, required=("date", "amount")
                        ),
                        _GATEWAY_ROW,
                    ]
                },
                "co-payments of the same year at other visits, in one of the two shapes",
            ),
            "private_insurance": _PRIVATE,
            "cards": _list(_CARD, "insurance cards in any order; empty for a patient without one"),
            "lines": _list({"oneOf": [_DRUG, _SERVICE]}, "charge items"),
            "patient": _object(
                {
                    "HO_TEN": _text("name"),
                    "NGAY_SINH": _text("birth, yyyymmdd or yyyymmddHHMM"),
                    "GIOI_TINH": _code("sex of the data standard"),
                    "SO_CCCD": _code("citizen number"),
                    "MA_BN": _code("patient number of the hospital"),
                    "DIA_CHI": _text("address"),
                    "DIEN_THOAI": _code("phone"),
                },
                description="kept apart from the books and erased after its retention",
            ),
        },
        required=("MA_LK", "MA_LOAI_KCB", "MA_DOITUONG_KCB", "NGAY_VAO", "cards", "lines"),
        description="One visit with the field names of the data standard (Decision 130/QĐ-BYT). "
        "A field that is not known is refused; null and empty texts are absent.",
    ),
}

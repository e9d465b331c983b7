"""A visit as a JSON object with the field names of the data standard: the HTTP API and `bhyt-case/1` files.

Shape: MA_LK, MA_CSKCB, MA_LOAI_KCB, MA_DOITUONG_KCB, NGAY_VAO, NGAY_RA (absent while open), `cards` [{code, valid_from,
valid_to, entitlement, shown_at}], `lines` [{table, stt, …}], optional `patient`, `five_year_date`, `copay_history`
[{date, amount}], `private_insurance` and `route` (law 46). Money and quantities are texts or numbers, taken exactly. A
key this shape does not know is refused: a misspelt field must not change an amount silently.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from billing.domain.card import Card
from billing.domain.copay_history import CopayHistory, CopayPaid
from billing.domain.errors import InvalidValue
from billing.domain.finding import FindingCode
from billing.domain.impossible import ImpossibleInput
from billing.domain.money import HUNDRED
from billing.domain.private_insurance import CoveredPart, PrivateInsurance
from billing.domain.visit import (
    NO_OTHER_FUNDS,
    CeilingKind,
    ChargeItem,
    FormerLine,
    OtherFunds,
    Patient,
    PayerClass,
    Scope,
    StatedAmounts,
    Table,
    Visit,
    is_supply_line,
)
from billing.interop.json_fields import Fields, InvalidField

CARE_KINDS = frozenset(f"{kind:02}" for kind in range(1, 17))
_CARD_FILLERS = re.compile(r"[\s-]+")

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
        "five_year_date",
        "copay_history",
        "private_insurance",
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
        "payer_class",
        "copay_replaced",
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


def read_visit(document: Mapping[str, object], *, default_facility: str | None = None, path: str = "") -> Visit:
    """Read one visit object.

    `default_facility` is MA_CSKCB where the object names none; with None it must name one. `path` stands before the
    field paths of errors. Raises InvalidValue (its `field` is the path).
    """
    fields = Fields(document, path)
    fields.refuse_other_keys(_VISIT_KEYS)
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
            copay_history=_copay_history(fields),
            off_line_at=_off_line_at(fields.object("route")) if fields.has("route") else None,
            private_insurance=_private(fields.object("private_insurance")) if fields.has("private_insurance") else None,
            patient=_patient(fields.object("patient")) if fields.has("patient") else Patient(),
        )


def _card(fields: Fields) -> Card:
    fields.refuse_other_keys(frozenset({"code", "valid_from", "valid_to", "entitlement", "shown_at"}))
    entitlement = fields.text("entitlement", default="")
    written = fields.text("code", default="" if entitlement else None)
    valid_from = fields.day("valid_from")
    valid_to = fields.day("valid_to") if fields.has("valid_to") else None
    shown_at = fields.moment("shown_at") if fields.has("shown_at") else None
    try:
        return Card(_CARD_FILLERS.sub("", written), valid_from, valid_to, entitlement, shown_at)
    except InvalidValue as refusal:
        names = {"GT_THE_DEN": "valid_to", "MA_THE_BHYT": "code"}
        name = names.get(refusal.field or "", refusal.field or "code")
        finding = FindingCode.CODE_UNKNOWN if name in {"code", "entitlement"} else FindingCode.VALUE_INVALID
        if isinstance(refusal, ImpossibleInput):
            finding = refusal.finding
        found = fields.values.get(name, "")
        raise InvalidField(fields.at(name), refusal.detail, found=found, finding=finding) from refusal


def _copay_history(fields: Fields) -> CopayHistory | None:
    """The history of co-payments; None where neither it nor the day of five years is told."""
    if not fields.has("five_year_date") and not fields.has("copay_history"):
        return None
    paid = []
    for entry in fields.objects("copay_history") if fields.has("copay_history") else ():
        entry.refuse_other_keys(frozenset({"date", "amount"}))
        paid.append(CopayPaid(entry.day("date"), entry.number("amount", decimals_max=2)))
    five_years_on = fields.day("five_year_date") if fields.has("five_year_date") else None
    return CopayHistory(five_years_on=five_years_on, paid=tuple(paid))


def _off_line_at(fields: Fields) -> FormerLine:
    """The line of the facility of a visit off line under Law 46/2014/QH13 (B-040)."""
    fields.refuse_other_keys(frozenset({"regime", "kind", "line"}))
    fields.code("regime", frozenset({"law-46-2014"}))
    fields.code("kind", frozenset({"offline"}))
    return fields.choice("line", FormerLine)


def _private(fields: Fields) -> PrivateInsurance:
    keys = {"covers", "deductible", "coinsurance_pct", "limit", "excluded_groups"}
    fields.refuse_other_keys(frozenset(keys))
    zero = Decimal(0)
    with fields.naming():
        return PrivateInsurance(
            covers=frozenset(fields.choices("covers", CoveredPart) if fields.has("covers") else CoveredPart),
            deductible=fields.number("deductible", default=zero, decimals_max=2),
            coinsurance=fields.number("coinsurance_pct", default=HUNDRED),
            limit=fields.number("limit", decimals_max=2) if fields.has("limit") else None,
            excluded_groups=frozenset(fields.integers("excluded_groups"))
            if fields.has("excluded_groups")
            else frozenset(),
        )


def _charge_item(fields: Fields) -> ChargeItem:
    table = fields.choice("table", Table)
    fields.refuse_other_keys(_KEYS_OF_TABLE[table])
    is_drug = table is Table.DRUGS
    group = fields.integer("MA_NHOM")
    has_ceiling = fields.has("T_TRANTT") and fields.number("T_TRANTT") > 0
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
            ceiling_kind=fields.choice("ceiling", CeilingKind, default=CeilingKind.UNIT),
            package=fields.text("GOI_VTYT", default=""),
            is_supply=is_supply_line(table, group=group, supply_code=fields.text("MA_VAT_TU", default="")),
            other_funds=_other_funds(fields),
            ordered_at=fields.moment("NGAY_YL") if fields.has("NGAY_YL") else None,
            department=fields.text("MA_KHOA", default=""),
            is_war_wound=fields.code("VET_THUONG_TP", frozenset("01"), default="0") == "1",
            paying_source=fields.code("NGUON_CTRA", frozenset("1234"), default="1"),
            payment_method=fields.code("MA_PTTT", frozenset("123"), default="1"),
            payer_class=fields.choice("payer_class", PayerClass, default=PayerClass.INSURANCE),
            is_copay_replaced=fields.flag("copay_replaced"),
            stated=_stated(fields),
        )


def _code(fields: Fields, *, is_drug: bool) -> str:
    keys = ("MA_THUOC",) if is_drug else ("MA_VAT_TU", "MA_DICH_VU")
    return next((fields.text(key) for key in keys if fields.has(key)), "")


def _other_funds(fields: Fields) -> OtherFunds:
    if not fields.has("NGUONKHAC"):
        return NO_OTHER_FUNDS
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

"""A visit as a JSON object with the field names of the data standard: the HTTP API and `bhyt-case/1` files.

Shape: MA_LK, MA_CSKCB, MA_LOAI_KCB, MA_DOITUONG_KCB, NGAY_VAO, NGAY_RA (absent while open), `cards` [{code, valid_from,
valid_to, entitlement, shown_at}], `lines` [{table, stt, …}], optional `patient`, `five_year_date`, `copay_history`
[{date, amount}, or the gateway's rows], `private_insurance` and `route` (law 46). Money and quantities are texts or
numbers, read exactly. An unknown key is refused: a misspelt field must not change an amount silently. A service without
TYLE_TT_DV has the ratio that the rules compute (B-061 … B-063) from the facts of its line (`LINE_FACTS`).
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from billing.core.errors import InvalidValue
from billing.core.money import HUNDRED
from billing.core.text import compose
from billing.visits.domain.card import Card
from billing.visits.domain.copay_history import CopayHistory, CopayPaid
from billing.visits.domain.facts import LineFacts, LineKey
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.invalid_input import InvalidInput
from billing.visits.domain.private_insurance import CoveredPart, PrivateInsurance
from billing.visits.domain.visit import (
    OUT_OF_ROUTE_TIERS,
    FormerTier,
    Patient,
    Table,
    Visit,
)
from billing.visits.formats.charge_item_json import LINE_FACTS, read_charge_item
from billing.visits.formats.copay_rows import CUMULATIVE, read_gateway_rows
from billing.visits.formats.json_fields import Fields, InvalidField
from billing.visits.formats.visit_facts_json import read_line_facts

CARE_KINDS = frozenset(f"{kind:02}" for kind in range(1, 17))
_CARD_FILLERS = re.compile(r"[\s-]+")

VISIT_KEYS = frozenset(
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
CARD_KEYS = frozenset({"code", "valid_from", "valid_to", "entitlement", "shown_at"})
PRIVATE_KEYS = frozenset({"covers", "deductible", "coinsurance_pct", "limit", "excluded_groups", "guaranteed_by"})
PATIENT_KEYS = {
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

    `default_facility` is MA_CSKCB where the object names none; with None the object must name it. `path` is the prefix
    of the field paths of errors. Raises InvalidValue (its `field` is the path).
    """
    fields = Fields(document, path)
    fields.refuse_other_keys(VISIT_KEYS)
    lines = list(fields.objects("lines"))
    with fields.naming():
        return Visit(
            ma_lk=fields.text("MA_LK"),
            facility_code=fields.text("MA_CSKCB", default=default_facility),
            care_kind=fields.code("MA_LOAI_KCB", CARE_KINDS),
            category_code=fields.text("MA_DOITUONG_KCB"),
            admitted_at=fields.timestamp("NGAY_VAO"),
            discharged_at=fields.timestamp("NGAY_RA") if fields.has("NGAY_RA") else None,
            exempt_from=fields.timestamp("NGAY_MIEN_CCT", day_is_enough=True) if fields.has("NGAY_MIEN_CCT") else None,
            cards=tuple(_card(card) for card in fields.objects("cards")),
            items=tuple(map(read_charge_item, lines)),
            copay_history=_copay_history(fields),
            out_of_route_tier=_out_of_route_tier(fields.object("route")) if fields.has("route") else None,
            private_insurance=_private(fields.object("private_insurance")) if fields.has("private_insurance") else None,
            patient=_patient(fields.object("patient")) if fields.has("patient") else Patient(),
        )


def services_without_ratio(document: Mapping[str, object], visit: Visit) -> frozenset[LineKey]:
    """The service lines of a visit that state no service ratio [TYLE_TT_DV]. `document` was read as `visit`."""
    lines: Any = document["lines"]
    return frozenset(
        item.key
        for item, line in zip(visit.items, lines, strict=True)
        if item.table is Table.SERVICES and line.get("TYLE_TT_DV") in (None, "")
    )


def read_facts_of_lines(document: Mapping[str, object], visit: Visit) -> dict[LineKey, LineFacts]:
    """The facts of the lines of a visit, except their prices. `document` was read as `visit`."""
    return _line_facts(visit, list(Fields(document, "").objects("lines")))


def _line_facts(visit: Visit, lines: Sequence[Fields]) -> dict[LineKey, LineFacts]:
    return {
        item.key: read_line_facts(line)
        for item, line in zip(visit.items, lines, strict=True)
        if not line.values.keys().isdisjoint(LINE_FACTS)
    }


def _card(fields: Fields) -> Card:
    fields.refuse_other_keys(CARD_KEYS)
    entitlement = fields.text("entitlement", default="")
    written = fields.text("code", default="" if entitlement else None)
    valid_from = fields.day("valid_from")
    valid_to = fields.day("valid_to") if fields.has("valid_to") else None
    shown_at = fields.timestamp("shown_at") if fields.has("shown_at") else None
    try:
        return Card(_CARD_FILLERS.sub("", written), valid_from, valid_to, entitlement, shown_at)
    except InvalidValue as refusal:
        names = {"GT_THE_DEN": "valid_to", "MA_THE_BHYT": "code"}
        name = names.get(refusal.field or "", refusal.field or "code")
        finding = FindingCode.CODE_UNKNOWN if name in {"code", "entitlement"} else FindingCode.VALUE_INVALID
        if isinstance(refusal, InvalidInput):
            finding = refusal.finding
        found = fields.values.get(name, "")
        raise InvalidField(fields.at(name), refusal.detail, found=found, finding=finding) from refusal


def _copay_history(fields: Fields) -> CopayHistory | None:
    """The history of co-payments; None where neither it nor the day of five years is supplied."""
    if not fields.has("five_year_date") and not fields.has("copay_history"):
        return None
    entries = list(fields.objects("copay_history")) if fields.has("copay_history") else []
    if any(CUMULATIVE in entry.values for entry in entries):
        paid = read_gateway_rows(entries)
    else:
        paid = tuple(map(_copay_paid, entries))
    five_years_on = fields.day("five_year_date") if fields.has("five_year_date") else None
    return CopayHistory(five_years_on=five_years_on, paid=paid)


def _copay_paid(entry: Fields) -> CopayPaid:
    entry.refuse_other_keys(frozenset({"date", "amount"}))
    return CopayPaid(entry.day("date"), entry.number("amount", decimals_max=2))


def _out_of_route_tier(fields: Fields) -> FormerTier:
    """The tier of the facility of a visit out of route under Law 46/2014/QH13 (B-040)."""
    fields.refuse_other_keys(frozenset({"regime", "kind", "line"}))
    fields.code("regime", frozenset({"law-46-2014"}))
    fields.code("kind", frozenset({"offline"}))
    return FormerTier(fields.code("line", frozenset(OUT_OF_ROUTE_TIERS)))


def _private(fields: Fields) -> PrivateInsurance:
    fields.refuse_other_keys(PRIVATE_KEYS)
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
            guarantor=fields.text("guaranteed_by", default="").strip(),
        )


def _patient(fields: Fields) -> Patient:
    fields.refuse_other_keys(frozenset(PATIENT_KEYS))
    return Patient(**{name: compose(fields.text(key, default="")) for key, name in PATIENT_KEYS.items()})

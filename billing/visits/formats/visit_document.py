"""The stored document of a visit: the JSON shape of `visit_json` in canonical form.

There are two documents: the full one (for the store that is erased after its retention) and the snapshot, without the
patient and with the personal digits of card numbers blanked, which an issued invoice keeps permanently.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from billing.core.clock import VIETNAM
from billing.visits.domain.card import Card
from billing.visits.domain.private_insurance import PrivateInsurance
from billing.visits.domain.visit import CeilingKind, ChargeItem, Patient, PayerClass, StatedAmounts, Table, Visit


def write_visit(visit: Visit) -> dict[str, object]:
    """The visit without its patient, as `visit_json.read_visit` reads it. Amounts and quantities are texts."""
    document: dict[str, object] = {
        "MA_LK": visit.ma_lk,
        "MA_CSKCB": visit.facility_code,
        "MA_LOAI_KCB": visit.care_kind,
        "MA_DOITUONG_KCB": visit.category_code,
        "NGAY_VAO": _timestamp(visit.admitted_at),
        "cards": [_card(card) for card in visit.cards],
        "lines": [_line(item) for item in visit.items],
    }
    if visit.discharged_at is not None:
        document["NGAY_RA"] = _timestamp(visit.discharged_at)
    if visit.exempt_from is not None:
        document["NGAY_MIEN_CCT"] = _timestamp(visit.exempt_from)
    if visit.copay_history is not None:
        history = visit.copay_history
        document["copay_history"] = [
            {"date": entry.paid_on.isoformat(), "amount": _number(entry.amount)} for entry in history.paid
        ]
        if history.five_years_on is not None:
            document["five_year_date"] = history.five_years_on.isoformat()
    if visit.out_of_route_tier is not None:
        document["route"] = {"regime": "law-46-2014", "kind": "offline", "line": visit.out_of_route_tier.value}
    if visit.private_insurance is not None:
        document["private_insurance"] = _private(visit.private_insurance)
    return document


def write_snapshot_visit(visit: Visit) -> dict[str, object]:
    """The visit as a price snapshot stores it: the inputs of the price, without numbers that identify a person."""
    document = write_visit(visit)
    document["cards"] = [_card(card, code=card.without_person()) for card in visit.cards]
    return document


def write_patient(patient: Patient) -> dict[str, object]:
    """The patient's fields that are known."""
    fields = {
        "HO_TEN": patient.name,
        "NGAY_SINH": patient.birth,
        "GIOI_TINH": patient.sex,
        "SO_CCCD": patient.citizen_number,
        "MA_BN": patient.hospital_number,
        "DIA_CHI": patient.address,
        "DIEN_THOAI": patient.phone,
    }
    return {key: value for key, value in fields.items() if value}


def canonical(document: Mapping[str, object]) -> str:
    """The canonical text of a document: keys in order, no blanks."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(text: str) -> bytes:
    """SHA-256 of a canonical text."""
    return hashlib.sha256(text.encode()).digest()


def _card(card: Card, *, code: str | None = None) -> dict[str, object]:
    document: dict[str, object] = {"code": card.code if code is None else code}
    document["valid_from"] = card.valid_from.isoformat()
    if card.valid_to is not None:
        document["valid_to"] = card.valid_to.isoformat()
    if card.entitlement:
        document["entitlement"] = card.entitlement
    if card.shown_at is not None:
        document["shown_at"] = _timestamp(card.shown_at)
    return document


def _private(insurance: PrivateInsurance) -> dict[str, object]:
    document: dict[str, object] = {
        "covers": sorted(insurance.covers),
        "deductible": _number(insurance.deductible),
        "coinsurance_pct": _number(insurance.coinsurance),
    }
    if insurance.limit is not None:
        document["limit"] = _number(insurance.limit)
    if insurance.excluded_groups:
        document["excluded_groups"] = sorted(insurance.excluded_groups)
    if insurance.guarantor:
        document["guaranteed_by"] = insurance.guarantor
    return document


def _line(item: ChargeItem) -> dict[str, object]:
    document: dict[str, object] = {
        "table": item.table.value,
        "stt": item.number,
        "name": item.name,
        "MA_NHOM": item.group,
        "PHAM_VI": item.scope.value,
        "SO_LUONG": _number(item.quantity),
        "TYLE_TT_BH": _number(item.payment_ratio),
        "NGUON_CTRA": item.paying_source,
        "MA_PTTT": item.payment_method,
        **_prices(item),
        **_stated(item.stated),
    }
    optional = {"DON_VI_TINH": item.unit, "MA_KHOA": item.department, "GOI_VTYT": item.package}
    document.update({key: value for key, value in optional.items() if value})
    if item.ordered_at is not None:
        document["NGAY_YL"] = _timestamp(item.ordered_at)
    if item.is_war_wound:
        document["VET_THUONG_TP"] = "1"
    if item.payer_class is not PayerClass.INSURANCE:
        document["payer_class"] = item.payer_class.value
    if item.is_copay_replaced:
        document["copay_replaced"] = True
    if item.other_funds.total:
        funds = item.other_funds
        parts = (funds.state_budget, funds.from_abroad, funds.domestic, funds.remaining)
        document["NGUONKHAC"] = dict(zip(("NSNN", "VTNN", "VTTN", "CL"), map(_number, parts), strict=True))
    return document


def _prices(item: ChargeItem) -> dict[str, object]:
    if item.table is Table.DRUGS:
        code = {"MA_THUOC": item.code} if item.code else {}
        return {"DON_GIA": _number(item.hospital_price), **code}
    code_key = "MA_VAT_TU" if item.is_supply else "MA_DICH_VU"
    document: dict[str, object] = {
        "DON_GIA_BV": _number(item.hospital_price),
        "DON_GIA_BH": _number(item.insurance_price),
        "TYLE_TT_DV": _number(item.service_ratio),
    }
    if item.code:
        document[code_key] = item.code
    if item.ceiling is not None:
        document["T_TRANTT"] = _number(item.ceiling)
        if item.ceiling_kind is not CeilingKind.UNIT:
            document["ceiling"] = item.ceiling_kind.value
    return document


def _stated(stated: StatedAmounts | None) -> dict[str, object]:
    if stated is None:
        return {}
    amounts = {
        "THANH_TIEN_BV": stated.hospital_amount,
        "THANH_TIEN_BH": stated.insured_amount,
        "MUC_HUONG": stated.level,
        "T_NGUONKHAC": stated.other_funds,
        "T_BNTT": stated.self_pay,
        "T_BNCCT": stated.copay,
        "T_BHTT": stated.fund,
    }
    return {key: _number(amount) for key, amount in amounts.items() if amount is not None}


def _timestamp(timestamp: datetime) -> str:
    return timestamp.astimezone(VIETNAM).strftime("%Y%m%d%H%M")


def _number(number: Decimal) -> str:
    return format(number, "f")

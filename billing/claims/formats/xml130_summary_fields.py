"""Convert a priced visit to the fields of XML1: the visit, its cards and patient, and the sums of its lines."""

from collections.abc import Sequence
from datetime import time
from decimal import Decimal

from billing.core.clock import VIETNAM
from billing.core.money import total
from billing.coverage.domain.price_result import PricedLine
from billing.visits.domain.card import Card
from billing.visits.domain.visit import Patient, Table, Visit
from billing.visits.formats.xml130.formats import as_day, as_timestamp, write_amount, write_day, write_timestamp
from billing.visits.formats.xml130.layout import FIELDS
from billing.visits.formats.xml130.table_names import XML1
from billing.visits.formats.xml130.tables import Row
from billing.visits.formats.xml130.timestamps import parse_timestamp

_TIMESTAMPS = ("NGAY_VAO_NOI_TRU", "NGAY_TTOAN")
_OUTSIDE_CAPITATION = "1"


def summary_fields(visit: Visit, lines: Sequence[PricedLine], supplied: Row | None) -> dict[str, str]:
    """The fields of XML1; fields that we do not store are copied from `supplied`, the XML1 of the visit's source.

    Source: Decision 130/QĐ-BYT as amended, table XML1 and the formulae of its sums.
    """
    kept = _kept(supplied)
    return {
        **kept,
        "MA_LK": visit.ma_lk,
        "STT": kept.get("STT") or "1",
        **_of_patient(visit.patient),
        **_of_cards(visit.cards),
        "NGAY_MIEN_CCT": _exempt_from(visit, supplied),
        "MA_DOITUONG_KCB": visit.category_code,
        "NGAY_VAO": write_timestamp(visit.admitted_at),
        "NGAY_RA": _discharged_at(visit, supplied),
        **_sums(lines),
        "MA_LOAI_KCB": visit.care_kind,
        "MA_CSKCB": visit.facility_code,
    }


def _kept(supplied: Row | None) -> dict[str, str]:
    """The supplied fields of the visit, in the notation of the standard."""
    if supplied is None:
        return {}
    kept = {name: supplied.text(name) for name in FIELDS[XML1]}
    timestamps = {name: as_timestamp(supplied.text(name)) for name in _TIMESTAMPS}
    ethnic_group = supplied.text("MA_DANTOC")
    return {
        **kept,
        **timestamps,
        "NAM_NAM_LIEN_TUC": as_day(supplied.text("NAM_NAM_LIEN_TUC")),
        "MA_DANTOC": ethnic_group.zfill(2) if ethnic_group.isdecimal() else ethnic_group,
    }


def _of_patient(patient: Patient) -> dict[str, str]:
    return {
        "MA_BN": patient.hospital_number,
        "HO_TEN": patient.name,
        "SO_CCCD": patient.citizen_number,
        "NGAY_SINH": as_timestamp(patient.birth),
        "GIOI_TINH": patient.sex,
        "DIA_CHI": patient.address,
        "DIEN_THOAI": patient.phone,
    }


def _of_cards(cards: Sequence[Card]) -> dict[str, str]:
    """Fields of the cards in equal order, joined by ";"; GT_THE_DEN is omitted where no card has an end."""
    has_end = any(card.valid_to for card in cards)
    return {
        "MA_THE_BHYT": ";".join(card.code for card in cards),
        "GT_THE_TU": ";".join(write_day(card.valid_from) for card in cards),
        "GT_THE_DEN": ";".join(write_day(card.valid_to) for card in cards) if has_end else "",
    }


def _exempt_from(visit: Visit, supplied: Row | None) -> str:
    """NGAY_MIEN_CCT: 8 digits with a certificate, 12 without; the supplied form is preserved."""
    if visit.exempt_from is None:
        return ""
    text = "" if supplied is None else supplied.text("NGAY_MIEN_CCT")
    if text and parse_timestamp(text) == visit.exempt_from:
        return as_day(text) if as_day(text) == text else as_timestamp(text)
    is_day = visit.exempt_from.astimezone(VIETNAM).time() == time()
    return write_day(visit.exempt_from.astimezone(VIETNAM).date()) if is_day else write_timestamp(visit.exempt_from)


def _discharged_at(visit: Visit, supplied: Row | None) -> str:
    """NGAY_RA; a time of day that was supplied as unknown (0000) remains unknown."""
    text = "" if supplied is None else supplied.text("NGAY_RA")
    timestamp = parse_timestamp(text)
    if timestamp is not None and timestamp.time() == time() and visit.discharged_at == visit.admitted_at:
        return as_timestamp(text)
    return write_timestamp(visit.discharged_at)


def _sums(lines: Sequence[PricedLine]) -> dict[str, str]:
    sums: dict[str, Decimal] = {
        "T_THUOC": total(line.hospital_amount for line in lines if line.item.table is Table.DRUGS),
        "T_VTYT": total(line.hospital_amount for line in lines if line.item.is_supply),
        "T_TONGCHI_BV": total(line.hospital_amount for line in lines),
        "T_TONGCHI_BH": total(line.insured_amount for line in lines),
        "T_BNTT": total(line.self_pay for line in lines),
        "T_BNCCT": total(line.copay for line in lines),
        "T_BHTT": total(line.fund for line in lines),
        "T_NGUONKHAC": total(line.other_funds for line in lines),
        "T_BHTT_GDV": total(line.fund for line in lines if line.item.payment_method == _OUTSIDE_CAPITATION),
    }
    return {name: write_amount(amount) for name, amount in sums.items()}

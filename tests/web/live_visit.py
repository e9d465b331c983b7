"""Messages of a hospital information system about an open visit."""

from typing import Any

from tests.builders import FACILITY_CODE, drug_line, service_line

VISIT = f"/v1/facilities/{FACILITY_CODE}/visits/LK0001"
CARD = {"code": "DN4791234567890", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
PATIENT = {"HO_TEN": "Nguyễn Văn Thử", "NGAY_SINH": "19800101", "SO_CCCD": "001080000001"}


def header(version: int = 1, **changes: object) -> dict[str, Any]:
    """The header of an insured outpatient visit."""
    return {
        "version": version,
        "MA_LOAI_KCB": "01",
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": "202611020800",
        "cards": [CARD],
        "patient": PATIENT,
        **changes,
    }


def charge(version: int = 1, *, price: str = "450000", **changes: object) -> dict[str, Any]:
    """An ordered laboratory test."""
    return {"version": version, "order_number": "XN-1", "item": item("Xét nghiệm", price), **changes}


def item(name: str = "Xét nghiệm", price: str = "450000", *, group: int = 1) -> dict[str, Any]:
    """A service as a charge item without STT."""
    return without_stt(service_line(1, name=name, group=group, price=price))


def drug(quantity: str = "10", price: str = "8000") -> dict[str, Any]:
    """A drug as a charge item without STT."""
    return without_stt(drug_line(1, quantity=quantity, price=price))


def without_stt(line: dict[str, Any]) -> dict[str, Any]:
    """A line of a visit document without its STT."""
    return {key: value for key, value in line.items() if key != "stt"}

"""JSON schemas of the messages about open visits, made of the schema of a visit."""

from typing import Any

from billing.visit_accounts.domain.charge import ChargeKind, ChargeStage, ReportedState
from billing.visits.formats.visit_schema import VISIT_SCHEMA

_VISIT: dict[str, Any] = VISIT_SCHEMA
_FIELDS: dict[str, Any] = _VISIT["properties"]
_ITEM: dict[str, Any] = _FIELDS["lines"]["items"]
_VERSION = {"type": "integer", "minimum": 1, "description": "the sender's version of this header or charge"}
_TIME = {"type": "string", "pattern": "^[0-9]{12}$"}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


IDENTITY_SCHEMA: dict[str, Any] = {
    "title": "PatientIdentity",
    **_object(
        {
            **_FIELDS["patient"]["properties"],
            "is_unknown": {"type": "boolean", "description": "nothing identifies the person yet"},
            "nationality": {"type": "string", "description": "of a foreigner"},
            "child_of": _object({key: {"type": "string"} for key in ("patient_id", "SO_CCCD", "MA_BN")}, []),
        },
        [],
    ),
}
_IDENTITY = {key: value for key, value in IDENTITY_SCHEMA.items() if key != "title"}
HEADER_SCHEMA: dict[str, Any] = {
    "title": "VisitHeader",
    **_object(
        {
            "version": _VERSION,
            **{key: value for key, value in _FIELDS.items() if key not in ("lines", "patient")},
            "patient": _IDENTITY,
            "departments": {
                "type": "array",
                "items": _object({"code": {"type": "string"}, "from": _TIME, "to": _TIME}, ["code", "from"]),
            },
            "leave_days": {"type": "array", "items": {"type": "string", "format": "date"}},
            "is_provisional": {"type": "boolean", "description": "papers are awaited; priced without them until then"},
            "appointment": {"type": "string", "description": "the MA_LK of the appointment that becomes this visit"},
        },
        ["version", "MA_LOAI_KCB", "MA_DOITUONG_KCB", "NGAY_VAO"],
    ),
    "description": "The header of an open visit: the fields of a visit without its lines",
}


def _item(schema: dict[str, Any]) -> dict[str, Any]:
    """A charge item whose STT may be absent."""
    return {**schema, "required": [name for name in schema["required"] if name != "stt"]}


_CHARGE: dict[str, Any] = {
    "version": _VERSION,
    "order_number": {"type": "string", "maxLength": 100, "description": "the sender's number of the order"},
    "kind": {"type": "string", "enum": [each.value for each in ChargeKind]},
    "state": {"type": "string", "enum": [each.value for each in ReportedState]},
    "stage": {"type": "string", "enum": [each.value for each in ChargeStage]},
    "is_elective": {"type": "boolean"},
    "is_emergency": {"type": "boolean"},
    "department": {"type": "string", "maxLength": 100},
    "item": {"oneOf": [_item(each) for each in _ITEM["oneOf"]]},
}
CHARGE_SCHEMA: dict[str, Any] = {"title": "Charge", **_object(_CHARGE, ["version", "item"])}
CHARGES_SCHEMA: dict[str, Any] = {
    "title": "Charges",
    **_object(
        {
            "charges": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": _object(
                    {"line": {"type": "string", "minLength": 1, "maxLength": 100}, **_CHARGE},
                    ["line", "version", "item"],
                ),
            }
        },
        ["charges"],
    ),
}

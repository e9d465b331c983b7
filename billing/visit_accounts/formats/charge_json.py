"""A charge of an open visit as JSON: order facts, and the charge item with the field names of the data standard.

{version, order_number, kind, state, stage, is_elective, is_emergency, department, item: {a line of `visit_json`; `stt`
may be absent}}. Without `kind` the item decides: drug, supply, bed or service.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from billing.core.errors import InvalidValue
from billing.visit_accounts.domain.charge import ChargeKind, ChargeStage, ReportedState, SubmittedCharge
from billing.visit_accounts.domain.plan import ReadCharge
from billing.visit_accounts.formats.header_json import read_version, require_text
from billing.visits.domain.visit import ChargeItem, Table
from billing.visits.formats.charge_item_json import read_charge_item
from billing.visits.formats.json_fields import Fields, InvalidField

CHARGE_KEYS = frozenset(
    {"version", "order_number", "kind", "state", "stage", "is_elective", "is_emergency", "department", "item"}
)
BED_GROUPS = frozenset({14, 15, 16})
"""MA_NHOM of bed days: inpatient, day care, stretcher."""

BATCH_MAX = 1000
_LENGTH_MAX = 100


def read_charge(body: Mapping[str, object], line: str, *, path: str = "") -> SubmittedCharge:
    """Read one charge; `path` is the prefix of the field paths of errors. Raises InvalidValue."""
    fields = Fields(body, path)
    fields.refuse_other_keys(CHARGE_KEYS)
    require_text(line, field=fields.at("line"))
    item_fields = fields.object("item")
    stt = item_fields.integer("stt") if item_fields.has("stt") else None
    if stt == 0:
        raise InvalidField(item_fields.at("stt"), "a number from 1 is expected", found=stt)
    item = read_charge_item(Fields({**item_fields.values, "stt": stt or 1}, item_fields.path))
    document = {key: value for key, value in item_fields.values.items() if key != "stt" and value not in (None, "")}
    state = fields.choice("state", ReportedState, default=ReportedState.ORDERED)
    stage = fields.choice("stage", ChargeStage) if fields.has("stage") else ChargeStage.NONE
    content = {key: value for key, value in body.items() if key != "version"}
    return SubmittedCharge(
        line=line,
        version=read_version(fields),
        order_number=_short(fields, "order_number"),
        kind=fields.choice("kind", ChargeKind, default=_kind_of(item)),
        state=state,
        stage=stage,
        is_elective=fields.flag("is_elective"),
        is_emergency=fields.flag("is_emergency"),
        department=_short(fields, "department") or item.department[:_LENGTH_MAX],
        stt=stt,
        document=document,
        content_hash=hashlib.sha256(_canonical(content).encode()).digest(),
    )


def read_charges(body: Mapping[str, object], *, line: str | None, received_at: datetime) -> list[ReadCharge]:
    """The charges of a message: the whole body for a `line`, otherwise `charges` [{line, …}].

    A charge that cannot be read is returned with its refusal. Raises InvalidValue for the batch itself.
    """
    if line is not None:
        return [_read_one(body, line, position=0, path="", received_at=received_at)]
    fields = Fields(body, "")
    fields.refuse_other_keys(frozenset({"charges"}))
    charges = list(fields.objects("charges"))
    if not 0 < len(charges) <= BATCH_MAX:
        raise InvalidField("charges", f"1 to {BATCH_MAX} charges are expected", found=len(charges))
    read = []
    for position, each in enumerate(charges):
        own_line = each.values.get("line")
        own = {key: value for key, value in each.values.items() if key != "line"}
        named = own_line if isinstance(own_line, str) else ""
        read.append(_read_one(own, named, position=position, path=each.path, received_at=received_at))
    return read


def _read_one(body: Mapping[str, object], line: str, *, position: int, path: str, received_at: datetime) -> ReadCharge:
    try:
        charge = read_charge(body, line, path=path)
        return ReadCharge(position, line, charge=charge, ordered_at=_ordered_at(charge, received_at=received_at))
    except InvalidValue as refusal:
        return ReadCharge(position, line, refusal=refusal)


def _ordered_at(submitted: SubmittedCharge, *, received_at: datetime) -> datetime:
    """When a charge was ordered [NGAY_YL]; without it when its first message was received."""
    fields = Fields(submitted.document, "item")
    return fields.timestamp("NGAY_YL") if fields.has("NGAY_YL") else received_at


def _kind_of(item: ChargeItem) -> ChargeKind:
    if item.table is Table.DRUGS:
        return ChargeKind.DRUG
    if item.is_supply:
        return ChargeKind.SUPPLY
    return ChargeKind.BED if item.group in BED_GROUPS else ChargeKind.SERVICE


def _short(fields: Fields, key: str) -> str:
    text = fields.text(key, default="")
    if len(text) > _LENGTH_MAX:
        raise InvalidField(fields.at(key), f"at most {_LENGTH_MAX} characters are expected", found=text)
    return text


def _canonical(value: object) -> str:
    """Canonical text: keys in order, absent values and false left out, numbers by value (1.50 equals 1.5)."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        known = {key: each for key, each in value.items() if each is not None and each is not False and each != ""}
        return {str(key): _plain(each) for key, each in known.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal) or type(value) is int:
        return f"{Decimal(value).normalize():f}"
    return value

"""Reads a bank's call by its profile: the path and form of each field, and the bill that the call names.

Only signed fields are matched. If values are joined without a separator, the same signed text can be cut in two ways,
so a field is accepted only in its agreed form. Source: the profile; docs/reference/providers.md, bank
collection.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from providers.bank_collection.profile import FieldForm, Message, Notification
from providers.notices import VIETNAM, parse_vietnam_timestamp

AMOUNT_MAX = 9_999_999_999_999
REMARK = "remark"
_VISIBLE = re.compile(r"[!-~]*")
_DIGITS = re.compile(r"[0-9]*")
_DONG = re.compile(r"[1-9][0-9]{0,12}")
_NOT_A_LETTER = re.compile(r"[^0-9A-Z]+")
_YEARS = range(2000, 2101)


def read_values(found_value: Mapping[str, object], message: Message) -> dict[str, str]:
    """Every field as written, empty if it is absent or no text; checks no form."""
    values = {}
    for name, form in message.fields.items():
        value = value_at(found_value, form.path)
        is_written = isinstance(value, (str, int)) and not isinstance(value, bool)
        values[name] = str(value) if is_written else ""
    return values


def value_at(found_value: object, path: str) -> object:
    """The value at a path; None if absent. A number in a path is an index in a list of one."""
    for part in path.split("."):
        if isinstance(found_value, list):
            found_value = found_value[0] if part == "0" and len(found_value) == 1 else None
        elif isinstance(found_value, dict):
            found_value = found_value.get(part)
        else:
            return None
    return found_value


def check_forms(found_value: Mapping[str, object], message: Message, *, timestamp_format: str, separator: str) -> None:
    """Raises ValueError naming a field of another form."""
    for name, form in message.fields.items():
        value = value_at(found_value, form.path)
        if value is None or value == "":
            if form.required:
                raise ValueError(f"{name} is missing")
            continue
        text = _written(name, value, form)
        if len(text) > form.length_max:
            raise ValueError(f"{name} is too long")
        if separator and name in message.signed and separator in text:
            raise ValueError(f"{name} holds the separator")
        if form.kind == "name" and not _VISIBLE.fullmatch(text):
            raise ValueError(f"{name} holds more than visible ASCII")
        if form.kind in {"digits", "integer"} and not _DIGITS.fullmatch(text):
            raise ValueError(f"{name} holds more than digits")
        if form.kind == "timestamp":
            parse_timestamp(text, timestamp_format)


def well_formed(values: Mapping[str, str], message: Message) -> dict[str, str]:
    """The values that a reply may repeat: values in the form of their fields; others are empty."""
    kept = {}
    for name, form in message.fields.items():
        value = values.get(name, "")
        is_good = len(value) <= form.length_max and (form.kind == "text" or _VISIBLE.fullmatch(value) is not None)
        kept[name] = value if is_good else ""
    return kept


def differing_lengths(values: Mapping[str, str], message: Message, agreed: Mapping[str, int]) -> list[str]:
    """The signed fields whose length differs from the agreed length."""
    wanted = {name: agreed.get(name, message.fields[name].length) for name in message.signed}
    return [name for name, length in wanted.items() if length and values[name] and len(values[name]) != length]


def read_amount(text: str) -> int:
    """Whole đồng written in digits, without signs, points or leading zeros. Raises ValueError."""
    if not _DONG.fullmatch(text):
        raise ValueError("amount is no whole đồng")
    return int(text)


def parse_timestamp(text: str, timestamp_format: str) -> datetime:
    """A timestamp in the profile's format. Raises ValueError."""
    try:
        if timestamp_format == "compact":
            timestamp = parse_vietnam_timestamp(text)
        elif timestamp_format == "ms":
            if not re.fullmatch(r"[0-9]{13}", text):
                raise ValueError("13 digits are needed")
            timestamp = datetime.fromtimestamp(int(text) // 1000, UTC)
        else:
            timestamp = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("timestamp is not written as agreed") from error
    if timestamp.year not in _YEARS:
        raise ValueError("timestamp is of no year from 2000 to 2100")
    return timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=VIETNAM)


def code_of(value: str, prefix: str) -> str:
    """Our code in a customer code or virtual account, without the bank's prefix."""
    code = value.upper()
    return code[len(prefix) :] if prefix and len(code) > len(prefix) and code.startswith(prefix) else code


@dataclass(frozen=True, slots=True)
class Match:
    """The bill that a notification names: in a separate field, or inside a text.

    `contradicts`: the virtual account, which is not signed, names another bill.
    """

    reference: str | None
    text: str
    conflicts_with: bool


def match(values: Mapping[str, str], notification: Notification, *, prefix: str, account_number: str) -> Match:
    """The first signed field of the profile's order that is not empty decides; the others are not read.

    If a separate field decides, the remark is passed on only if it names the same code: a code in the remark must not
    receive money that was sent to the account of another code.
    """
    named = next((name for name in notification.match_by if name in notification.signed and values.get(name)), REMARK)
    remark = values.get(REMARK, "")
    reference = None if named == REMARK else code_of(values[named], prefix)
    joined = _NOT_A_LETTER.sub("", remark.upper())
    is_same = reference is None or (reference != "" and reference in joined)
    text = remark if is_same else values[named]
    virtual_account = values.get("virtual_account", "")
    conflicts_with = False
    if virtual_account and virtual_account != account_number and "virtual_account" not in notification.signed:
        shown = code_of(virtual_account, prefix)
        conflicts_with = shown not in joined if reference is None else shown != reference
    return Match(reference, text, conflicts_with)


def _written(name: str, value: object, form: FieldForm) -> str:
    if form.kind == "integer":
        if type(value) is not int:
            raise ValueError(f"{name} is no whole number")
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - invalid input of an unknown client
    return value

"""Read the QR code of the citizen card (CCCD): text in seven fields, for reception.

Citizen number | old identity number | full name | birth ddMMyyyy | sex | address | day of issue ddMMyyyy. Later cards
may append fields, which are not read; some omit the day of issue.
Source: docs/reference/hospital-money.md, section 1.1.
"""

import re
from dataclasses import dataclass
from datetime import date

from billing.core.errors import InvalidValue
from billing.core.text import is_garbled, is_person_name
from billing.core.vietnamese import is_read_from_vni_or_tcvn3
from billing.visits.formats.qr_fields import CardUnreadable, read_birth, read_day, read_field, split_fields

_CITIZEN_NUMBER = re.compile(r"[0-9]{12}")
_FIELDS_MIN = 6
_NAME, _ADDRESS = 2, 5
_SEXES = {"nam": "1", "nữ": "2"}


class NotACitizenCard(InvalidValue):
    """Another code was scanned, or only a part of one."""

    code = "not_a_citizen_card"


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenCard:
    """The fields of a citizen card. Fields that cannot be read are unknown: empty, or None for a day.

    `birth` is yyyymmdd, `sex` as GIOI_TINH of the data standard: 1 male, 2 female.
    """

    citizen_number: str
    old_number: str
    name: str
    birth: str
    sex: str
    address: str
    issued_on: date | None


def read_citizen_card(scanned: bytes | str) -> CitizenCard:
    """Read the code of a citizen card. Raises NotACitizenCard, or CardUnreadable for bytes that are no text."""
    written = split_fields(scanned)
    fields = [read_field(field) for field in written]
    if not _CITIZEN_NUMBER.fullmatch(fields[0]):
        raise NotACitizenCard("a citizen card begins with 12 digits", field="SO_CCCD")
    if len(fields) < _FIELDS_MIN:
        raise NotACitizenCard(f"a citizen card has at least {_FIELDS_MIN} fields, here are {len(fields)}")
    number, old_number, name, birth, sex, address, *rest = fields
    if not name:
        raise NotACitizenCard("a citizen card has a name", field="HO_TEN")
    if is_garbled(written[_NAME]) or is_read_from_vni_or_tcvn3(written[_NAME]) or not is_person_name(name):
        raise CardUnreadable(
            "the name is no Vietnamese text; set the scanner to UTF-8 or to a keyboard of Vietnamese, and scan again",
            field="HO_TEN",
        )
    return CitizenCard(
        citizen_number=number,
        old_number=old_number,
        name=name,
        birth=read_birth(birth),
        sex=_SEXES.get(sex.lower(), ""),
        address="" if is_garbled(written[_ADDRESS]) else address,
        issued_on=read_day(rest[0]) if rest else None,
    )

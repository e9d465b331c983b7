"""A patient as the facility knows them: unknown at night, identified later, merged, child of another patient."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.core.errors import NotFound, Refused
from billing.core.ids import PatientId
from billing.core.money import Dong


class UnknownPatient(NotFound):
    """The organization has no such patient."""

    code = "unknown_patient"


class PatientMerged(Refused):
    """The patient was merged into another one."""

    code = "patient_merged"


class PatientKnown(Refused):
    """Another patient has this citizen number: merge the two."""

    code = "patient_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity of a person. `document` has the fields of the standard, `nationality` and `child_of`.

    `insurance_number` is the last ten digits of the newest insurance card, empty where it has no such number.
    `is_unknown`: nothing identifies the person yet (brought in at night, unconscious).
    """

    is_unknown: bool
    name: str
    citizen_number: str
    hospital_number: str
    document: Mapping[str, Any]
    insurance_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """A patient with the identity that is stored; `document` is None once erased."""

    id: PatientId
    is_unknown: bool
    guardian_id: PatientId | None
    merged_into: PatientId | None
    created_at: datetime
    citizen_number: str | None
    hospital_number: str | None
    document: Mapping[str, Any] | None
    insurance_number: str | None = None

    @property
    def name(self) -> str:
        return str((self.document or {}).get("HO_TEN", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientMoney:
    """What a patient owes and what is held for them, for the warning at the next registration."""

    owed: Dong
    held: Dong


def is_same_person(known: PatientRow, identity: Identity) -> bool:
    """Whether a stored patient with an equal number is the person: an equal citizen number decides.

    A hospital number alone is not enough (facilities number independently): the names must be equal as well, and the
    citizen numbers must not differ.
    """
    if identity.citizen_number and known.citizen_number:
        return identity.citizen_number == known.citizen_number
    has_equal_number = bool(identity.hospital_number) and identity.hospital_number == known.hospital_number
    return has_equal_number and identity.name.casefold() == known.name.casefold()

"""Patients: found by number with what they owe, identified later, merged."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId, PatientId
from billing.core.reasons import read_reason
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.visit_accounts.domain.patient import (
    Identity,
    PatientKnown,
    PatientMerged,
    PatientMoney,
    PatientRow,
    UnknownPatient,
)
from billing.visit_accounts.service.patient_matching import find_guardian
from billing.visit_accounts.store.patients import (
    find_patients,
    lock_accounts_of,
    lock_patient_numbers,
    lock_patients,
    merge_patients,
    read_money,
    read_patient,
    update_identity,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientView:
    """A patient with what they owe and what is held for them."""

    patient: PatientRow
    money: PatientMoney


async def list_patients(
    context: Context, organization_id: OrganizationId, *, citizen_number: str = "", hospital_number: str = ""
) -> Sequence[PatientView]:
    """The patients with one of these numbers, an empty number finds nobody."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await find_patients(tx, citizen_number=citizen_number, hospital_number=hospital_number)
        return [PatientView(patient=each, money=await read_money(tx, each)) for each in found]


async def find_patient(context: Context, organization_id: OrganizationId, patient_id: PatientId) -> PatientView:
    """One patient. Raises UnknownPatient."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await _view(tx, patient_id)


async def identify_patient(
    context: Context, organization_id: OrganizationId, patient_id: PatientId, identity: Identity, *, actor: Actor
) -> PatientView:
    """Write the identity of a patient: one who was unknown, or a correction.

    Raises UnknownPatient, PatientMerged, PatientKnown, InvalidValue.
    """
    if identity.is_unknown:
        raise InvalidValue("a name, a citizen number or a hospital number is needed", field="HO_TEN")
    async with context.database.transaction(organization_id) as tx:
        await lock_patient_numbers(tx, identity)
        _require(await lock_patients(tx, [patient_id]), patient_id)
        number = identity.citizen_number
        others = [] if not number else await find_patients(tx, citizen_number=number)
        other = next((each for each in others if each.id != patient_id), None)
        if other is not None:
            raise PatientKnown(f"patient {other.id} has this citizen number; merge into it", field="SO_CCCD")
        await update_identity(tx, patient_id, identity, guardian_id=await find_guardian(tx, identity))
        await note(tx, context, actor, "patient_identified", ("patient", patient_id))
        return await _view(tx, patient_id)


async def merge_patient(
    context: Context,
    organization_id: OrganizationId,
    patient_id: PatientId,
    *,
    into: PatientId,
    reason: str,
    actor: Actor,
) -> PatientView:
    """Merge a patient into another one: their visit accounts become those of the other. Returns the other.

    Merging again into the same patient changes nothing. Raises PersonNeeded, InvalidValue, UnknownPatient,
    PatientMerged.
    """
    if actor.person is None:
        raise PersonNeeded("a person decides to merge patients")
    text = read_reason(reason)
    if patient_id == into:
        raise InvalidValue("a patient is not merged into itself", field="into")
    async with context.database.transaction(organization_id) as tx:
        await lock_accounts_of(tx, patient_id)
        patients = await lock_patients(tx, sorted((patient_id, into)))
        known = patients.get(patient_id)
        if known is not None and known.merged_into == into:
            return await _view(tx, into)
        for each in (patient_id, into):
            _require(patients, each)
        await merge_patients(
            tx,
            context.ids.new(),
            (patient_id, into),
            reason=text,
            merged_by=actor.person,
            at=context.clock(),
        )
        await note(tx, context, actor, "patient_merged", ("patient", patient_id))
        return await _view(tx, into)


def _require(patients: dict[PatientId, PatientRow], patient_id: PatientId) -> PatientRow:
    patient = patients.get(patient_id)
    if patient is None:
        raise UnknownPatient("no such patient", field="patient_id")
    if patient.merged_into is not None:
        raise PatientMerged(f"patient {patient_id} was merged into {patient.merged_into}", field="patient_id")
    return patient


async def _view(tx: Transaction, patient_id: PatientId) -> PatientView:
    patient = await read_patient(tx, patient_id)
    if patient is None:
        raise UnknownPatient("no such patient", field="patient_id")
    return PatientView(patient=patient, money=await read_money(tx, patient))

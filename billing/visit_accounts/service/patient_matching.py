"""The patient of a message: found by number, added, or identified after they were unknown."""

from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import PatientId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.service.audit import note
from billing.visit_accounts.domain.patient import Identity, PatientRow, is_same_person
from billing.visit_accounts.store.patients import (
    add_patient,
    find_patients,
    lock_patient_numbers,
    lock_patients,
    merge_patients,
    read_patient,
    update_identity,
)

_IDENTIFIED = "identified by a message of the facility"


async def find_or_add_patient(tx: Transaction, context: Context, actor: Actor, identity: Identity) -> PatientId:
    """The patient with this identity; a new one where nobody has it. Two messages about one person wait in turn."""
    known = await find_same_person(tx, identity)
    if known is not None:
        locked = (await lock_patients(tx, [known.id]))[known.id]
        await _update(tx, locked, identity)
        return locked.merged_into or locked.id
    patient_id = PatientId(context.ids.new())
    await add_patient(tx, patient_id, identity, guardian_id=await find_guardian(tx, identity), at=context.clock())
    await note(tx, context, actor, "patient_added", ("patient", patient_id))
    return patient_id


async def identify(
    tx: Transaction, context: Context, actor: Actor, current_id: PatientId, identity: Identity
) -> PatientId:
    """The patient of an account after a newer header.

    An unknown patient who proves to be a known one is merged into them. A known patient who proves to be another person
    is exchanged: the header named the wrong one.
    """
    current = await read_patient(tx, current_id)
    assert current is not None, "an account names a patient"
    if identity.is_unknown:
        return current_id
    known = await find_same_person(tx, identity)
    if known is None or known.id == current_id:
        if not current.is_unknown and _is_other_person(current, identity):
            return await find_or_add_patient(tx, context, actor, identity)
        await lock_patients(tx, [current_id])
        await _update(tx, current, identity)
        if current.is_unknown:
            await note(tx, context, actor, "patient_identified", ("patient", current_id))
        return current_id
    if current.is_unknown and actor.person is not None:
        await lock_patients(tx, sorted((current_id, known.id)))
        await merge_patients(
            tx,
            context.ids.new(),
            (current_id, known.id),
            reason=_IDENTIFIED,
            merged_by=actor.person,
            at=context.clock(),
        )
        await note(tx, context, actor, "patient_merged", ("patient", current_id))
    return known.id


async def find_same_person(tx: Transaction, identity: Identity) -> PatientRow | None:
    """The patient who is the person of an identity; the numbers are locked until the transaction ends."""
    if identity.is_unknown:
        return None
    await lock_patient_numbers(tx, identity)
    found = await find_patients(tx, citizen_number=identity.citizen_number, hospital_number=identity.hospital_number)
    return next((each for each in found if is_same_person(each, identity)), None)


async def find_guardian(tx: Transaction, identity: Identity) -> PatientId | None:
    """The patient that `child_of` names; None where the facility has registered no such patient."""
    named = identity.document.get("child_of")
    if not named:
        return None
    if "patient_id" in named:
        try:
            guardian = await read_patient(tx, PatientId(UUID(named["patient_id"])))
        except ValueError:
            return None
        return None if guardian is None else guardian.merged_into or guardian.id
    found = await find_patients(tx, citizen_number=named.get("SO_CCCD", ""), hospital_number=named.get("MA_BN", ""))
    return found[0].id if len(found) == 1 else None


def _is_other_person(current: PatientRow, identity: Identity) -> bool:
    numbers = (current.citizen_number, identity.citizen_number)
    return all(numbers) and numbers[0] != numbers[1]


async def _update(tx: Transaction, known: PatientRow, identity: Identity) -> None:
    """Write a newer identity of a locked patient; a field that it does not state keeps its value."""
    document = {**(known.document or {}), **identity.document}
    merged = Identity(
        is_unknown=identity.is_unknown,
        name=identity.name or known.name,
        citizen_number=identity.citizen_number or known.citizen_number or "",
        hospital_number=identity.hospital_number or known.hospital_number or "",
        document=document,
        insurance_number=identity.insurance_number or known.insurance_number or "",
    )
    is_changed = document != known.document or merged.insurance_number != (known.insurance_number or "")
    if known.is_unknown or is_changed:
        await update_identity(tx, known.id, merged, guardian_id=await find_guardian(tx, identity))

"""Patients and their identities: found by number, added, identified, merged; what they owe."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zlib import crc32

from billing.core.ids import PatientId, PersonId
from billing.core.money import Dong
from billing.db.database import LockClass, Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.patient import Identity, PatientMoney, PatientRow

_LOCK_NUMBER = """
    SELECT pg_advisory_xact_lock($1, $2)
"""


async def lock_patient_numbers(tx: Transaction, identity: Identity) -> None:
    """Serialize messages about one person, by citizen number or else hospital number, until the transaction ends."""
    number = identity.citizen_number or identity.hospital_number
    if number:
        key = crc32(f"{tx.organization_id}:{number}".encode()) - 2**31
        await tx.execute(_LOCK_NUMBER, LockClass.PATIENT.value, key)


_FIND_BY_NUMBER = """
    SELECT patient.id, patient.is_unknown, patient.guardian_id, patient.merged_into, patient.created_at,
        identity.citizen_number, identity.hospital_number, identity.insurance_number, identity.document
    FROM patient_identity AS identity
    JOIN patient ON patient.organization_id = $1 AND patient.id = identity.patient_id
    WHERE identity.organization_id = $1 AND patient.merged_into IS NULL
        AND (identity.citizen_number = $2 AND $2 <> '' OR identity.hospital_number = $3 AND $3 <> '')
    ORDER BY patient.id
"""


async def find_patients(tx: Transaction, *, citizen_number: str = "", hospital_number: str = "") -> list[PatientRow]:
    """The patients with a citizen number or a hospital number, without those that were merged into others."""
    rows = await tx.fetch(_FIND_BY_NUMBER, tx.organization_id, citizen_number, hospital_number)
    return [read_row(PatientRow, row) for row in rows]


_READ_PATIENT = """
    SELECT patient.id, patient.is_unknown, patient.guardian_id, patient.merged_into, patient.created_at,
        identity.citizen_number, identity.hospital_number, identity.insurance_number, identity.document
    FROM patient
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1 AND identity.patient_id = patient.id
    WHERE patient.organization_id = $1 AND patient.id = $2
"""


async def read_patient(tx: Transaction, patient_id: PatientId) -> PatientRow | None:
    """A patient with the identity that is stored; None where there is none."""
    row = await tx.fetchrow(_READ_PATIENT, tx.organization_id, patient_id)
    return None if row is None else read_row(PatientRow, row)


_LOCK_PATIENTS = """
    SELECT id FROM patient WHERE organization_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""


async def lock_patients(tx: Transaction, patient_ids: Sequence[PatientId]) -> dict[PatientId, PatientRow]:
    """Lock patients in id order, then read them."""
    await tx.execute(_LOCK_PATIENTS, tx.organization_id, list(patient_ids))
    rows = {key: await read_patient(tx, key) for key in patient_ids}
    return {key: row for key, row in rows.items() if row is not None}


_LOCK_ACCOUNTS_OF = """
    SELECT visit_id FROM visit_account WHERE organization_id = $1 AND patient_id = $2 ORDER BY visit_id
    FOR NO KEY UPDATE
"""


async def lock_accounts_of(tx: Transaction, patient_id: PatientId) -> None:
    """Lock the visit accounts of a patient in id order, before the patient."""
    await tx.execute(_LOCK_ACCOUNTS_OF, tx.organization_id, patient_id)


_ADD_PATIENT = """
    INSERT INTO patient (organization_id, id, is_unknown, guardian_id, created_at) VALUES ($1, $2, $3, $4, $5)
"""

_WRITE_IDENTITY = """
    INSERT INTO patient_identity (organization_id, patient_id, citizen_number, hospital_number, document,
        insurance_number)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (organization_id, patient_id) DO UPDATE SET citizen_number = excluded.citizen_number,
        hospital_number = excluded.hospital_number, document = excluded.document,
        insurance_number = excluded.insurance_number
"""


async def add_patient(
    tx: Transaction, patient_id: PatientId, identity: Identity, *, guardian_id: PatientId | None, at: datetime
) -> None:
    """Add a patient with the identity that is known."""
    await tx.execute(_ADD_PATIENT, tx.organization_id, patient_id, identity.is_unknown, guardian_id, at)
    await _write_identity(tx, patient_id, identity)


_UPDATE_PATIENT = """
    UPDATE patient SET is_unknown = $3, guardian_id = coalesce($4, guardian_id) WHERE organization_id = $1 AND id = $2
"""


async def update_identity(
    tx: Transaction, patient_id: PatientId, identity: Identity, *, guardian_id: PatientId | None
) -> None:
    """Write the identity of a locked patient."""
    await tx.execute(_UPDATE_PATIENT, tx.organization_id, patient_id, identity.is_unknown, guardian_id)
    await _write_identity(tx, patient_id, identity)


async def _write_identity(tx: Transaction, patient_id: PatientId, identity: Identity) -> None:
    await tx.execute(
        _WRITE_IDENTITY,
        tx.organization_id,
        patient_id,
        identity.citizen_number,
        identity.hospital_number,
        dict(identity.document),
        identity.insurance_number,
    )


_SET_MERGED = """
    UPDATE patient SET merged_into = $3 WHERE organization_id = $1 AND id = $2
"""

_ADD_MERGE = """
    INSERT INTO patient_merge (organization_id, id, patient_id, merged_into, reason, merged_by, merged_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_MOVE_ACCOUNTS = """
    UPDATE visit_account SET patient_id = $3, version = version + 1 WHERE organization_id = $1 AND patient_id = $2
"""

_MOVE_WARDS = """
    UPDATE patient SET guardian_id = $3 WHERE organization_id = $1 AND guardian_id = $2
"""


async def merge_patients(
    tx: Transaction,
    merge_id: UUID,
    patients: tuple[PatientId, PatientId],
    *,
    reason: str,
    merged_by: PersonId,
    at: datetime,
) -> None:
    """Merge the first of two locked patients into the second: its accounts and wards become those of the second."""
    patient_id, into = patients
    await tx.execute(_SET_MERGED, tx.organization_id, patient_id, into)
    await tx.execute(_ADD_MERGE, tx.organization_id, merge_id, patient_id, into, reason, merged_by, at)
    await tx.execute(_MOVE_ACCOUNTS, tx.organization_id, patient_id, into)
    await tx.execute(_MOVE_WARDS, tx.organization_id, patient_id, into)


_MONEY = """
    WITH own_visit AS (
        SELECT visit_id FROM visit_account WHERE organization_id = $1 AND patient_id = $2
        UNION
        SELECT visit_id FROM visit_patient WHERE organization_id = $1 AND $3 <> '' AND citizen_number = $3)
    SELECT
        coalesce((SELECT sum(owed) FROM invoice WHERE organization_id = $1 AND state = 'issued'
            AND visit_id IN (SELECT visit_id FROM own_visit)), 0)::bigint AS owed,
        coalesce((SELECT sum(held) FROM deposit WHERE organization_id = $1
            AND visit_id IN (SELECT visit_id FROM own_visit)), 0)::bigint AS held
"""


async def read_money(tx: Transaction, patient: PatientRow) -> PatientMoney:
    """What a patient owes on issued invoices, and what is held on the deposits of their visits."""
    row = await tx.fetchrow(_MONEY, tx.organization_id, patient.id, patient.citizen_number or "")
    assert row is not None, "sums are one row"
    return PatientMoney(owed=Dong(row["owed"]), held=Dong(row["held"]))

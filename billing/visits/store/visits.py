"""Visits as reported: one row per visit, one version per report; documents and patients in separate tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.core.ids import FacilityId, VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visits.domain.visit import Patient, Visit


@dataclass(frozen=True, slots=True)
class VisitRow:
    """The current version of a visit and the hash of its content; None where no version has content yet."""

    id: VisitId
    version: int
    content_hash: bytes | None


_ADD_VISIT = """
    INSERT INTO visit (organization_id, id, facility_id, ma_lk, version, admitted_at, discharged_at, created_at)
    VALUES ($1, $2, $3, $4, 1, $5, $6, $7)
    ON CONFLICT (organization_id, facility_id, ma_lk) DO NOTHING
    RETURNING id
"""


async def add_visit(
    tx: Transaction, visit_id: VisitId, facility_id: FacilityId, visit: Visit, *, created_at: datetime
) -> bool:
    """Add a visit in its first version; False where the facility has reported this MA_LK before."""
    added = await tx.fetchval(
        _ADD_VISIT,
        tx.organization_id,
        visit_id,
        facility_id,
        visit.ma_lk,
        visit.admitted_at,
        visit.discharged_at,
        created_at,
    )
    return added is not None


_LOCK_BY_MA_LK = """
    SELECT id, version FROM visit
    WHERE organization_id = $1 AND facility_id = $2 AND ma_lk = $3
    FOR NO KEY UPDATE
"""

# A separate statement: joined to the statement that waits for the lock, it would read the old version.
_CONTENT_HASH = """
    SELECT content_hash FROM visit_version WHERE organization_id = $1 AND visit_id = $2 AND version = $3
"""


async def lock_visit_by_ma_lk(tx: Transaction, facility_id: FacilityId, ma_lk: str) -> VisitRow | None:
    """Read a visit by its key at the facility and lock its row until the transaction ends."""
    row = await tx.fetchrow(_LOCK_BY_MA_LK, tx.organization_id, facility_id, ma_lk)
    if row is None:
        return None
    content_hash = await tx.fetchval(_CONTENT_HASH, tx.organization_id, row["id"], row["version"])
    return VisitRow(id=VisitId(row["id"]), version=row["version"], content_hash=content_hash)


_LOCK_VISIT = """
    SELECT id FROM visit WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def lock_visit(tx: Transaction, visit_id: VisitId) -> bool:
    """Lock a visit's row until the transaction ends; False where there is none."""
    return await tx.fetchval(_LOCK_VISIT, tx.organization_id, visit_id) is not None


_UPDATE_VISIT = """
    UPDATE visit SET version = $3, admitted_at = $4, discharged_at = $5 WHERE organization_id = $1 AND id = $2
"""


async def update_visit(tx: Transaction, visit_id: VisitId, visit: Visit, *, version: int) -> None:
    """Update a locked visit to a new version."""
    await tx.execute(_UPDATE_VISIT, tx.organization_id, visit_id, version, visit.admitted_at, visit.discharged_at)


_UPDATE_STAY = """
    UPDATE visit SET ma_lk = $3, admitted_at = $4, discharged_at = $5 WHERE organization_id = $1 AND id = $2
"""


async def update_stay(tx: Transaction, visit_id: VisitId, visit: Visit) -> None:
    """Update the key and the times of an open visit; its frozen versions do not change."""
    await tx.execute(_UPDATE_STAY, tx.organization_id, visit_id, visit.ma_lk, visit.admitted_at, visit.discharged_at)


_ADD_CLAIM_FILE = """
    INSERT INTO claim_file (organization_id, id, content, signature, received_at) VALUES ($1, $2, $3, $4, $5)
"""


async def add_claim_file(
    tx: Transaction, file_id: UUID, content: bytes, *, signature: str, received_at: datetime
) -> None:
    """Store a claim file exactly as it was received."""
    await tx.execute(_ADD_CLAIM_FILE, tx.organization_id, file_id, content, signature, received_at)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a visit version: `xml130` or `json`, and its claim file."""

    format: str
    claim_file_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version of a visit: its document without the patient, and the hash of its content with the patient."""

    version: int
    content_hash: bytes
    source: Source
    document: Mapping[str, Any]


_ADD_VERSION = """
    INSERT INTO visit_version (organization_id, visit_id, version, content_hash, source, claim_file_id, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_ADD_DOCUMENT = """
    INSERT INTO visit_document (organization_id, visit_id, version, document) VALUES ($1, $2, $3, $4)
"""

_KEEP_PATIENT = """
    INSERT INTO visit_patient (organization_id, visit_id, name, birth, sex, citizen_number, hospital_number, address,
        phone)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (organization_id, visit_id) DO UPDATE SET name = excluded.name, birth = excluded.birth,
        sex = excluded.sex, citizen_number = excluded.citizen_number, hospital_number = excluded.hospital_number,
        address = excluded.address, phone = excluded.phone
"""


async def add_version(
    tx: Transaction,
    visit_id: VisitId,
    new: NewVersion,
    *,
    patient: Patient,
    recorded_at: datetime,
) -> None:
    """Store one version of a visit: its document without the patient, and the patient separately."""
    await tx.execute(
        _ADD_VERSION,
        tx.organization_id,
        visit_id,
        new.version,
        new.content_hash,
        new.source.format,
        new.source.claim_file_id,
        recorded_at,
    )
    await tx.execute(_ADD_DOCUMENT, tx.organization_id, visit_id, new.version, dict(new.document))
    await keep_patient(tx, visit_id, patient)


async def keep_patient(tx: Transaction, visit_id: VisitId, patient: Patient) -> None:
    """Store the patient of a visit as its source states them last."""
    await tx.execute(
        _KEEP_PATIENT,
        tx.organization_id,
        visit_id,
        patient.name,
        patient.birth,
        patient.sex,
        patient.citizen_number,
        patient.hospital_number,
        patient.address,
        patient.phone,
    )


_ADD_FINDINGS = """
    INSERT INTO visit_finding (organization_id, visit_id, version, number, code, finding)
    SELECT $1, $2, $3, number, code, finding
    FROM unnest($4::int[], $5::text[], $6::jsonb[]) AS t (number, code, finding)
"""


async def add_findings(
    tx: Transaction, visit_id: VisitId, *, version: int, findings: Sequence[tuple[str, Mapping[str, Any]]]
) -> None:
    """Store the findings of one version: code and details."""
    numbers = list(range(1, len(findings) + 1))
    codes = [code for code, _ in findings]
    details = [dict(detail) for _, detail in findings]
    await tx.execute(_ADD_FINDINGS, tx.organization_id, visit_id, version, numbers, codes, details)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVisit:
    """A visit in a list, without its document."""

    id: VisitId
    ma_lk: str
    facility_code: str
    version: int
    admitted_at: datetime
    discharged_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitDetails(ListedVisit):
    """A visit in its newest version. `document` is the submitted document, None once erased."""

    document: Mapping[str, Any] | None
    findings: tuple[Mapping[str, Any], ...]


_READ_VISIT = """
    SELECT visit.id, visit.ma_lk, visit.version, visit.admitted_at, visit.discharged_at, visit.created_at,
        facility.code AS facility_code, visit_document.document,
        (SELECT coalesce(jsonb_agg(finding ORDER BY number), '[]') FROM visit_finding
         WHERE visit_finding.organization_id = $1 AND visit_finding.visit_id = visit.id
            AND visit_finding.version = visit.version) AS findings
    FROM visit
    JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
    LEFT JOIN visit_document ON visit_document.organization_id = $1 AND visit_document.visit_id = visit.id
        AND visit_document.version = visit.version
    WHERE visit.organization_id = $1 AND visit.id = $2
"""


async def read_visit(tx: Transaction, visit_id: VisitId) -> VisitDetails | None:
    """A visit in its newest version with its document (None once erased) and findings; None where there is none."""
    row = await tx.fetchrow(_READ_VISIT, tx.organization_id, visit_id)
    return None if row is None else read_row(VisitDetails, row)

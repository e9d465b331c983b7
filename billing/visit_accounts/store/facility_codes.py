"""Reads the facilities that rows of any kind belong to: for keys that work at some facilities only."""

from collections.abc import Collection
from uuid import UUID

from billing.db.single_reads import TenantReader
from billing.visit_accounts.domain.facility_subject import FacilitySubject

# A row of a part without a facility (NULL) is not reached by any limited key.
_CODES = """
    SELECT subject.id, array_agg(DISTINCT coalesce(facility.code, '')) AS codes
    FROM facility_subject AS subject
    LEFT JOIN facility ON facility.organization_id = $1 AND facility.id = subject.facility_id
    WHERE subject.organization_id = $1 AND subject.subject = $2 AND subject.id = ANY ($3::uuid[])
    GROUP BY subject.id
"""


async def read_facility_codes(
    tx: TenantReader, subject: FacilitySubject, ids: Collection[UUID]
) -> dict[UUID, frozenset[str]]:
    """The codes of the facilities of each row; a row of no facility, or of another organization, is left out."""
    rows = await tx.fetch(_CODES, tx.organization_id, subject.value, list(ids))
    return {row["id"]: frozenset(row["codes"]) for row in rows}

"""Which rows a key of some facilities reaches. Source: docs/rights.md."""

from collections.abc import Collection
from uuid import UUID

from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.visit_accounts.domain.facility_subject import FacilitySubject, is_reached
from billing.visit_accounts.store.facility_codes import read_facility_codes


async def find_reached(
    context: Context,
    organization_id: OrganizationId,
    subject: FacilitySubject,
    ids: Collection[UUID],
    *,
    facility_codes: Collection[str],
) -> frozenset[UUID]:
    """Those of the rows that a key of these facilities reaches."""
    if not ids:
        return frozenset()
    codes = await read_facility_codes(context.database.single_reads(organization_id), subject, ids)
    return frozenset(each for each in codes if is_reached(subject, codes[each], facility_codes))

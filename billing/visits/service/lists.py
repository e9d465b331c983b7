"""Lists of visits. Rows are returned as stored, the newest first."""

from enum import StrEnum

from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.visits.store.visit_lists import read_visits
from billing.visits.store.visits import ListedVisit

__all__ = [
    "ListedVisit",
    "VisitState",
    "list_visits",
]


class VisitState(StrEnum):
    """Whether the newest version of a visit states a discharge."""

    OPEN = "open"
    CLOSED = "closed"


async def list_visits(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    ma_lk: str | None = None,
    state: VisitState | None = None,
) -> list[ListedVisit]:
    """Visits by MA_LK and state; None filters nothing."""
    is_open = None if state is None else state is VisitState.OPEN
    async with context.database.transaction(organization_id) as tx:
        return await read_visits(tx, part, ma_lk=ma_lk, is_open=is_open)

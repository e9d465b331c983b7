"""The rows that the address of a screen names: read as ids, and only those that the person reaches.

A row of another organization or of a facility that is not the person's answers 404. Source: docs/rights.md.
"""

from uuid import UUID

from aiohttp import web

from billing.core.errors import NotFound
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.facility_limits import find_reached
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.session import current


async def read_reached_id(request: web.Request, subject: FacilitySubject, text: str | None = None) -> UUID:
    """The id of the path, or of a text of a form, if the person reaches its row. Raises NotFound."""
    row_id = read_id(request.match_info["id"] if text is None else text, field=f"{subject.value}_id")
    caller = current(request).caller
    if caller.facility_codes is not None:
        context = app_state(request).context
        codes = caller.facility_codes
        if not await find_reached(context, caller.organization_id, subject, [row_id], facility_codes=codes):
            raise NotFound("the facilities of this person have no such row", field=f"{subject.value}_id")
    return row_id

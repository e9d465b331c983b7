"""The paper of the minutes of a shift: GET /print/shifts/{id}, A4, from the stored minutes."""

from aiohttp import web

from billing.core.amount_words import write_in_words
from billing.core.ids import ShiftId
from billing.core.money import Dong
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.shift_reads import find_minutes
from billing.web.app_state import app_state
from billing.web.screens.rendering import render
from billing.web.screens.session import current
from billing.web.screens.shift.notes import note_table
from billing.web.screens.subjects import read_reached_id


async def get_minutes_paper(request: web.Request) -> web.Response:
    """The minutes of an ended shift with places for the signatures."""
    shift_id = ShiftId(await read_reached_id(request, FacilitySubject.SHIFT))
    view = await find_minutes(app_state(request).context, current(request).caller.organization_id, shift_id)
    minutes = view.minutes.document
    return render(
        request,
        "print/minutes.html",
        view=view,
        minutes=minutes,
        notes=note_table(minutes["counted"]),
        words=write_in_words(Dong(minutes["counted_cash"])),
        now=app_state(request).context.clock(),
    )

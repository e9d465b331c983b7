"""Shifts of other persons: audited and closed, or ended for a cashier who left. And the minutes of a shift.

GET  /shift/waiting                shifts that are open or wait for their audit
POST /shift/waiting/{id}/close     the audit is done
GET  /shift/waiting/{id}/force     the form that counts for a cashier who left
POST /shift/waiting/{id}/force
GET  /shift/{id}/receipts           the receipts of a shift, to open, void or move one
GET  /shift/{id}/minutes           the minutes on the screen; their paper is `/print/shifts/{id}`
"""

from contextlib import suppress

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import ShiftId
from billing.organizations.domain.rights import Right
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.shift import Shift, ShiftState
from billing.visit_accounts.service.shift_reads import (
    find_minutes,
    find_named_shift,
    find_shift_receipts,
    list_unclosed_shifts,
)
from billing.visit_accounts.service.shifts import close_shift, force_close_shift
from billing.web.app_state import app_state
from billing.web.screens.forms import Form, read_form, render_form
from billing.web.screens.refusals import refusal
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current
from billing.web.screens.shift.notes import note_table, read_notes
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()


async def get_waiting(request: web.Request) -> web.Response:
    """Shifts that are open or wait for their audit."""
    caller = current(request).caller
    shifts = await list_unclosed_shifts(
        app_state(request).context, caller.organization_id, facility_codes=caller.facility_codes
    )
    return render(
        request,
        "shift/waiting.html",
        shifts=[(named, _may_close(request, named.shift)) for named in shifts],
        is_done="closed" in request.query,
    )


async def post_close(request: web.Request) -> web.Response:
    """Close an ended shift after its audit; its cashier cannot."""
    caller, shift_id = current(request).caller, await _shift_id(request)
    try:
        await close_shift(app_state(request).context, caller.organization_id, shift_id, actor=caller.actor)
    except BillingError as error:
        return refusal(request, error)
    return see_other(request, "/shift/waiting?closed")


async def get_force(request: web.Request) -> web.Response:
    """The form that counts the cash of a cashier who left."""
    return await _force_page(request, await _shift_id(request))


async def post_force(request: web.Request) -> web.Response:
    """End the shift of a cashier who left; a third person closes it later."""
    caller, shift_id, form = current(request).caller, await _shift_id(request), await read_form(request)
    try:
        await force_close_shift(
            app_state(request).context,
            caller.organization_id,
            shift_id,
            read_notes(form),
            reason=form.text("forced_reason"),
            actor=caller.actor,
        )
    except BillingError as error:
        return await _force_page(request, shift_id, form, error)
    return see_other(request, f"/shift/{shift_id}/minutes")


async def get_receipts(request: web.Request) -> web.Response:
    """The receipts of one shift of any cashier."""
    found = await find_shift_receipts(
        app_state(request).context, current(request).caller.organization_id, await _shift_id(request)
    )
    return render(request, "shift/receipts.html", view=found, named=found.named)


async def get_minutes(request: web.Request) -> web.Response:
    """The minutes of an ended shift with its signatures, and what follows: hand over, next float."""
    session = current(request)
    view = await find_minutes(app_state(request).context, session.caller.organization_id, await _shift_id(request))
    is_own = view.shift.cashier_id == session.stored.person_id
    return render(
        request,
        "shift/minutes.html",
        view=view,
        minutes=view.minutes.document,
        notes=note_table(view.minutes.document["counted"]),
        is_own=is_own,
        may_close=session.caller.has(Right.CLOSE_SHIFT) and _may_close(request, view.shift),
    )


def _may_close(request: web.Request, shift: Shift) -> bool:
    """Whether the shift waits for its audit and the person of the session neither took nor counted its cash."""
    person_id = current(request).stored.person_id
    return shift.state is ShiftState.ENDED and person_id not in (shift.cashier_id, shift.ended_by)


async def _force_page(
    request: web.Request, shift_id: ShiftId, form: Form = _EMPTY, error: BillingError | None = None
) -> web.Response:
    named = await find_named_shift(app_state(request).context, current(request).caller.organization_id, shift_id)
    counted: dict[str, int] = {}
    with suppress(InvalidValue):  # the summary names the field
        counted = read_notes(form)
    return render_form(
        request,
        "shift/force.html",
        form,
        error,
        named=named,
        table=note_table(counted, form=form),
    )


async def _shift_id(request: web.Request) -> ShiftId:
    return ShiftId(await read_reached_id(request, FacilitySubject.SHIFT))

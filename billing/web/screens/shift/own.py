"""The own shift of a cashier: open it with a counted float, pay in and out, hand over, and the desk's last receipts.

GET  /shift             the form to open a shift, or the open one
POST /shift             open
POST /shift/sums        subtotals of the notes typed so far
POST /shift/paid-in     /shift/paid-out      change from the safe, and back to it
POST /shift/hand-overs  cash on its way to the treasurer, also after the shift has ended
"""

from contextlib import suppress

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import DeskId, ShiftId
from billing.core.money import Dong, dong
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.shift import DifferenceReasonNeeded, count_cash
from billing.visit_accounts.service.hand_overs import hand_over_cash
from billing.visit_accounts.service.shift_reads import find_shift_desk
from billing.visit_accounts.service.shifts import NewShift, open_shift, pay_in, pay_out
from billing.web.app_state import app_state
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.session import current
from billing.web.screens.shift.notes import note_table, read_notes, sums_fragment
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()


async def get_shift(request: web.Request) -> web.Response:
    """The form that opens a shift at the desk of the session, or the open shift of the person."""
    return await _page(request)


async def post_shift(request: web.Request) -> web.Response:
    """Open the shift of the person at the desk of the session."""
    session, form = current(request), await read_form(request)
    try:
        if session.desk is None:
            raise InvalidValue("sign in at a desk to open a shift")
        new = NewShift(
            desk_id=session.desk.id,
            opening_float=count_cash(read_notes(form)).cash,
            issued_float=_amount(form, "issued_float"),
            difference_reason=form.text("difference_reason"),
        )
        await open_shift(
            app_state(request).context,
            session.caller.organization_id,
            new,
            actor=session.caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, "/shift?opened")


async def post_sums(request: web.Request) -> web.Response:
    """The subtotals of the notes typed so far; nothing is stored."""
    return sums_fragment(request, read_notes(await read_form(request)), saved=False)


async def post_paid_in(request: web.Request) -> web.Response:
    """Record change that came from the safe into the drawer."""
    return await _move(request, is_in=True)


async def post_paid_out(request: web.Request) -> web.Response:
    """Record cash that went back from the drawer to the safe."""
    return await _move(request, is_in=False)


async def post_hand_over(request: web.Request) -> web.Response:
    """Send cash of the shift to the treasurer."""
    session, form = current(request), await read_form(request)
    shift_id = ShiftId(await read_reached_id(request, FacilitySubject.SHIFT, form.text("shift_id")))
    try:
        await hand_over_cash(
            app_state(request).context,
            session.caller.organization_id,
            shift_id,
            dong(form.dong("hand_over_amount"), field="hand_over_amount"),
            notes=form.text("notes"),
            actor=session.caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, "/shift?handed-over")


async def _move(request: web.Request, *, is_in: bool) -> web.Response:
    session, form = current(request), await read_form(request)
    shift_id = ShiftId(await read_reached_id(request, FacilitySubject.SHIFT, form.text("shift_id")))
    field = "in_amount" if is_in else "out_amount"
    try:
        await (pay_in if is_in else pay_out)(
            app_state(request).context,
            session.caller.organization_id,
            shift_id,
            dong(form.dong(field), field=field),
            reason=form.text("reason"),
            actor=session.caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, "/shift?moved")


async def _page(request: web.Request, form: Form = _EMPTY, error: BillingError | None = None) -> web.Response:
    session = current(request)
    desk_id: DeskId | None = None if session.desk is None else session.desk.id
    view = await find_shift_desk(
        app_state(request).context, session.caller.organization_id, desk_id, actor=session.caller.actor
    )
    counted: dict[str, int] = {}
    with suppress(InvalidValue):  # the summary names the field
        counted = read_notes(form)
    return render_form(
        request,
        "shift/own.html" if view.own is not None else "shift/open.html",
        form,
        error,
        view=view,
        table=note_table(counted, form=form),
        needs_reason=isinstance(error, DifferenceReasonNeeded) or bool(form.text("difference_reason")),
        done=next((name for name in ("opened", "moved", "handed-over", "closed") if name in request.query), ""),
    )


def _amount(form: Form, name: str) -> Dong:
    """An amount that may be left out."""
    return dong(form.dong(name), field=name) if form.text(name) else Dong(0)

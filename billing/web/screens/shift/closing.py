"""Close the own shift in four steps: what is open, count, ticks of what is not cash, result and signature.

GET  /shift/close            the step that is next, or `?step=` an earlier one
POST /shift/close/draft      the notes typed so far are saved; answers with subtotals
POST /shift/close/count      the count is finished
POST /shift/close/receipts   the receipts that are not cash were ticked
POST /shift/close/sign       the shift ends; with a second person it is closed
"""

from enum import StrEnum

from aiohttp import web

from billing.core.errors import BillingError
from billing.core.ids import ReceiptId, ShiftId
from billing.core.money import dong
from billing.organizations.domain.rights import Right
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.shift import NoOpenShift
from billing.visit_accounts.domain.shift_count import CountState
from billing.visit_accounts.service.shift_closing import (
    Closing,
    Signature,
    check_receipts,
    find_closing,
    finish_count,
    save_draft,
    sign_shift,
)
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.second_person import find_second_persons, verify_second_person
from billing.web.screens.session import current
from billing.web.screens.shift.notes import note_table, read_notes, sums_fragment
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()


class Step(StrEnum):
    """A step of closing a shift."""

    OPEN_ITEMS = "open"
    COUNT = "count"
    RECEIPTS = "receipts"
    RESULT = "result"


async def get_closing(request: web.Request) -> web.Response:
    """The step that is next; an earlier one can be opened again. Without an open shift: the shift page."""
    try:
        closing = await _find(request)
    except NoOpenShift:
        return see_other(request, "/shift")
    wanted = request.query.get("step", "")
    reached = _reached(closing)
    step = Step(wanted) if wanted in list(Step) and wanted in reached else reached[-1]
    if not wanted and closing.count is None:
        step = Step.OPEN_ITEMS
    return await _page(request, closing, step)


async def post_draft(request: web.Request) -> web.Response:
    """Save the notes typed so far and answer with their subtotals."""
    session, form = current(request), await read_form(request)
    counted = read_notes(form)
    await save_draft(
        app_state(request).context,
        session.caller.organization_id,
        await _shift_id(request, form),
        counted,
        actor=session.caller.actor,
        follows=read_id(form.text("follows"), field="follows") if form.text("follows") else None,
    )
    return sums_fragment(request, counted, saved=True)


async def post_count(request: web.Request) -> web.Response:
    """Finish the count."""
    session, form = current(request), await read_form(request)
    try:
        await finish_count(
            app_state(request).context,
            session.caller.organization_id,
            await _shift_id(request, form),
            read_notes(form),
            actor=session.caller.actor,
        )
    except BillingError as error:
        return await _page(request, await _find(request), Step.COUNT, form, error)
    return see_other(request, "/shift/close")


async def post_receipts(request: web.Request) -> web.Response:
    """Record which receipts that are not cash the cashier holds."""
    session, form = current(request), await read_form(request)
    ticked = [ReceiptId(read_id(text, field="receipts")) for text in form.texts("receipts")]
    try:
        await check_receipts(
            app_state(request).context,
            session.caller.organization_id,
            await _shift_id(request, form),
            ticked,
            actor=session.caller.actor,
        )
    except BillingError as error:
        return await _page(request, await _find(request), Step.RECEIPTS, form, error)
    return see_other(request, "/shift/close")


async def post_signature(request: web.Request) -> web.Response:
    """End the shift; a second person who gives a PIN or password closes it at once."""
    session, form = current(request), await read_form(request)
    shift_id = await _shift_id(request, form)
    try:
        second = None
        if form.text("is_alone") != "yes":
            second_person = await verify_second_person(
                request, form, Right.CLOSE_SHIFT, FacilitySubject.SHIFT, shift_id
            )
            second = second_person.actor
        signature = Signature(
            shown_expected=dong(form.dong("shown_expected"), field="shown_expected"),
            difference_reason=" · ".join(text for text in (form.text("reason"), form.text("notes")) if text),
            second=second,
        )
        await sign_shift(
            app_state(request).context,
            session.caller.organization_id,
            shift_id,
            signature,
            actor=session.caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, await _find(request), Step.RESULT, form, error)
    return see_other(request, f"/shift/{shift_id}/minutes")


def _reached(closing: Closing) -> list[Step]:
    """The steps that may be opened, the next one last."""
    steps = [Step.OPEN_ITEMS, Step.COUNT]
    if closing.is_counted:
        steps.append(Step.RECEIPTS)
    if closing.count is not None and closing.count.state is CountState.CHECKED:
        steps.append(Step.RESULT)
    return steps


async def _find(request: web.Request) -> Closing:
    caller = current(request).caller
    return await find_closing(app_state(request).context, caller.organization_id, actor=caller.actor)


async def _shift_id(request: web.Request, form: Form) -> ShiftId:
    return ShiftId(await read_reached_id(request, FacilitySubject.SHIFT, form.text("shift_id")))


async def _page(
    request: web.Request, closing: Closing, step: Step, form: Form = _EMPTY, error: BillingError | None = None
) -> web.Response:
    counted = {} if closing.count is None else closing.count.counted
    reached = _reached(closing)
    return render_form(
        request,
        f"shift/close_{step.value}.html",
        form,
        error,
        closing=closing,
        step=step.value,
        steps=[(each.value, each in reached and list(Step).index(each) < list(Step).index(step)) for each in Step],
        table=note_table(counted, form=form),
        seconds=await find_second_persons(request, Right.CLOSE_SHIFT) if step is Step.RESULT else (),
    )

"""Receipts on the screen and on paper: 80 mm, A5, A4, from the form that was stored when the receipt was issued.

GET  /receipts/{id}                  the receipt with its papers, and its void
POST /receipts/{id}/copies/{paper}   counts a print, then leads to the paper
GET  /print/receipts/{id}/{paper}    the paper; opening it counts nothing
POST /receipts/{id}/void             by a person with the right
POST /receipts/{id}/void-here        at the cashier's screen, with a second person
POST /receipts/{id}/move             to another open shift, by a person with the right
"""

from datetime import datetime

from aiohttp import web

from billing.checkout.formats.qr_image import qr_svg
from billing.core.amount_words import write_in_words
from billing.core.errors import BillingError, NotFound
from billing.core.ids import ReceiptId, ShiftId
from billing.core.money import Dong
from billing.organizations.domain.receipt_printer import Paper, ReceiptPrinter
from billing.organizations.domain.rights import Right
from billing.organizations.service.receipt_printers import find_printer
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.receipt import Direction, ReceiptState
from billing.visit_accounts.domain.receipt_print import PrintedForm, read_printed
from billing.visit_accounts.service.receipt_moves import find_moves, move_receipt
from billing.visit_accounts.service.receipts import (
    find_receipt,
    print_receipt,
    void_issued_receipt,
)
from billing.web.app_state import app_state
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.prints.public import receipt_address
from billing.web.screens.prints.roll import roll_height, slip_group
from billing.web.screens.rendering import render, see_other
from billing.web.screens.second_person import find_second_persons, verify_second_person
from billing.web.screens.session import current, language_of
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()


async def get_receipt(request: web.Request) -> web.Response:
    """A receipt with what was printed, its papers and its void."""
    return await _page(request, await _receipt_id(request))


async def post_copy(request: web.Request) -> web.Response:
    """Count a print of a receipt, the first or one more, and open its paper."""
    caller, receipt_id = current(request).caller, await _receipt_id(request)
    paper = _paper(request)
    await print_receipt(app_state(request).context, caller.organization_id, receipt_id, actor=caller.actor)
    return see_other(request, f"/print/receipts/{receipt_id}/{paper.value}?print")


async def get_paper(request: web.Request) -> web.Response:
    """The paper of a receipt as it was stored, marked as a copy from the second print on."""
    caller = current(request).caller
    found = await find_receipt(app_state(request).context, caller.organization_id, await _receipt_id(request))
    if found.printed is None:
        raise NotFound("the printed form of this receipt was erased, or its number was never used")
    form = read_printed(found.printed)
    paper = _paper(request)
    return render(
        request,
        f"print/receipt_{paper.value}.html",
        receipt=found.receipt,
        form=form,
        issued_at=datetime.fromisoformat(form.issued_at),
        words=write_in_words(Dong(form.amount)),
        qr=qr_svg(receipt_address(request, form), title=form.number),
        height=await _height(request, form),
        paper=paper.value,
        may_print=current(request).caller.has(Right.COLLECT),
        slips=[(slip, slip_group(slip)) for slip in form.slips],
    )


async def post_void(request: web.Request) -> web.Response:
    """Void a receipt of an open shift of another cashier."""
    return await _void(request, is_second_person_here=False)


async def post_void_here(request: web.Request) -> web.Response:
    """Void a receipt at the cashier's screen: the second person gives a PIN or password."""
    return await _void(request, is_second_person_here=True)


async def _void(request: web.Request, *, is_second_person_here: bool) -> web.Response:
    caller, receipt_id, form = current(request).caller, await _receipt_id(request), await read_form(request)
    try:
        decider = caller
        if is_second_person_here:
            decider = await verify_second_person(request, form, Right.VOID_RECEIPT, FacilitySubject.RECEIPT, receipt_id)
        await void_issued_receipt(
            app_state(request).context,
            caller.organization_id,
            receipt_id,
            reason=form.text("void_reason"),
            actor=decider.actor,
        )
    except BillingError as error:
        return await _page(request, receipt_id, form, error)
    return see_other(request, f"/receipts/{receipt_id}?voided")


async def post_move(request: web.Request) -> web.Response:
    """Move a receipt to another open shift, with a reason."""
    caller, receipt_id, form = current(request).caller, await _receipt_id(request), await read_form(request)
    shift_id = await read_reached_id(request, FacilitySubject.SHIFT, form.text("shift_id"))
    try:
        await move_receipt(
            app_state(request).context,
            caller.organization_id,
            receipt_id,
            ShiftId(shift_id),
            reason=form.text("move_reason"),
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, receipt_id, form, error)
    return see_other(request, f"/receipts/{receipt_id}?moved")


async def _page(
    request: web.Request, receipt_id: ReceiptId, form: Form = _EMPTY, error: BillingError | None = None
) -> web.Response:
    session = current(request)
    found = await find_receipt(app_state(request).context, session.caller.organization_id, receipt_id)
    may_void_here = session.caller.has(Right.COLLECT)
    own = (await _printer(request)).paper
    shifts = await find_moves(app_state(request).context, session.caller.organization_id, found.receipt)
    is_voidable = found.receipt.state is ReceiptState.VALID and found.receipt.direction is Direction.IN
    return render_form(
        request,
        "print/receipt.html",
        form,
        error,
        receipt=found.receipt,
        printed=None if found.printed is None else read_printed(found.printed),
        papers=sorted((each.value for each in Paper), key=lambda each: each != own.value),
        is_voidable=is_voidable and (may_void_here or session.caller.has(Right.VOID_RECEIPT)),
        void_address="void" if session.caller.has(Right.VOID_RECEIPT) else "void-here",
        may_print=session.caller.has(Right.COLLECT),
        seconds=await find_second_persons(request, Right.VOID_RECEIPT) if is_voidable and may_void_here else (),
        is_voided="voided" in request.query,
        moves=shifts.moves,
        places=shifts.places if session.caller.has(Right.MOVE_RECEIPT) else (),
        is_moved="moved" in request.query,
        is_frozen=shifts.is_frozen and session.caller.has(Right.MOVE_RECEIPT),
    )


def _paper(request: web.Request) -> Paper:
    try:
        return Paper(request.match_info["paper"])
    except ValueError as cause:
        raise NotFound("there is no such paper") from cause


async def _height(request: web.Request, form: PrintedForm) -> int:
    """The height of the 80 mm page: at least that of the desk's printer; a long receipt takes a longer page."""
    return (await _printer(request)).page_height(roll_height(form, language_of(request)))


async def _printer(request: web.Request) -> ReceiptPrinter:
    session = current(request)
    desk_id = None if session.desk is None else session.desk.id
    return await find_printer(app_state(request).context, session.caller.organization_id, desk_id)


async def _receipt_id(request: web.Request) -> ReceiptId:
    return ReceiptId(await read_reached_id(request, FacilitySubject.RECEIPT))

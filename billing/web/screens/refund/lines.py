"""Refund lines of a visit (hoàn thu dịch vụ), and return its free money.

GET  /desk/visits/{id}/refund     lines with what was paid, what can be returned, and the refunds of the visit;
                                  `?line=…` prices the visit again without these lines
POST /desk/visits/{id}/refund     cancels the ticked lines and requests the refunds of what that frees
POST /desk/visits/{id}/return     requests refunds of free money: a surplus, a deposit, an overpayment
"""

import re
from dataclasses import replace

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import VisitId
from billing.core.money import NOTHING, Dong, dong
from billing.payments.domain.refund import BankDestination, RefundWay
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.line_refunds import NewLineRefund, find_line_refund, refund_line
from billing.visit_accounts.service.visit_returns import (
    NewReturn,
    RefundPreview,
    find_visit_returns,
    preview_line_refund,
    request_return,
)
from billing.web.app_state import app_state
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()
_LINES_MAX = 200
_HOLDER_MAX = 100
_BIN = re.compile(r"[0-9]{6}")
_ACCOUNT = re.compile(r"[0-9A-Za-z]{1,19}")


async def get_refund(request: web.Request) -> web.Response:
    """Lines, free money and refunds of a visit; with `line` the effect of refunding these lines."""
    return await _page(request, await _visit_id(request), ticked=request.query.getall("line", [])[:_LINES_MAX])


async def post_refund(request: web.Request) -> web.Response:
    """Cancel the ticked lines one by one, then request refunds of the money that they freed.

    Where the request is refused the lines stay cancelled, and the page states how much waits to be returned.

    Each line has the key of the form and its name, so that a form sent twice, or again after a cut, does each once.
    """
    caller, form, visit_id = current(request).caller, await read_form(request), await _visit_id(request)
    context, freed = app_state(request).context, NOTHING
    lines = sorted(set(form.texts("line")))[:_LINES_MAX]
    try:
        if not lines:
            raise InvalidValue("tick a line", field="line")
        base = idempotent_request(request, form)
        new_return = _new_return(form, NOTHING)
        for number, line in enumerate(lines):
            new = NewLineRefund(line=line, reason=form.text("reason"), room_confirmation=form.text("room"))
            own = replace(base, key=f"{base.key[:60]}.{number}")
            refund_id = await refund_line(
                context, caller.organization_id, visit_id, new, actor=caller.actor, request=own
            )
            done = await find_line_refund(context, caller.organization_id, refund_id)
            freed = Dong(freed + done.released)
        if freed:
            await request_return(
                context,
                caller.organization_id,
                visit_id,
                replace(new_return, amount=freed),
                actor=caller.actor,
                request=base,
            )
    except BillingError as error:
        return await _page(request, visit_id, form=form, error=error, ticked=lines, freed=freed)
    return see_other(request, f"/desk/visits/{visit_id}/refund?requested={freed}")


async def post_return(request: web.Request) -> web.Response:
    """Request refunds of the free money of a visit, by the way it came."""
    caller, form, visit_id = current(request).caller, await read_form(request), await _visit_id(request)
    try:
        amount = dong(form.dong("return_amount"), field="return_amount")
        await request_return(
            app_state(request).context,
            caller.organization_id,
            visit_id,
            _new_return(form, amount),
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, visit_id, form=form, error=error, ticked=[])
    return see_other(request, f"/desk/visits/{visit_id}/refund?requested={amount}")


def _new_return(form: Form, amount: Dong) -> NewReturn:
    way = form.text("other_way") or RefundWay.MANUAL_TRANSFER.value
    if way not in list(RefundWay):
        raise InvalidValue("choose how the money goes back", field="other_way")
    destination = _read_destination(form) if form.text("account_number") else None
    return NewReturn(amount=amount, reason=form.text("reason"), other_way=RefundWay(way), destination=destination)


def _read_destination(form: Form) -> BankDestination:
    account, bank, holder = form.text("account_number"), form.text("bank_bin"), form.text("holder")
    if _BIN.fullmatch(bank) is None:
        raise InvalidValue("the BIN of a bank has six digits", field="bank_bin")
    if _ACCOUNT.fullmatch(account) is None:
        raise InvalidValue("an account number has 1 to 19 letters and digits", field="account_number")
    if not 1 <= len(holder) <= _HOLDER_MAX or not holder.isprintable():
        raise InvalidValue("the holder has 1 to 100 printable characters", field="holder")
    return BankDestination(bank_bin=bank, account_number=account, holder=holder)


async def _page(
    request: web.Request,
    visit_id: VisitId,
    *,
    ticked: list[str],
    form: Form = _EMPTY,
    error: BillingError | None = None,
    freed: Dong = NOTHING,
) -> web.Response:
    caller, context = current(request).caller, app_state(request).context
    view = await find_visit_returns(context, caller.organization_id, visit_id)
    open_lines = {one.charge.line for one in view.lines if not one.charge.is_cancelled}
    chosen = [line for line in ticked if line in open_lines]
    preview: RefundPreview | None = None
    if chosen and not view.is_closed:
        try:
            preview = await preview_line_refund(context, caller.organization_id, visit_id, chosen)
        except BillingError as refused:
            error = error or refused
    return render_form(
        request,
        "refund/lines.html",
        form,
        error,
        view=view,
        visit_id=visit_id,
        ticked=chosen,
        preview=preview,
        freed=freed,
        requested=request.query.get("requested", ""),
        has_other_money=any(payment.method != "cash" for payment in view.free),
    )


async def _visit_id(request: web.Request) -> VisitId:
    return VisitId(await read_reached_id(request, FacilitySubject.VISIT))

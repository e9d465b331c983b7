"""One refund: its way through request, approval, sending and confirmation.

GET  /refunds/{id}
POST /refunds/{id}/approve        by a person with the right
POST /refunds/{id}/approve-here   at another person's screen, with PIN or password
POST /refunds/{id}/refuse
POST /refunds/{id}/pay            cash from the own drawer
POST /refunds/{id}/instruct       a transfer by hand was given to the bank
POST /refunds/{id}/confirm        the bank's reference of the transfer
POST /refunds/{id}/cancel
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import web

from billing.core.errors import BillingError
from billing.core.ids import RefundId
from billing.ops.approval_kinds import approve_subject, reject_subject
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller, NotPermitted
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.domain.refund import Refund
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.refunds import (
    cancel_refund,
    confirm_refund,
    find_cash_to_pay,
    find_refund,
    send_refund,
)
from billing.visit_accounts.service.safe import list_bank_accounts
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.forms import Form, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.second_person import find_second_persons, verify_second_person
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()


async def get_refund_page(request: web.Request) -> web.Response:
    """One refund with what may be done now."""
    return await _page(request, await _refund_id(request))


async def post_approval(request: web.Request) -> web.Response:
    """Approve a refund that another person requested."""
    return await _act(request, _approve)


async def post_approval_here(request: web.Request) -> web.Response:
    """Approve at the screen of the person who requested it."""
    return await _act(request, _approve_here)


async def post_refusal(request: web.Request) -> web.Response:
    """Refuse a refund; its money is where it came from."""
    return await _act(request, _refuse)


async def post_payment(request: web.Request) -> web.Response:
    """Pay a refund from the drawer of the own shift, with a numbered voucher."""
    return await _act(request, _send)


async def post_instruction(request: web.Request) -> web.Response:
    """Record that a transfer by hand was given to the bank."""
    return await _act(request, _send)


async def post_confirmation(request: web.Request) -> web.Response:
    """Confirm a transfer with the bank's reference, by another person than its sender."""
    return await _act(request, _confirm)


async def post_cancellation(request: web.Request) -> web.Response:
    """End a refund whose money has not left."""
    caller, refund_id = current(request).caller, await _refund_id(request)
    details = await find_refund(app_state(request).context, caller.organization_id, refund_id)
    if not _may_cancel(details.refund, caller):
        raise NotPermitted("a refund is withdrawn by who requested it, before its money has left, or by finance")
    return await _act(request, _cancel)


_Action = Callable[[web.Request, RefundId, Form, Caller], Awaitable[None]]


async def _act(request: web.Request, action: _Action) -> web.Response:
    refund_id, form = await _refund_id(request), await read_form(request)
    try:
        await action(request, refund_id, form, current(request).caller)
    except BillingError as error:
        return await _page(request, refund_id, form, error)
    return see_other(request, f"/refunds/{refund_id}")


async def _approve(request: web.Request, refund_id: RefundId, _form: Form, caller: Caller) -> None:
    context = app_state(request).context
    await approve_subject(context, caller.organization_id, ApprovalKind.REFUND, refund_id, actor=caller.actor)


async def _approve_here(request: web.Request, refund_id: RefundId, form: Form, _caller: Caller) -> None:
    second = await verify_second_person(request, form, Right.APPROVE_REFUND, FacilitySubject.REFUND, refund_id)
    await _approve(request, refund_id, form, second)


async def _refuse(request: web.Request, refund_id: RefundId, _form: Form, caller: Caller) -> None:
    context = app_state(request).context
    await reject_subject(context, caller.organization_id, ApprovalKind.REFUND, refund_id, actor=caller.actor)


async def _send(request: web.Request, refund_id: RefundId, form: Form, caller: Caller) -> None:
    bank: UUID | None = None
    if form.text("bank_account_id"):
        bank = read_id(form.text("bank_account_id"), field="bank_account_id")
    await send_refund(
        app_state(request).context, caller.organization_id, refund_id, bank_account_id=bank, actor=caller.actor
    )


async def _confirm(request: web.Request, refund_id: RefundId, form: Form, caller: Caller) -> None:
    await confirm_refund(
        app_state(request).context,
        caller.organization_id,
        refund_id,
        bank_reference=form.text("bank_reference"),
        actor=caller.actor,
    )


async def _cancel(request: web.Request, refund_id: RefundId, _form: Form, caller: Caller) -> None:
    await cancel_refund(app_state(request).context, caller.organization_id, refund_id, actor=caller.actor)


async def _page(
    request: web.Request, refund_id: RefundId, form: Form = _EMPTY, error: BillingError | None = None
) -> web.Response:
    session, context = current(request), app_state(request).context
    details = await find_refund(context, session.caller.organization_id, refund_id)
    refund = details.refund
    is_own = refund.requested_by == session.stored.person_id
    may_approve = session.caller.has(Right.APPROVE_REFUND) and not is_own
    is_transfer = refund.way == "manual_transfer"
    may_pay = refund.state == "approved" and refund.way == "cash" and session.caller.has(Right.PAY_OUT)
    cash = refund.amount
    if may_pay:
        cash = await find_cash_to_pay(context, session.caller.organization_id, cash, actor=session.caller.actor)
    return render_form(
        request,
        "refund/refund.html",
        form,
        error,
        refund=refund,
        parts=details.parts,
        destination=details.destination,
        receipts=details.receipts,
        may_approve=refund.state == "requested" and may_approve,
        seconds=await find_second_persons(request, Right.APPROVE_REFUND)
        if refund.state == "requested" and not may_approve
        else (),
        may_pay=may_pay,
        cash=cash,
        may_instruct=refund.state == "approved" and is_transfer and session.caller.has(Right.REFUND),
        may_confirm=refund.state == "sent" and is_transfer and session.caller.has(Right.REFUND),
        may_cancel=refund.state in ("requested", "approved") and _may_cancel(refund, session.caller),
        bank_accounts=await list_bank_accounts(context, session.caller.organization_id) if is_transfer else (),
    )


def _may_cancel(refund: Refund, caller: Caller) -> bool:
    is_own = refund.requested_by == caller.actor.person and refund.state in ("requested", "approved")
    return is_own or caller.has(Right.REFUND)


async def _refund_id(request: web.Request) -> RefundId:
    return RefundId(await read_reached_id(request, FacilitySubject.REFUND))

"""The safe of the treasurer: hand-overs that wait, and cash that is paid into a bank account.

GET  /safe                                hand-overs and bank deposits
POST /safe/hand-overs/{id}/accept         /reject
POST /safe/bank-deposits
"""

from aiohttp import web

from billing.core.errors import BillingError
from billing.core.money import dong
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.hand_over import NewBankDeposit
from billing.visit_accounts.service.hand_overs import (
    accept_hand_over,
    deposit_at_bank,
    reject_hand_over,
)
from billing.visit_accounts.service.safe import find_safe
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()


async def get_safe(request: web.Request) -> web.Response:
    """Hand-overs that wait or were decided lately, the cash of the safe, and the last bank deposits."""
    return await _page(request)


async def post_acceptance(request: web.Request) -> web.Response:
    """Put handed over cash into the safe."""
    caller = current(request).caller
    hand_over_id = await read_reached_id(request, FacilitySubject.HAND_OVER)
    try:
        await accept_hand_over(app_state(request).context, caller.organization_id, hand_over_id, actor=caller.actor)
    except BillingError as error:
        return await _page(request, _EMPTY, error)
    return see_other(request, "/safe?accepted")


async def post_rejection(request: web.Request) -> web.Response:
    """Return handed over cash to the drawer of its desk, with a reason."""
    caller, form = current(request).caller, await read_form(request)
    hand_over_id = await read_reached_id(request, FacilitySubject.HAND_OVER)
    try:
        await reject_hand_over(
            app_state(request).context,
            caller.organization_id,
            hand_over_id,
            reason=form.text("reason"),
            actor=caller.actor,
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, "/safe?rejected")


async def post_bank_deposit(request: web.Request) -> web.Response:
    """Record cash of the safe that was paid into a bank account, by the number of the bank's slip."""
    caller, form = current(request).caller, await read_form(request)
    try:
        new = NewBankDeposit(
            amount=dong(form.dong("deposit_amount"), field="deposit_amount"),
            bank_account_id=read_id(form.text("bank_account_id"), field="bank_account_id"),
            slip=form.text("slip"),
        )
        await deposit_at_bank(
            app_state(request).context,
            caller.organization_id,
            new,
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, "/safe?deposited")


async def _page(request: web.Request, form: Form = _EMPTY, error: BillingError | None = None) -> web.Response:
    caller = current(request).caller
    safe = await find_safe(app_state(request).context, caller.organization_id, facility_codes=caller.facility_codes)
    return render_form(
        request,
        "shift/safe.html",
        form,
        error,
        safe=safe,
        done=next((name for name in ("accepted", "rejected", "deposited") if name in request.query), ""),
    )

"""Requests of payers to return an excess: listed, accepted as refunds, or declined.

GET  /finance/returns                  the requests that wait, the oldest first
POST /finance/returns/{id}/accept      `amount` as listed; `way`: as it came, or in cash at the desk
POST /finance/returns/{id}/decline

An accepted request is a refund, which waits for a second person as every other one. Source: docs/ux.md, Patient page.
"""

from aiohttp import web

from billing.core.errors import BillingError
from billing.core.ids import IntentId
from billing.core.money import dong
from billing.organizations.domain.rights import Right
from billing.payments.domain.refund import DestinationNeeded
from billing.reconciliation.domain.surplus_return import ACCEPT_REASON
from billing.reconciliation.service.surplus_returns import accept_return, decline_return, list_returns
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.params import read_given, today
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.session import current

PATH = "/finance/returns"
_EMPTY = Form()
_DONE = ("accepted", "declined")


async def get_returns(request: web.Request) -> web.Response:
    """The requests that wait for finance, each with the day until which its payer may still change it."""
    return await _page(request)


async def post_acceptance(request: web.Request) -> web.Response:
    """Request the refunds of an excess: as the money came, or in cash."""
    caller, form = current(request).caller, await read_form(request)
    try:
        await accept_return(
            app_state(request).context,
            caller.organization_id,
            _intent_id(request),
            amount=dong(form.dong("amount")),
            in_cash=form.text("way") == "cash",
            reason=form.text("reason") or ACCEPT_REASON,
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, f"{PATH}?done=accepted")


async def post_decline(request: web.Request) -> web.Response:
    """Decline a request with a reason; the excess is kept."""
    caller, form = current(request).caller, await read_form(request)
    try:
        await decline_return(
            app_state(request).context,
            caller.organization_id,
            _intent_id(request),
            reason=form.text("reason"),
            actor=caller.actor,
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, f"{PATH}?done=declined")


def _intent_id(request: web.Request) -> IntentId:
    return IntentId(read_id(request.match_info["id"], field="intent_id"))


async def _page(request: web.Request, form: Form = _EMPTY, error: BillingError | None = None) -> web.Response:
    caller = current(request).caller
    done = read_given(request, "done").get("done", "")
    return render_form(
        request,
        "finance/returns.html",
        form,
        error,
        returns=await list_returns(app_state(request).context, caller.organization_id),
        may_decide=caller.has(Right.REFUND),
        opened=request.match_info.get("id", ""),
        today=today(request),
        done=done if done in _DONE else "",
        is_account_unknown=isinstance(error, DestinationNeeded),
    )

"""Discharge (thanh toán ra viện): blockers with their way out, the final bill, the return of what is left, reopening.

GET  /desk/visits/{id}/discharge
POST /desk/visits/{id}/discharge                makes the final bill, then requests the return of the surplus
POST /desk/visits/{id}/discharge/override       by a head cashier
POST /desk/visits/{id}/discharge/override-here  at the cashier's screen, with a second person
POST /desk/visits/{id}/reopen                   by a head cashier
POST /desk/visits/{id}/reopen-here              at the cashier's screen, with a second person
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from billing.claims.service.billed_prices import ClaimPriceChanged
from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import VisitId
from billing.core.list_slice import ListSlice
from billing.invoices.domain.invoice import VisitErased
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.domain.refund import RefundWay
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.cost_statement import CostStatement
from billing.visit_accounts.domain.discharge import BlockerKind
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.cost_statements import find_cost_statement
from billing.visit_accounts.service.discharge_clearance import (
    NewOverride,
    find_discharge_clearance,
    override_blocker,
)
from billing.visit_accounts.service.final_bills import close_visit, find_final_bill, reopen_visit
from billing.visit_accounts.service.receipts import list_all_receipts
from billing.visit_accounts.service.visit_returns import NewReturn, find_visit_returns, request_return
from billing.web.app_state import app_state
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.refusals import error_text
from billing.web.screens.rendering import see_other
from billing.web.screens.second_person import find_second_persons, verify_second_person
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id

_EMPTY = Form()
_RECEIPTS_MAX = 30
_Decision = Callable[[web.Request, VisitId, Form, Caller], Awaitable[None]]


async def get_discharge(request: web.Request) -> web.Response:
    """What blocks the discharge of a visit, or its final bill."""
    return await _page(request, await _visit_id(request))


async def post_discharge(request: web.Request) -> web.Response:
    """Make the final bill; the surplus of the deposit becomes credit, whose return is requested in the chosen way.

    The bill stands where the return is refused: the page of refunds shows the money that is free.
    """
    caller, form, visit_id = current(request).caller, await read_form(request), await _visit_id(request)
    context = app_state(request).context
    idempotent = idempotent_request(request, form)
    try:
        await close_visit(context, caller.organization_id, visit_id, actor=caller.actor, request=idempotent)
    except BillingError as error:
        return await _page(request, visit_id, form, error)
    returns = await find_visit_returns(context, caller.organization_id, visit_id)
    if returns.total and form.text("other_way"):
        try:
            way = _read_way(form.text("other_way"))
            new = NewReturn(amount=returns.total, reason=form.text("return_reason") or "Hoàn ứng", other_way=way)
            own = replace(idempotent, route=f"{idempotent.route} return")
            await request_return(context, caller.organization_id, visit_id, new, actor=caller.actor, request=own)
        except BillingError as error:
            return await _page(request, visit_id, form, error)
        return see_other(request, f"/desk/visits/{visit_id}/refund?requested={returns.total}")
    return see_other(request, f"/desk/visits/{visit_id}/discharge?closed")


async def post_override(request: web.Request) -> web.Response:
    """Let a visit be billed although something is unfinished."""
    return await _decide(request, _override, None)


async def post_override_here(request: web.Request) -> web.Response:
    """The same, decided by a second person at the cashier's screen."""
    return await _decide(request, _override, Right.OVERRIDE_DISCHARGE)


async def post_reopening(request: web.Request) -> web.Response:
    """Open a closed visit again."""
    return await _decide(request, _reopen, None)


async def post_reopening_here(request: web.Request) -> web.Response:
    """The same, decided by a second person at the cashier's screen."""
    return await _decide(request, _reopen, Right.REOPEN_VISIT)


async def _decide(request: web.Request, decision: _Decision, second: Right | None) -> web.Response:
    visit_id, form = await _visit_id(request), await read_form(request)
    try:
        caller = current(request).caller
        if second is not None:
            caller = await verify_second_person(request, form, second, FacilitySubject.VISIT, visit_id)
        await decision(request, visit_id, form, caller)
    except BillingError as error:
        return await _page(request, visit_id, form, error)
    return see_other(request, f"/desk/visits/{visit_id}/discharge")


async def _override(request: web.Request, visit_id: VisitId, form: Form, caller: Caller) -> None:
    if form.text("kind") not in list(BlockerKind):
        raise InvalidValue("choose what is overridden", field="kind")
    new = NewOverride(kind=BlockerKind(form.text("kind")), line=form.text("line"), reason=form.text("override_reason"))
    context = app_state(request).context
    await override_blocker(context, caller.organization_id, visit_id, new, actor=caller.actor)


async def _reopen(request: web.Request, visit_id: VisitId, form: Form, caller: Caller) -> None:
    context = app_state(request).context
    await reopen_visit(context, caller.organization_id, visit_id, reason=form.text("reopen_reason"), actor=caller.actor)


def _read_way(text: str) -> RefundWay:
    if text not in list(RefundWay):
        raise InvalidValue("choose how the money goes back", field="other_way")
    return RefundWay(text)


async def _page(
    request: web.Request, visit_id: VisitId, form: Form = _EMPTY, error: BillingError | None = None
) -> web.Response:
    session, context = current(request), app_state(request).context
    organization_id = session.caller.organization_id
    bill = await find_final_bill(context, organization_id, visit_id)
    returns = await find_visit_returns(context, organization_id, visit_id)
    is_open = bill.account.state is AccountState.OPEN
    clearance = await find_discharge_clearance(context, organization_id, visit_id) if is_open else None
    is_blocked = clearance is not None and not clearance.is_clear
    decision = Right.OVERRIDE_DISCHARGE if is_open else Right.REOPEN_VISIT
    may_decide = session.caller.has(decision)
    statement, no_costs = (None, "") if is_blocked else await _statement(request, visit_id)
    return render_form(
        request,
        "discharge/blocked.html" if is_blocked else "discharge/bill.html",
        form,
        error,
        visit_id=visit_id,
        bill=bill,
        returns=returns,
        names={one.charge.line: one.charge.name for one in returns.lines},
        clearance=clearance,
        statement=statement,
        no_costs=no_costs,
        receipts=await list_all_receipts(context, organization_id, ListSlice(limit=_RECEIPTS_MAX), visit_id=visit_id),
        is_open=is_open,
        may_bill=session.caller.has(Right.BILL_VISIT),
        may_decide=may_decide,
        seconds=() if may_decide else await find_second_persons(request, decision),
        now=context.clock(),
        is_closed_now="closed" in request.query,
    )


async def _statement(request: web.Request, visit_id: VisitId) -> tuple[CostStatement | None, str]:
    """The costs by group; or why there are none: no price, another one than was billed, or data that was erased."""
    caller, context = current(request).caller, app_state(request).context
    try:
        return await find_cost_statement(context, caller.organization_id, visit_id, actor=caller.actor), ""
    except InvalidValue:  # the account states why it has no price
        return None, ""
    except (VisitErased, ClaimPriceChanged) as error:
        return None, error_text(request, error)


async def _visit_id(request: web.Request) -> VisitId:
    return VisitId(await read_reached_id(request, FacilitySubject.VISIT))

"""Find money at the desk (tìm tiền về): a transfer that came under no code, or under a mangled one.

GET  /desk/find-money               `?visit=…&amount=…&period=…&reference=…`
POST /desk/find-money/assign        the money goes to the deposit of the visit
POST /desk/find-money/confirm       a head cashier confirms a transfer manually
POST /desk/find-money/confirm-here  at the cashier's screen, with a head cashier as second person

The cashier may take money only with an equal amount and the bank's reference, as the payer's phone shows it. The
service compares both again. Source: docs/ux.md, States and actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import DepositRequestId, VisitId
from billing.core.money import Dong, dong
from billing.organizations.domain.rights import Right
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.manual_confirmation import ConfirmableTarget
from billing.reconciliation.domain.money_search import MoneyQuestion, compact
from billing.reconciliation.service.decide_exceptions import decide_exception
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.exceptions import find_exception
from billing.reconciliation.service.find_money import ShownMoney, find_money
from billing.reconciliation.service.manual_confirmations import NewConfirmation, confirm_manually, list_confirmable
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.account_views import AccountView, find_account_view
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form
from billing.web.screens.rendering import see_other
from billing.web.screens.second_person import find_second_persons, verify_second_person
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id

PERIODS = {
    "15m": timedelta(minutes=15),
    "60m": timedelta(minutes=60),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
}
_REASON = "Tìm tiền về tại quầy: đúng số tiền, đúng mã giao dịch ngân hàng"
_EMPTY = Form()
_SHOWN_ENDS = 3


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A result of the desk: `reference` is shortened unless the cashier typed it; `may_take` as far as can be seen."""

    shown: ShownMoney
    reference: str
    is_same_amount: bool
    is_same_reference: bool

    @property
    def may_take(self) -> bool:
        """Whether amount and reference agree and the money belongs to nobody yet."""
        money = self.shown.found.money
        is_free = money.unallocated == money.amount and money.exception_id is not None
        return self.is_same_amount and self.is_same_reference and is_free


async def get_find_money(request: web.Request) -> web.Response:
    """The search, with its results where something is searched for."""
    query = request.query
    form = Form({name: [query[name]] for name in ("visit", "amount", "period", "reference") if name in query})
    return await _page(request, form)


async def post_assignment(request: web.Request) -> web.Response:
    """Assign unallocated money with equal amount and equal reference to a visit."""
    caller, form = current(request).caller, await read_form(request)
    try:
        visit_id = VisitId(await read_reached_id(request, FacilitySubject.VISIT, form.text("visit")))
        amount = dong(form.dong("amount"))
        if not form.text("reference"):
            raise InvalidValue("state the bank's reference on the payer's phone", field="reference")
        exception_id = read_id(form.text("exception"), field="exception")
        context = app_state(request).context
        case = await find_exception(context, caller.organization_id, exception_id)
        view = await find_account_view(context, caller.organization_id, visit_id)
        new = NewDecision(
            action=DecisionAction.ASSIGN,
            reason=_REASON,
            version=case.exception.version,
            visit_id=visit_id,
            deposit_request_id=_request_of(view, amount),
            amount=amount,
            bank_reference=form.text("reference"),
        )
        await decide_exception(context, caller.organization_id, exception_id, new, actor=caller.actor)
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, f"/desk/visits/{visit_id}")


async def post_confirmation(request: web.Request) -> web.Response:
    """Confirm a transfer manually: the head cashier of the session."""
    return await _confirm(request, is_second_person_here=False)


async def post_confirmation_here(request: web.Request) -> web.Response:
    """Confirm a transfer manually at the cashier's screen: the head cashier gives a PIN or password."""
    return await _confirm(request, is_second_person_here=True)


async def _confirm(request: web.Request, *, is_second_person_here: bool) -> web.Response:
    decider, form = current(request).caller, await read_form(request)
    visit_id = VisitId(await read_reached_id(request, FacilitySubject.VISIT, form.text("visit")))
    try:
        if is_second_person_here:
            right = Right.CONFIRM_MANUALLY
            decider = await verify_second_person(request, form, right, FacilitySubject.VISIT, visit_id)
        new = NewConfirmation(
            target_id=read_id(form.text("request"), field="request"),
            bank_reference=form.text("reference"),
            reason=form.text("confirm_reason"),
            is_offline=app_state(request).is_offline,
        )
        await confirm_manually(
            app_state(request).context,
            decider.organization_id,
            visit_id,
            new,
            actor=decider.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, f"/desk/visits/{visit_id}" if current(request).desk else "/desk/find-money?confirmed")


def _request_of(view: AccountView, amount: Dong) -> DepositRequestId | None:
    """The open request that still needs just this amount; None: the money is an advance."""
    return next((one.id for one in view.requests if one.remaining == amount), None)


async def _page(request: web.Request, form: Form, error: BillingError | None = None) -> web.Response:
    caller, context = current(request).caller, app_state(request).context
    visit_id: UUID | None = None
    view = None
    if form.text("visit"):
        visit_id = await read_reached_id(request, FacilitySubject.VISIT, form.text("visit"))
        view = await find_account_view(context, caller.organization_id, VisitId(visit_id))
    rows: Sequence[FoundRow] | None = None
    try:
        if form.text("amount") or form.text("reference"):
            rows = await _search(request, form)
    except BillingError as refused:
        error = error or refused
    due = None if view is None else next((one.remaining for one in view.requests), None)
    confirmable = await _confirmable(request, visit_id)
    return render_form(
        request,
        "cashier/find_money.html",
        form,
        error,
        visit_id=visit_id,
        view=view,
        due=due,
        rows=rows,
        periods=list(PERIODS),
        period=form.text("period") or "15m",
        may_take=caller.has(Right.COLLECT),
        confirmable=confirmable,
        confirm_address="confirm" if caller.has(Right.CONFIRM_MANUALLY) else "confirm-here",
        seconds=await find_second_persons(request, Right.CONFIRM_MANUALLY) if confirmable else (),
        is_confirmed="confirmed" in request.query,
    )


async def _confirmable(request: web.Request, visit_id: UUID | None) -> Sequence[ConfirmableTarget]:
    """What a transfer may be confirmed for now, the newest first."""
    caller = current(request).caller
    if visit_id is None or not (caller.has(Right.CONFIRM_MANUALLY) or caller.has(Right.COLLECT)):
        return ()
    found = await list_confirmable(app_state(request).context, caller.organization_id, VisitId(visit_id))
    return [
        one for one in found if one.confirmation is None and (one.confirms_offline or not app_state(request).is_offline)
    ]


async def _search(request: web.Request, form: Form) -> list[FoundRow]:
    caller, context = current(request).caller, app_state(request).context
    amount = dong(form.dong("amount")) if form.text("amount") else None
    reference = form.text("reference")
    now = context.clock()
    question = MoneyQuestion(
        since=now - PERIODS.get(form.text("period"), PERIODS["15m"]),
        until=now + timedelta(minutes=1),
        amount=amount,
        fragment=reference,
    )
    result = await find_money(context, caller.organization_id, question, actor=caller.actor)
    return [_row(shown, amount, reference) for shown in result.shown]


def _row(shown: ShownMoney, amount: Dong | None, reference: str) -> FoundRow:
    money = shown.found.money
    is_same = bool(reference) and compact(reference) == compact(money.bank_reference)
    known = money.bank_reference
    hidden = f"{known[:_SHOWN_ENDS]}•••{known[-_SHOWN_ENDS:]}" if len(known) > 2 * _SHOWN_ENDS else "•••"
    return FoundRow(
        shown=shown,
        reference=known if is_same else hidden,
        is_same_amount=amount is not None and money.amount == amount,
        is_same_reference=is_same,
    )

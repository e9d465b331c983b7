"""Decisions on exceptions as forms: accept the proposal, choose another decision, revert the latest one.

GET  /finance/exceptions/{id}/decide   ?action, ?q, ?back
POST /finance/exceptions/{id}/decide
POST /finance/exceptions/{id}/revert

Money that only the bank has is booked first; its payment has an exception of its own, which is then decided. A process
that ends between the two leaves the money unallocated with that exception. Source: docs/reconciliation.md, Exceptions.
"""

from dataclasses import replace
from datetime import date
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue, NotFound, Refused
from billing.core.ids import DepositRequestId, InvoiceId, VisitId
from billing.core.money import Dong, dong
from billing.payments.domain.reference_links import normal_reference
from billing.payments.domain.refund import BankDestination, RefundWay
from billing.reconciliation.domain.exception_case import DecisionAction, PaymentDiffers
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.domain.work_list import WorkRow
from billing.reconciliation.service.decide_exceptions import decide_exception, revert_decision
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.work_list import ProposedRow, find_booked_work, find_targets, find_work
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.params import back_of, form_day, read_given, read_word
from billing.web.screens.finance.work_rows import offered_actions, refund_ways, show_row
from billing.web.screens.finance.wrong_fields import field_errors, status_of
from billing.web.screens.forms import Form, read_form
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current, own_path

_LIST = "/finance/exceptions"
_PLACES_MONEY = (DecisionAction.ASSIGN, DecisionAction.REFUND)


async def get_decision_form(request: web.Request) -> web.Response:
    """The form of one decision; `q` names a visit, an invoice or a payment code to assign the money to."""
    given = read_given(request, "action", "q", "back")
    proposed = await _find(request)
    return await _form(request, proposed, read_word(given, "action", DecisionAction), search=given.get("q", ""))


async def post_decision(request: web.Request) -> web.Response:
    """Decide an exception as its form states, and return to the list it was opened from."""
    form = await read_form(request)
    proposed = await _find(request)
    action: DecisionAction | None = None
    try:
        action = _action(form)
        decided_id = await _decide(request, proposed, action, form)
    except (InvalidValue, NotFound, Refused) as error:
        return await _form(request, await _find(request), action, form=form, error=error)
    return see_other(request, _with_done(back_of(form, f"{_LIST}/{decided_id}"), decided_id))


async def post_decision_reversal(request: web.Request) -> web.Response:
    """Revert the latest decision of an exception."""
    form = await read_form(request)
    exception_id = _exception_id(request)
    caller = current(request).caller
    await revert_decision(
        app_state(request).context,
        caller.organization_id,
        exception_id,
        version=_version(form),
        reason=form.text("reason") or "hoàn tác trên màn hình",
        actor=caller.actor,
    )
    return see_other(request, back_of(form, f"{_LIST}/{exception_id}"))


async def _decide(request: web.Request, proposed: ProposedRow, action: DecisionAction, form: Form) -> UUID:
    """Carry out the decision; returns the exception that it stands on."""
    context, caller = app_state(request).context, current(request).caller
    row = proposed.row
    new = _new_decision(form, action, version=_version(form))
    if not (action in _PLACES_MONEY and row.payment_id is None and row.item_id is not None):
        await decide_exception(context, caller.organization_id, row.id, new, actor=caller.actor)
        return row.id
    if action is DecisionAction.ASSIGN:
        _require_same_line(row, new)
    booking = NewDecision(action=DecisionAction.BOOK_PAYMENT, reason=new.reason, version=new.version)
    await decide_exception(context, caller.organization_id, row.id, booking, actor=caller.actor)
    booked = await find_booked_work(context, caller.organization_id, row.item_id)
    if booked is None:  # the money has its place already: the text named the code of an invoice
        return row.id
    placing = replace(new, version=booked.version, bank_reference=booked.bank_reference)
    if action is DecisionAction.ASSIGN:
        placing = replace(placing, amount=booked.free)
    await decide_exception(context, caller.organization_id, booked.id, placing, actor=caller.actor)
    return booked.id


def _require_same_line(row: WorkRow, new: NewDecision) -> None:
    """Compare what the person states with the line before its money is booked. Raises PaymentDiffers."""
    if new.amount != row.signed_amount:
        raise PaymentDiffers("the line has another amount; compare both papers", field="amount")
    if row.bank_reference and normal_reference(new.bank_reference) != normal_reference(row.bank_reference):
        raise PaymentDiffers("the line has another bank reference; compare both papers", field="bank_reference")


def _new_decision(form: Form, action: DecisionAction, *, version: int) -> NewDecision:
    """The decision that a form states. Raises InvalidValue."""
    visit_id, invoice_id, request_id = _target(form) if action is DecisionAction.ASSIGN else (None, None, None)
    return NewDecision(
        action=action,
        reason=form.text("reason"),
        version=version,
        visit_id=visit_id,
        invoice_id=invoice_id,
        deposit_request_id=request_id,
        payer=form.text("payer"),
        amount=_amount(form, action),
        bank_reference=form.text("bank_reference"),
        way=_way(form) if action is DecisionAction.REFUND else None,
        destination=_destination(form) if action is DecisionAction.REFUND else None,
        due_on=_due_on(form) if action is DecisionAction.OPEN_TRACE else None,
        items=_items(form) if action is DecisionAction.MATCH else (),
        joined=[read_id(each, field="line") for each in form.texts("line")] if action is DecisionAction.MATCH else (),
    )


def _target(form: Form) -> tuple[VisitId, InvoiceId | None, DepositRequestId | None]:
    """The visit, invoice and deposit request of a chosen target, written `visit:invoice:request`."""
    parts = form.text("target").split(":")
    try:
        visit, invoice, request = (UUID(part) if part else None for part in parts)
    except ValueError as cause:
        raise InvalidValue("choose the visit that the money is for", field="target") from cause
    if visit is None:
        raise InvalidValue("choose the visit that the money is for", field="target")
    return (
        VisitId(visit),
        None if invoice is None else InvoiceId(invoice),
        None if request is None else DepositRequestId(request),
    )


def _items(form: Form) -> list[tuple[ItemKind, UUID]]:
    """The chosen items, each written `kind:id`."""
    found = []
    for text in form.texts("item"):
        kind, _, item_id = text.partition(":")
        try:
            found.append((ItemKind(kind), UUID(item_id)))
        except ValueError as cause:
            raise InvalidValue("choose items of the list", field="item") from cause
    if not found:
        raise InvalidValue("choose at least one item", field="item")
    return found


def _amount(form: Form, action: DecisionAction) -> Dong | None:
    is_needed = action in (DecisionAction.ASSIGN, DecisionAction.ASSIGN_TO_PAYER)
    return dong(form.dong("amount")) if is_needed or form.text("amount") else None


def _way(form: Form) -> RefundWay:
    try:
        return RefundWay(form.text("way"))
    except ValueError as cause:
        raise InvalidValue("choose how the money is returned", field="way") from cause


def _destination(form: Form) -> BankDestination | None:
    if not form.text("account_number"):
        return None
    return BankDestination(
        bank_bin=form.text("bank_bin"), account_number=form.text("account_number"), holder=form.text("holder")
    )


def _due_on(form: Form) -> date | None:
    return form_day(form, "due_on")


def _action(form: Form) -> DecisionAction:
    try:
        return DecisionAction(form.text("action"))
    except ValueError as cause:
        raise InvalidValue("choose a decision", field="action") from cause


def _version(form: Form) -> int:
    text = form.text("version")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidValue("the form has no version; open the page again", field="version")
    return int(text)


def _exception_id(request: web.Request) -> UUID:
    return read_id(request.match_info["id"], field="exception_id")


async def _find(request: web.Request) -> ProposedRow:
    return await find_work(app_state(request).context, current(request).caller.organization_id, _exception_id(request))


async def _form(
    request: web.Request,
    proposed: ProposedRow,
    action: DecisionAction | None,
    *,
    search: str = "",
    form: Form | None = None,
    error: BillingError | None = None,
) -> web.Response:
    actions = tuple(offered_actions(proposed.row))
    chosen = action if action in actions else next(iter(actions), None)
    given = form or Form()
    search = search or given.text("q")
    named = []
    if search and chosen is DecisionAction.ASSIGN:
        named = list(await find_targets(app_state(request).context, current(request).caller.organization_id, search))
    back = own_path(request.query.get("back", "")) if form is None else own_path(form.text("back"))
    return render(
        request,
        "finance/decide.html",
        status=status_of(error),
        shown=show_row(proposed),
        actions=actions,
        action=chosen,
        named=named,
        search=search,
        form=given,
        errors=[] if error is None else field_errors(request, error),
        ways=refund_ways(),
        back=back if back != "/" else f"{_LIST}/{proposed.row.id}",
        address=f"{_LIST}/{proposed.row.id}/decide",
        back_query=quote(back, safe=""),
    )


def _with_done(path: str, exception_id: UUID) -> str:
    """The page to return to, which shows the decision with the button that reverts it."""
    parts = urlsplit(path)
    return f"{parts.path}?{parts.query}{'&' if parts.query else ''}{urlencode({'done': str(exception_id)})}"

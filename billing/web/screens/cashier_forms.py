"""The forms of the desk: collect, show a payment code, issue the receipt of money that has come, take an advance.

Each form has a key that was made with it: a second press returns the first result. A refusal shows the page again with
its reason and what was typed. Source: docs/ux.md, Cashier.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

from billing.checkout.service.code_accounts import list_code_accounts
from billing.checkout.service.intent_targets import IntentTarget, InvoicesTarget, RequestTarget, StandingTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.errors import BillingError, InvalidValue, NotFound
from billing.core.ids import DepositRequestId, IntentId, InvoiceId, ReceiptId, VisitId
from billing.core.money import Dong, dong
from billing.db.idempotency import IdempotentRequest
from billing.visit_accounts.domain.desk_collection import CardPayment, DeskCollection, DeskResult
from billing.visit_accounts.service.desk_collections import collect_for_visit
from billing.visit_accounts.service.desk_screens import put_away, request_for_code, show_code
from billing.visit_accounts.service.desk_visits import DeskChoice, require_target_of_visit
from billing.visit_accounts.store.desk_screens import Shown
from billing.web.app_state import app_state
from billing.web.client_address import source_address
from billing.web.problems import problem_of
from billing.web.request_bodies import read_id
from billing.web.screens.cashier_panel import PageChoice, desk_of, render_visit
from billing.web.screens.forms import Form, form_errors, idempotent_request, kept_key, read_form
from billing.web.screens.rendering import is_fragment, see_other
from billing.web.screens.session import current


class CardIncomplete(InvalidValue):
    """A card payment names its terminal and the approval code that the terminal printed."""

    code = "card_incomplete"


class MethodChanged(InvalidValue):
    """The form does not collect by the method that is chosen: nothing was collected."""

    code = "method_changed"


class AmountNeeded(InvalidValue):
    """A part of a collection, or an advance, states its amount."""

    code = "amount_needed"


class AmountTooLarge(InvalidValue):
    """An amount that no person pays at a desk: a slip of the keyboard."""

    code = "amount_too_large"


_AMOUNT_MAX = 2_000_000_000  # đồng, far above any bill of a visit
_ADVANCE_PATHS = ("/advance", "/standing-code")


class NoCodeAccount(NotFound):
    """No provider account makes payment codes."""

    code = "no_code_account"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A form that was sent for a visit."""

    request: web.Request
    visit_id: VisitId
    form: Form

    def id_of(self, name: str) -> UUID | None:
        text = self.form.text(name)
        return read_id(text, field=name) if text else None

    def amount(self, name: str) -> Dong | None:
        """An amount in đồng; None for an empty field. Raises InvalidValue."""
        if not self.form.text(name):
            return None
        amount = dong(self.form.dong(name), field=name)
        if amount > _AMOUNT_MAX:
            raise AmountTooLarge("no such amount is paid at a desk", field=name)
        return amount

    def idempotent(self, step: str = "") -> IdempotentRequest:
        """The request of the form, or of one step of it."""
        whole = idempotent_request(self.request, self.form)
        return replace(whole, route=f"{whole.route} {step}") if step else whole


async def post_collection(request: web.Request) -> web.Response:
    """Collect what is due for the ticked lines, a request or an invoice, in the own shift."""
    return await _answer(request, _collect)


async def post_receipt(request: web.Request) -> web.Response:
    """Issue the receipt of money that has come under a code."""
    return await _answer(request, _issue)


async def post_advance(request: web.Request) -> web.Response:
    """Take an advance in cash or by card."""
    return await _answer(request, _take_advance)


async def post_code(request: web.Request) -> web.Response:
    """Show a payment code for what is due, or for a part of it."""
    return await _answer(request, _show_code)


async def post_standing_code(request: web.Request) -> web.Response:
    """Show the standing code of a visit: any amount, any number of times."""
    return await _answer(request, _show_standing_code)


async def post_put_away(request: web.Request) -> web.Response:
    """Put the codes of a visit away at this desk. Money under them is booked all the same."""
    return await _answer(request, _put_away)


async def _collect(sent: _Sent) -> PageChoice:
    form = sent.form
    method = form.text("method")
    if method == "qr":
        raise MethodChanged("the form of cash was sent while the payment code was chosen", field="method")
    card = _card(sent) if method in ("card", "mixed") else None
    if method == "mixed" and card is not None and card.amount is None:
        raise AmountNeeded("enter what the card pays", field="card_amount")
    request_id, invoice_id = sent.id_of("request_id"), sent.id_of("invoice_id")
    collection = DeskCollection(
        visit_id=sent.visit_id,
        shown_due=sent.amount("due") or Dong(0),
        lines=() if request_id or invoice_id else tuple(form.texts("line")),
        request_id=None if request_id is None else DepositRequestId(request_id),
        invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
        tendered=None if method == "card" else sent.amount("given"),
        card=card,
    )
    return await _collected(sent, collection)


async def _issue(sent: _Sent) -> PageChoice:
    request_id, invoice_id = sent.id_of("request_id"), sent.id_of("invoice_id")
    collection = DeskCollection(
        visit_id=sent.visit_id,
        shown_due=Dong(0),
        request_id=None if request_id is None else DepositRequestId(request_id),
        invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
    )
    return await _collected(sent, collection)


async def _take_advance(sent: _Sent) -> PageChoice:
    amount = sent.amount("amount")
    if not amount:
        raise AmountNeeded("enter the amount of the advance", field="amount")
    by_card = sent.form.text("method") == "card"
    # The whole of what was requested pays the request; another amount is an advance of its own.
    request_id = sent.id_of("advance_request") if amount == sent.amount("requested") else None
    collection = DeskCollection(
        visit_id=sent.visit_id,
        shown_due=amount,
        request_id=None if request_id is None else DepositRequestId(request_id),
        advance=amount if request_id is None else None,
        tendered=None if by_card else sent.amount("given"),
        card=_card(sent) if by_card else None,
    )
    return await _collected(sent, collection)


async def _collected(sent: _Sent, collection: DeskCollection) -> PageChoice:
    context, caller = app_state(sent.request).context, current(sent.request).caller
    idempotent = sent.idempotent()
    result: DeskResult = await collect_for_visit(
        context, caller.organization_id, collection, actor=caller.actor, request=idempotent
    )
    await put_away(context, caller.organization_id, sent.visit_id)
    return PageChoice(choice=DeskChoice(issued=result.receipt_id), is_again=idempotent.earlier is not None)


async def _show_code(sent: _Sent) -> PageChoice:
    context, caller = app_state(sent.request).context, current(sent.request).caller
    request_id, invoice_id = sent.id_of("request_id"), sent.id_of("invoice_id")
    target: IntentTarget
    if invoice_id is not None:
        target = InvoicesTarget((InvoiceId(invoice_id),))
    elif request_id is not None:
        target = RequestTarget(DepositRequestId(request_id))
    else:
        wanted = await request_for_code(
            context,
            caller.organization_id,
            sent.visit_id,
            sent.form.texts("line"),
            uses_deposit=True,
            actor=caller.actor,
            request=sent.idempotent("lines"),
        )
        target = RequestTarget(wanted)
    await _open_code(sent, target, sent.amount("part"))
    return PageChoice()


async def _show_standing_code(sent: _Sent) -> PageChoice:
    await _open_code(sent, StandingTarget(sent.visit_id), None)
    return PageChoice(method="advance")


async def _open_code(sent: _Sent, target: IntentTarget, amount: Dong | None) -> None:
    context, caller = app_state(sent.request).context, current(sent.request).caller
    desk = desk_of(sent.request)
    accounts = await list_code_accounts(context, caller.organization_id)
    if not accounts:
        raise NoCodeAccount("no provider account of this hospital makes payment codes", field="account")
    intent_id: IntentId = await open_intent(
        context,
        caller.organization_id,
        account_name=accounts[0],
        target=target,
        amount=amount,
        actor=caller.actor,
        request=sent.idempotent("code"),
        payer_address=source_address(sent.request),
    )
    intent = await find_intent(context, caller.organization_id, intent_id)
    shown = Shown(visit_id=sent.visit_id, intent_id=intent_id, amount=intent.remaining)
    await show_code(context, caller.organization_id, desk.id, shown, actor=caller.actor)
    # A code that waits here for another amount is put away: its money is booked all the same.
    await put_away(context, caller.organization_id, sent.visit_id, kept=intent_id)


async def _put_away(sent: _Sent) -> PageChoice:
    await put_away(app_state(sent.request).context, current(sent.request).caller.organization_id, sent.visit_id)
    return PageChoice()


def _card(sent: _Sent) -> CardPayment:
    terminal_id, approval_code = sent.id_of("terminal_id"), sent.form.text("approval_code")
    if terminal_id is None:
        raise CardIncomplete("choose the card terminal", field="terminal_id")
    if not approval_code:
        raise CardIncomplete("enter the approval code that the terminal printed", field="approval_code")
    return CardPayment(terminal_id=terminal_id, approval_code=approval_code, amount=sent.amount("card_amount"))


async def _answer(request: web.Request, do: Callable[[_Sent], Awaitable[PageChoice]]) -> web.Response:
    """Run the use case of a form, and show the visit; a refusal shows it with the reason and what was typed."""
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    form = await read_form(request)
    sent = _Sent(request, visit_id, form)
    caller = current(request).caller
    await require_target_of_visit(
        app_state(request).context,
        caller.organization_id,
        visit_id,
        request_id=sent.id_of("request_id") or sent.id_of("advance_request"),
        invoice_id=sent.id_of("invoice_id"),
        facility_codes=caller.facility_codes,
    )
    try:
        page = await do(sent)
    except BillingError as error:
        status = problem_of(error).status
        if status not in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE):
            raise
        lines = form.texts("line")
        page = PageChoice(
            choice=DeskChoice(ticked=frozenset(lines) if lines else None, wants_other_method="due" in form.fields),
            method="advance" if request.path.endswith(_ADVANCE_PATHS) else form.text("method"),
            errors=form_errors(request, error),
            typed=form,
            takes_receipt=False,
            key=kept_key(form, error),
            status=status,
        )
        return await render_visit(request, visit_id, page)
    if form.text("background"):
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if is_fragment(request):
        return await render_visit(request, visit_id, page, push=True)
    return see_other(request, _address(visit_id, page.choice.issued, is_again=page.is_again))


def _address(visit_id: VisitId, receipt_id: ReceiptId | None, *, is_again: bool) -> str:
    address = f"/desk/visits/{visit_id}"
    if receipt_id is None:
        return address
    return f"{address}?receipt={receipt_id}{'&again=1' if is_again else ''}"

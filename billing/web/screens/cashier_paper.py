"""The paper block of a desk: reserved while the server is there, written while it is away, entered afterwards.

GET  /desk/paper           the blocks of the desk with the numbers that are still to be entered
POST /desk/paper/reserve   take the next numbers for paper
POST /desk/paper/enter     enter a paper receipt under its own number and time; its cash is in the own drawer
POST /desk/paper/unused    enter the other numbers as unused

Source: docs/ux.md, When something is away.
"""

from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from billing.core.clock import VIETNAM
from billing.core.errors import BillingError, InvalidValue
from billing.core.money import dong
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.desk_search import find_at_desk
from billing.visit_accounts.service.receipt_blocks import (
    PaperReceipt,
    enter_paper_receipt,
    enter_unused_numbers,
    list_desk_blocks,
    reserve_block,
)
from billing.web.app_state import app_state
from billing.web.screens.cashier_panel import desk_of
from billing.web.screens.forms import Form, idempotent_request, read_form, render_form, whole_number
from billing.web.screens.rendering import see_other
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id


class PaperIncomplete(InvalidValue):
    """A paper receipt has a number, a time and one visit."""

    code = "paper_incomplete"


_ADDRESS = "/desk/paper"
_EMPTY = Form()


async def get_paper_block(request: web.Request) -> web.Response:
    """The blocks of the desk."""
    return await _page(request)


async def post_block(request: web.Request) -> web.Response:
    """Reserve the next numbers for paper."""
    form = await read_form(request)
    context, caller = app_state(request).context, current(request).caller
    try:
        await reserve_block(
            context,
            caller.organization_id,
            desk_of(request).id,
            form.dong("count"),
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, _ADDRESS)


async def post_paper_receipt(request: web.Request) -> web.Response:
    """Enter one paper receipt."""
    form = await read_form(request)
    context, caller = app_state(request).context, current(request).caller
    block_id = await read_reached_id(request, FacilitySubject.RECEIPT_BLOCK, form.text("block_id"))
    try:
        receipt_id = await enter_paper_receipt(
            context,
            caller.organization_id,
            block_id,
            await _paper(request, form),
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, f"{_ADDRESS}?entered={receipt_id}")


async def post_unused_numbers(request: web.Request) -> web.Response:
    """Enter every number of a block that is still missing as unused."""
    form = await read_form(request)
    context, caller = app_state(request).context, current(request).caller
    block_id = await read_reached_id(request, FacilitySubject.RECEIPT_BLOCK, form.text("block_id"))
    try:
        await enter_unused_numbers(
            context,
            caller.organization_id,
            block_id,
            [number for text in form.texts("unused") if (number := whole_number(text)) is not None],
            actor=caller.actor,
            request=idempotent_request(request, form),
        )
    except BillingError as error:
        return await _page(request, form, error)
    return see_other(request, _ADDRESS)


async def _paper(request: web.Request, form: Form) -> PaperReceipt:
    """The paper receipt of a form: an advance in cash of the visit that the slip names. Raises InvalidValue."""
    caller, desk = current(request).caller, desk_of(request)
    found = await find_at_desk(
        app_state(request).context,
        caller.organization_id,
        form.text("visit"),
        facility_code=desk.facility_code,
        facility_codes=caller.facility_codes,
    )
    if found.only is None:
        raise PaperIncomplete("no single visit has this code; enter the visit code or scan the card", field="visit")
    amount = dong(form.dong("amount"), field="amount")
    number = whole_number(form.text("number"))
    if number is None:
        raise PaperIncomplete("choose the number of the paper", field="number")
    return PaperReceipt(
        number=number,
        issued_at=_time(form.text("issued_at")),
        collection=Collection(
            visit_id=found.only.visit_id,
            parts=[CollectedPart(method=PartMethod.CASH, amount=amount)],
            amount=amount,
        ),
    )


def _time(text: str) -> datetime:
    """The time on the paper: a local date and time as the browser sends it. Raises InvalidValue."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)
    except ValueError:
        raise PaperIncomplete("enter day and time as they stand on the paper", field="issued_at") from None


async def _page(request: web.Request, form: Form = _EMPTY, error: BillingError | None = None) -> web.Response:
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    return render_form(
        request,
        "cashier/paper.html",
        form,
        error,
        kept=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
        blocks=await list_desk_blocks(context, organization_id, desk_of(request).id),
        is_entered="entered" in request.query,
        now=context.clock().astimezone(VIETNAM),
    )

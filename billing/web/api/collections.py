"""Money taken at the desk for a visit, with several methods on one receipt.

POST /v1/visits/{id}/collections
    {"deposit_request_id" or "invoice_id" or neither for an advance, "amount"?, "parts": [
        {"method": "cash", "amount", "tendered"?}, {"method": "card", "amount", "terminal_id", "approval_code"},
        {"method": "transfer", "amount", "bank_account_id", "reference"}, {"method": "provider", "payment_id"}]}
"""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from billing.core.ids import DepositRequestId, InvoiceId, PaymentId, VisitId
from billing.core.money import NOTHING, dong
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.receipts import find_receipt
from billing.web.api.receipts import ReceiptDocument, receipt_document
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, InvalidBody, read_id, read_idempotent
from billing.web.responses import created_response


class Part(Body):
    """One method. Cash: `amount`, `tendered`. Card: `amount`, `terminal_id`, `approval_code`.

    Transfer, confirmed by a head cashier: `amount`, `bank_account_id`, `reference`. Provider: `payment_id` of the money
    that came by QR before.
    """

    method: str
    amount: int | None = None
    tendered: int | None = None
    terminal_id: str | None = None
    approval_code: str = ""
    bank_account_id: str | None = None
    reference: str = ""
    payment_id: str | None = None


class NewCollection(Body):
    """What is collected: for a deposit request, for an invoice, or as an advance of `amount` đồng.

    `amount`, where it is given, is the sum of the parts, those of providers included.
    """

    parts: list[Part]
    deposit_request_id: str | None = None
    invoice_id: str | None = None
    amount: int | None = None


def read_parts(given: Sequence[Part], caller: Caller) -> list[CollectedPart]:
    """The parts of a collection. Raises InvalidBody, NotFound, InvalidValue, and NotPermitted for a transfer."""
    parts = [_part(part, number) for number, part in enumerate(given)]
    if any(part.method is PartMethod.TRANSFER for part in parts):
        caller.require(Right.CONFIRM_MANUALLY)
    return parts


def read_collection(body: NewCollection, visit_id: VisitId, caller: Caller) -> Collection:
    """The collection of a body. Raises what `read_parts` raises."""
    parts = read_parts(body.parts, caller)
    request_id, invoice_id = body.deposit_request_id, body.invoice_id
    return Collection(
        visit_id=visit_id,
        parts=parts,
        deposit_request_id=None
        if request_id is None
        else DepositRequestId(read_id(request_id, field="deposit_request_id")),
        invoice_id=None if invoice_id is None else InvoiceId(read_id(invoice_id, field="invoice_id")),
        amount=None if body.amount is None else dong(body.amount),
    )


@operation(
    Operation(
        tag="cash-desk",
        request=NewCollection,
        responses={HTTPStatus.CREATED: ReceiptDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_collection(request: web.Request) -> web.Response:
    """Collect money in your open shift and issue its receipt."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewCollection)
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    collection = read_collection(body, visit_id, caller)
    receipt_id = await collect_at_desk(
        context, caller.organization_id, collection, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        receipt_document(await find_receipt(context, caller.organization_id, receipt_id)),
        idempotent_request,
        location=f"/v1/receipts/{receipt_id}",
    )


def _part(part: Part, number: int) -> CollectedPart:
    try:
        method = PartMethod(part.method)
    except ValueError:
        raise InvalidBody([(f"parts.{number}.method", "is cash, card, transfer or provider")]) from None
    field = f"parts.{number}"
    return CollectedPart(
        method=method,
        amount=NOTHING if part.amount is None else dong(part.amount, field=f"{field}.amount"),
        tendered=None if part.tendered is None else dong(part.tendered, field=f"{field}.tendered"),
        terminal_id=None if part.terminal_id is None else read_id(part.terminal_id, field=f"{field}.terminal_id"),
        approval_code=part.approval_code,
        bank_account_id=None
        if part.bank_account_id is None
        else read_id(part.bank_account_id, field=f"{field}.bank_account_id"),
        reference=part.reference,
        payment_id=None
        if part.payment_id is None
        else PaymentId(read_id(part.payment_id, field=f"{field}.payment_id")),
    )

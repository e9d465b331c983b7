"""The public page of a receipt, which the QR code on its paper opens: GET /receipt/{organization}-{token}.

It shows the shortened name, the visit number and the amounts, no card number. An unknown or erased one answers 404.
"""

import re
from datetime import datetime

from aiohttp import web

from billing.core.amount_words import write_in_words
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.core.text import shorten_name
from billing.organizations.domain.receipt_printer import ReceiptPrinter
from billing.organizations.service.device_places import find_is_training
from billing.visit_accounts.domain.receipt_print import PrintedForm, read_printed
from billing.visit_accounts.service.receipts import find_public_receipt
from billing.web.app_state import app_state
from billing.web.operation import Route
from billing.web.screens.prints.roll import roll_height, slip_group
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of

_NAME = re.compile(r"([1-9][0-9]{0,8})-([0-9A-Za-z_-]{16,64})")


def receipt_path(organization_id: OrganizationId, token: str) -> str:
    """The path of the public page of a receipt."""
    return f"/receipt/{organization_id}-{token}"


def receipt_address(request: web.Request, form: PrintedForm) -> str:
    """What the code of a receipt leads to: its public page; its number for one that was issued without a token."""
    if not form.token:
        return form.number
    return app_state(request).context.public_base_url + receipt_path(
        current(request).caller.organization_id, form.token
    )


async def get_public_receipt(request: web.Request) -> web.Response:
    """A receipt for its payer, without sign-in."""
    found = _NAME.fullmatch(request.match_info["name"])
    if found is None:
        raise NotFound("no such receipt", field="token")
    context = app_state(request).context
    organization_id = OrganizationId(int(found[1]))
    receipt = await find_public_receipt(context, organization_id, found[2])
    if receipt.printed is None:
        raise NotFound("no such receipt", field="token")
    form = read_printed(receipt.printed)
    response = render(
        request,
        "print/public_receipt.html",
        receipt=receipt.receipt,
        form=form,
        name=shorten_name(form.patient),
        issued_at=datetime.fromisoformat(form.issued_at),
        words=write_in_words(Dong(form.amount)),
        slips=[(slip, slip_group(slip)) for slip in form.slips],
        height=ReceiptPrinter().page_height(roll_height(form, language_of(request))),
        is_training=await find_is_training(context, organization_id),
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


PUBLIC_RECEIPTS = (Route(method="GET", path="/receipt/{name}", handler=get_public_receipt),)

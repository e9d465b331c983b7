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
from billing.visit_accounts.domain.receipt_print import read_printed
from billing.visit_accounts.service.receipts import find_public_receipt
from billing.web.app_state import app_state
from billing.web.operation import Route
from billing.web.screens.rendering import render

_NAME = re.compile(r"([1-9][0-9]{0,8})-([0-9A-Za-z_-]{16,64})")


def receipt_path(organization_id: OrganizationId, token: str) -> str:
    """The path of the public page of a receipt."""
    return f"/receipt/{organization_id}-{token}"


async def get_public_receipt(request: web.Request) -> web.Response:
    """A receipt for its payer, without sign-in."""
    found = _NAME.fullmatch(request.match_info["name"])
    if found is None:
        raise NotFound("no such receipt", field="token")
    context = app_state(request).context
    receipt = await find_public_receipt(context, OrganizationId(int(found[1])), found[2])
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
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


PUBLIC_RECEIPTS = (Route(method="GET", path="/receipt/{name}", handler=get_public_receipt),)

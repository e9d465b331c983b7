"""The claim file of an invoice: tables XML1–XML3 in their envelope, unsigned.

GET  /v1/invoices/{id}/claim.xml
"""

from http import HTTPStatus

from aiohttp import web

from billing.claims.service.export import export_claim
from billing.core.ids import InvoiceId
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, operation
from billing.web.request_bodies import read_id

XML = "application/xml"


@operation(
    Operation(
        tag="invoices",
        responses={HTTPStatus.OK: Content(media_type=XML, description="The claim file, not signed")},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def get_claim_file(request: web.Request) -> web.Response:
    """Download the claim file of an issued invoice.

    XML1, XML2 and XML3 with the billed amounts, unsigned. The file contains personal data: every download is audited.
    """
    caller = request[CALLER]
    invoice_id = InvoiceId(read_id(request.match_info["id"], field="invoice_id"))
    exported = await export_claim(app_state(request).context, caller.organization_id, invoice_id, actor=caller.actor)
    return web.Response(
        body=exported.content,
        content_type=XML,
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{exported.file_name}"'},
    )

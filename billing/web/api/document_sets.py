"""The document set of a visit (bộ chứng từ): every document of its bills and its money.

GET /v1/visits/{id}/documents
"""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.core.ids import VisitId
from billing.reconciliation.domain.voucher import Voucher, VoucherKind
from billing.reconciliation.service.document_sets import find_document_set
from billing.web.app_state import CALLER, app_state
from billing.web.operation import PREFIX, Operation, operation
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import Document, Text

_PATHS = {
    VoucherKind.GUARANTEE: "/visits/{visit_id}/guarantees",
    VoucherKind.EXEMPTION: "/visits/{visit_id}/exemptions",
    VoucherKind.DEBT: "/debts/{id}",
    VoucherKind.INVOICE: "/invoices/{id}",
    VoucherKind.CORRECTION: "/visits/{visit_id}/final-bill",
    VoucherKind.FINAL_BILL: "/visits/{visit_id}/final-bill",
    VoucherKind.REOPENING: "/visits/{visit_id}/final-bill",
    VoucherKind.DEPOSIT: "/visits/{visit_id}/account",
    VoucherKind.DEPOSIT_REQUEST: "/deposit-requests/{id}",
    VoucherKind.INTENT: "/intents/{id}",
    VoucherKind.PAYMENT: "/payments/{id}",
    VoucherKind.RECEIPT: "/receipts/{id}",
    VoucherKind.REFUND: "/refunds/{id}",
    VoucherKind.CARD_BATCH: "/card-batches/{id}",
    VoucherKind.MATCH: "/matches/{id}",
    VoucherKind.STATEMENT_LINE: "/matches/{of_id}",
    VoucherKind.SETTLEMENT_LINE: "/matches/{of_id}",
    VoucherKind.ENTRY: "/ledger/entries/{id}",
}


class VoucherDocument(Document):
    """One document, with the `amount` of all of it in đồng; negative: a lower share, or money that left the bank.

    `state` of an entry is its event, `number` its accounting date. `of_id` is the document that it belongs to. `person`
    is empty where a provider or the system made it. `printed` is a receipt as it was printed, until it is erased.
    `link` is the path that reads it, null where there is none.
    """

    kind: VoucherKind
    id: Text
    number: str
    at: Text
    amount: int
    state: str
    person_id: Text | None
    person: str
    method: str
    provider_reference: str
    bank_reference: str
    reason: str
    of_id: Text | None
    reprints: int
    printed: dict[str, Any] | None
    link: str | None


class DocumentSetDocument(Document):
    """Every document of a visit, the oldest first. `left_out` are not reached by a key of some facilities."""

    visit_id: str
    ma_lk: str
    documents: list[VoucherDocument]
    left_out: int


@operation(Operation(tag="visits", responses={HTTPStatus.OK: DocumentSetDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_document_set(request: web.Request) -> web.Response:
    """Read every document of a visit: bills, receipts, requests, payments, refunds, bank lines, entries."""
    caller = request[CALLER]
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    found = await find_document_set(
        app_state(request).context, caller.organization_id, visit_id, facility_codes=caller.facility_codes
    )
    return json_response(
        DocumentSetDocument(
            visit_id=str(visit_id),
            ma_lk=found.ma_lk,
            documents=[_document(each, visit_id) for each in found.vouchers],
            left_out=found.left_out,
        )
    )


def _document(voucher: Voucher, visit_id: VisitId) -> VoucherDocument:
    values = {name: getattr(voucher, name) for name in VoucherDocument.model_fields if name not in ("link", "printed")}
    printed = None if voucher.printed is None else dict(voucher.printed)
    return VoucherDocument.model_validate({**values, "printed": printed, "link": _link(voucher, visit_id)})


def _link(voucher: Voucher, visit_id: VisitId) -> str | None:
    path = _PATHS.get(voucher.kind)
    return None if path is None else PREFIX + path.format(id=voucher.id, visit_id=visit_id, of_id=voucher.of_id)

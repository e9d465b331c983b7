"""The document set of a visit (bộ chứng từ): its list, and one print of it with the receipts as they were printed.

GET /finance/visits/{id}/documents
GET /print/visits/{id}/documents

Source: docs/ux.md, Finance; docs/reconciliation.md, Document set of a visit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from billing.checkout.formats.qr_image import qr_svg
from billing.core.amount_words import write_in_words
from billing.core.ids import VisitId
from billing.core.money import Dong
from billing.reconciliation.domain.voucher import DocumentSet, Voucher, VoucherKind
from billing.reconciliation.service.document_sets import find_document_set
from billing.visit_accounts.domain.receipt_print import PrintedForm, PrintedSlip, read_printed
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.prints.public import receipt_address
from billing.web.screens.prints.roll import slip_group
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import find_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedReceipt:
    """A receipt as it was printed, with what its template needs; `receipt` counts its reprints."""

    receipt: Voucher
    form: PrintedForm
    issued_at: datetime
    words: str
    qr: str
    slips: Sequence[tuple[PrintedSlip, str]]


async def get_documents(request: web.Request) -> web.Response:
    """All documents of one visit, the oldest first."""
    visit_id, found = await _find(request)
    return render(
        request,
        "finance/documents.html",
        documents=found,
        visit_id=visit_id,
        label=lambda state: _label(request, state),
    )


async def get_documents_paper(request: web.Request) -> web.Response:
    """The list of documents and every receipt as it was printed, in one print."""
    visit_id, found = await _find(request)
    return render(
        request,
        "print/documents.html",
        documents=found,
        visit_id=visit_id,
        receipts=[_printed(request, each) for each in found.vouchers if _is_printed(each)],
        label=lambda state: _label(request, state),
    )


async def _find(request: web.Request) -> tuple[VisitId, DocumentSet]:
    caller = current(request).caller
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    found = await find_document_set(
        app_state(request).context, caller.organization_id, visit_id, facility_codes=caller.facility_codes
    )
    return visit_id, found


def _is_printed(voucher: Voucher) -> bool:
    return voucher.kind is VoucherKind.RECEIPT and voucher.printed is not None


def _printed(request: web.Request, voucher: Voucher) -> PrintedReceipt:
    assert voucher.printed is not None, "only printed receipts are shown"
    form = read_printed(voucher.printed)
    return PrintedReceipt(
        receipt=voucher,
        form=form,
        issued_at=datetime.fromisoformat(form.issued_at),
        words=write_in_words(Dong(form.amount)),
        qr=qr_svg(receipt_address(request, form), title=form.number),
        slips=[(slip, slip_group(slip)) for slip in form.slips],
    )


def _label(request: web.Request, state: str) -> str:
    """A state of a document, or the event of an entry, in the language of the session."""
    for section in ("voucher_state", "entry"):
        found = find_text(language_of(request), f"finance.{section}.{state}")
        if found is not None:
            return found
    return state

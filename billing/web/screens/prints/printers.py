"""The printers of desks: paper and page height. GET /admin/printers, POST /admin/printers/{id} (a desk)."""

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import DeskId
from billing.organizations.domain.receipt_printer import HEIGHTS_MM, Paper, ReceiptPrinter
from billing.organizations.service.receipt_printers import list_printers, set_receipt_printer
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.web.app_state import app_state
from billing.web.screens.forms import Form, read_form, render_form, whole_number
from billing.web.screens.rendering import see_other
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id


async def get_printers(request: web.Request) -> web.Response:
    """The printers of the desks that the person reaches."""
    return await _page(request)


async def post_printer(request: web.Request) -> web.Response:
    """Set the printer of a desk."""
    caller, form = current(request).caller, await read_form(request)
    desk_id = DeskId(await read_reached_id(request, FacilitySubject.DESK))
    try:
        printer = _read_printer(form)
        await set_receipt_printer(
            app_state(request).context, caller.organization_id, desk_id, printer, actor=caller.actor
        )
    except BillingError as error:
        return await _page(request, error)
    return see_other(request, "/admin/printers?saved")


def _read_printer(form: Form) -> ReceiptPrinter:
    height_mm = whole_number(form.text("height_mm"))
    if form.text("paper") not in list(Paper) or height_mm is None:
        raise InvalidValue("choose a paper and a height", field="paper")
    return ReceiptPrinter(paper=Paper(form.text("paper")), height_mm=height_mm)


async def _page(request: web.Request, error: BillingError | None = None) -> web.Response:
    caller = current(request).caller
    printers = await list_printers(app_state(request).context, caller.organization_id)
    codes = caller.facility_codes
    return render_form(
        request,
        "print/printers.html",
        Form(),
        error,
        printers=[one for one in printers if codes is None or one.facility_code in codes],
        papers=[paper.value for paper in Paper],
        heights=HEIGHTS_MM,
        is_saved="saved" in request.query,
    )

"""A payment code on paper, for a payer without a phone at hand: GET /print/visits/{id}/codes/{code}, 80 mm.

The paper states what the customer display states, and the account for those who type. Source: docs/ux.md, Printers.
"""

from aiohttp import web

from billing.core.ids import IntentId, VisitId
from billing.core.text import shorten_name
from billing.organizations.service.receipt_printers import find_printer
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.desk_visits import DeskChoice, find_desk_view
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.cashier_panel import find_code_of_visit
from billing.web.screens.rendering import render
from billing.web.screens.session import current
from billing.web.screens.subjects import read_reached_id

_HEIGHT_MM = 140


async def get_code_paper(request: web.Request) -> web.Response:
    """A code of a visit with its QR, amount, account and text."""
    session, context = current(request), app_state(request).context
    organization_id = session.caller.organization_id
    visit_id = VisitId(await read_reached_id(request, FacilitySubject.VISIT))
    view = await find_desk_view(
        context, organization_id, visit_id, DeskChoice(), facility_codes=session.caller.facility_codes
    )
    code = await find_code_of_visit(request, view, IntentId(read_id(request.match_info["code"], field="intent_id")))
    printer = await find_printer(context, organization_id, None if session.desk is None else session.desk.id)
    return render(
        request,
        "print/code.html",
        visit_id=visit_id,
        ma_lk=view.account.ma_lk,
        who=" – ".join(text for text in (shorten_name(view.patient.name), str(view.patient.birth_year or "")) if text),
        code=code,
        height=printer.page_height(_HEIGHT_MM),
        now=context.clock(),
    )

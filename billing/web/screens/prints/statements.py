"""The cost statement 01/KBCB on paper: GET /print/visits/{id}/statement, A4 landscape, 13 columns."""

from aiohttp import web

from billing.core.amount_words import write_in_words
from billing.core.ids import VisitId
from billing.core.money import half_up_dong
from billing.coverage.domain.explain import Language, category_name
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.cost_statements import find_cost_statement
from billing.web.app_state import app_state
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of
from billing.web.screens.subjects import read_reached_id

_CARE_BOXES = {"01": "1", "02": "2", "03": "3", "09": "3", "04": "4"}
"""The box of the form for MA_LOAI_KCB: examination, outpatient treatment, inpatient, day. Others tick none."""


async def get_statement(request: web.Request) -> web.Response:
    """The statement of a visit with whole card number, from the data of the claim."""
    caller = current(request).caller
    visit_id = VisitId(await read_reached_id(request, FacilitySubject.VISIT))
    context = app_state(request).context
    statement = await find_cost_statement(context, caller.organization_id, visit_id, actor=caller.actor)
    amounts = statement.amounts
    return render(
        request,
        "print/statement.html",
        statement=statement,
        visit=statement.visit,
        visit_id=visit_id,
        amounts=amounts,
        category=category_name(statement.visit.category_code, Language(language_of(request).value)),
        box=_CARE_BOXES.get(statement.visit.care_kind, ""),
        words=write_in_words(half_up_dong(amounts.hospital)),
        now=context.clock(),
    )

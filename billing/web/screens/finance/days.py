"""Closing of days: the days that wait, the result of one day, its blockers, its closing and its certificate.

GET  /finance/days                   ?day
GET  /finance/days/{day}/results     the page with the result, which takes long where many lines are open
POST /finance/days/{day}/close
GET  /finance/days/{day}/certificate

Source: docs/ux.md, Finance; docs/reconciliation.md, Result of a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus

from aiohttp import web

from billing.core.errors import NotFound, Refused
from billing.ledger.domain.accounts import DayState
from billing.organizations.domain.rights import Right
from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.day_result import AccountDay, DayResult
from billing.reconciliation.domain.work_list import WorkFilter
from billing.reconciliation.service.close_day import (
    DayClosing,
    DayResults,
    ShiftOfDay,
    close_day,
    find_certificate,
    find_closing,
    find_results,
    find_shifts,
)
from billing.reconciliation.service.day_overview import is_result_slow, list_open_days
from billing.reconciliation.service.work_list import count_work, list_work
from billing.web.app_state import app_state
from billing.web.request_bodies import read_day
from billing.web.screens.finance.params import read_given, read_page_day, today
from billing.web.screens.finance.work_rows import ShownRow, show_row
from billing.web.screens.forms import FormError, form_errors
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

PATH = "/finance/days"
ITEMS_MAX = 200
"""Items of an account that a page shows; the certificate has all of them."""

_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDay:
    """A day that was opened: its results, what keeps it open, and what waits for a person without an owner."""

    state: DayState
    results: DayResults
    closing: DayClosing | None
    shifts: Sequence[ShiftOfDay]
    waiting: int
    without_owner: Sequence[ShownRow]

    @property
    def result(self) -> DayResult:
        """The result of the whole day."""
        return self.results.result

    @property
    def accounts(self) -> Sequence[AccountDay]:
        """The results of the accounts."""
        return self.results.accounts

    @property
    def residual(self) -> int | None:
        """What no item explains, of all accounts; None where a bank account has no statement to compare."""
        if not all(each.is_compared for each in self.accounts):
            return None
        return sum(each.residual for each in self.accounts)

    @property
    def may_close(self) -> bool:
        """Whether nothing that the page knows of keeps the day open."""
        return self.state is DayState.OPEN and not self.results.reasons and not self.without_owner


async def get_days(request: web.Request) -> web.Response:
    """The result of one day; without one, of the first day that is still open."""
    given = read_given(request, "day")
    day = read_page_day(request, given) if given else await _first_open(request)
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    return await _page(request, day, is_deferred=await is_result_slow(context, organization_id, day))


async def get_day_results(request: web.Request) -> web.Response:
    """The page with the result of a day, however long it takes: the page without it loads it."""
    return await _page(request, _day(request))


async def post_day_closing(request: web.Request) -> web.Response:
    """Close a day. What keeps it open is shown above the page."""
    caller, day = current(request).caller, _day(request)
    try:
        await close_day(app_state(request).context, caller.organization_id, day, actor=caller.actor)
    except Refused as error:
        return await _page(request, day, errors=form_errors(request, error), status=HTTPStatus.CONFLICT)
    return see_other(request, f"{PATH}?day={day.isoformat()}")


async def get_day_certificate(request: web.Request) -> web.Response:
    """The certificate of a closed day as a file."""
    day = _day(request)
    content = await find_certificate(app_state(request).context, current(request).caller.organization_id, day)
    name = f'attachment; filename="day-{day.isoformat()}.json"'
    return web.Response(body=content, headers={"Content-Type": _JSON, "Content-Disposition": name})


async def _page(
    request: web.Request,
    day: date,
    *,
    errors: Sequence[FormError] = (),
    status: HTTPStatus = HTTPStatus.OK,
    is_deferred: bool = False,
) -> web.Response:
    caller = current(request).caller
    return render(
        request,
        "finance/days.html",
        day_text=_day_text,
        status=status,
        day=day,
        days=(day - timedelta(days=1), day + timedelta(days=1)),
        today=today(request),
        open_days=await list_open_days(app_state(request).context, caller.organization_id),
        shown=None if is_deferred else await _shown(request, day),
        is_deferred=is_deferred,
        errors=errors,
        items_max=ITEMS_MAX,
        may_close=caller.has(Right.CLOSE_DAY),
        may_decide=caller.has(Right.RECONCILE),
    )


async def _shown(request: web.Request, day: date) -> ShownDay | None:
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    try:
        state, results = await find_results(context, organization_id, day)
    except NotFound:
        return None
    counts = await count_work(context, organization_id, day)
    wanted = WorkFilter(state=ExceptionState.OPEN, is_unowned=True, until=day)
    unowned = await list_work(context, organization_id, wanted) if state is DayState.OPEN else None
    return ShownDay(
        state=state,
        results=results,
        closing=await find_closing(context, organization_id, day) if state is DayState.CLOSED else None,
        shifts=await find_shifts(context, organization_id, day),
        waiting=sum(each.count for each in counts),
        without_owner=[] if unowned is None else [show_row(each) for each in unowned.rows],
    )


async def _first_open(request: web.Request) -> date:
    opened = await list_open_days(app_state(request).context, current(request).caller.organization_id)
    return opened[0] if opened else today(request)


def _day(request: web.Request) -> date:
    return read_day(request.match_info["day"], field="day")


def _day_text(text: str) -> str:
    """A day of a blocker as people read it; another text as it is."""
    try:
        return f"{date.fromisoformat(text):%d/%m/%Y}"
    except ValueError:
        return text

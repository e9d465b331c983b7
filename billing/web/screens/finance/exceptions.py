"""Exceptions as a work list with one of them open next to it: history, comments, owner and due time.

GET  /finance/exceptions          ?reason, ?owner (mine, none, or an id), ?state, ?q, ?after, ?done
GET  /finance/exceptions/{id}     the same list with this exception open
POST /finance/exceptions/assign
POST /finance/exceptions/{id}/comments

`decisions.py` decides. Source: docs/ux.md, Finance; docs/reconciliation.md, Exceptions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from aiohttp import web

from billing.core.actor import Role
from billing.core.clock import VIETNAM
from billing.core.errors import InvalidValue
from billing.core.ids import PersonId
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.organizations.service.persons import PersonRow, list_persons
from billing.reconciliation.domain.bank_trace import BankTrace
from billing.reconciliation.domain.exception_case import Decision
from billing.reconciliation.service.bank_traces import list_bank_traces
from billing.reconciliation.service.exceptions import (
    ExceptionDetails,
    assign_exceptions,
    comment_exception,
    find_exception,
)
from billing.reconciliation.service.work_list import count_work, find_work, list_work
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.last_decision import find_last_decision, is_proposed, is_revertible, standing_decision
from billing.web.screens.finance.params import (
    back_of,
    form_day,
    form_id,
    kept_of,
    query_of,
    read_given,
    read_uuid,
)
from billing.web.screens.finance.work_filters import read_work_filter
from billing.web.screens.finance.work_rows import ShownRow, show_row
from billing.web.screens.forms import idempotent_request, read_form
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

PATH = "/finance/exceptions"
_END_OF_WORK = time(17, 0, tzinfo=VIETNAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step in the history of an exception: its text by key, the person, and what the person wrote."""

    at: datetime
    key: str
    person: str | None
    text: str = ""
    due_at: datetime | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedException:
    """The exception next to the list. `standing` is the decision that may be reverted."""

    shown: ShownRow
    events: Sequence[Event]
    traces: Sequence[BankTrace]
    standing: Decision | None
    is_revertible: bool


async def get_exceptions(request: web.Request) -> web.Response:
    """The open exceptions, the oldest first; one of them is open where the address names it."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "reason", "owner", "state", "q", "after", "done")
    wanted = read_work_filter(request, given)
    page = await list_work(context, caller.organization_id, wanted, after=read_uuid(given, "after"))
    kept = kept_of(given, "reason", "owner", "state", "q")
    return render(
        request,
        "finance/exceptions.html",
        rows=[show_row(each) for each in page.rows],
        counts=await count_work(context, caller.organization_id),
        reason=wanted.reason,
        state=wanted.state,
        owner=given.get("owner", ""),
        search=given.get("q", ""),
        kept=query_of(kept),
        query=lambda **values: query_of({**kept, **values}),
        next_query=None if page.next_after is None else query_of(kept, after=page.next_after),
        persons=[each for each in await list_persons(context, caller.organization_id) if _works_in_finance(each)],
        opened=await _opened(request) if "id" in request.match_info else None,
        done=await find_last_decision(request, read_uuid(given, "done")),
        may_decide=caller.has(Right.RECONCILE),
        here_path=f"{request.path}?{query_of(kept)}" if kept else request.path,
    )


async def post_assignment(request: web.Request) -> web.Response:
    """Give the ticked exceptions an owner, and a due day if one is stated."""
    form = await read_form(request)
    caller = current(request).caller
    ticked = form.texts("exception")
    if not ticked:
        raise InvalidValue("tick the exceptions to assign", field="exception")
    due_on = form_day(form, "due_on")
    await assign_exceptions(
        app_state(request).context,
        caller.organization_id,
        [read_id(each, field="exception") for each in ticked],
        owner_id=PersonId(form_id(form, "owner")),
        due_at=None if due_on is None else datetime.combine(due_on, _END_OF_WORK),
        actor=caller.actor,
    )
    return see_other(request, back_of(form, PATH))


async def post_comment(request: web.Request) -> web.Response:
    """Add a comment to an exception."""
    form = await read_form(request)
    caller = current(request).caller
    exception_id = read_id(request.match_info["id"], field="exception_id")
    await comment_exception(
        app_state(request).context,
        caller.organization_id,
        exception_id,
        text=form.text("text"),
        actor=caller.actor,
        request=idempotent_request(request, form),
    )
    return see_other(request, back_of(form, f"{PATH}/{exception_id}"))


async def _opened(request: web.Request) -> OpenedException:
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    exception_id = read_id(request.match_info["id"], field="exception_id")
    proposed = await find_work(context, organization_id, exception_id)
    details = await find_exception(context, organization_id, exception_id)
    standing = standing_decision(tuple(details.decisions))
    return OpenedException(
        shown=show_row(proposed),
        events=sorted(_events(details), key=lambda each: each.at),
        traces=await list_bank_traces(context, organization_id, ListSlice(limit=20), exception_id=exception_id),
        standing=standing,
        is_revertible=is_revertible(standing),
    )


def _events(details: ExceptionDetails) -> Iterator[Event]:
    yield Event(at=details.exception.opened_at, key="opened", person=None, text=details.exception.sentence)
    for assigned in details.assignments:
        yield Event(
            at=assigned.assigned_at,
            key="assigned",
            person=assigned.person,
            owner=assigned.owner,
            due_at=assigned.due_at,
        )
    for comment in details.comments:
        yield Event(at=comment.written_at, key="commented", person=comment.person, text=comment.text)
    for decision in details.decisions:
        key = "proposed" if is_proposed(decision) else f"decided_{decision.action}"
        yield Event(at=decision.recorded_at, key=key, person=decision.person, text=decision.reason)


def _works_in_finance(person: PersonRow) -> bool:
    return Role.FINANCE in person.roles and person.duplicate_of is None

"""The integration inbox, the differences with the hospital's system, and the balances of wards.

GET  /finance/inbox                  ?outcome, ?q (MA_LK), ?day, ?after
GET  /finance/inbox/{id}             the same list with this message open
POST /finance/inbox/{id}/retry
GET  /finance/differences            ?after
GET  /finance/wards                  ?facility, ?department, ?after

A session of some facilities reads those of its facilities alone. Source: docs/ux.md, Finance.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from urllib.parse import urlsplit

from aiohttp import web

from billing.core.errors import BillingError, NotFound
from billing.core.list_slice import ListSlice, first_id_after_day, first_id_of_day
from billing.coverage.service.pricing_settings import list_differences
from billing.notifications.service.endpoints import Unanswered, list_unanswered
from billing.organizations.domain.rights import Right
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.message import MessageId, MessageKind, MessageOutcome
from billing.visit_accounts.service.inbox import (
    InboxMessage,
    SenderDay,
    find_message,
    find_retry,
    list_inbox,
    list_senders,
)
from billing.visit_accounts.service.visit_messages import put_charges, put_visit
from billing.visit_accounts.service.ward_accounts import WardFilter, list_ward_accounts
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.params import kept_of, query_of, read_given, read_page_day, read_uuid, read_word
from billing.web.screens.finance.prices import price
from billing.web.screens.finance.wrong_fields import status_of
from billing.web.screens.forms import form_errors
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

PATH = "/finance/inbox"
_PAGE_SIZE = 50


async def get_inbox(request: web.Request) -> web.Response:
    """The messages of a day, the newest first; rejected ones have their reason."""
    return await _page(request)


async def post_retry(request: web.Request) -> web.Response:
    """Process a rejected message again."""
    caller, context = current(request).caller, app_state(request).context
    found, _ = await _message(request)
    try:
        message = await find_retry(context, caller.organization_id, found.id)
        process = put_visit if message.kind is MessageKind.VISIT else put_charges
        await process(context, caller.organization_id, message, actor=caller.actor)
    except BillingError as error:
        return await _page(request, error)
    return see_other(request, f"{PATH}/{found.id}")


async def get_differences(request: web.Request) -> web.Response:
    """Where the hospital's system and we compute another amount, the newest first."""
    given = read_given(request, "after")
    caller = current(request).caller
    found = await list_differences(
        app_state(request).context, caller.organization_id, after=read_uuid(given, "after"), limit=_PAGE_SIZE + 1
    )
    shown = found[:_PAGE_SIZE]
    return render(
        request,
        "finance/differences.html",
        differences=[each for each in shown if _is_reached(request, each.facility_code)],
        next_after=shown[-1].id if len(found) > _PAGE_SIZE else None,
        price=price,
    )


async def get_wards(request: web.Request) -> web.Response:
    """The balances of open visits by facility and department, the newest visit first."""
    caller = current(request).caller
    given = read_given(request, "facility", "department", "after")
    facility = given.get("facility")
    if caller.facility_codes is not None:
        facility = facility or min(caller.facility_codes)
        caller.require_facility(facility)
    wanted = WardFilter(facility_code=facility, department=given.get("department"), state=AccountState.OPEN)
    part = ListSlice(before=read_uuid(given, "after"), limit=_PAGE_SIZE + 1)
    found = await list_ward_accounts(app_state(request).context, caller.organization_id, part, wanted)
    shown = found[:_PAGE_SIZE]
    kept = kept_of(given, "facility", "department")
    return render(
        request,
        "finance/wards.html",
        accounts=shown,
        may_read_documents=caller.facility_codes is None and caller.has(Right.READ_BOOKS),
        may_discharge=caller.has(Right.READ_CLEARANCE),
        may_bill=caller.has(Right.BILL_VISIT),
        facility=facility or "",
        department=given.get("department", ""),
        next_query=query_of(kept, after=shown[-1].id) if len(found) > _PAGE_SIZE else None,
    )


async def _page(request: web.Request, error: BillingError | None = None) -> web.Response:
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "outcome", "q", "day", "after")
    day, after = read_page_day(request, given), read_uuid(given, "after")
    outcome = read_word(given, "outcome", MessageOutcome)
    end = first_id_after_day(day)
    part = ListSlice(before=end if after is None else min(end, after), first=first_id_of_day(day), limit=_PAGE_SIZE + 1)
    found = await list_inbox(context, caller.organization_id, part, outcome=outcome, ma_lk=given.get("q"))
    shown = found[:_PAGE_SIZE]
    kept = {"day": day.isoformat(), **kept_of(given, "outcome", "q")}
    return render(
        request,
        "finance/inbox.html",
        status=status_of(error),
        senders=await _senders(request, day),
        unanswered=[] if caller.facility_codes is not None else await _unanswered(request),
        messages=[each for each in shown if _is_reached(request, each.facility_code)],
        opened=await _message(request) if "id" in request.match_info else None,
        outcome=outcome,
        outcomes=tuple(MessageOutcome),
        day=day,
        days=(day - timedelta(days=1), day + timedelta(days=1)),
        search=given.get("q", ""),
        kept=query_of(kept),
        next_query=query_of(kept, after=shown[-1].id) if len(found) > _PAGE_SIZE else None,
        errors=[] if error is None else form_errors(request, error),
        may_retry=caller.has(Right.SEND_VISITS),
    )


async def _senders(request: web.Request, day: date) -> Sequence[SenderDay]:
    """The senders of a day at the facilities of the session."""
    found = await list_senders(app_state(request).context, current(request).caller.organization_id, day)
    return [each for each in found if _is_reached(request, each.facility_code)]


async def _unanswered(request: web.Request) -> Sequence[tuple[str, Unanswered]]:
    """The hosts of endpoints that did not answer our messages."""
    found = await list_unanswered(app_state(request).context, current(request).caller.organization_id)
    return [(urlsplit(each.url).hostname or "", each) for each in found]


async def _message(request: web.Request) -> tuple[InboxMessage, str | None]:
    """The message of the address with its text. Raises NotFound, also for one of another facility."""
    message_id = MessageId(read_id(request.match_info["id"], field="message_id"))
    found, text = await find_message(app_state(request).context, current(request).caller.organization_id, message_id)
    if not _is_reached(request, found.facility_code):
        raise NotFound("no such message", field="message_id")
    return found, text


def _is_reached(request: web.Request, facility_code: str) -> bool:
    allowed = current(request).caller.facility_codes
    return allowed is None or facility_code in allowed

"""Reconciliation of a day: three totals, the rows that wait for a person, and the bridge from ledger to bank.

GET /finance/reconciliation   ?day, ?account, ?reason, ?view (open, decided), ?after, ?q, ?done

`decisions.py` has the forms of the rows. Source: docs/ux.md, Finance.
"""

from datetime import timedelta
from enum import StrEnum

from aiohttp import web

from billing.core.text import upper_without_marks
from billing.organizations.domain.rights import Right
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.reconciliation.domain.work_list import WorkFilter
from billing.reconciliation.service.day_overview import list_bank_accounts, read_day_overview
from billing.reconciliation.service.work_list import list_work
from billing.web.app_state import app_state
from billing.web.screens.finance.last_decision import find_last_decision
from billing.web.screens.finance.params import kept_of, query_of, read_given, read_page_day, read_uuid, read_word
from billing.web.screens.finance.work_rows import show_row
from billing.web.screens.rendering import render
from billing.web.screens.session import current

PATH = "/finance/reconciliation"


class View(StrEnum):
    """The rows that are shown: those that wait, or those that persons decided on the day."""

    OPEN = "open"
    DECIDED = "decided"


async def get_reconciliation(request: web.Request) -> web.Response:
    """The workspace of one day; the query names day, bank account and reason."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "day", "account", "reason", "view", "after", "q", "done")
    day = read_page_day(request, given)
    account_id = read_uuid(given, "account")
    reason = read_word(given, "reason", ExceptionReason)
    view = read_word(given, "view", View) or View.OPEN
    overview = await read_day_overview(context, caller.organization_id, day, bank_account_id=account_id)
    wanted = WorkFilter(
        state=ExceptionState.OPEN if view is View.OPEN else ExceptionState.CLOSED,
        reason=reason,
        day=day if view is View.OPEN else None,
        changed_on=day if view is View.DECIDED else None,
        bank_account_id=account_id,
        search=upper_without_marks(given.get("q", "")),
    )
    page = await list_work(context, caller.organization_id, wanted, after=read_uuid(given, "after"))
    kept = kept_of(given, "account", "reason", "view", "q")
    return render(
        request,
        "finance/reconciliation.html",
        overview=overview,
        accounts=await list_bank_accounts(context, caller.organization_id),
        account_id=account_id,
        reason=reason,
        view=view,
        rows=[show_row(each) for each in page.rows],
        next_query=None if page.next_after is None else query_of(kept, day=day, after=page.next_after),
        days=(day - timedelta(days=1), day, day + timedelta(days=1)),
        kept=kept,
        search=given.get("q", ""),
        query=lambda **values: query_of(kept_of(given, "account"), **{"day": day, **values}),
        done=await find_last_decision(request, read_uuid(given, "done")),
        may_decide=caller.has(Right.RECONCILE),
        may_close=caller.has(Right.CLOSE_DAY),
        here_path=f"{PATH}?{query_of(kept, day=day)}",
    )

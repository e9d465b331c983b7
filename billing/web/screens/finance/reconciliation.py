"""Reconciliation of a day: three totals, the rows that wait for a person, and the bridge from ledger to bank.

GET /finance/reconciliation          ?day, ?account, ?reason, ?view (open, decided), ?after, ?q, ?done
GET /finance/reconciliation/bridge   ?day, ?account

`decisions.py` has the forms of the rows. Source: docs/ux.md, Finance.
"""

from datetime import timedelta

from aiohttp import web

from billing.organizations.domain.rights import Right
from billing.reconciliation.service.day_overview import list_bank_accounts, read_day_bridge, read_day_overview
from billing.reconciliation.service.work_list import list_work
from billing.web.app_state import app_state
from billing.web.screens.finance.last_decision import find_last_decision
from billing.web.screens.finance.params import kept_of, query_of, read_given, read_page_day, read_uuid
from billing.web.screens.finance.work_filters import read_view, read_work_filter
from billing.web.screens.finance.work_rows import show_row
from billing.web.screens.rendering import render
from billing.web.screens.session import current

PATH = "/finance/reconciliation"


async def get_reconciliation(request: web.Request) -> web.Response:
    """The workspace of one day; the query names day, bank account and reason."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "day", "account", "reason", "view", "after", "q", "done")
    day = read_page_day(request, given)
    account_id = read_uuid(given, "account")
    view = read_view(given)
    overview = await read_day_overview(context, caller.organization_id, day, bank_account_id=account_id)
    wanted = read_work_filter(request, {**given, "day": day.isoformat()})
    page = await list_work(context, caller.organization_id, wanted, after=read_uuid(given, "after"))
    kept = kept_of(given, "account", "reason", "view", "q")
    return render(
        request,
        "finance/reconciliation.html",
        overview=overview,
        accounts=await list_bank_accounts(context, caller.organization_id),
        account_id=account_id,
        reason=wanted.reason,
        view=view,
        rows=[show_row(each) for each in page.rows],
        next_query=None if page.next_after is None else query_of(kept, day=day, after=page.next_after),
        days=(day - timedelta(days=1), day, day + timedelta(days=1)),
        kept=kept,
        search=given.get("q", ""),
        file_query=query_of(kept, day=day),
        query=lambda **values: query_of(kept_of(given, "account"), **{"day": day, **values}),
        done=await find_last_decision(request, read_uuid(given, "done")),
        may_decide=caller.has(Right.RECONCILE),
        may_close=caller.has(Right.CLOSE_DAY),
        here_path=f"{PATH}?{query_of(kept, day=day)}",
    )


async def get_bridge(request: web.Request) -> web.Response:
    """The bridge from ledger to bank of a day, which its page loads after the rows."""
    given = read_given(request, "day", "account")
    day, account_id = read_page_day(request, given), read_uuid(given, "account")
    bridge = await read_day_bridge(
        app_state(request).context, current(request).caller.organization_id, day, bank_account_id=account_id
    )
    return render(request, "finance/bridge.html", bridge=bridge, day=day)

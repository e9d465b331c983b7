"""How many transactions and proposals wait: fragments that the bar loads after its page.

GET /finance/exceptions/count
GET /approvals/count
"""

from aiohttp import web

from billing.core.list_slice import ListSlice
from billing.ops.approval_kinds import list_proposals
from billing.organizations.domain.approval import kinds_of
from billing.organizations.service.approvals import ApprovalState
from billing.reconciliation.service.work_list import count_work
from billing.web.app_state import app_state
from billing.web.screens.rendering import render_fragment
from billing.web.screens.session import current

COUNTED_MAX = 99
"""Proposals above this number are shown as more."""


async def get_exception_count(request: web.Request) -> web.Response:
    """The number of open exceptions."""
    counts = await count_work(app_state(request).context, current(request).caller.organization_id)
    return render_fragment(request, "finance/count.html", count=sum(each.count for each in counts), is_more=False)


async def get_approval_count(request: web.Request) -> web.Response:
    """The number of proposals that the person may read and that wait."""
    caller = current(request).caller
    found = await list_proposals(
        app_state(request).context,
        caller.organization_id,
        ListSlice(limit=COUNTED_MAX + 1),
        kinds=kinds_of(caller.roles),
        state=ApprovalState.PROPOSED,
    )
    count, is_more = min(len(found), COUNTED_MAX), len(found) > COUNTED_MAX
    return render_fragment(request, "finance/count.html", count=count, is_more=is_more)

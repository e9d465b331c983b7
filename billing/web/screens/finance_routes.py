"""Routes of finance with the right that each needs.

What belongs to the organization is refused to a session of some facilities (docs/rights.md).
"""

from dataclasses import replace
from functools import wraps
from http import HTTPStatus

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.organizations.domain.rights import Right
from billing.web.app_state import REQUEST_ID
from billing.web.operation import Handler, Route
from billing.web.screens.finance.approvals import get_approval, get_approvals, post_approval, post_rejection
from billing.web.screens.finance.books import (
    get_account,
    get_entry,
    get_journal,
    get_ledger,
    get_payouts,
)
from billing.web.screens.finance.counts import get_approval_count, get_exception_count
from billing.web.screens.finance.dashboard import get_dashboard
from billing.web.screens.finance.days import get_day_certificate, get_day_results, get_days, post_day_closing
from billing.web.screens.finance.decisions import get_decision_form, post_decision, post_decision_reversal
from billing.web.screens.finance.documents import get_documents, get_documents_paper
from billing.web.screens.finance.exceptions import get_exceptions, post_assignment, post_comment
from billing.web.screens.finance.inbox import get_differences, get_inbox, get_wards, post_retry
from billing.web.screens.finance.price_upload import get_price_form, post_price_list, post_price_preview
from billing.web.screens.finance.prices import (
    get_price_list,
    get_prices,
    get_repriced,
    post_price_list_activation,
    post_price_list_discard,
)
from billing.web.screens.finance.reconciliation import get_bridge, get_reconciliation
from billing.web.screens.finance.reports import get_report, get_report_file, get_reports
from billing.web.screens.finance.returns import get_returns, post_acceptance, post_decline
from billing.web.screens.finance.settlements import get_settlement_form, post_settlement, post_settlement_preview
from billing.web.screens.finance.statements import (
    get_statement_form,
    get_statements,
    post_statement,
    post_statement_preview,
)
from billing.web.screens.finance.traces import get_trace, get_traces, post_trace_note, post_trace_step
from billing.web.screens.finance.work_file import get_work_file
from billing.web.screens.finance.wrong_fields import field_text
from billing.web.screens.rendering import render
from billing.web.screens.route import organization_route, screen_route


def _organization_route(method: str, path: str, handler: Handler, right: Right, *, takes_file: bool = False) -> Route:
    """A route of what belongs to the organization as a whole."""

    @wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except InvalidValue as error:
            text = field_text(request, error)
            if text is None:
                raise
            return _wrong(request, text)

    return replace(organization_route(method, path, handle, right), takes_file=takes_file)


def _wrong(request: web.Request, text: str) -> web.Response:
    """The page about a form whose page is not shown again."""
    return render(
        request,
        "refusal.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        title_key="refusal.invalid",
        sentence=text,
        request_id=request[REQUEST_ID],
        is_internal=False,
    )


FINANCE_SCREENS = (
    _organization_route("GET", "/finance", get_dashboard, Right.READ_BOOKS),
    _organization_route("GET", "/finance/reconciliation", get_reconciliation, Right.READ_BOOKS),
    _organization_route("GET", "/finance/reconciliation/bridge", get_bridge, Right.READ_BOOKS),
    _organization_route("GET", "/finance/statements", get_statements, Right.READ_BOOKS),
    _organization_route("GET", "/finance/statements/new", get_statement_form, Right.RECONCILE),
    _organization_route(
        "POST", "/finance/statements/preview", post_statement_preview, Right.RECONCILE, takes_file=True
    ),
    _organization_route("POST", "/finance/statements", post_statement, Right.RECONCILE, takes_file=True),
    _organization_route("GET", "/finance/settlements/new", get_settlement_form, Right.RECONCILE),
    _organization_route(
        "POST", "/finance/settlements/preview", post_settlement_preview, Right.RECONCILE, takes_file=True
    ),
    _organization_route("POST", "/finance/settlements", post_settlement, Right.RECONCILE, takes_file=True),
    _organization_route("GET", "/finance/exceptions", get_exceptions, Right.READ_BOOKS),
    _organization_route("POST", "/finance/exceptions/assign", post_assignment, Right.RECONCILE),
    _organization_route("GET", "/finance/exceptions/count", get_exception_count, Right.READ_BOOKS),
    _organization_route("GET", "/finance/exceptions/file", get_work_file, Right.READ_BOOKS),
    _organization_route("GET", "/finance/exceptions/{id}", get_exceptions, Right.READ_BOOKS),
    _organization_route("GET", "/finance/exceptions/{id}/decide", get_decision_form, Right.RECONCILE),
    _organization_route("POST", "/finance/exceptions/{id}/decide", post_decision, Right.RECONCILE),
    _organization_route("POST", "/finance/exceptions/{id}/revert", post_decision_reversal, Right.RECONCILE),
    _organization_route("POST", "/finance/exceptions/{id}/comments", post_comment, Right.RECONCILE),
    _organization_route("GET", "/finance/returns", get_returns, Right.READ_BOOKS),
    _organization_route("POST", "/finance/returns/{id}/accept", post_acceptance, Right.REFUND),
    _organization_route("POST", "/finance/returns/{id}/decline", post_decline, Right.REFUND),
    _organization_route("GET", "/finance/traces", get_traces, Right.READ_BOOKS),
    _organization_route("GET", "/finance/traces/{id}", get_trace, Right.READ_BOOKS),
    _organization_route("POST", "/finance/traces/{id}/notes", post_trace_note, Right.RECONCILE),
    _organization_route("POST", "/finance/traces/{id}/advance", post_trace_step, Right.RECONCILE),
    _organization_route("GET", "/finance/payouts", get_payouts, Right.READ_BOOKS),
    _organization_route("GET", "/finance/days", get_days, Right.READ_BOOKS),
    _organization_route("GET", "/finance/days/{day}/results", get_day_results, Right.READ_BOOKS),
    _organization_route("POST", "/finance/days/{day}/close", post_day_closing, Right.CLOSE_DAY),
    _organization_route("GET", "/finance/days/{day}/certificate", get_day_certificate, Right.READ_BOOKS),
    _organization_route("GET", "/finance/reports", get_reports, Right.READ_BOOKS),
    _organization_route("GET", "/finance/reports/{name}", get_report, Right.READ_BOOKS),
    _organization_route("GET", "/finance/reports/{name}/file", get_report_file, Right.READ_BOOKS),
    _organization_route("GET", "/approvals", get_approvals, Right.READ_APPROVALS),
    _organization_route("GET", "/approvals/count", get_approval_count, Right.READ_APPROVALS),
    _organization_route("GET", "/approvals/{id}", get_approval, Right.READ_APPROVALS),
    _organization_route("POST", "/approvals/{id}/approve", post_approval, Right.APPROVE),
    _organization_route("POST", "/approvals/{id}/reject", post_rejection, Right.APPROVE),
    _organization_route("GET", "/finance/journal", get_journal, Right.READ_BOOKS),
    _organization_route("GET", "/finance/ledger", get_ledger, Right.READ_BOOKS),
    _organization_route("GET", "/finance/ledger/account", get_account, Right.READ_BOOKS),
    _organization_route("GET", "/finance/ledger/entries/{id}", get_entry, Right.READ_BOOKS),
    _organization_route("GET", "/finance/prices", get_prices, Right.READ_PRICES),
    _organization_route("GET", "/finance/prices/new", get_price_form, Right.SET_PRICES),
    _organization_route("POST", "/finance/prices/preview", post_price_preview, Right.SET_PRICES, takes_file=True),
    _organization_route("POST", "/finance/prices", post_price_list, Right.SET_PRICES, takes_file=True),
    _organization_route("GET", "/finance/prices/{id}", get_price_list, Right.READ_PRICES),
    _organization_route("GET", "/finance/prices/{id}/repriced", get_repriced, Right.READ_PRICES),
    _organization_route("POST", "/finance/prices/{id}/activate", post_price_list_activation, Right.SET_PRICES),
    _organization_route("POST", "/finance/prices/{id}/discard", post_price_list_discard, Right.SET_PRICES),
    screen_route("GET", "/finance/inbox", get_inbox, Right.READ_MESSAGES),
    screen_route("GET", "/finance/inbox/{id}", get_inbox, Right.READ_MESSAGES),
    screen_route("POST", "/finance/inbox/{id}/retry", post_retry, Right.SEND_VISITS),
    screen_route("GET", "/finance/differences", get_differences, Right.READ_PRICES),
    screen_route("GET", "/finance/wards", get_wards, Right.READ_BALANCES),
    _organization_route("GET", "/finance/visits/{id}/documents", get_documents, Right.READ_BOOKS),
    _organization_route("GET", "/print/visits/{id}/documents", get_documents_paper, Right.READ_BOOKS),
)
"""Screens of finance."""

"""The routes of exceptions, bank traces and the search of money with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.bank_traces import (
    get_bank_trace,
    get_bank_traces,
    post_bank_trace_note,
    post_bank_trace_step,
)
from billing.web.api.exceptions import (
    get_exception,
    get_exceptions,
    post_exception_assignment,
    post_exception_comment,
    post_exception_decision,
    post_exception_revert,
)
from billing.web.api.money_searches import post_money_search
from billing.web.operation import api_route

EXCEPTION_API = (
    api_route("GET", "/exceptions", get_exceptions, Right.READ_BOOKS),
    api_route("GET", "/exceptions/{id}", get_exception, Right.READ_BOOKS),
    api_route("POST", "/exceptions/assign", post_exception_assignment, Right.RECONCILE),
    api_route("POST", "/exceptions/{id}/decide", post_exception_decision, Right.RECONCILE),
    api_route("POST", "/exceptions/{id}/revert", post_exception_revert, Right.RECONCILE),
    api_route("POST", "/exceptions/{id}/comments", post_exception_comment, Right.RECONCILE),
    api_route("GET", "/bank-traces", get_bank_traces, Right.READ_BOOKS),
    api_route("GET", "/bank-traces/{id}", get_bank_trace, Right.READ_BOOKS),
    api_route("POST", "/bank-traces/{id}/notes", post_bank_trace_note, Right.RECONCILE),
    api_route("POST", "/bank-traces/{id}/advance", post_bank_trace_step, Right.RECONCILE),
    api_route("POST", "/money-searches", post_money_search, Right.FIND_MONEY),
)
"""Routes of exceptions, bank traces and the search of money."""

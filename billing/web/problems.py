"""Problem documents (RFC 9457): the only module that maps errors to HTTP statuses.

A document has `type` (stable, made of the code), `title`, `status`, `detail`, `code`, `instance` (this occurrence, also
in the log), `errors` [{field, detail}] where fields are known, `findings` where a claim file could not be read, and
`payments` where an invoice is paid already, `intent_id` where a provider could not be reached for an intent, `version`
where a newer version of a visit, a charge or an exception is known, `blockers` [{kind, line}] where a visit cannot be
billed yet.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import web

from billing.checkout.service.intent_targets import InvoiceAlreadyPaid
from billing.checkout.service.intents import INSTRUCTION_TIMEOUT, ProviderUnreachable
from billing.core.errors import (
    BillingError,
    CommitUnknown,
    InvalidValue,
    NotFound,
    NotSupported,
    Refused,
    Unavailable,
)
from billing.coverage.formats.worked_case_json import write_finding
from billing.db.idempotency import RequestStillRunning
from billing.organizations.service.api_keys import NotAuthenticated, NotPermitted
from billing.reconciliation.domain.exception_case import ExceptionChanged
from billing.visit_accounts.domain.account import StaleVersion, VersionConflict
from billing.visit_accounts.domain.charge import ChargesRejected
from billing.visit_accounts.domain.discharge import DischargeBlocked
from billing.visit_accounts.domain.message import MessageUnreadable
from billing.visit_accounts.service.record_visits import NoReadableVisit
from billing.visits.domain.finding import Finding, FindingCode
from billing.web.anonymous import TooManyRequests
from billing.web.document_workers import DocumentTooCostly
from billing.web.idempotency import IdempotencyKeyInvalid, IdempotencyKeyMissing
from billing.web.pagination import InvalidQuery
from billing.web.request_bodies import BodyTooLarge, BodyTooSlow, BodyUnreadable, InvalidBody, MediaTypeNotSupported

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 2

_STATUSES: Mapping[type[BillingError], HTTPStatus] = {
    BodyUnreadable: HTTPStatus.BAD_REQUEST,
    MessageUnreadable: HTTPStatus.BAD_REQUEST,
    IdempotencyKeyMissing: HTTPStatus.BAD_REQUEST,
    IdempotencyKeyInvalid: HTTPStatus.BAD_REQUEST,
    InvalidQuery: HTTPStatus.BAD_REQUEST,
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    NotPermitted: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    Refused: HTTPStatus.CONFLICT,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaTypeNotSupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidValue: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotSupported: HTTPStatus.UNPROCESSABLE_ENTITY,
    DocumentTooCostly: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    CommitUnknown: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The nearest base class decides. An error without one is internal: status 500, without its detail."""

_FILE_STATUSES: Mapping[FindingCode, HTTPStatus] = {
    FindingCode.FILE_NOT_WELLFORMED: HTTPStatus.BAD_REQUEST,
    FindingCode.TABLE_NOT_WELLFORMED: HTTPStatus.BAD_REQUEST,
    FindingCode.FILE_UNREADABLE: HTTPStatus.BAD_REQUEST,
    FindingCode.DTD_FORBIDDEN: HTTPStatus.BAD_REQUEST,
    FindingCode.FILE_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""Statuses of a claim file that is no readable XML, as distinct from a file whose visits are rejected."""

_ALSO_OF_TABLES = frozenset({FindingCode.TABLE_NOT_WELLFORMED})
"""Codes that concern the file only outside its visits."""

_ROUTING_CODES: Mapping[int, str] = {404: "route_unknown", 405: "method_not_allowed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem, as sent to the client."""

    status: HTTPStatus
    code: str
    detail: str
    errors: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    payments: tuple[str, ...] = ()
    intent_id: str | None = None
    version: int | None = None
    blockers: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: Exception) -> Problem:
    """The problem of an error. An unexpected error is logged here with its cause and sent without detail."""
    if isinstance(error, web.HTTPException):
        return _of_routing(error)
    if isinstance(error, MemoryError):
        error = DocumentTooCostly("this document takes more memory than one document may have")
    status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), None)
    if status is None or not isinstance(error, BillingError):
        log.error("request_failed", error=type(error).__name__, exc_info=error)
        return Problem(
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            code="internal_error",
            detail="internal error; it was recorded, quote the instance when you report it",
        )
    findings: tuple[Finding, ...] = ()
    if isinstance(error, NoReadableVisit):
        findings = error.findings
        status = next((_FILE_STATUSES[each.code] for each in findings if _concerns_file(each)), status)
    return Problem(
        status=status,
        code=error.code,
        detail=error.detail,
        errors=_errors(error),
        findings=findings,
        payments=tuple(map(str, error.payments)) if isinstance(error, InvoiceAlreadyPaid) else (),
        intent_id=str(error.intent_id) if isinstance(error, ProviderUnreachable) else None,
        version=error.version if isinstance(error, StaleVersion | VersionConflict | ExceptionChanged) else None,
        blockers=_blockers(error),
        headers=_headers(status, error),
    )


def _concerns_file(finding: Finding) -> bool:
    is_in_visit = finding.code in _ALSO_OF_TABLES and finding.hoso is not None
    return finding.code in _FILE_STATUSES and not is_in_visit


def write_problem(problem: Problem, *, request_id: str) -> web.Response:
    """The response of a problem."""
    document: dict[str, object] = {
        "type": f"/problems/{problem.code}",
        "title": problem.code.replace("_", " ").capitalize(),
        "status": problem.status.value,
        "detail": problem.detail,
        "code": problem.code,
        "instance": f"urn:uuid:{request_id}",
    }
    if problem.errors:
        document["errors"] = [{"field": name, "detail": detail} for name, detail in problem.errors]
    if problem.findings:
        document["findings"] = [write_finding(finding) for finding in problem.findings]
    if problem.payments:
        document["payments"] = list(problem.payments)
    if problem.intent_id is not None:
        document["intent_id"] = problem.intent_id
    if problem.version is not None:
        document["version"] = problem.version
    if problem.blockers:
        document["blockers"] = [{"kind": kind, "line": line} for kind, line in problem.blockers]
    return web.Response(
        status=problem.status,
        body=json.dumps(document, ensure_ascii=False, allow_nan=False).encode(),
        content_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def _of_routing(error: web.HTTPException) -> Problem:
    """The problem of a routing error: unknown path or method."""
    status = HTTPStatus(error.status)
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Problem(
        status=status,
        code=_ROUTING_CODES.get(status, status.name.lower()),
        detail=status.description or status.phrase,
        headers=allowed,
    )


def _errors(error: BillingError) -> tuple[tuple[str, str], ...]:
    if isinstance(error, InvalidBody):
        return error.errors
    if isinstance(error, ChargesRejected):
        return tuple((each.field, f"line {each.line}: {each.code}: {each.detail}") for each in error.refusals)
    return ((error.field, error.detail),) if error.field else ()


def _blockers(error: BillingError) -> tuple[tuple[str, str], ...]:
    if not isinstance(error, DischargeBlocked):
        return ()
    return tuple((blocker.kind.value, blocker.line) for blocker in error.blockers)


def _headers(status: HTTPStatus, error: BillingError) -> dict[str, str]:
    if isinstance(error, ProviderUnreachable):
        return {"Retry-After": str(INSTRUCTION_TIMEOUT.seconds)}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS) or isinstance(
        error, RequestStillRunning
    ):
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="vienphi"'}
    return {}

"""Keys that work at some facilities: every route reaches only what belongs to these. Called by `middleware.py` alone.

A path or a body that names a row of another facility answers 404, as for an unknown row; such rows are left out of
lists, so that a page may be short. What belongs to the whole organization is refused (403). A path that is not in
`SCOPES` is refused. Source: docs/rights.md.
"""

import asyncio
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from uuid import UUID

from aiohttp import web

from billing.core.errors import InvalidValue, NotFound
from billing.organizations.service.api_keys import Caller, NotPermitted
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.facility_limits import find_reached
from billing.visits.formats.strict_json import read_object
from billing.web.app_state import app_state
from billing.web.operation import PREFIX
from billing.web.request_bodies import BODY, JSON, read_body


class Reach(Enum):
    """What a limited key reaches where a path has no subject of its own."""

    PATH = auto()  # the path names the facility
    BODY = auto()  # only what the body names
    SHARED = auto()  # the same for all facilities: reading is allowed
    ORGANIZATION = auto()  # the whole organization: refused


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one subject: `{id}` of the path, and the items of the list by the field `key`."""

    subject: FacilitySubject
    key: str = "id"


@dataclass(frozen=True, slots=True)
class Coded:
    """A list whose items state the code of their facility in the field `key`."""

    key: str


Scope = Reach | Rows | Coded

SCOPES: Mapping[str, Scope] = {
    "account-changes": Reach.ORGANIZATION,
    "approvals": Rows(FacilitySubject.APPROVAL),
    "bank-deposits": Reach.ORGANIZATION,
    "bank-statements": Reach.ORGANIZATION,
    "bank-traces": Reach.ORGANIZATION,
    "callbacks": Reach.ORGANIZATION,
    "card-batches": Rows(FacilitySubject.CARD_BATCH),
    "card-terminals": Rows(FacilitySubject.CARD_TERMINAL),
    "claims": Reach.BODY,
    "closed-visits-with-money": Rows(FacilitySubject.VISIT, key="visit_id"),
    "debts": Rows(FacilitySubject.DEBT),
    "deposit-requests": Rows(FacilitySubject.DEPOSIT_REQUEST),
    "desks": Rows(FacilitySubject.DESK),
    "exceptions": Reach.ORGANIZATION,
    "facilities": Reach.PATH,
    "facility-policies": Rows(FacilitySubject.FACILITY_POLICY),
    "facility-pricing": Rows(FacilitySubject.FACILITY_PRICING),
    "guarantee-payments": Reach.ORGANIZATION,
    "guarantee-receivables": Rows(FacilitySubject.GUARANTEE),
    "guarantees": Rows(FacilitySubject.GUARANTEE),
    "hand-overs": Rows(FacilitySubject.HAND_OVER),
    "integration-messages": Rows(FacilitySubject.MESSAGE),
    "intents": Rows(FacilitySubject.INTENT),
    "invoices": Rows(FacilitySubject.INVOICE),
    "keys": Reach.ORGANIZATION,
    "ledger": Reach.ORGANIZATION,
    "match-rule-sets": Reach.ORGANIZATION,
    "match-runs": Reach.ORGANIZATION,
    "matches": Reach.ORGANIZATION,
    "money-searches": Reach.ORGANIZATION,
    "months": Reach.ORGANIZATION,
    "patients": Rows(FacilitySubject.PATIENT),
    "payment-orders": Rows(FacilitySubject.PAYMENT_ORDER),
    "payments": Rows(FacilitySubject.PAYMENT),
    "persons": Reach.ORGANIZATION,
    "policy-options": Reach.SHARED,
    "price-differences": Coded("facility"),
    "provider-contracts": Reach.ORGANIZATION,
    "quotes": Reach.BODY,
    "receipt-blocks": Rows(FacilitySubject.RECEIPT_BLOCK),
    "receipts": Rows(FacilitySubject.RECEIPT),
    "reconciliation-imports": Reach.ORGANIZATION,
    "refund-limit": Reach.ORGANIZATION,
    "refunds": Rows(FacilitySubject.REFUND),
    "reports": Reach.ORGANIZATION,
    "rules": Reach.SHARED,
    "settlements": Reach.ORGANIZATION,
    "shifts": Rows(FacilitySubject.SHIFT),
    "statement-breaks": Reach.ORGANIZATION,
    "statement-lines": Reach.ORGANIZATION,
    "tariffs": Reach.SHARED,
    "visits": Rows(FacilitySubject.VISIT),
    "ward-accounts": Rows(FacilitySubject.VISIT, key="visit_id"),
}
"""What each path below /v1 reaches, by its first segment."""

NAMED_ROWS: Mapping[str, FacilitySubject] = {
    "visit_id": FacilitySubject.VISIT,
    "invoice_id": FacilitySubject.INVOICE,
    "invoice_ids": FacilitySubject.INVOICE,
    "payment_id": FacilitySubject.PAYMENT,
    "refund_ids": FacilitySubject.REFUND,
    "guarantee_ids": FacilitySubject.GUARANTEE,
    "deposit_request_id": FacilitySubject.DEPOSIT_REQUEST,
    "supersedes": FacilitySubject.DEPOSIT_REQUEST,
    "desk_id": FacilitySubject.DESK,
    "shift_id": FacilitySubject.SHIFT,
    "terminal_id": FacilitySubject.CARD_TERMINAL,
    "into": FacilitySubject.PATIENT,
    "patient_id": FacilitySubject.PATIENT,
}
"""The fields of bodies that name rows, at any depth."""

OTHER_IDS = frozenset({"bank_account_id", "exception_ids", "import_id", "line_id", "owner_id"})
"""Fields of bodies that name rows of the whole organization. A test compares both with the models of all bodies."""

_CODES = frozenset({"facility", "facility_code", "MA_CSKCB"})


async def limit_request(request: web.Request, caller: Caller) -> Scope | None:
    """Check the path and the body of a request; returns how its answer is limited, None for a key of all facilities.

    Raises NotFound, NotPermitted, and what `read_body` raises.
    """
    if caller.facility_codes is None:
        return None
    scope = SCOPES.get(request.path.removeprefix(PREFIX).split("/")[1], Reach.ORGANIZATION)
    is_reading = request.method in ("GET", "HEAD")
    if scope is Reach.ORGANIZATION or (scope is Reach.SHARED and not is_reading):
        raise NotPermitted("this concerns the whole organization; this key works at some of its facilities")
    if isinstance(scope, Rows) and "id" in request.match_info:
        await _require(request, caller, scope.subject, [request.match_info["id"]])
    if not is_reading:
        await _check_body(request, caller, caller.facility_codes)
    return scope


async def _check_body(request: web.Request, caller: Caller, allowed: Collection[str]) -> None:
    content = request[BODY] = await read_body(request, size_max=app_state(request).limits.visit_size_max)
    if not content:
        return
    if request.content_type != JSON:
        raise NotPermitted("this key works at some facilities: send JSON; a visit states its MA_CSKCB")
    try:
        # A visit of many lines takes half a second: callbacks must not wait for it.
        fields = await asyncio.to_thread(_read_fields, content)
    except InvalidValue:
        return  # the handler reports it
    named: dict[FacilitySubject, list[str]] = {}
    for name, value in fields:
        if name in NAMED_ROWS:
            named.setdefault(NAMED_ROWS[name], []).append(value)
        elif value not in allowed:
            raise NotFound("this key does not work at this facility", field=name)
    for subject, ids in named.items():
        await _require(request, caller, subject, ids)


def _read_fields(content: bytes) -> list[tuple[str, str]]:
    """The fields of a JSON body that name facilities or rows. Raises InvalidValue."""
    return [(name, value) for name, value in _fields(read_object(content)) if name in _CODES or name in NAMED_ROWS]


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text and whole number of a JSON value with the name of its field; a code may be written as a number."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _fields(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _fields(inner, name)
    elif isinstance(value, str | int):
        yield name, str(value)


async def _require(request: web.Request, caller: Caller, subject: FacilitySubject, texts: Collection[str]) -> None:
    """Raises NotFound unless the key reaches every row; a text that is no id is left to the handler."""
    ids = {each for text in texts if (each := _id(text)) is not None}
    if ids - await _reached(request, caller, subject, ids):
        raise NotFound(f"the facilities of this key have no such {subject.value.replace('_', ' ')}")


async def _reached(
    request: web.Request, caller: Caller, subject: FacilitySubject, ids: Collection[UUID]
) -> frozenset[UUID]:
    assert caller.facility_codes is not None, "a key of all facilities reaches everything"
    context = app_state(request).context
    return await find_reached(context, caller.organization_id, subject, ids, facility_codes=caller.facility_codes)


async def limit_answer(
    request: web.Request, caller: Caller, scope: Scope, response: web.StreamResponse
) -> web.StreamResponse:
    """Leave rows of other facilities out of a list."""
    if not isinstance(scope, Rows | Coded) or request.method != "GET" or "id" in request.match_info:
        return response
    if not isinstance(response, web.Response) or response.status != 200 or not isinstance(response.body, bytes):
        return response
    document = json.loads(response.body)
    items = document["items"]
    if isinstance(scope, Coded):
        kept = [item for item in items if item[scope.key] in (caller.facility_codes or ())]
    else:
        ids = [UUID(item[scope.key]) for item in items]
        reached = await _reached(request, caller, scope.subject, ids)
        kept = [item for item, named in zip(items, ids, strict=True) if named in reached]
    response.body = json.dumps({**document, "items": kept}, ensure_ascii=False).encode()
    return response


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

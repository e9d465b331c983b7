"""The callback route: receives deliveries of providers and replies in their format, only after COMMIT.

    GET, POST /callbacks/{organization}/{account}[/{path_suffix}]

This module decides nothing: the provider adapter reads the callback and writes the reply, the intake returns the
verdict. A bad signature gets the reply that the adapter raised with it, HTTP status included, and nothing is stored
(docs/path.md). A client that disconnects changes nothing, because the writer of the intake queue processes the
delivery. Source: docs/design.md §5.
"""

from collections.abc import Sequence
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from billing.checkout.service.bill_inquiry import find_bill
from billing.core.errors import BillingError, CommitUnknown, NotFound, Unavailable
from billing.core.ids import DeliveryId, OrganizationId
from billing.organizations.service.context import ProviderAccount
from billing.payments.service.payment_events import Delivery
from billing.tracing import span
from billing.web.app_state import LOG_FIELDS, AppState, app_state
from billing.web.client_address import source_address
from billing.web.request_bodies import BodyUnreadable, read_body
from providers.contract import (
    BadSignature,
    BillInquiry,
    Callback,
    Callbacks,
    Inquiries,
    Notices,
    Reply,
    Unreadable,
    Verdict,
)

log = structlog.get_logger(__name__)

_PATH = r"/callbacks/{organization:[1-9][0-9]{0,8}}/{account:[a-z0-9][a-z0-9-]{0,39}}"
_PATH_SUFFIX = r"{path_suffix:[0-9A-Za-z._~/-]{0,200}}"
CALLBACK_PATHS = (_PATH, f"{_PATH}/{_PATH_SUFFIX}")
_QUERY_PAIRS_MAX = 200
_UNVERIFIED = frozenset({"not_allowed", "bad_signature"})

_NOT_ALLOWED = Reply(status=403, body=b'{"code": "source_not_allowed"}')


def add_callback_routes(application: web.Application) -> None:
    """Add routes with and without a path suffix. The router rejects other methods."""
    for path in CALLBACK_PATHS:
        application.router.add_get(path, receive_callback, allow_head=False)
        application.router.add_post(path, receive_callback)


async def receive_callback(request: web.Request) -> web.Response:
    """Receive one delivery. Raises NotFound, BodyTooLarge, BodyUnreadable; other outcomes are provider replies."""
    app = app_state(request)
    organization_id = OrganizationId(int(request.match_info["organization"]))
    name = request.match_info["account"]
    try:
        with span("callback account"):
            account = await _account(app, organization_id, name)
        with span("callback body"):
            body = await read_body(request, size_max=app.limits.callback_size_max)
        callback = _callback(request, body, app)
    except BillingError:
        await app.anonymous.hold_refusal(source_address(request))
        raise
    log_fields = request[LOG_FIELDS]
    log_fields["organization"], log_fields["account"] = organization_id, name
    if account.allows(callback):
        assert isinstance(account.provider, Callbacks), "only such an account is found"
        outcome, reply = await _deliver(app, account, account.provider, callback, log_fields)
    else:
        log.warning("callback_source_not_allowed", account_id=account.id, source=callback.source_address)
        outcome, reply = "not_allowed", _NOT_ALLOWED
    log_fields["outcome"] = outcome
    app.callbacks[outcome] += 1
    if _is_unverified(outcome, reply):
        await app.anonymous.hold_refusal(callback.source_address)
    return _response(reply)


def _is_unverified(outcome: str, reply: Reply) -> bool:
    """Whether any client could cause this outcome. A callback with a valid signature is not limited by address."""
    return outcome in _UNVERIFIED or (outcome == "replied" and 400 <= reply.status < 500)


async def _account(app: AppState, organization_id: OrganizationId, name: str) -> ProviderAccount:
    """The provider account of the callback. Raises NotFound, AccountUnusable."""
    account = await app.context.accounts.find_known(organization_id, name)
    if account is None or not isinstance(account.provider, Callbacks):
        raise NotFound("no active provider account of that name takes callbacks")
    return account


async def _deliver(
    app: AppState, account: ProviderAccount, provider: Callbacks, callback: Callback, log_fields: dict[str, object]
) -> tuple[str, Reply]:
    """Process a delivery. Returns the outcome for the metric, and the reply to the provider.

    `log_fields` are the fields of the request's log line.
    """
    if app.intake.is_full(account.organization_id):
        # Before the signature: under overload, a rejection must cost nothing.
        return "refused_full", provider.answer_callback(callback, Verdict.TRY_LATER, "")
    try:
        with span("callback verify", account_id=account.id):
            read = provider.read_callback(callback)
    except BadSignature as refusal:
        log.warning("callback_signature_bad", account_id=account.id, body_size=len(callback.body))
        return "bad_signature", refusal.reply
    except Unreadable as refusal:
        log.warning("callback_unreadable", account_id=account.id, body_size=len(callback.body), reason=refusal.reason)
        return "unreadable", refusal.reply
    if isinstance(read, Reply):
        return "replied", read
    if isinstance(read, BillInquiry):
        return await _answer_inquiry(app, account, callback, read)
    return await _submit(app, account, callback, read, log_fields)


async def _answer_inquiry(
    app: AppState, account: ProviderAccount, callback: Callback, inquiry: BillInquiry
) -> tuple[str, Reply]:
    provider = account.provider
    assert isinstance(provider, Inquiries), "only such a provider reads an inquiry"
    try:
        bill = await find_bill(app.context, account, inquiry.reference)
    except (Unavailable, OSError) as error:
        log.warning("inquiry_not_answered", account_id=str(account.id), error=type(error).__name__)
        return "inquiry_not_answered", provider.answer_inquiry_later(callback, inquiry)
    return "inquiry", provider.answer_inquiry(callback, inquiry, bill)


async def _submit(
    app: AppState,
    account: ProviderAccount,
    callback: Callback,
    read: Notices,
    log_fields: dict[str, object],
) -> tuple[str, Reply]:
    provider = account.provider
    assert isinstance(provider, Callbacks), "it has read the callback"
    delivery_id = DeliveryId(app.context.ids.new())
    log_fields["delivery"] = delivery_id
    if not read.notices:
        # A test call of a provider has no notice: there is nothing to store.
        return "empty", provider.answer_callback(callback, Verdict.ACCEPTED, str(delivery_id))
    delivery = Delivery(id=delivery_id, account=account, callback=callback, notices=read.notices)
    try:
        with span("callback apply"):
            answer = await app.intake.submit(delivery)
    except (Unavailable, CommitUnknown) as error:
        log.warning("callback_not_acknowledged", delivery=str(delivery_id), error=error.code)
        return "not_acknowledged", provider.answer_callback(callback, Verdict.TRY_LATER, "")
    is_repeated = answer.receipt_id != delivery_id
    verdict = (
        Verdict.DUPLICATE if is_repeated and answer.verdict in provider.first_delivery_verdicts else answer.verdict
    )
    return verdict.value, provider.answer_callback(callback, verdict, str(answer.receipt_id))


def _callback(request: web.Request, body: bytes, app: AppState) -> Callback:
    """The delivery as received. The query stays raw, because some providers sign it."""
    raw_query = request.raw_path.partition("?")[2]
    return Callback(
        method=request.method,
        path_suffix=request.match_info.get("path_suffix", ""),
        raw_query=raw_query,
        query=_query_pairs(raw_query),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers],
        body=body,
        source_address=source_address(request),
        received_at=app.context.clock(),
    )


def _query_pairs(raw_query: str) -> Sequence[tuple[str, str]]:
    if not raw_query:
        return ()
    if not raw_query.isascii():
        raise BodyUnreadable("the query holds bytes that are not ASCII")
    try:
        return parse_qsl(raw_query, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_PAIRS_MAX)
    except ValueError as cause:
        raise BodyUnreadable("the query is not UTF-8 or has too many fields") from cause


def _response(reply: Reply) -> web.Response:
    return web.Response(
        status=reply.status, body=reply.body, headers={**reply.headers, "Content-Type": reply.content_type}
    )

"""Stripe and servers with a Stripe-compatible API: payment intents, checkout sessions, webhooks, refunds.

A server may have further fields, omit optional fields, ignore Idempotency-Key and send no events about refunds: so the
adapter sends the fewest possible fields, searches for an earlier call before it moves money again, and queries refunds.
Every notice of a payment names the movement by the payment intent. Source: Stripe API 2024-06-20.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

import httpx
from pydantic import BaseModel

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Cancellations,
    Notice,
    Notices,
    OperationResult,
    Outcome,
    PaymentInstruction,
    PaymentRefused,
    PaymentRequest,
    PaymentUnknown,
    PendingPayment,
    Provider,
    ProviderUnreachable,
    Queries,
    RefundRequest,
    Refunds,
    Reply,
    Unreadable,
    Verdict,
)
from providers.http_call import RequestNotSent, ResponseUnknown
from providers.notices import request_id, status_only
from providers.settings import active_secrets
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson
from providers.stripe.forms import AMOUNT_MAX, REFUND_FIELD, intent_form, refund_form, session_form
from providers.stripe.parsing import (
    Object,
    charged_at,
    dong_of,
    identifier,
    intent_notice,
    is_identifier,
    linked,
    read_event,
    reference_of,
    require_dong,
    session_notice,
    word,
)
from providers.stripe.server import Server
from providers.stripe.settings import StripeSettings
from providers.stripe.signing import is_signed
from providers.stripe.statuses import REFUND_STATUSES

_SIGNATURE = "stripe-signature"
_INTENTS, _SESSIONS, _REFUNDS = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds"
_SESSION_PREFIX, _CHARGE_PREFIXES = "cs_", ("ch_", "py_")
_RECORDED = Reply(200, b'{"received":true}')
_CALL_AGAIN = Reply(503, b'{"received":false}', headers={"Retry-After": "30"})
_UNPROVED = Reply(400, b'{"error":{"message":"No signatures found matching the expected signature for payload"}}')
_UNREADABLE = Reply(400, b'{"error":{"message":"Invalid payload"}}')
_REPORTED_FIRST = (Outcome.SUCCEEDED, Outcome.REVIEW, Outcome.PENDING, Outcome.UNKNOWN)


class Stripe(Provider, Callbacks, Queries, Refunds, Cancellations):
    """One account at Stripe or at a compatible server."""

    signed_part: ClassVar[str] = "the timestamp t of the header Stripe-Signature, a full stop and the whole body"
    settings_type: ClassVar[type[BaseModel]] = StripeSettings
    id_scope: ClassVar[str] = "stripe"
    evidence_headers: ClassVar[frozenset[str]] = frozenset({_SIGNATURE})
    partial_refunds: ClassVar[bool] = True

    def __init__(self, settings: StripeSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._server = Server(settings, client)
        self.queries_per_minute = settings.queries_per_minute

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Create a payment intent, or a checkout session with a page for the payer."""
        settings = self._settings
        if not 1 <= request.amount <= AMOUNT_MAX:
            raise PaymentRefused(f"Stripe collects 1 to {AMOUNT_MAX} đồng at a time")
        if settings.mode == "checkout":
            return_url = request.return_url or settings.return_url
            if not return_url:
                raise PaymentRefused("a checkout session needs an address to return to; set return_url")
            path, fields = _SESSIONS, session_form(request, settings, return_url)
        else:
            path, fields = _INTENTS, intent_form(request, settings)
        try:
            if settings.confirm and path == _INTENTS:  # this one charges at once: never twice
                begun, _, _ = await self._find(request.reference, since=request.requested_at)
                if begun:
                    return self._instruction(request, begun[0])
            response = await self._server.post(path, fields, key=request_id("create", request.reference))
        except RequestNotSent as error:
            raise ProviderUnreachable("the server could not be reached; nothing was begun") from error
        except ResponseUnknown as error:
            raise PaymentUnknown("no answer that can be trusted") from error
        if response.is_refusal:
            raise PaymentRefused(f"the server refuses the payment ({response.status} {response.code})")
        return self._instruction(request, response.content)

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the raw body, then read its one event; events without a payment of ours are acknowledged."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        settings = self._settings
        if not is_signed(
            active_secrets(settings.endpoint_secret),
            callback.header(_SIGNATURE),
            callback.body,
            now=int(callback.received_at.timestamp()),
            tolerance_s=settings.tolerance_s,
            future_s=settings.future_s,
        ):
            raise BadSignature(_UNPROVED)
        try:
            event = read_json_object(callback.body)
            notices = read_event(event, received_at=callback.received_at)
        except (NotStrictJson, ValueError) as error:
            raise Unreadable(str(error), _UNREADABLE) from error
        is_foreign, payee = self._is_foreign(event), self._payee(event)
        return Notices(tuple(replace(notice, names_other_account=is_foreign, payee=payee) for notice in notices))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """2xx for every recorded event, new or known; after any other status Stripe delivers again for three days."""
        return _CALL_AGAIN if verdict is Verdict.TRY_LATER else _RECORDED

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Query by the id; if the answer with the id was lost, search our reference among the latest payments."""
        try:
            if known.provider_reference:
                return await self._fetch_by_id(known)
            found, is_whole, evidence = await self._find(known.reference, since=known.created_at)
            if not found:
                outcome = Outcome.NOT_FOUND if is_whole else Outcome.UNKNOWN
                return Notices((status_only(known, outcome),), evidence)
            notices = [await self._read(known, each) for each in found]
        except (RequestNotSent, ResponseUnknown):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        first_outcome = next(
            (each for each in _REPORTED_FIRST if any(one.outcome is each for one in notices)), notices[0].outcome
        )
        return Notices(tuple(one for one in notices if one.outcome is first_outcome), evidence)

    async def refund(self, request: RefundRequest) -> OperationResult:
        """Refund once: a server that ignores keys is first queried for this refund."""
        target = request.transaction or request.payment.provider_reference
        if not is_identifier(target) or target.startswith(_SESSION_PREFIX):
            return OperationResult(outcome=Outcome.FAILED, provider_status="no payment intent is known")
        name = "charge" if target.startswith(_CHARGE_PREFIXES) else "payment_intent"
        try:
            earlier = await self._find_refund(request, {name: target})
            if earlier is not None and earlier.outcome is not Outcome.NOT_FOUND:
                return earlier
            fields = refund_form(request, {name: target})
            response = await self._server.post(_REFUNDS, fields, key=request_id("refund", request.reference))
        except RequestNotSent:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not sent")
        except ResponseUnknown:
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        if response.is_refusal:
            return OperationResult(outcome=Outcome.FAILED, provider_status=response.code, evidence=response.evidence)
        return self._refund_result(request, response.content, response.evidence)

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """Query a refund by its id, else by our code among the refunds of the payment."""
        target = request.transaction or request.payment.provider_reference
        name = "charge" if target.startswith(_CHARGE_PREFIXES) else "payment_intent"
        try:
            if is_identifier(provider_reference):
                response = await self._server.get(_REFUNDS, provider_reference)
                if not response.is_refusal:
                    return self._refund_result(request, response.content, response.evidence)
            found = await self._find_refund(request, {name: target})
        except (RequestNotSent, ResponseUnknown):
            found = None
        return found or OperationResult(outcome=Outcome.UNKNOWN, provider_status="")

    async def cancel_payment(self, known: PendingPayment, *, reason: str) -> OperationResult:
        """Cancel the intent or end the session; if the server refuses, return the current outcome."""
        try:
            number = known.provider_reference or await self._number_of(known)
            if not number:
                return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
            known = replace(known, provider_reference=number)
            is_session = number.startswith(_SESSION_PREFIX)
            path = f"{_SESSIONS}/{number}/expire" if is_session else f"{_INTENTS}/{number}/cancel"
            if not is_identifier(number):
                return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
            key = request_id("cancel", known.reference, known.queried_at.isoformat())
            response = await self._server.post(path, {}, key=key)
            status = word(response.content, "status")
            if not response.is_refusal and status == ("expired" if is_session else "canceled"):
                return OperationResult(
                    outcome=Outcome.CANCELLED,
                    provider_status=status,
                    provider_reference=number,
                    evidence=response.evidence,
                )
            requested = await self._fetch_by_id(known)
        except (RequestNotSent, ResponseUnknown):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        [notice] = requested.notices
        return OperationResult(
            outcome=notice.outcome,
            provider_status=notice.provider_status,
            provider_reference=number,
            evidence=requested.evidence,
        )

    def _instruction(self, request: PaymentRequest, content: Object) -> PaymentInstruction:
        """The payment instruction of the created object, checked against the request. Raises PaymentUnknown."""
        is_session = self._settings.mode == "checkout"
        try:
            number = identifier(content)
            amount = dong_of(content, "amount_total" if is_session else "amount", is_needed=not is_session)
            if not is_session or content.get("currency") is not None:
                require_dong(content)
        except ValueError as error:
            raise PaymentUnknown(f"an answer that makes no sense: {error}") from error
        if amount != request.amount and not (is_session and amount == 0):
            raise PaymentUnknown("the answer is of another amount")
        if reference_of(content) not in {None, request.reference}:
            raise PaymentUnknown("the answer is of another payment")
        page = content.get("url") if is_session else _next_page(content)
        schemes = ("https://", "http://") if self._settings.base_url.startswith("http://") else ("https://",)
        if page is not None and not (isinstance(page, str) and page.startswith(schemes)):
            raise PaymentUnknown("the page of the payment is no address that a browser opens")
        if is_session and not page:
            raise PaymentUnknown("the answer gives no page to pay on")
        return PaymentInstruction(redirect_url=page or "", provider_reference=number)

    async def _find(self, reference: str, *, since: datetime) -> tuple[list[Object], bool, bytes]:
        """The object created under our reference, and whether the list was complete. Raises RequestNotSent and
        ResponseUnknown.
        """
        path = _SESSIONS if self._settings.mode == "checkout" else _INTENTS
        listing = await self._server.list(path, {}, since=since)
        found = [
            each
            for each in listing.objects
            if reference in {reference_of(each), word(each, "client_reference_id")} and is_identifier(each.get("id"))
        ]
        return found, listing.is_whole, listing.evidence

    async def _number_of(self, known: PendingPayment) -> str:
        found, _, _ = await self._find(known.reference, since=known.created_at)
        return identifier(found[0]) if len(found) == 1 else ""

    async def _fetch_by_id(self, known: PendingPayment) -> Notices:
        """Raises RequestNotSent and ResponseUnknown."""
        number = known.provider_reference
        if not is_identifier(number):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        response = await self._server.get(_SESSIONS if number.startswith(_SESSION_PREFIX) else _INTENTS, number)
        if response.is_refusal:
            outcome = Outcome.NOT_FOUND if response.status == 404 else Outcome.UNKNOWN
            return Notices((status_only(known, outcome, response.code),), response.evidence)
        if response.content.get("id") != number:
            return Notices((status_only(known, Outcome.UNKNOWN),), response.evidence)
        return Notices((await self._read(known, response.content),), response.evidence)

    async def _read(self, known: PendingPayment, content: Object) -> Notice:
        """The notice of a queried object; UNKNOWN if it is invalid or belongs to another payment."""
        try:
            if identifier(content).startswith(_SESSION_PREFIX):
                notice = session_notice(content, response=None, reported_at=known.queried_at)
                intent = linked(content, "payment_intent")
                if notice.outcome is Outcome.UNKNOWN and intent:
                    response = await self._server.get(_INTENTS, intent)
                    content = response.content
                    notice = intent_notice(content, response=None, reported_at=known.queried_at)
            else:
                notice = intent_notice(content, response=None, reported_at=charged_at(content) or known.queried_at)
        except ValueError:
            return status_only(known, Outcome.UNKNOWN)
        if notice.reference not in {None, known.reference}:
            return status_only(known, Outcome.UNKNOWN)
        return replace(notice, reference=known.reference)

    async def _find_refund(self, request: RefundRequest, target: Mapping[str, str]) -> OperationResult | None:
        """The refund that carries our code; NOT_FOUND if there is certainly none, UNKNOWN if a refund without a code
        may be it, None if the server does not list them all.
        """
        listing = await self._server.list(_REFUNDS, target)
        bare = False
        for each in listing.objects:
            code = reference_of(each, REFUND_FIELD)
            if code == request.reference:
                return self._refund_result(request, each, listing.evidence)
            bare = bare or (code is None and each.get("amount") == request.amount)
        if bare:  # of the same amount and without a code: it may be this refund
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="", evidence=listing.evidence)
        if not listing.is_whole:
            return None
        return OperationResult(outcome=Outcome.NOT_FOUND, provider_status="", evidence=listing.evidence)

    def _refund_result(self, request: RefundRequest, content: Object, evidence: bytes) -> OperationResult:
        """The result of a refund's object; UNKNOWN if it is not the requested refund."""
        try:
            number, amount = identifier(content), dong_of(content, "amount")
            if content.get("currency") is not None:
                require_dong(content)
        except ValueError:
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="", evidence=evidence)
        is_ours = amount == request.amount and reference_of(content, REFUND_FIELD) in {None, request.reference}
        status = word(content, "status")
        return OperationResult(
            outcome=REFUND_STATUSES.get(status, Outcome.UNKNOWN) if is_ours else Outcome.UNKNOWN,
            provider_status=status,
            provider_reference=number,
            evidence=evidence,
        )

    def _payee(self, event: Object) -> tuple[tuple[str, str], ...]:
        """The connected account an event names. Money of the other mode does not belong to this account."""
        settings, mode, account = self._settings, event.get("livemode"), event.get("account")
        is_other_mode = settings.livemode is not None and mode is not None and mode is not settings.livemode
        return () if is_other_mode or not isinstance(account, str) else (("account", account),)

    def _is_foreign(self, event: Object) -> bool:
        """Whether an event is of the other mode, or of another connected account."""
        settings = self._settings
        mode, account = event.get("livemode"), event.get("account")
        is_other_mode = settings.livemode is not None and mode is not None and mode is not settings.livemode
        return is_other_mode or bool(settings.account and account is not None and account != settings.account)


def _next_page(content: Object) -> object:
    """The redirect address of an intent for the payer's browser, if any."""
    action = content.get("next_action")
    redirect = action.get("redirect_to_url") if isinstance(action, Mapping) else None
    return redirect.get("url") if isinstance(redirect, Mapping) else None

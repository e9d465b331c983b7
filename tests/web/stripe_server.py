"""A small server that simulates Stripe over real HTTP: forms with brackets, strict fields, signed webhooks.

Written from Stripe's public reference alone; it shares no code with the adapter.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
from aiohttp import web

from tests.worker.webhook_env import ManualClock

KEY, SECRET = "sk_test_FAKEFAKEFAKE", "whsec_FAKEFAKEFAKEFAKE0009"
_INTENT_FIELDS = {"amount", "currency", "metadata", "payment_method", "payment_method_types", "confirm", "return_url"}
_SESSION_FIELDS = {
    "mode", "success_url", "cancel_url", "client_reference_id", "metadata", "payment_intent_data", "line_items",
    "payment_method_types",
}  # fmt: skip
_REFUND_FIELDS = {"payment_intent", "charge", "amount", "metadata"}
_OPTIONAL = ("amount_received", "latest_charge", "charges", "livemode", "object", "next_action")


class Refused(Exception):
    """An answer with an error object."""

    def __init__(self, status: int, code: str, kind: str = "invalid_request_error") -> None:
        super().__init__(code)
        self.status, self.body = status, {"error": {"type": kind, "code": code, "message": "refused"}}


@dataclass(slots=True, kw_only=True)
class Manners:
    """How this server differs from others."""

    adds: bool = False  # fields nobody knows
    leaves_out: bool = False  # what is optional
    ignores_keys: bool = False
    charge_is_whole: bool = False
    declines: bool = False
    fails_with: tuple[int, Mapping[str, object]] | None = None


@dataclass(slots=True, kw_only=True)
class StripeServer:
    """Its objects by id, in the order they were made."""

    clock: ManualClock
    callback_url: str = ""
    address: str = ""
    manners: Manners = field(default_factory=Manners)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered: dict[str, tuple[dict[str, Any], Any]] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._manner])
        for path, objects, make in (
            ("/v1/payment_intents", self.intents, self.make_intent),
            ("/v1/checkout/sessions", self.sessions, self.make_session),
            ("/v1/refunds", self.refunds, self.make_refund),
        ):
            application.router.add_post(path, self._making(make))
            application.router.add_get(path, self._listing(objects))
            application.router.add_get(path + "/{id}", self._reading(objects))
        application.router.add_post("/v1/payment_intents/{id}/cancel", self._cancel)
        return application

    # ---- actions of payers and clerks

    def pay(self, number: str, *, received: int | None = None) -> dict[str, Any]:
        """A payer confirms an intent."""
        intent = self.intents[number]
        charge = {"id": f"ch_{next(self.numbers)}", "created": self._now(), "metadata": {}, "status": "succeeded"}
        charge |= {"amount": intent["amount"], "currency": "vnd", "payment_intent": number, "amount_refunded": 0}
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"] if received is None else received,
            "latest_charge": charge if self.manners.charge_is_whole else charge["id"],
            "charges": {"object": "list", "data": [charge]},
        }
        return intent

    def pay_session(self, number: str) -> dict[str, Any]:
        """A payer pays on the page of a session; the intent is made only now."""
        session = self.sessions[number]
        intent = self.make_intent({**session["payment_intent_data"], "amount": session["amount_total"]})
        session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"]}
        return self.pay(intent["id"])

    async def send_event(self, kind: str, found: Mapping[str, Any], *, secret: str = SECRET) -> httpx.Response:
        """Send an event to our URL, signed over its bytes."""
        event = {"id": f"evt_{next(self.numbers)}", "object": "event", "type": kind, "created": self._now()}
        body = json.dumps({**event, "data": {"object": self._dressed(found)}}, indent=2).encode()
        signed = hmac.new(secret.encode(), f"{self._now()}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={self._now()},v1={signed}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(self.callback_url, content=body, headers=headers)

    # ---- requests of the adapter

    def make_intent(self, form: Mapping[str, Any]) -> dict[str, Any]:
        if set(form) - _INTENT_FIELDS:
            raise Refused(400, "parameter_unknown")
        intent: dict[str, Any] = {
            "id": f"pi_{next(self.numbers)}",
            "object": "payment_intent",
            "created": self._now(),
            "amount": int(form["amount"]),
            "amount_received": 0,
            "currency": form.get("currency", "vnd"),
            "metadata": form.get("metadata", {}),
            "status": "requires_payment_method",
            "latest_charge": None,
            "next_action": None,
        }
        self.intents[intent["id"]] = intent
        if form.get("confirm") == "true":
            if self.manners.declines:
                raise Refused(402, "card_declined", "card_error")
            self.pay(intent["id"])
        return intent

    def make_session(self, form: Mapping[str, Any]) -> dict[str, Any]:
        if set(form) - _SESSION_FIELDS or form["mode"] != "payment" or not form["success_url"]:
            raise Refused(400, "parameter_unknown")
        price = form["line_items"]["0"]["price_data"]
        number = f"cs_{next(self.numbers)}"
        session: dict[str, Any] = {
            "id": number,
            "object": "checkout.session",
            "created": self._now(),
            "amount_total": int(price["unit_amount"]) * int(form["line_items"]["0"]["quantity"]),
            "currency": price["currency"],
            "mode": "payment",
            "client_reference_id": form["client_reference_id"],
            "metadata": form["metadata"],
            "payment_intent_data": form["payment_intent_data"],
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "url": f"{self.address}/pay/{number}",
        }
        self.sessions[number] = session
        return session

    def make_refund(self, form: Mapping[str, Any]) -> dict[str, Any]:
        if set(form) - _REFUND_FIELDS:
            raise Refused(400, "parameter_unknown")
        intent = self.intents[form["payment_intent"]]
        before = sum(each["amount"] for each in self.refunds.values() if each["payment_intent"] == intent["id"])
        if before + int(form["amount"]) > intent["amount_received"]:
            raise Refused(400, "charge_already_refunded")
        refund: dict[str, Any] = {
            "id": f"re_{next(self.numbers)}",
            "object": "refund",
            "amount": int(form["amount"]),
            "currency": "vnd",
            "payment_intent": intent["id"],
            "metadata": form.get("metadata", {}),
            "status": "succeeded",
        }
        self.refunds[refund["id"]] = refund
        return refund

    async def _cancel(self, request: web.Request) -> web.Response:
        intent = self.intents[request.match_info["id"]]
        if intent["status"] == "succeeded":
            raise Refused(400, "payment_intent_unexpected_state")
        intent["status"] = "canceled"
        return self._answer(intent)

    def _making(self, make: Any) -> Any:
        async def handler(request: web.Request) -> web.Response:
            form = _unfold(dict((await request.post()).items()))
            key = request.headers["Idempotency-Key"]
            if key in self.answered and not self.manners.ignores_keys:
                before, made = self.answered[key]
                if before != form:
                    raise Refused(400, "idempotency_key_reused", "idempotency_error")
                return self._answer(made)
            made = make(form)
            self.answered[key] = (form, made)
            if self.manners.fails_with is not None:  # it was made all the same
                status, body = self.manners.fails_with
                return web.json_response(body, status=status)
            return self._answer(made)

        return handler

    def _listing(self, objects: Mapping[str, dict[str, Any]]) -> Any:
        async def handler(request: web.Request) -> web.Response:
            wanted = request.query.get("payment_intent")
            data = [each for each in objects.values() if wanted is None or each.get("payment_intent") == wanted]
            return web.json_response({"object": "list", "data": [*map(self._dressed, data)], "has_more": False})

        return handler

    def _reading(self, objects: Mapping[str, dict[str, Any]]) -> Any:
        async def handler(request: web.Request) -> web.Response:
            found = objects.get(request.match_info["id"])
            if found is None:
                raise Refused(404, "resource_missing")
            return self._answer(found)

        return handler

    @web.middleware
    async def _manner(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"type": "invalid_request_error"}}, status=401)
        try:
            answer: web.StreamResponse = await handler(request)
        except Refused as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        return answer

    def _answer(self, found: Mapping[str, Any]) -> web.Response:
        return web.json_response(self._dressed(found))

    def _dressed(self, found: Mapping[str, Any]) -> dict[str, Any]:
        dressed = dict(found)
        if self.manners.adds:
            dressed |= {"unknown": {"deep": [{"x": None}, 1.5]}, "amount_details": {"tip": {}}}
        if self.manners.leaves_out:
            dressed = {name: value for name, value in dressed.items() if name not in _OPTIONAL}
        return dressed

    def _now(self) -> int:
        return int(self.clock().timestamp())


def _unfold(form: Mapping[str, Any]) -> dict[str, Any]:
    """`a[b][0]=c` as `{"a": {"b": {"0": "c"}}}`."""
    nested: dict[str, Any] = {}
    for name, value in form.items():
        keys = re.findall(r"[^\[\]]+", name)
        inner = nested
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
    return nested

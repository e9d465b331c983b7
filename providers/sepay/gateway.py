"""SePay's payment gateway: the payer's browser posts a signed form; the IPN reports the outcome with a static key.

The form is signed in the order in which its fields are posted. The IPN is not signed, so an amount above
the limit of the settings is confirmed by a query of the order. Source: SePay, payment gateway API v1.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
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
    PendingPayment,
    Provider,
    Queries,
    Reply,
    Unreadable,
    Verdict,
)
from providers.http_call import Answer, RequestNotSent, ResponseUnknown, call
from providers.notices import VIETNAM, fingerprint, status_only
from providers.references import is_placeholder
from providers.sepay.settings import SepayGatewaySettings
from providers.settings import active_secrets
from providers.signing import is_same_secret, read_json_object
from providers.strict_json import NotStrictJson

# fmt: off
SIGNED_FIELDS = frozenset({
    "merchant", "env", "operation", "payment_method", "order_amount", "currency", "order_invoice_number",
    "order_description", "customer_id", "agreement_id", "agreement_name", "agreement_type",
    "agreement_payment_frequency", "agreement_amount_per_payment", "success_url", "error_url", "cancel_url", "order_id",
})
# fmt: on
AMOUNT_MAX = 9_999_999_999_999
_PAID = ("ORDER_PAID", "CAPTURED", "APPROVED")
_VOID = "TRANSACTION_VOID"
_NAME = re.compile(r"[!-~]{1,100}")
_DONG = re.compile(r"[0-9]{1,13}(\.0{1,4})?")
_STATUSES = {"PENDING": Outcome.PENDING, "CANCELLED": Outcome.CANCELLED, "EXPIRED": Outcome.EXPIRED}


class SepayGateway(Provider, Callbacks, Queries, Cancellations):
    """One merchant of SePay's gateway."""

    signed_part: ClassVar[str] = "none"
    settings_type: ClassVar[type[BaseModel]] = SepayGatewaySettings

    def __init__(self, settings: SepayGatewaySettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = settings.queries_per_minute

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """A signed form for the payer's browser; SePay receives it when it is posted."""
        settings = self._settings
        page = request.return_url or settings.return_url
        if not page:
            raise PaymentRefused("the address the payer returns to is not known; set return_url")
        if not 0 < request.amount <= AMOUNT_MAX:
            raise PaymentRefused("an amount above 0 is needed")
        fields = form_fields(
            [
                ("operation", "PURCHASE"),
                ("payment_method", settings.payment_method),
                ("order_invoice_number", request.reference),
                ("order_amount", str(request.amount)),
                ("currency", "VND"),
                ("order_description", request.purpose),
                ("success_url", page),
                ("error_url", page),
                ("cancel_url", page),
            ],
            settings.merchant_id,
        )
        signature = form_signature(fields, settings.secret_key.get_secret_value().encode("utf-8"))
        return PaymentInstruction(
            redirect_url=settings.checkout_url,
            form_fields=(*fields, ("signature", signature)),
            provider_reference=request.reference,
        )

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Compare the key, then read the one event of an order."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        shown = callback.header("x-secret-key")
        if not any(is_same_secret(key.decode("utf-8"), shown) for key in active_secrets(self._settings.ipn_keys)):
            raise BadSignature(_reply(401, is_taken=False))
        try:
            parsed = read_json_object(callback.body)
            notice = self._result(parsed, callback)
        except (NotStrictJson, ValueError) as error:
            raise Unreadable(str(error), _reply(422, is_taken=False)) from error
        return Notices((notice,))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """200 for every recorded notice; SePay calls again after any other status."""
        if verdict is Verdict.TRY_LATER:
            return _reply(503, is_taken=False)
        return _reply(200, is_taken=True)

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Query the order; its layout is not documented, so anything unexpected is UNKNOWN."""
        try:
            answer = await self._call("GET", f"/order/detail/{known.reference}")
            if answer.status == 404:
                return Notices((status_only(known, Outcome.NOT_FOUND),), answer.body)
            order = _object(_read(answer), "data")
            status = _text(order, "order_status")
            if status != _PAID[1]:
                outcome = _STATUSES.get(status, Outcome.UNKNOWN)
                return Notices((status_only(known, outcome, status),), answer.body)
            return Notices(self._payments(order, known), answer.body)
        except (RequestNotSent, ResponseUnknown, ValueError):
            return Notices((status_only(known, Outcome.UNKNOWN),))

    async def cancel_payment(self, known: PendingPayment, *, reason: str) -> OperationResult:
        """Cancel an order that is paid by QR. A payment that a payer has started may still arrive."""
        try:
            answer = await self._call("POST", "/order/cancel", {"order_invoice_number": known.reference})
            parsed = _read(answer)
        except (RequestNotSent, ResponseUnknown):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        is_done = answer.status == 200 and parsed.get("success", True) is True
        outcome = Outcome.CANCELLED if is_done else Outcome.UNKNOWN
        return OperationResult(outcome=outcome, provider_status=str(answer.status), evidence=answer.body)

    def _result(self, parsed: Mapping[str, object], callback: Callback) -> Notice:
        """The notice of an IPN. Raises ValueError naming the invalid field."""
        event, order, transaction = (
            _text(parsed, "notification_type"),
            _object(parsed, "order"),
            _object(parsed, "transaction"),
        )
        words = (event, _text(order, "order_status"), _text(transaction, "transaction_status"))
        if event == _VOID:
            outcome = Outcome.REVIEW  # its values are not documented: a person decides
        elif words == _PAID:
            amount = _dong(transaction.get("transaction_amount"))
            outcome = Outcome.SUCCEEDED if self._settings.is_enough(callback, amount) else Outcome.UNKNOWN
        else:
            outcome = Outcome.UNKNOWN if event == _PAID[0] else Outcome.PENDING
        return self._notice(order, transaction, outcome, ":".join(words), reported_at=callback.received_at)

    def _payments(self, order: Mapping[str, object], known: PendingPayment) -> tuple[Notice, ...]:
        """Raises ValueError if no field of a captured order states that it was paid."""
        if _text(order, "order_invoice_number") != known.reference:
            raise ValueError("the answer is of another order")
        transactions = order.get("transactions", [order.get("transaction")])
        if not isinstance(transactions, list):
            raise ValueError("transactions make no sense")  # noqa: TRY004 - invalid input of an unknown client
        paid = [
            each for each in transactions if isinstance(each, dict) and _text(each, "transaction_status") == _PAID[2]
        ]
        if not paid:
            raise ValueError("captured, and no transaction was approved")
        words = ":".join(_PAID)
        return tuple(self._notice(order, each, Outcome.SUCCEEDED, words, reported_at=known.queried_at) for each in paid)

    def _notice(
        self,
        order: Mapping[str, object],
        transaction: Mapping[str, object],
        outcome: Outcome,
        word: str,
        *,
        reported_at: datetime,
    ) -> Notice:
        invoice, number = _text(order, "order_invoice_number"), _text(transaction, "id")
        amount = _dong(transaction.get("transaction_amount", order.get("order_amount")))
        if not _NAME.fullmatch(invoice) or not (number == "" or _NAME.fullmatch(number)):
            raise ValueError("order_invoice_number or the id of the transaction makes no sense")
        currencies = (order.get("order_currency"), transaction.get("transaction_currency"))
        if any(currency not in (None, "", "VND") for currency in currencies):
            raise ValueError("currency is not VND")
        if outcome is Outcome.SUCCEEDED and _dong(order.get("order_amount", amount)) != amount:
            outcome = Outcome.REVIEW  # order and transaction disagree about the money
        name = f"transaction:{number}"
        if is_placeholder(number):  # no id: the order, the amount and the timestamp make the transfer distinct
            number, date = "", _text(transaction, "transaction_date")
            name = f"transfer:{fingerprint(invoice, amount, date).hex()}" if date else ""
        return Notice(
            event_key=f"{invoice}:{name.removeprefix('transaction:')}:{word}:{outcome.value}",
            outcome=outcome,
            provider_status=word,
            occurred_at=_parse_timestamp(transaction.get("transaction_date"), reported_at),
            amount=amount,
            movement_keys=frozenset({name}) if name else frozenset(),
            fingerprint=fingerprint(invoice, number, amount, word),
            reference=invoice,
            names_order=True,
            provider_reference=number,
        )

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        settings = self._settings
        credentials = f"{settings.merchant_id}:{settings.secret_key.get_secret_value()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode('ascii')}"}
        request = self._client.build_request(method, settings.api_url + path, json=body, headers=headers)
        answer = await call(self._client, request, timeout_s=settings.timeout_s)
        if answer.status >= 500 or answer.status in {408, 429} or answer.status in range(300, 400):
            raise ResponseUnknown(f"status {answer.status}")
        return answer


def form_fields(fields: Sequence[tuple[str, object]], merchant_id: str) -> list[tuple[str, str]]:
    """The fields in the order they are posted: as supplied, with the merchant appended if it is absent."""
    posted = [(name, str(value)) for name, value in fields]
    if not any(name == "merchant" for name, _ in posted):
        posted.append(("merchant", merchant_id))
    return posted


def form_text(fields: Sequence[tuple[str, object]]) -> str:
    """The signed text of a form: `name=value` joined by `,`, in the order of the form, signed fields only."""
    return ",".join(f"{name}={value}" for name, value in fields if name in SIGNED_FIELDS)


def form_signature(fields: Sequence[tuple[str, object]], secret_key: bytes) -> str:
    """Base64 of HMAC-SHA256 over the signed text of a form."""
    return base64.b64encode(hmac.new(secret_key, form_text(fields).encode("utf-8"), hashlib.sha256).digest()).decode()


def _read(answer: Answer) -> dict[str, object]:
    try:
        return read_json_object(answer.body)
    except NotStrictJson as error:
        raise ResponseUnknown(str(error)) from error


def _object(parsed: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = parsed.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is missing")  # noqa: TRY004 - invalid input of an unknown client
    return value


def _text(parsed: Mapping[str, object], name: str) -> str:
    value = parsed.get(name)
    return value if isinstance(value, str) else ""


def _dong(value: object) -> int:
    """Whole đồng written as text with or without decimals, which must be zero, or as a whole number."""
    amount = Decimal(value) if type(value) is int or (isinstance(value, str) and _DONG.fullmatch(value)) else None
    if amount is None or not 0 < amount <= AMOUNT_MAX or amount != int(amount):
        raise ValueError("an amount that is no whole đồng")
    return int(amount)


def _parse_timestamp(value: object, otherwise: datetime) -> datetime:
    if value is None:
        return otherwise
    try:
        timestamp = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        timestamp = None
    if timestamp is None:
        raise ValueError("transaction_date is no timestamp")
    return timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=VIETNAM)


def _reply(status: int, *, is_taken: bool) -> Reply:
    headers = {"Retry-After": "30"} if status == 503 else {}
    return Reply(status, b'{"success": true}' if is_taken else b'{"success": false}', headers=headers)

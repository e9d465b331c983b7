"""MoMo: the payer is redirected to MoMo's page; every final outcome has a signed callback and can be queried.

The code in the answer opens MoMo's own application and names no account that we could check, so the payer receives
the page and never that code. Source: MoMo, payment API v2 (one-time payment).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, ClassVar

import httpx
from pydantic import BaseModel

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
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
    SettlementFiles,
    SettlementLine,
    SettlementUnreadable,
    Unreadable,
    Verdict,
)
from providers.csv_report import read_report
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.momo.settings import MomoSettings
from providers.momo.signing import CREATE, IPN, QUERY, REFUND, is_signed, signature_of, signed_text
from providers.momo.statuses import NEVER_HAD, OUR_FAULT, PAID, PAYMENTS, REFUNDS, REFUSES_THE_QUESTION
from providers.notices import fingerprint, request_id, status_only
from providers.settings import active_secrets, current_secret
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson

_AMOUNTS = range(1_000, 50_000_001)
_ORDER = re.compile(r"[0-9a-zA-Z](?:[-_.]*[0-9a-zA-Z]+)*")
_DIGITS = re.compile(r"[0-9]{1,19}")
_TIMESTAMPS = range(946_684_800_000, 4_102_444_800_000)  # 2000 to 2100, in ms


class Momo(Provider, Callbacks, Queries, Refunds, SettlementFiles):
    """One MoMo partner account."""

    signed_part: ClassVar[str] = "thirteen named values, our access key among them"
    settings_type: ClassVar[type[BaseModel]] = MomoSettings
    id_scope: ClassVar[str] = "momo/payee"
    partial_refunds: ClassVar[bool] = True

    def __init__(self, settings: MomoSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = settings.queries_per_minute

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Create an order at MoMo and return the address of its page."""
        settings = self._settings
        if request.amount not in _AMOUNTS:
            raise PaymentRefused("MoMo collects 1,000 to 50,000,000 đồng at a time")
        fields: dict[str, object] = {
            "partnerCode": settings.partner_code,
            "requestId": request_id(request.reference),
            "amount": request.amount,
            "orderId": request.reference,
            "orderInfo": request.purpose,
            "redirectUrl": request.return_url or settings.return_url,
            "ipnUrl": request.callback_url or settings.callback_url,
            "requestType": "captureWallet",
            "extraData": "",
            "lang": settings.language,
        }
        try:
            answer, _ = await self._call("/v2/gateway/api/create", fields, CREATE)
        except RequestNotSent as error:
            raise ProviderUnreachable("MoMo could not be reached; nothing was begun") from error
        except ResponseUnknown as error:
            raise PaymentUnknown("no answer of MoMo's that can be trusted") from error
        code, page = answer["resultCode"], answer.get("payUrl")
        if code in OUR_FAULT:
            raise PaymentRefused(f"MoMo refuses the order ({code})")
        if code != PAID or not isinstance(page, str) or not page.startswith("https://"):
            raise PaymentUnknown(f"MoMo answered {code}")
        if answer.get("amount", request.amount) != request.amount or answer.get("orderId") != request.reference:
            raise PaymentUnknown("MoMo answered for another order")
        return PaymentInstruction(redirect_url=page, provider_reference=request.reference)

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the signature over the thirteen values as received, then read the one payment that they report."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        settings = self._settings
        try:
            parsed = read_json_object(callback.body)
            text = signed_text(parsed, IPN, settings.access_key.get_secret_value())
        except (NotStrictJson, TypeError):
            raise BadSignature(Reply(400)) from None
        if not is_signed(active_secrets(settings.secret_keys), text, parsed.get("signature")):
            raise BadSignature(Reply(400))
        try:
            return Notices((self._notice(parsed, reported_at=_parse_timestamp(parsed)),))
        except ValueError as error:
            raise Unreadable(str(error), Reply(400)) from error

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """204 for every recorded notice; MoMo delivers again after any other status."""
        if verdict is Verdict.TRY_LATER:
            return Reply(503, headers={"Retry-After": "30"})
        return Reply(204)

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Query by our order id."""
        try:
            answer, evidence = await self._query(known.reference, known.queried_at)
        except (RequestNotSent, ResponseUnknown):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        code = answer["resultCode"]
        outcome = Outcome.NOT_FOUND if code == NEVER_HAD else _outcome(PAYMENTS, code)
        if outcome is Outcome.SUCCEEDED:
            try:
                return Notices((self._notice(answer, reported_at=known.queried_at),), evidence)
            except ValueError:
                outcome = Outcome.UNKNOWN
        return Notices((status_only(known, outcome, str(code)),), evidence)

    async def refund(self, request: RefundRequest) -> OperationResult:
        """Refund; MoMo replies with the result. The refund is a separate order."""
        if request.amount not in _AMOUNTS or not _DIGITS.fullmatch(request.transaction):
            return OperationResult(outcome=Outcome.FAILED, provider_status="not sent")
        fields: dict[str, object] = {
            "partnerCode": self._settings.partner_code,
            "orderId": request.reference,
            "requestId": request_id("refund", request.reference),
            "amount": request.amount,
            "transId": int(request.transaction),
            "lang": self._settings.language,
            "description": f"Hoan tien {request.reference}",
        }
        try:
            answer, evidence = await self._call("/v2/gateway/api/refund", fields, REFUND)
        except RequestNotSent:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not sent")
        except ResponseUnknown:
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        return _refund_result(answer, evidence)

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """Query the refund by its own order id."""
        try:
            answer, evidence = await self._query(request.reference, queried_at)
        except (RequestNotSent, ResponseUnknown):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        if answer["resultCode"] == NEVER_HAD:
            return OperationResult(outcome=Outcome.NOT_FOUND, provider_status=str(NEVER_HAD), evidence=evidence)
        if answer["resultCode"] in REFUSES_THE_QUESTION:
            return OperationResult(
                outcome=Outcome.UNKNOWN, provider_status=str(answer["resultCode"]), evidence=evidence
            )
        return _refund_result(answer, evidence)

    def read_settlement(self, file: BinaryIO) -> Iterator[SettlementLine]:
        """The portal's export, by the columns agreed in the settings."""
        if self._settings.report is None:
            raise SettlementUnreadable("the settings of this account do not describe its report")
        return read_report(file, self._settings.report)

    async def _query(self, order: str, queried_at: datetime) -> tuple[dict[str, object], bytes]:
        fields: dict[str, object] = {
            "partnerCode": self._settings.partner_code,
            "requestId": request_id("query", order, queried_at.isoformat()),
            "orderId": order,
            "lang": self._settings.language,
        }
        answer, evidence = await self._call("/v2/gateway/api/query", fields, QUERY)
        if answer.get("orderId") != order:
            raise ResponseUnknown("the answer is of another order")
        return answer, evidence

    async def _call(
        self, path: str, fields: Mapping[str, object], signed: Sequence[str]
    ) -> tuple[dict[str, object], bytes]:
        """Call and read an answer with a result code. Raises RequestNotSent and ResponseUnknown."""
        settings = self._settings
        text = signed_text(fields, signed, settings.access_key.get_secret_value())
        body = {**fields, "signature": signature_of(current_secret(settings.secret_keys), text)}
        request = self._client.build_request("POST", settings.base_url + path, json=body)
        answer = await call(self._client, request, timeout_s=settings.timeout_s)
        if answer.status >= 500 or answer.status in range(300, 400):
            raise ResponseUnknown(f"status {answer.status}")
        try:
            parsed = read_json_object(answer.body)
        except NotStrictJson as error:
            raise ResponseUnknown(str(error)) from error
        if type(parsed.get("resultCode")) is not int:
            raise ResponseUnknown("no result code")
        if parsed.get("partnerCode", settings.partner_code) != settings.partner_code:
            raise ResponseUnknown("the answer is of another partner")
        return parsed, answer.body

    def _notice(self, parsed: Mapping[str, object], *, reported_at: datetime) -> Notice:
        """The notice of a payment, from a callback or query. Raises ValueError naming the invalid field.

        Digits in quotes are signed like the number, so they are read like it too.
        """
        order, code = parsed.get("orderId"), _whole(parsed, "resultCode")
        if not isinstance(order, str) or len(order) > 200 or not _ORDER.fullmatch(order):
            raise ValueError("orderId is missing or makes no sense")
        amount, number = _whole(parsed, "amount"), _whole(parsed, "transId")
        if amount == 0:
            raise ValueError("amount is nothing")
        outcome = _outcome(PAYMENTS, code)
        return Notice(
            event_key=f"{order}:{number}:{code}",
            outcome=outcome,
            provider_status=str(code),
            occurred_at=reported_at,
            amount=amount,
            movement_keys=frozenset({f"transaction:{number}"}) if number else frozenset(),
            fingerprint=fingerprint(order, number, amount, code),
            reference=order,
            names_order=True,
            transfer_text=str(parsed.get("orderInfo") or "")[:255],
            provider_reference=str(number) if number else "",
            payee=(("partner_code", str(parsed.get("partnerCode", self._settings.partner_code))),),
            names_other_account=parsed.get("partnerCode", self._settings.partner_code) != self._settings.partner_code,
        )


def _outcome(outcomes: Mapping[int, Outcome], code: object) -> Outcome:
    return outcomes.get(code, Outcome.UNKNOWN) if isinstance(code, int) else Outcome.UNKNOWN


def _refund_result(answer: Mapping[str, object], evidence: bytes) -> OperationResult:
    code = answer["resultCode"]
    number = answer.get("transId")
    return OperationResult(
        outcome=_outcome(REFUNDS, code),
        provider_status=str(code),
        provider_reference=str(number) if isinstance(number, int) and number else "",
        evidence=evidence,
    )


def _whole(parsed: Mapping[str, object], name: str) -> int:
    value = parsed.get(name)
    if isinstance(value, bool) or not _DIGITS.fullmatch(str(value)):
        raise ValueError(f"{name} is no whole number")
    return int(str(value))


def _parse_timestamp(parsed: Mapping[str, object]) -> datetime:
    milliseconds = _whole(parsed, "responseTime")
    if milliseconds not in _TIMESTAMPS:
        raise ValueError("responseTime is no timestamp in ms")
    return datetime.fromtimestamp(milliseconds // 1000, UTC)

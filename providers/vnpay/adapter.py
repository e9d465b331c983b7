"""VNPAY: the payer is redirected to VNPAY's page by a signed address; the IPN reports the outcome.

Amounts in messages are đồng times 100, dates are in Vietnamese time. A failed payment is reported too, and answered as
recorded. `01` and `04` are VNPAY's reply codes: they do not refund the payer, and billing books the payment.
Source: VNPAY, payment gateway interface 2.1.0 (pay, IPN, querydr, refund).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO, ClassVar
from urllib.parse import urlencode

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
    PendingPayment,
    Provider,
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
from providers.http_call import Answer, RequestNotSent, ResponseUnknown, call
from providers.notices import fingerprint, format_vietnam_timestamp, parse_vietnam_timestamp, request_id, status_only
from providers.settings import active_secrets, current_secret
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson
from providers.vnpay.settings import VnpaySettings
from providers.vnpay.signing import (
    HASH_FIELD,
    QUERY_ANSWER,
    QUERY_REQUEST,
    REFUND_ANSWER,
    REFUND_REQUEST,
    accepted_texts,
    is_signed,
    listed_text,
    query_text,
    secure_hash,
)
from providers.vnpay.statuses import (
    PAID,
    REFUND_ANSWERS,
    REFUND_STATUSES,
    outcome_of_message,
    outcome_of_status,
)

_VERSION = "2.1.0"
_AMOUNT_MAX = 9_999_999_999  # 12 digits, times 100
_NOT_FOUND = "91"
_REFUND_TYPES = frozenset({"02", "03"})
_AMOUNT = re.compile(r"[1-9][0-9]{0,9}00")
_NUMBER = re.compile(r"[0-9]{1,15}")
_CODE = re.compile(r"[0-9A-Za-z]{2}")
_REFERENCE = re.compile(r"[!-~]{1,100}")
_ANSWERS = {
    Verdict.ACCEPTED: ("00", "Confirm Success"),
    Verdict.STORED: ("00", "Confirm Success"),
    Verdict.DUPLICATE: ("02", "Order already confirmed"),
    Verdict.UNKNOWN_REFERENCE: ("01", "Order not found"),
    Verdict.AMOUNT_DIFFERS: ("04", "Invalid amount"),
    Verdict.TRY_LATER: ("99", "Unknown error"),
}


class Vnpay(Provider, Callbacks, Queries, Refunds, SettlementFiles):
    """One VNPAY terminal."""

    signed_part: ClassVar[str] = "every vnp_ parameter of the query that has a value, but the hash and its type"
    settings_type: ClassVar[type[BaseModel]] = VnpaySettings
    first_delivery_verdicts: ClassVar[frozenset[Verdict]] = frozenset(
        {Verdict.AMOUNT_DIFFERS, Verdict.UNKNOWN_REFERENCE}
    )
    id_scope: ClassVar[str] = "vnpay/payee"
    partial_refunds: ClassVar[bool] = True

    def __init__(self, settings: VnpaySettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = settings.queries_per_minute

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """A signed address for the payer's browser; VNPAY receives it when the payer opens it."""
        settings = self._settings
        return_url = request.return_url or settings.return_url
        if not 1 <= request.amount <= _AMOUNT_MAX:
            raise PaymentRefused(f"VNPAY collects 1 to {_AMOUNT_MAX} đồng at a time")
        if not 10 <= len(return_url) <= 255:
            raise PaymentRefused("the address the payer returns to needs 10 to 255 characters; set return_url")
        ends_at = request.expires_at or request.requested_at + timedelta(minutes=settings.life_minutes)
        fields: dict[str, object] = {
            "vnp_Version": _VERSION,
            "vnp_Command": "pay",
            "vnp_TmnCode": settings.tmn_code,
            "vnp_Amount": request.amount * 100,
            "vnp_BankCode": settings.bank_code,
            "vnp_CreateDate": format_vietnam_timestamp(request.requested_at),
            "vnp_ExpireDate": format_vietnam_timestamp(ends_at),
            "vnp_CurrCode": "VND",
            "vnp_IpAddr": request.payer_address or settings.server_address,
            "vnp_Locale": settings.locale,
            "vnp_OrderInfo": request.purpose,
            "vnp_OrderType": settings.order_type,
            "vnp_ReturnUrl": return_url,
            "vnp_TxnRef": request.reference,
        }
        return PaymentInstruction(
            redirect_url=signed_pay_url(settings.pay_url, fields, current_secret(settings.hash_secrets)),
            provider_reference=request.reference,
        )

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the query by the documented rule, then read the one payment that it reports."""
        if callback.method != "GET":
            return Reply(405, headers={"Allow": "GET"})
        fields = dict(callback.query)
        names = [name for name, _ in callback.query if name.startswith("vnp_")]
        is_plain = len(names) == len(set(names))
        if not is_plain or not is_signed(
            active_secrets(self._settings.hash_secrets), accepted_texts(fields), fields.get(HASH_FIELD)
        ):
            raise BadSignature(_reply("97", "Invalid signature"))
        try:
            return Notices((self._result(fields, received_at=callback.received_at),))
        except ValueError as error:
            raise Unreadable(str(error), _reply("99", "Unknown error")) from error

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """`{"RspCode", "Message"}` with status 200; VNPAY calls again after 01, 04, 97 and 99, up to ten times.

        01 and 04 are replied once: a recorded notice is answered 02 afterwards.
        """
        return _reply(*_ANSWERS[verdict])

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Query by querydr; its own `00` states only that the query was answered."""
        try:
            answer, evidence = await self._query(known)
        except (RequestNotSent, ResponseUnknown):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        return Notices((self._requested(known, answer),), evidence)

    async def refund(self, request: RefundRequest) -> OperationResult:
        """Request a refund; `00` is an acceptance, followed by `query_refund`."""
        fields = {
            "vnp_RequestId": request_id("refund", request.reference),
            "vnp_Version": _VERSION,
            "vnp_Command": "refund",
            "vnp_TmnCode": self._settings.tmn_code,
            "vnp_TransactionType": "02" if request.amount == request.paid else "03",
            "vnp_TxnRef": request.payment.reference,
            "vnp_Amount": str(request.amount * 100),
            "vnp_OrderInfo": f"Hoan tien {request.reference}",
            "vnp_TransactionNo": request.transaction,
            "vnp_TransactionDate": format_vietnam_timestamp(request.payment.created_at),
            "vnp_CreateBy": request.requested_by,
            "vnp_CreateDate": format_vietnam_timestamp(request.requested_at),
            "vnp_IpAddr": str(self._settings.server_address),
        }
        try:
            answer, evidence = await self._call(fields, REFUND_REQUEST, REFUND_ANSWER)
        except RequestNotSent:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not sent")
        except ResponseUnknown:
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        code = _text(answer, "vnp_ResponseCode")
        return OperationResult(
            outcome=REFUND_ANSWERS.get(code, Outcome.UNKNOWN),
            provider_status=code,
            provider_reference=_text(answer, "vnp_TransactionNo"),
            evidence=evidence,
        )

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """The refund status in querydr's answer about the payment; the daily file reports the rest."""
        try:
            answer, evidence = await self._query(replace(request.payment, queried_at=queried_at))
        except (RequestNotSent, ResponseUnknown):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        status = _text(answer, "vnp_TransactionStatus")
        is_of_refund = _text(answer, "vnp_TransactionType") in _REFUND_TYPES
        if _text(answer, "vnp_ResponseCode") != PAID or (status == PAID and not is_of_refund):
            outcome = Outcome.UNKNOWN  # the payment is valid; no refund is reported
        else:
            outcome = REFUND_STATUSES.get(status, Outcome.UNKNOWN)
        is_of_this_part = _text(answer, "vnp_Amount") == str(request.amount * 100)
        if outcome is not Outcome.PENDING and not is_of_this_part:
            outcome = Outcome.UNKNOWN  # a payment may be refunded in parts, and this may be the outcome of another part
        return OperationResult(outcome=outcome, provider_status=status, evidence=evidence)

    def read_settlement(self, file: BinaryIO) -> Iterator[SettlementLine]:
        """The daily file, by the columns agreed in the settings."""
        if self._settings.report is None:
            raise SettlementUnreadable("the settings of this account do not describe its report")
        return read_report(file, self._settings.report)

    async def _query(self, known: PendingPayment) -> tuple[dict[str, object], bytes]:
        fields = {
            "vnp_RequestId": request_id(known.reference, format_vietnam_timestamp(known.queried_at)),
            "vnp_Version": _VERSION,
            "vnp_Command": "querydr",
            "vnp_TmnCode": self._settings.tmn_code,
            "vnp_TxnRef": known.reference,
            "vnp_OrderInfo": f"Truy van {known.reference}",
            "vnp_TransactionDate": format_vietnam_timestamp(known.created_at),
            "vnp_CreateDate": format_vietnam_timestamp(known.queried_at),
            "vnp_IpAddr": str(self._settings.server_address),
        }
        return await self._call(fields, QUERY_REQUEST, QUERY_ANSWER)

    async def _call(
        self, fields: Mapping[str, str], signed: tuple[str, ...], answered: tuple[str, ...]
    ) -> tuple[dict[str, object], bytes]:
        """Call the server interface. Raises RequestNotSent, or ResponseUnknown without an authentic answer to this
        call.
        """
        settings = self._settings
        body = {**fields, HASH_FIELD: secure_hash(current_secret(settings.hash_secrets), listed_text(fields, signed))}
        request = self._client.build_request("POST", settings.api_url, json=body)
        answer = await call(self._client, request, timeout_s=settings.timeout_s)
        parsed = _object(answer)
        if not is_signed(
            active_secrets(settings.hash_secrets), [listed_text(parsed, answered)], parsed.get(HASH_FIELD)
        ):
            raise ResponseUnknown("the answer is not signed by this terminal")
        if parsed.get("vnp_TmnCode") != settings.tmn_code or parsed.get("vnp_Command") != fields["vnp_Command"]:
            raise ResponseUnknown("the answer is of another call")
        if parsed.get("vnp_TxnRef") != fields["vnp_TxnRef"]:
            raise ResponseUnknown("the answer is of another payment")
        return parsed, answer.body

    def _result(self, fields: Mapping[str, object], *, received_at: datetime) -> Notice:
        """The notice of an IPN. Raises ValueError naming the invalid field."""
        response, status = (
            _matching(fields, "vnp_ResponseCode", _CODE),
            _matching(fields, "vnp_TransactionStatus", _CODE),
        )
        outcome = outcome_of_message(response, status)
        word = PAID if outcome is Outcome.SUCCEEDED else f"{response}-{status}"
        return self._notice(fields, outcome, word, received_at)

    def _requested(self, known: PendingPayment, answer: Mapping[str, object]) -> Notice:
        code = _text(answer, "vnp_ResponseCode")
        if code == _NOT_FOUND:
            return status_only(known, Outcome.NOT_FOUND, code)
        status = _text(answer, "vnp_TransactionStatus")
        is_payment = _text(answer, "vnp_TransactionType") not in _REFUND_TYPES
        outcome = outcome_of_status(status) if code == PAID and is_payment else Outcome.UNKNOWN
        if outcome not in {Outcome.SUCCEEDED, Outcome.REVIEW}:
            return status_only(known, outcome, f"{code}-{status}")
        word = PAID if outcome is Outcome.SUCCEEDED else f"{code}-{status}"
        try:
            return self._notice(answer, outcome, word, known.queried_at)
        except ValueError:
            return status_only(known, Outcome.UNKNOWN, f"{code}-{status}")

    def _notice(self, fields: Mapping[str, object], outcome: Outcome, word: str, reported_at: datetime) -> Notice:
        reference = _matching(fields, "vnp_TxnRef", _REFERENCE)
        amount = int(_matching(fields, "vnp_Amount", _AMOUNT)) // 100
        number = _matching(fields, "vnp_TransactionNo", _NUMBER) if _text(fields, "vnp_TransactionNo") else ""
        paid_at = _text(fields, "vnp_PayDate")
        text = _text(fields, "vnp_OrderInfo")[:255]
        if "\x00" in text:
            raise ValueError("vnp_OrderInfo holds NUL, which no database stores")
        is_numbered = number.strip("0") != ""
        return Notice(
            event_key=f"{reference}:{number if is_numbered else '0'}:{word}",
            outcome=outcome,
            provider_status=word,
            occurred_at=parse_vietnam_timestamp(paid_at) if paid_at else reported_at,
            amount=amount,
            movement_keys=frozenset({f"transaction:{number}"}) if is_numbered else frozenset(),
            fingerprint=fingerprint(_text(fields, "vnp_TmnCode"), reference, amount, number, word),
            reference=reference,
            names_order=True,
            transfer_text=text,
            provider_reference=number,
            payee=(("tmn_code", _text(fields, "vnp_TmnCode")),),
            names_other_account=_text(fields, "vnp_TmnCode") != self._settings.tmn_code,
        )


def signed_pay_url(pay_url: str, fields: Mapping[str, object], secret: bytes) -> str:
    """The address of a payment: its signed query and, last, the hash over exactly that text."""
    text = query_text(fields)
    return f"{pay_url}?{text}&{urlencode({HASH_FIELD: secure_hash(secret, text)})}"


def _object(answer: Answer) -> dict[str, object]:
    if answer.status != 200:
        raise ResponseUnknown(f"status {answer.status}")
    try:
        return read_json_object(answer.body)
    except NotStrictJson as error:
        raise ResponseUnknown(str(error)) from error


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _matching(fields: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = _text(fields, name)
    if not pattern.fullmatch(value):
        raise ValueError(f"{name} is missing or makes no sense")
    return value


def _reply(code: str, message: str) -> Reply:
    return Reply(200, json.dumps({"RspCode": code, "Message": message}).encode("ascii"))

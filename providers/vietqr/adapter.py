"""VietQR: our own code for our own account, and vietqr.vn's callback for every received transfer.

The code confirms no payment; vietqr.vn reports payments. It authenticates by a token from us and signs no message:
a callback credits only as far as the settings allow. An outflow is no receipt.
Source: NAPAS technical specification 1.5.2; vietqr.vn, API document.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import httpx
from pydantic import BaseModel

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    LocalQr,
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
from providers.emvqr import ParsedQr, QrError, check_payee
from providers.http_call import RequestNotSent, ResponseUnknown
from providers.local_qr import build_local_qr
from providers.notices import status_only
from providers.settings import active_secrets, current_secret
from providers.signing import is_same_secret, read_json_object
from providers.strict_json import NotStrictJson
from providers.tokens import basic_credentials, is_token, issue_token, shown_token
from providers.vietqr.calls import Refusal, call_api, check_order
from providers.vietqr.message import Transfer, read_order, read_sync
from providers.vietqr.settings import VietqrSettings
from providers.vietqr.signing import refund_checksum

TOKEN_PATH_SUFFIX = "api/token_generate"  # noqa: S105 - the end of an address
SYNC_PATH_SUFFIX = "bank/api/transaction-sync"
_BY_ORDER, _BY_REFERENCE = "0", "1"
_STATUSES = {0: Outcome.PENDING, 1: Outcome.SUCCEEDED}


class Vietqr(Provider, Callbacks, Queries, Refunds, LocalQr):
    """One bank account that is paid by VietQR."""

    signed_part: ClassVar[str] = "none"
    settings_type: ClassVar[type[BaseModel]] = VietqrSettings
    partial_refunds = True

    def __init__(self, settings: VietqrSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = settings.queries_per_minute if settings.can_query else 0

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Our own code, or vietqr.vn's if the settings require orders; both are read back before they are returned."""
        own = self.qr_for(request)
        if not self._settings.creates_orders:
            return own
        settings = self._settings
        body = {
            "bankCode": settings.bank_code,
            "bankAccount": settings.account_number,
            "userBankName": settings.account_holder,
            "content": request.reference,
            "qrType": 0,
            "amount": request.amount,
            "orderId": request.reference,
            "transType": "C",
            "terminalCode": settings.terminal_code,
        }
        try:
            parsed, _ = await call_api(self._client, settings, "/api/qr/generate-customer", body)
        except RequestNotSent as error:
            raise ProviderUnreachable("vietqr.vn could not be reached; nothing was begun") from error
        except ResponseUnknown as error:
            raise PaymentUnknown("no answer of vietqr.vn's that can be trusted") from error
        except Refusal as refusal:
            raise PaymentRefused(f"vietqr.vn refuses the code ({refusal.word})") from refusal
        return self._shown(parsed, request)

    def qr_for(self, request: PaymentRequest) -> PaymentInstruction:
        """A dynamic code for the account, the reference first in its text, read back. Raises PaymentRefused."""
        settings = self._settings
        if request.amount > settings.amount_max:
            raise PaymentRefused(f"a fast transfer carries at most {settings.amount_max} đồng; split, or pay otherwise")
        payload = build_local_qr(request, bank_bin=settings.bank_bin, account_number=settings.payee)
        self._checked(payload, request)
        return self._instruction(payload)

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """A token for their credentials, or one movement under a token of ours."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        path_suffix = callback.path_suffix.strip("/")
        if path_suffix == TOKEN_PATH_SUFFIX:
            return self._token(callback)
        if path_suffix != SYNC_PATH_SUFFIX:
            return Reply(404)
        settings = self._settings
        if not is_token(active_secrets(settings.passwords), shown_token(callback), now=callback.received_at):
            raise BadSignature(_failure(401, "INVALID_TOKEN"))
        try:
            transfer = read_sync(read_json_object(callback.body))
        except (NotStrictJson, ValueError) as error:
            raise Unreadable(str(error), _failure(400, "INVALID_REQUEST")) from error
        if not transfer.is_in:
            return Notices(())
        is_enough = settings.is_enough(callback, transfer.amount)
        outcome = Outcome.SUCCEEDED if is_enough else Outcome.UNKNOWN
        is_other = not self._is_ours(transfer)
        return Notices((transfer.notice(outcome, reported_at=callback.received_at, is_other_account=is_other),))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """Reply recorded, under the same id each time; or a failure, after which vietqr.vn calls again."""
        if verdict is Verdict.TRY_LATER:
            return _failure(503, "TRY_LATER")
        return _reply(200, error=False, reason=None, taken_as=receipt_id)

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Every transfer that vietqr.vn has under our order, as in its callback, and the state of the order."""
        try:
            lines, evidence = await check_order(self._client, self._settings, kind=_BY_ORDER, value=known.reference)
            notices = tuple(self._order(line, known) for line in lines)
        except (RequestNotSent, ResponseUnknown, Refusal, ValueError):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        if not notices:
            # A code that we built is no order at vietqr.vn: that no order exists proves nothing about payments.
            outcome = Outcome.NOT_FOUND if self._settings.creates_orders else Outcome.UNKNOWN
            return Notices((status_only(known, outcome),), evidence)
        return Notices(notices, evidence)

    async def refund(self, request: RefundRequest) -> OperationResult:
        """Refund by the bank's reference of the transfer; a part only if the settings allow further refunds."""
        settings = self._settings
        if settings.refund_secret is None:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not_enabled")
        if request.amount != request.paid and not settings.refund_multi_times:
            return OperationResult(outcome=Outcome.FAILED, provider_status="part_not_allowed")
        amount = str(request.amount)
        body = {
            "bankAccount": settings.account_number,
            "referenceNumber": request.transaction,
            "amount": amount,
            "content": request.reference,
            "multiTimes": settings.refund_multi_times,
            "bankCode": settings.bank_code,
            "terminalCode": settings.terminal_code,
            "subTerminalCode": "",
            "checkSum": refund_checksum(
                secret_key=settings.refund_secret.get_secret_value(),
                reference_number=request.transaction,
                amount=amount,
                bank_account=settings.account_number,
            ),
        }
        try:
            parsed, evidence = await call_api(self._client, settings, "/api/transaction/refund", body)
        except RequestNotSent:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not_sent")
        except (ResponseUnknown, Refusal) as error:
            return OperationResult(
                outcome=Outcome.UNKNOWN, provider_status=error.word if isinstance(error, Refusal) else ""
            )
        status = str(parsed.get("status")) if isinstance(parsed, dict) else ""
        outcome = {"SUCCESS": Outcome.SUCCEEDED, "FAILED": Outcome.FAILED}.get(status, Outcome.UNKNOWN)
        return OperationResult(outcome=outcome, provider_status=status[:40], evidence=evidence)

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """vietqr.vn reports the refunded total, not each refund: the outcome is known if it is zero or the whole."""
        names = self._settings.order_fields
        try:
            lines, evidence = await check_order(
                self._client, self._settings, kind=_BY_REFERENCE, value=request.transaction
            )
        except (RequestNotSent, ResponseUnknown, Refusal):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        line = lines[0] if len(lines) == 1 else {}
        count, refunded = line.get(names.refund_count), str(line.get(names.amount_refunded))
        outcome = Outcome.UNKNOWN
        if type(count) is int and count == 0:
            outcome = Outcome.NOT_FOUND
        elif type(count) is int and refunded == str(request.paid):
            outcome = Outcome.SUCCEEDED
        return OperationResult(outcome=outcome, provider_status=f"refundCount={count}"[:40], evidence=evidence)

    def _order(self, line: Mapping[str, object], known: PendingPayment) -> Notice:
        order = read_order(line, self._settings.order_fields, account_number=self._settings.account_number)
        word = order.status
        outcome = _STATUSES.get(word, Outcome.UNKNOWN) if type(word) is int else Outcome.UNKNOWN
        if outcome is Outcome.SUCCEEDED and order.transfer is not None:
            return order.transfer.notice(outcome, reported_at=known.queried_at, is_other_account=False)
        # Reported as paid, but without a transfer: it cannot be booked.
        stands = Outcome.UNKNOWN if outcome is Outcome.SUCCEEDED else outcome
        return status_only(known, stands, str(word)[:20])

    def _token(self, callback: Callback) -> Reply:
        settings = self._settings
        name, password = basic_credentials(callback)
        is_known = any(is_same_secret(each.decode("utf-8"), password) for each in active_secrets(settings.passwords))
        if not (settings.username and is_same_secret(settings.username, name) and is_known):
            raise BadSignature(Reply(401, b'{"status": "FAILED", "message": "E401"}'))
        token = issue_token(current_secret(settings.passwords), now=callback.received_at, life_s=settings.token_life_s)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": settings.token_life_s}
        return Reply(200, json.dumps(body).encode("ascii"), headers={"Cache-Control": "no-store"})

    def _shown(self, parsed: object, request: PaymentRequest) -> PaymentInstruction:
        """vietqr.vn's code; its text has their prefix and must be the text of the answer, with our code."""
        fields = parsed if isinstance(parsed, dict) else {}
        payload, content, number = fields.get("qrCode"), fields.get("content"), fields.get("transactionRefId")
        if not isinstance(payload, str) or not isinstance(content, str):
            raise PaymentUnknown("vietqr.vn left out what the payer needs")
        decoded = self._checked(payload, request)
        if decoded.purpose != content or request.reference not in content:
            raise PaymentRefused("vietqr.vn's code does not carry our reference")
        return self._instruction(payload, number if isinstance(number, str) and len(number) <= 100 else "")

    def _checked(self, payload: str, request: PaymentRequest) -> ParsedQr:
        settings = self._settings
        try:
            decoded = check_payee(payload, bank_bin=settings.bank_bin, account_number=settings.payee)
        except QrError as error:
            raise PaymentRefused("the code does not name the approved account") from error
        if decoded.amount != request.amount:
            raise PaymentRefused("the code does not have the requested amount")
        return decoded

    def _instruction(self, payload: str, number: str = "") -> PaymentInstruction:
        settings = self._settings
        return PaymentInstruction(
            qr_payload=payload,
            bank_bin=settings.bank_bin,
            account_number=settings.payee,
            account_holder=settings.account_holder,
            provider_reference=number,
        )

    def _is_ours(self, transfer: Transfer) -> bool:
        return transfer.account_number in {self._settings.account_number, self._settings.payee}


def _failure(status: int, reason: str) -> Reply:
    return _reply(status, error=True, reason=reason, taken_as=None)


def _reply(status: int, *, error: bool, reason: str | None, taken_as: str | None) -> Reply:
    parsed = {
        "error": error,
        "errorReason": reason,
        "toastMessage": None,
        "object": None if taken_as is None else {"reftransactionid": taken_as},
    }
    headers = {"Retry-After": "30"} if status == 503 else {}
    return Reply(status, json.dumps(parsed).encode("utf-8"), headers=headers)

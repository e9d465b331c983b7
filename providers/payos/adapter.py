"""payOS: a payment link with a VietQR to the hospital's own account, and a webhook for every transfer.

Only `data` is signed, so only `data` is used. A webhook of code `00` reports that a transfer arrived, not that the full
amount arrived; a cancelled link can still be paid. The sample that payOS sends to confirm a webhook is answered and
not booked. Source: payOS, merchant API v2.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
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
    Payer,
    PaymentInstruction,
    PaymentRefused,
    PaymentRequest,
    PaymentUnknown,
    PendingPayment,
    PollSchedule,
    Provider,
    ProviderUnreachable,
    Queries,
    Reply,
    Unreadable,
    Verdict,
)
from providers.emvqr import QrError, check_payee
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.notices import VIETNAM, fingerprint, status_only
from providers.payos.order_codes import order_code, reference_of
from providers.payos.settings import PayosSettings
from providers.payos.signing import accepted_texts, create_text, is_signed, signature_of
from providers.references import without_placeholder
from providers.settings import active_secrets, current_secret
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson

_OK = "00"
_SAMPLE_ORDER, _SAMPLE_TEXT = 123, "VQRIO123"
_STATUSES = {
    "PENDING": Outcome.PENDING,
    "PROCESSING": Outcome.PENDING,
    "UNDERPAID": Outcome.PENDING,
    "CANCELLED": Outcome.CANCELLED,
    "EXPIRED": Outcome.EXPIRED,
    "FAILED": Outcome.FAILED,
}
_DIGITS = re.compile(r"[0-9]{1,15}")
_NAME = re.compile(r"[!-~]{1,100}")
_TRANSFERS_MAX = 200


class Payos(Provider, Callbacks, Queries, Cancellations):
    """One payOS channel."""

    signed_part: ClassVar[str] = "every key of data, known to us or not"
    settings_type: ClassVar[type[BaseModel]] = PayosSettings
    polls_open: ClassVar[PollSchedule] = PollSchedule(timedelta(minutes=1), timedelta(minutes=2))
    """The retries of a webhook are not documented: open links are always polled."""

    def __init__(self, settings: PayosSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = settings.queries_per_minute

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Create a link; its code is shown only if it pays the requested amount to the approved account."""
        settings = self._settings
        try:
            code = order_code(request.reference)
        except ValueError as error:
            raise PaymentRefused("payOS needs a reference code of nine characters") from error
        fields: dict[str, object] = {
            "orderCode": code,
            "amount": request.amount,
            "description": request.purpose if settings.description_length == 25 else request.reference,
            "cancelUrl": settings.cancel_url or request.return_url or settings.return_url,
            "returnUrl": request.return_url or settings.return_url,
        }
        body = {**fields, "signature": signature_of(current_secret(settings.checksum_keys), create_text(fields))}
        if request.expires_at is not None:
            body["expiredAt"] = int(request.expires_at.timestamp())
        try:
            word, data, _ = await self._call("POST", "/v2/payment-requests", body)
            if word == settings.existing_code:
                return await self._existing(code, request)
        except RequestNotSent as error:
            raise ProviderUnreachable("payOS could not be reached; nothing was begun") from error
        except ResponseUnknown as error:
            raise PaymentUnknown("no answer of payOS's that can be trusted") from error
        if word != _OK:
            raise PaymentRefused(f"payOS refuses the link ({word})")
        return self._shown(data, code, request)

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the signature over `data` as received, then read the one transfer that it reports."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        try:
            envelope = read_json_object(callback.body)
        except NotStrictJson:
            raise BadSignature(_reply(401, is_taken=False)) from None
        data = envelope.get("data")
        if not isinstance(data, dict) or not self._is_signed(data, envelope.get("signature")):
            raise BadSignature(_reply(401, is_taken=False))
        if data.get("orderCode") == _SAMPLE_ORDER and data.get("description") == _SAMPLE_TEXT:
            return Notices(())
        try:
            return Notices((self._transfer(data),))
        except ValueError as error:
            raise Unreadable(str(error), _reply(422, is_taken=False)) from error

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """Any 2xx means recorded, also for an order that is not ours, which the confirmation of a webhook requires."""
        if verdict is Verdict.TRY_LATER:
            return _reply(503, is_taken=False)
        return _reply(200, is_taken=True)

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Every transfer under the link, as in its webhook, and the state of the link."""
        try:
            code = order_code(known.reference)
            _, data, evidence = await self._call("GET", f"/v2/payment-requests/{code}", None, signed=True)
            if data.get("orderCode") != code:
                raise ResponseUnknown("the answer is of another link")
            notices = self._transfers(data)
        except _NotThere:
            return Notices((status_only(known, Outcome.NOT_FOUND),))
        except (RequestNotSent, ResponseUnknown, ValueError):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        status = str(data.get("status"))
        if status == "PAID" and notices:
            return Notices(notices, evidence)
        stands = status_only(known, _STATUSES.get(status, Outcome.UNKNOWN), status)
        return Notices((*notices, stands), evidence)

    async def cancel_payment(self, known: PendingPayment, *, reason: str) -> OperationResult:
        """Close the link. A payer who has scanned its code may still pay: that money is reported like any other."""
        body = {"cancellationReason": reason[:200]}
        try:
            path = f"/v2/payment-requests/{order_code(known.reference)}/cancel"
            word, data, evidence = await self._call("POST", path, body)
        except _NotThere:
            return OperationResult(outcome=Outcome.NOT_FOUND, provider_status="404")
        except (RequestNotSent, ResponseUnknown, ValueError):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        status = str(data.get("status", word))
        outcome = Outcome.SUCCEEDED if status == "PAID" else _STATUSES.get(status, Outcome.UNKNOWN)
        return OperationResult(outcome=outcome, provider_status=status, evidence=evidence)

    async def _existing(self, code: int, request: PaymentRequest) -> PaymentInstruction:
        """The existing link under our order: its page, if it has the requested amount."""
        _, data, _ = await self._call("GET", f"/v2/payment-requests/{code}", None, signed=True)
        link = data.get("id")
        is_ours = (data.get("orderCode"), data.get("amount")) == (code, request.amount)
        if not is_ours or data.get("status") != "PENDING" or not isinstance(link, str) or not _NAME.fullmatch(link):
            raise PaymentRefused("payOS has another link under this code")
        return PaymentInstruction(redirect_url=self._settings.checkout_url + link, provider_reference=link)

    def _shown(self, data: Mapping[str, object], code: int, request: PaymentRequest) -> PaymentInstruction:
        settings = self._settings
        link, payload, number = data.get("paymentLinkId"), data.get("qrCode"), data.get("accountNumber")
        requested = (code, request.amount, "VND")
        if (data.get("orderCode"), data.get("amount"), data.get("currency", "VND")) != requested:
            raise PaymentUnknown("payOS answered for another payment")
        if not (isinstance(link, str) and isinstance(payload, str) and isinstance(number, str)):
            raise PaymentUnknown("payOS left out what the payer needs")
        try:
            decoded = check_payee(payload, bank_bin=settings.bank_bin, account_number=number)
        except QrError as error:
            raise PaymentRefused("payOS's code does not name the account of the answer") from error
        if data.get("bin") != settings.bank_bin or not settings.is_ours(number) or decoded.amount != request.amount:
            raise PaymentRefused("payOS's code does not pay the approved account the requested amount")
        return PaymentInstruction(
            qr_payload=payload,
            redirect_url=settings.checkout_url + link,
            bank_bin=settings.bank_bin,
            account_number=number,
            account_holder=settings.account_holder,
            provider_reference=link,
        )

    def _transfers(self, data: Mapping[str, object]) -> tuple[Notice, ...]:
        """Raises ValueError if a transfer is invalid: the whole answer is then ignored."""
        transfers = data.get("transactions")
        if not isinstance(transfers, list) or len(transfers) > _TRANSFERS_MAX:
            raise ValueError("transactions are missing")
        notices = []
        for transfer in transfers:
            if not isinstance(transfer, dict):
                raise ValueError("a transaction that is no object")  # noqa: TRY004 - invalid input of an unknown client
            parsed = {**transfer, "orderCode": data["orderCode"], "paymentLinkId": data.get("id"), "code": _OK}
            notices.append(self._transfer(parsed))
        return tuple(notices)

    def _transfer(self, parsed: Mapping[str, object]) -> Notice:
        """The notice of one transfer, from a webhook or query. Raises ValueError naming the invalid field."""
        code, amount = _whole(parsed, "orderCode"), _whole(parsed, "amount")
        link, word = _text(parsed, "paymentLinkId"), _text(parsed, "code")
        reference = without_placeholder(_text(parsed, "reference"))
        if amount == 0:
            raise ValueError("amount is nothing")
        if parsed.get("currency", "VND") != "VND":
            raise ValueError("currency is not VND")
        if not _NAME.fullmatch(link) or not (reference == "" or _NAME.fullmatch(reference)):
            raise ValueError("paymentLinkId or reference makes no sense")
        # payOS has no id of a transfer: the link, the bank's reference and the timestamp identify it. It is
        # no `transaction`, since payOS may write the timestamp in an answer in another form than in its callback.
        timestamp = _parse_timestamp(_text(parsed, "transactionDateTime"))
        name = f"{link}:{reference or amount}:{_digits(timestamp)}"
        keys = {f"transfer:{name}"} | ({f"bank:{reference}"} if reference else set())
        account = _text(parsed, "accountNumber")
        return Notice(
            event_key=f"{name}:{word}",
            outcome=Outcome.SUCCEEDED if word == _OK else Outcome.UNKNOWN,
            provider_status=word,
            occurred_at=timestamp,
            amount=amount,
            movement_keys=frozenset(keys),
            fingerprint=fingerprint(code, link, reference, amount, account, word),
            reference=reference_of(code),
            names_order=True,
            transfer_text=_text(parsed, "description")[:500],
            virtual_account=_text(parsed, "virtualAccountNumber")[:40],
            provider_reference=link,
            bank_reference=reference,
            payer=_payer(parsed),
            payee=(("account_number", account),),
            names_other_account=account != "" and not self._settings.is_ours(account),
        )

    def _is_signed(self, data: Mapping[str, object], received: object) -> bool:
        try:
            texts = accepted_texts(data)
        except TypeError:
            return False
        return is_signed(active_secrets(self._settings.checksum_keys), texts, received)

    async def _call(
        self, method: str, path: str, body: Mapping[str, object] | None, *, signed: bool = False
    ) -> tuple[str, Mapping[str, object], bytes]:
        """Call; return payOS's code and, if that is `00`, the content of the answer with a verified signature.

        Raises RequestNotSent, ResponseUnknown, and _NotThere if payOS does not know the link. `signed`: any other
        code is no answer either.
        """
        settings = self._settings
        headers = {"x-client-id": settings.client_id, "x-api-key": settings.api_key.get_secret_value()}
        request = self._client.build_request(method, settings.base_url + path, json=body, headers=headers)
        answer = await call(self._client, request, timeout_s=settings.timeout_s)
        if answer.status == 404:
            raise _NotThere("no such link")
        if answer.status >= 500 or answer.status in {408, 429} or answer.status in range(300, 400):
            raise ResponseUnknown(f"status {answer.status}")
        try:
            parsed = read_json_object(answer.body, size_max=256 * 1024)
        except NotStrictJson as error:
            raise ResponseUnknown(str(error)) from error
        word, data = parsed.get("code"), parsed.get("data")
        if not isinstance(word, str):
            raise ResponseUnknown("no code")
        if word != _OK:
            if signed:
                raise ResponseUnknown(f"code {word}")
            return word, {}, answer.body
        if not isinstance(data, dict) or not self._is_signed(data, parsed.get("signature")):
            raise ResponseUnknown("the answer is not signed by this channel")
        return word, data, answer.body


class _NotThere(ResponseUnknown):
    """payOS does not know the link."""


def _payer(parsed: Mapping[str, object]) -> Payer | None:
    name, account = _text(parsed, "counterAccountName"), _text(parsed, "counterAccountNumber")
    bank = _text(parsed, "counterAccountBankId")
    if not (name or account):
        return None
    return Payer(name=name[:200], account=account[:40], bank=bank[:40])


def _text(parsed: Mapping[str, object], name: str) -> str:
    value = parsed.get(name)
    return value if isinstance(value, str) and value not in {"null", "undefined"} else ""


def _whole(parsed: Mapping[str, object], name: str) -> int:
    """Digits in quotes are signed like the number, so they are read like it too."""
    value = parsed.get(name)
    if isinstance(value, bool) or not _DIGITS.fullmatch(str(value)):
        raise ValueError(f"{name} is no whole number")
    return int(str(value))


def _parse_timestamp(text: str) -> datetime:
    """`YYYY-MM-DD HH:MM:SS` in Vietnamese time, or ISO 8601 with its zone."""
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("transactionDateTime is no timestamp") from error
    return timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=VIETNAM)


def _digits(timestamp: datetime) -> str:
    """A timestamp in Vietnamese time, independent of its zone; unchanged if it cannot be converted."""
    try:
        return f"{timestamp.astimezone(VIETNAM):%Y%m%d%H%M%S}"
    except OverflowError:
        return timestamp.isoformat()


def _reply(status: int, *, is_taken: bool) -> Reply:
    headers = {"Retry-After": "30"} if status == 503 else {}
    return Reply(status, b'{"success": true}' if is_taken else b'{"success": false}', headers=headers)

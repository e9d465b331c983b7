"""ZaloPay: the payer is redirected to ZaloPay's page; success has a callback, other outcomes are queried.

`app_trans_id` begins with the Vietnamese date of its creation. The signed text of a callback is its
`data`, exactly as received; it is read only afterwards. A code in the answer would name an account of ZaloPay's that we
cannot check, so the payer receives the page and never that code. Source: ZaloPay, payment gateway API v2.
"""

import json
import re
from collections.abc import Iterator, Mapping
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
from providers.notices import VIETNAM, fingerprint, status_only
from providers.settings import active_secrets, current_secret
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson
from providers.zalopay.settings import ZalopaySettings
from providers.zalopay.signing import CREATE, QUERY_REFUND, REFUND, is_signed, joined, mac_of, query_text
from providers.zalopay.statuses import (
    OUR_FAULT,
    PAID,
    REFUSED,
    outcome_of_payment,
    outcome_of_refund,
    outcome_of_refund_query,
)

_AGREEMENT = 2
_CALL_AGAIN, _BAD_MAC = 0, 2
_TRANSACTION = re.compile(r"[0-9]{1,20}")
_TRADE = re.compile(r"[0-9]{6}_[0-9A-Za-z._-]{1,33}")
_TIMESTAMPS = range(946_684_800_000, 4_102_444_800_000)  # 2000 to 2100, in ms
_AMOUNT_MAX = 9_999_999_999_999


class Zalopay(Provider, Callbacks, Queries, Refunds, SettlementFiles):
    """One ZaloPay application."""

    signed_part: ClassVar[str] = "the text of the field data"
    settings_type: ClassVar[type[BaseModel]] = ZalopaySettings
    id_scope: ClassVar[str] = "zalopay/payee"
    partial_refunds: ClassVar[bool] = True

    def __init__(self, settings: ZalopaySettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.queries_per_minute = settings.queries_per_minute

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """Create an order at ZaloPay and return the address of its page."""
        settings = self._settings
        fields = self._order(request)
        fields["mac"] = mac_of(current_secret(settings.key1), joined(fields, CREATE))
        try:
            answer, _ = await self._call("/v2/create", fields)
        except RequestNotSent as error:
            raise ProviderUnreachable("ZaloPay could not be reached; nothing was begun") from error
        except ResponseUnknown as error:
            raise PaymentUnknown("no answer of ZaloPay's that can be trusted") from error
        code, sub = _number(answer, "return_code"), _number(answer, "sub_return_code")
        if code == REFUSED and sub in OUR_FAULT:
            raise PaymentRefused(f"ZaloPay refuses the order ({sub})")
        page = answer.get("order_url")
        if code != PAID or not isinstance(page, str) or not page.startswith("https://"):
            raise PaymentUnknown(f"ZaloPay answered {code} ({sub})")
        return PaymentInstruction(redirect_url=page, provider_reference=str(fields["app_trans_id"]))

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify the mac over `data` as received, then read the one payment that it reports."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        try:
            envelope = read_json_object(callback.body)
        except NotStrictJson:
            raise BadSignature(_reply(_BAD_MAC, "no JSON object")) from None
        data = envelope.get("data")
        if not isinstance(data, str) or not is_signed(active_secrets(self._settings.key2), data, envelope.get("mac")):
            raise BadSignature(_reply(_BAD_MAC, "mac not equal"))
        if envelope.get("type") == _AGREEMENT:  # the type is not signed, so any other type counts as an order
            return Notices(())
        try:
            return Notices((self._notice(read_json_object(data.encode("utf-8"))),))
        except (NotStrictJson, ValueError) as error:
            raise Unreadable(str(error), _reply(_CALL_AGAIN, "unreadable")) from error

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """1 for every recorded notice, new or known; 0 requests another delivery (three times at most)."""
        if verdict is Verdict.TRY_LATER:
            return _reply(_CALL_AGAIN, "try later")
        return _reply(1, "success")

    async def query_payment(self, known: PendingPayment) -> Notices:
        """Query by the order's id; ZaloPay's callbacks report success only."""
        settings = self._settings
        key, trade = current_secret(settings.key1), app_trans_id(known.reference, known.created_at)
        fields = {
            "app_id": settings.app_id,
            "app_trans_id": trade,
            "mac": mac_of(key, query_text(settings.app_id, trade, key)),
        }
        try:
            answer, evidence = await self._call("/v2/query", fields)
        except (RequestNotSent, ResponseUnknown):
            return Notices((status_only(known, Outcome.UNKNOWN),))
        code, sub = _number(answer, "return_code"), _number(answer, "sub_return_code")
        outcome = outcome_of_payment(code, sub, is_processing=answer.get("is_processing") is True)
        if outcome is Outcome.SUCCEEDED:
            parsed = {**answer, "app_id": settings.app_id, "app_trans_id": trade}
            try:
                return Notices((self._notice(parsed),), evidence)
            except ValueError:
                outcome = Outcome.UNKNOWN
        return Notices((status_only(known, outcome, f"{code}:{sub}"),), evidence)

    async def refund(self, request: RefundRequest) -> OperationResult:
        """Request a refund; 3 (being processed) is the usual answer, followed by `query_refund`."""
        settings = self._settings
        fields: dict[str, object] = {
            "app_id": settings.app_id,
            "m_refund_id": self._refund_id(request),
            "zp_trans_id": request.transaction,
            "amount": request.amount,
            "timestamp": _milliseconds(request.requested_at),
            "description": f"Hoan tien {request.reference}",
        }
        fields["mac"] = mac_of(current_secret(settings.key1), joined(fields, REFUND))
        try:
            answer, evidence = await self._call("/v2/refund", fields)
        except RequestNotSent:
            return OperationResult(outcome=Outcome.FAILED, provider_status="not sent")
        except ResponseUnknown:
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        code, sub = _number(answer, "return_code"), _number(answer, "sub_return_code")
        return OperationResult(
            outcome=outcome_of_refund(code, sub),
            provider_status=f"{code}:{sub}",
            provider_reference=str(_number(answer, "refund_id") or ""),
            evidence=evidence,
        )

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """Query a refund by our id."""
        fields: dict[str, object] = {
            "app_id": self._settings.app_id,
            "m_refund_id": self._refund_id(request),
            "timestamp": _milliseconds(queried_at),
        }
        fields["mac"] = mac_of(current_secret(self._settings.key1), joined(fields, QUERY_REFUND))
        try:
            answer, evidence = await self._call("/v2/query_refund", fields)
        except (RequestNotSent, ResponseUnknown):
            return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")
        code, sub = _number(answer, "return_code"), _number(answer, "sub_return_code")
        outcome = outcome_of_refund_query(code, answer.get("sub_return_code"))
        return OperationResult(outcome=outcome, provider_status=f"{code}:{sub}", evidence=evidence)

    def read_settlement(self, file: BinaryIO) -> Iterator[SettlementLine]:
        """The portal's export, by the columns agreed in the settings."""
        if self._settings.report is None:
            raise SettlementUnreadable("the settings of this account do not describe its report")
        return read_report(file, self._settings.report)

    def _order(self, request: PaymentRequest) -> dict[str, object]:
        settings = self._settings
        embedded: dict[str, object] = {}
        if request.return_url or settings.return_url:
            embedded["redirecturl"] = request.return_url or settings.return_url
        if settings.payment_methods:
            embedded["preferred_payment_method"] = list(settings.payment_methods)
        life = settings.life_seconds
        if request.expires_at is not None:
            life = max(300, min(2_592_000, int((request.expires_at - request.requested_at).total_seconds())))
        return {
            "app_id": settings.app_id,
            "app_user": settings.app_user,
            "app_trans_id": app_trans_id(request.reference, request.requested_at),
            "app_time": _milliseconds(request.requested_at),
            "expire_duration_seconds": life,
            "amount": request.amount,
            "item": "[]",
            "embed_data": json.dumps(embedded, separators=(",", ":")),
            "description": request.purpose,
            "bank_code": "",
            "callback_url": request.callback_url or settings.callback_url,
        }

    def _refund_id(self, request: RefundRequest) -> str:
        day = request.requested_at.astimezone(VIETNAM).strftime("%y%m%d")
        return f"{day}_{self._settings.app_id}_{request.reference}"

    async def _call(self, path: str, fields: Mapping[str, object]) -> tuple[dict[str, object], bytes]:
        """Call and read a JSON object with a return code. Raises RequestNotSent and ResponseUnknown."""
        request = self._client.build_request(
            "POST", self._settings.base_url + path, data={name: str(value) for name, value in fields.items()}
        )
        answer = await call(self._client, request, timeout_s=self._settings.timeout_s)
        if answer.status != 200:
            raise ResponseUnknown(f"status {answer.status}")
        try:
            parsed = read_json_object(answer.body)
        except NotStrictJson as error:
            raise ResponseUnknown(str(error)) from error
        if type(parsed.get("return_code")) is not int:
            raise ResponseUnknown("no return code")
        return parsed, answer.body

    def _notice(self, parsed: Mapping[str, object]) -> Notice:
        """The notice of a payment, from a callback or query. Raises ValueError naming the invalid field."""
        trade, number = parsed.get("app_trans_id"), str(parsed.get("zp_trans_id"))
        amount, reported_at = parsed.get("amount"), parsed.get("server_time")
        if not isinstance(trade, str) or not _TRADE.fullmatch(trade):
            raise ValueError("app_trans_id is missing or makes no sense")
        if not _TRANSACTION.fullmatch(number) or number.strip("0") == "":
            raise ValueError("zp_trans_id is missing or makes no sense")
        if type(amount) is not int or not 0 < amount <= _AMOUNT_MAX:
            raise ValueError("amount is no whole đồng")
        if type(reported_at) is not int or reported_at not in _TIMESTAMPS:
            raise ValueError("server_time is no timestamp in ms")
        return Notice(
            event_key=f"{trade}:{number}:paid",
            outcome=Outcome.SUCCEEDED,
            provider_status="paid",
            occurred_at=datetime.fromtimestamp(reported_at // 1000, UTC),
            amount=amount,
            movement_keys=frozenset({f"transaction:{number}"}),
            fingerprint=fingerprint(parsed.get("app_id"), trade, number, amount),
            reference=trade.partition("_")[2],
            names_order=True,
            provider_reference=number,
            payee=(("app_id", str(parsed.get("app_id"))),),
            names_other_account=parsed.get("app_id") != self._settings.app_id,
        )


def app_trans_id(reference: str, made_at: datetime) -> str:
    """`yymmdd_<reference>`, with the Vietnamese date of the payment request."""
    return f"{made_at.astimezone(VIETNAM):%y%m%d}_{reference}"


def _milliseconds(timestamp: datetime) -> int:
    return round(timestamp.timestamp() * 1000)


def _number(parsed: Mapping[str, object], name: str) -> int:
    value = parsed.get(name)
    return value if type(value) is int else 0


def _reply(code: int, message: str) -> Reply:
    return Reply(200, json.dumps({"return_code": code, "return_message": message}).encode("ascii"))

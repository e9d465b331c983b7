"""SePay on a bank account: our own VietQR, SePay's webhook for every movement, and its list for lost webhooks.

An outflow is acknowledged and booked from the statement. A webhook that is authenticated by a credential alone credits
only as far as the settings allow; the list, which we fetch, confirms the other payments.
Source: SePay, webhooks (balance change) and user API.
"""

import re
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qsl

import httpx
from pydantic import BaseModel

from providers.contract import (
    BadSignature,
    Callback,
    Callbacks,
    Feeds,
    FeedUnavailable,
    LocalQr,
    Notices,
    Outcome,
    PaymentInstruction,
    PaymentRequest,
    Provider,
    Reply,
    Unreadable,
    Verdict,
)
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.local_qr import local_qr_instruction
from providers.notices import VIETNAM
from providers.sepay.message import Transfer, read_row, read_webhook
from providers.sepay.settings import Auth, SepaySettings
from providers.settings import active_secrets, current_secret
from providers.signing import hmac_sha256_hex, is_same_secret, read_json_object
from providers.strict_json import NotStrictJson
from providers.tokens import basic_credentials, is_token, issue_token, shown_token

TOKEN_PATH_SUFFIX = "oauth2/token"  # noqa: S105 - the end of an address
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_PAGE_SIZE_MAX = 8 * 1024 * 1024


class Sepay(Provider, Callbacks, Feeds, LocalQr):
    """One bank account that SePay watches."""

    signed_part: ClassVar[str] = "timestamp, a dot and the whole body (auth hmac); none for every other auth"
    settings_type: ClassVar[type[BaseModel]] = SepaySettings
    evidence_headers: ClassVar[frozenset[str]] = frozenset({"x-sepay-timestamp", "x-sepay-signature"})

    def __init__(self, settings: SepaySettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self.feeds_per_minute = settings.feeds_per_minute if settings.api_token is not None else 0

    async def create_payment(self, request: PaymentRequest) -> PaymentInstruction:
        """No call to SePay is made: a code suffices. Raises PaymentRefused."""
        return self.qr_for(request)

    def qr_for(self, request: PaymentRequest) -> PaymentInstruction:
        """A dynamic VietQR for the account, read back before it is returned. Raises PaymentRefused."""
        settings = self._settings
        return local_qr_instruction(
            request,
            bank_bin=settings.bank_bin,
            account_number=settings.payee,
            account_holder=settings.account_holder,
        )

    def read_callback(self, callback: Callback) -> Notices | Reply:
        """Verify by the account's method, then read the one movement; a request for a token is answered."""
        if callback.method != "POST":
            return Reply(405, headers={"Allow": "POST"})
        settings = self._settings
        if settings.auth is Auth.OAUTH2 and callback.path_suffix == TOKEN_PATH_SUFFIX:
            return self._token(callback)
        if not self._is_authentic(callback):
            raise BadSignature(_reply(401, is_taken=False))
        try:
            transfer = read_webhook(read_json_object(callback.body))
        except (NotStrictJson, ValueError) as error:
            raise Unreadable(str(error), _reply(422, is_taken=False)) from error
        if not transfer.is_in:
            return Notices(())
        is_vouched_for = settings.auth is Auth.HMAC or settings.is_enough(callback, transfer.amount)
        outcome = Outcome.SUCCEEDED if is_vouched_for else Outcome.UNKNOWN
        return Notices((transfer.notice(outcome, is_other_account=self._is_other_account(transfer)),))

    def answer_callback(self, callback: Callback, verdict: Verdict, receipt_id: str) -> Reply:
        """`{"success": true}` only for a recorded movement; SePay calls again after any other reply."""
        if verdict is Verdict.TRY_LATER:
            return _reply(503, is_taken=False)
        return _reply(201 if self._settings.auth is Auth.OAUTH2 else 200, is_taken=True)

    async def read_since(self, cursor: str, *, now: datetime) -> tuple[Notices, str]:
        """One page of the list of transactions after the id of the cursor. Raises FeedUnavailable."""
        settings = self._settings
        if settings.api_token is None:
            raise FeedUnavailable("the settings hold no api_token")
        wanted: dict[str, str | int] = {"account_number": settings.account_number, "limit": settings.feed_rows_max}
        if cursor:
            wanted["since_id"] = cursor
        else:
            begin = now.astimezone(VIETNAM) - timedelta(days=settings.feed_first_days)
            wanted["transaction_date_min"] = begin.strftime("%Y-%m-%d %H:%M:%S")
        request = self._client.build_request(
            "GET",
            f"{settings.api_url}/userapi/transactions/list",
            params=wanted,
            headers={"Authorization": f"Bearer {settings.api_token.get_secret_value()}"},
        )
        try:
            answer = await call(self._client, request, timeout_s=settings.timeout_s, size_max=_PAGE_SIZE_MAX)
        except (RequestNotSent, ResponseUnknown) as error:
            raise FeedUnavailable(str(error)) from error
        if answer.status != 200:
            raise FeedUnavailable(f"status {answer.status}")
        transfers = self._page(answer.body)
        news = sorted((each for each in transfers if not cursor or int(each.id) > int(cursor)), key=lambda t: int(t.id))
        notices = tuple(
            each.notice(Outcome.SUCCEEDED, is_other_account=self._is_other_account(each)) for each in news if each.is_in
        )
        return Notices(notices, answer.body), news[-1].id if news else cursor

    def _page(self, body: bytes) -> list[Transfer]:
        settings = self._settings
        try:
            rows = read_json_object(body, size_max=_PAGE_SIZE_MAX).get(settings.feed_fields.rows)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ValueError("the list of transactions is missing")
            transfers = [read_row(row, settings.feed_fields) for row in rows]
            numbers = [int(transfer.id) for transfer in transfers]
        except (NotStrictJson, ValueError) as error:
            raise FeedUnavailable(str(error)) from error
        if len(numbers) >= settings.feed_rows_max and numbers != sorted(numbers):
            # Newest first and full: transactions between the cursor and this page would be missed.
            raise FeedUnavailable("a full page that is not in order; raise feed_rows_max")
        return transfers

    def _is_authentic(self, callback: Callback) -> bool:
        settings = self._settings
        secrets = active_secrets(settings.secrets)
        match settings.auth:
            case Auth.HMAC:
                return self._is_signed(callback, secrets)
            case Auth.APIKEY:
                shown = callback.header("authorization") or ""
                return any(is_same_secret(f"Apikey {secret.decode('utf-8')}", shown) for secret in secrets)
            case Auth.OAUTH2:
                return is_token(secrets, shown_token(callback), now=callback.received_at)
            case Auth.NONE:
                return True  # the settings accept this in tests only

    def _is_signed(self, callback: Callback, secrets: tuple[bytes, ...]) -> bool:
        timestamp = callback.header("x-sepay-timestamp") or ""
        algorithm, _, received = (callback.header("x-sepay-signature") or "").partition("=")
        if not _TIMESTAMP.fullmatch(timestamp) or algorithm != "sha256":
            return False
        text = timestamp.encode("ascii") + b"." + callback.body
        is_ours = any(is_same_secret(hmac_sha256_hex(secret, text), received.lower()) for secret in secrets)
        return is_ours and abs(callback.received_at.timestamp() - int(timestamp)) <= self._settings.tolerance_s

    def _token(self, callback: Callback) -> Reply:
        """A token for SePay's own credentials, in the header or the form (OAuth 2.0 client credentials)."""
        settings = self._settings
        name, secret = basic_credentials(callback)
        if not name:
            form = dict(parse_qsl(callback.body[:1000].decode("utf-8", "replace")))
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        is_known = any(is_same_secret(each.decode("utf-8"), secret) for each in active_secrets(settings.secrets))
        if not (is_same_secret(settings.oauth2_client_id, name) and is_known):
            raise BadSignature(Reply(401, b'{"error": "invalid_client"}'))
        token = issue_token(current_secret(settings.secrets), now=callback.received_at, life_s=settings.token_life_s)
        body = f'{{"access_token": "{token}", "token_type": "Bearer", "expires_in": {settings.token_life_s}}}'
        return Reply(200, body.encode("ascii"), headers={"Cache-Control": "no-store"})

    def _is_other_account(self, transfer: Transfer) -> bool:
        settings = self._settings
        return transfer.account_number != settings.account_number and transfer.sub_account != settings.payee


def _reply(status: int, *, is_taken: bool) -> Reply:
    headers = {"Retry-After": "30"} if status == 503 else {}
    return Reply(status, b'{"success": true}' if is_taken else b'{"success": false}', headers=headers)

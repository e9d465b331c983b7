"""Calls to vietqr.vn: a token for our credentials, then one query or one command with it.

Source: vietqr.vn, API document: token, generate customer, check order, refund.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson
from providers.vietqr.settings import VietqrSettings
from providers.vietqr.signing import basic_authorization, check_order_checksum

_LINES_MAX = 200


class Refusal(Exception):
    """vietqr.vn refused the call; `word` is its code."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


async def call_api(
    client: httpx.AsyncClient, settings: VietqrSettings, path: str, body: Mapping[str, object]
) -> tuple[object, bytes]:
    """The answer, parsed strictly, and its bytes. Raises RequestNotSent, ResponseUnknown, Refusal.

    A token that cannot be fetched is RequestNotSent: no command was sent.
    """
    try:
        token = await _token(client, settings)
    except ResponseUnknown as error:
        raise RequestNotSent(f"no token: {error}") from error
    headers = {"Authorization": f"Bearer {token}"}
    request = client.build_request("POST", settings.api_url + path, json=dict(body), headers=headers)
    answer = await call(client, request, timeout_s=settings.timeout_s)
    if 400 <= answer.status < 500 and answer.status not in {408, 429}:
        raise Refusal(str(answer.status))
    if answer.status != 200:
        raise ResponseUnknown(f"status {answer.status}")
    return _read(answer.body), answer.body


async def check_order(
    client: httpx.AsyncClient, settings: VietqrSettings, *, kind: str, value: str
) -> tuple[Sequence[Mapping[str, object]], bytes]:
    """The lines of an order (`kind` 0) or of a bank's reference (`kind` 1). Raises as `call_api` does."""
    checksum = check_order_checksum(bank_account=settings.account_number, username=settings.api_username)
    body = {"bankAccount": settings.account_number, "type": kind, "value": value, "checkSum": checksum}
    parsed, evidence = await call_api(client, settings, "/api/transactions/check-order", body)
    lines = parsed.get("data") if isinstance(parsed, dict) else parsed
    if not isinstance(lines, list) or len(lines) > _LINES_MAX or not all(isinstance(line, dict) for line in lines):
        raise ResponseUnknown("no list of orders")
    return lines, evidence


async def _token(client: httpx.AsyncClient, settings: VietqrSettings) -> str:
    if settings.api_password is None:
        raise RequestNotSent("the settings hold no api_password")
    authorization = basic_authorization(settings.api_username, settings.api_password.get_secret_value())
    request = client.build_request(
        "POST", settings.api_url + "/api/token_generate", headers={"Authorization": authorization}
    )
    answer = await call(client, request, timeout_s=settings.timeout_s)
    parsed = _read(answer.body) if answer.status == 200 else None
    token = parsed.get("access_token") if isinstance(parsed, dict) else None
    is_usable = isinstance(token, str) and 0 < len(token) <= 4000 and token.isascii() and token.isprintable()
    if not is_usable:
        raise ResponseUnknown(f"status {answer.status} without a token")
    return str(token)


def _read(body: bytes) -> Any:
    """An object, or a list, which is read as the only field of an object. Raises ResponseUnknown."""
    try:
        if body.lstrip()[:1] == b"[":
            return read_json_object(b'{"lines":' + body + b"}", size_max=512 * 1024)["lines"]
        return read_json_object(body, size_max=512 * 1024)
    except NotStrictJson as error:
        raise ResponseUnknown(str(error)) from error

"""The sender of webhooks. It trusts no address, since organizations set them.

The host name is resolved first, every resolved address is checked, and the connection goes to the checked address: a
name that resolves differently later has no effect (no DNS rebinding). Redirects are not followed, proxies of the
environment are not used, and only the status and Retry-After of the response are read.
Source: Standard Webhooks 1.0.0, Server side request forgery.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx

from billing.notifications.domain.webhook import Attempt, WebhookAddressRefused, check_address
from billing.tracing import SpanKind, span
from providers.addresses import (
    AddressRefused,
    AddressRules,
    Resolve,
    accepted_certificates,
    checked_addresses,
    is_public,
    resolve,
)

__all__ = ["Sender", "SenderLimits", "is_public", "resolve"]

_HEADERS = {"content-type": "application/json", "user-agent": "vienphi-webhooks/1", "connection": "close"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLimits:
    """The total time of one delivery, and the addresses that are allowed although they are rejected by default."""

    timeout_s: float = 15.0
    allow_private: bool = False
    allow_http: bool = False


class Sender:
    """Posts one body once, on a connection of its own, within a limit for everything together."""

    def __init__(self, limits: SenderLimits | None = None, *, resolve: Resolve = resolve) -> None:
        self._limits = limits or SenderLimits()
        self._resolve = resolve
        self._certificates = accepted_certificates()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Post once; returns the status of the response, or the problem in one word.

        Raises WebhookAddressRefused for an address that is not allowed.
        """
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                with span("webhook call", SpanKind.CLIENT) as call:
                    attempt = await self._post(self._checked(url), body, headers)
                    if attempt.status is not None:
                        call.set(status=attempt.status)
                    return attempt
        except (TimeoutError, httpx.TimeoutException):
            return Attempt(status=None, problem="timeout")
        except httpx.TransportError as error:
            return Attempt(status=None, problem=type(error).__name__)
        except (OSError, UnicodeError, httpx.InvalidURL):  # UnicodeError: a label of the name is empty or too long
            return Attempt(status=None, problem="name_not_resolved")

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        target = httpx.URL(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        address = await self._checked_address(target.host, port)
        request = {**_HEADERS, **headers, "host": target.netloc.decode("ascii")}
        # The certificate must be of the name, though the connection goes to the address that was looked at.
        extensions = {"sni_hostname": target.host}
        async with (
            httpx.AsyncClient(
                timeout=self._limits.timeout_s, verify=self._certificates, follow_redirects=False, trust_env=False
            ) as client,
            client.stream(
                "POST", target.copy_with(host=address), content=body, headers=request, extensions=extensions
            ) as answer,
        ):
            return Attempt(status=answer.status_code, retry_after=_retry_after(answer.headers.get("retry-after", "")))

    def _checked(self, url: str) -> str:
        return check_address(url, allow_http=self._limits.allow_http, allow_private=self._limits.allow_private)

    async def _checked_address(self, host: str, port: int) -> str:
        rules = AddressRules(allow_private=self._limits.allow_private, allow_http=self._limits.allow_http)
        try:
            return (await checked_addresses(host, port, rules, self._resolve))[0]
        except AddressRefused as refusal:
            raise WebhookAddressRefused(str(refusal), field="url") from None


def _retry_after(header: str) -> timedelta | None:
    return timedelta(seconds=int(header)) if header.isascii() and header.isdigit() and len(header) < 7 else None

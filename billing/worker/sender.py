"""The one who posts webhooks to addresses that others wrote down, and so trusts none of them.

The name of an address is resolved first, every address it leads to is looked at, and the connection goes to the one
looked at: a name that leads elsewhere a moment later leads nowhere (no DNS rebinding). Redirects are not followed,
proxies of the environment not used, and nothing of an answer is read but its status and Retry-After.
Source: Standard Webhooks 1.0.0, Server side request forgery.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from billing.domain.webhook import Attempt, WebhookAddressRefused, check_address

_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind a translator
_UNICAST = IPv6Network("2000::/3")  # RFC 4291 §2.4, IANA: all that is given out; not site-local, nor local translators
_HEADERS = {"content-type": "application/json", "user-agent": "vienphi-webhooks/1", "connection": "close"}

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses a name leads to, at least one; raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLimits:
    """How long one sending may take in all, and what is allowed that is refused by default."""

    timeout_s: float = 15.0
    allow_private: bool = False
    allow_http: bool = False


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, also where it hides an IPv4 address inside an IPv6 one."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour
        if found in _TRANSLATED:
            hidden = IPv4Address(int(found) & 0xFFFF_FFFF)
        if found.teredo is not None:
            return False
        if hidden is None and found not in _UNICAST:
            return False
        if hidden is not None:
            found = hidden
    return found.is_global and not found.is_multicast


class Sender:
    """Posts one body once, on a connection of its own, within a limit for everything together."""

    def __init__(self, limits: SenderLimits | None = None, *, resolve: Resolve = resolve) -> None:
        self._limits = limits or SenderLimits()
        self._resolve = resolve
        self._certificates = httpx.create_ssl_context(trust_env=False)  # read once: it takes tens of milliseconds

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """What the receiver answered, or in one word why there is no answer.

        Raises WebhookAddressRefused for an address that is not told anything.
        """
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._post(check_address(url, allow_http=self._limits.allow_http), body, headers)
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

    async def _checked_address(self, host: str, port: int) -> str:
        addresses = await self._resolve(host, port)
        if not self._limits.allow_private and not all(is_public(address) for address in addresses):
            raise WebhookAddressRefused("the address leads into a private network", field="url")
        return addresses[0]


def _retry_after(told: str) -> timedelta | None:
    return timedelta(seconds=int(told)) if told.isascii() and told.isdigit() and len(told) < 7 else None

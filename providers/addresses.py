"""Checks outgoing addresses: one check for provider settings and webhooks, at save and at each connection.

Organizations supply these addresses, so the form, a literal address and every address that the host resolves to are
checked. The connection goes to a checked address, so that a later DNS answer cannot redirect it (DNS rebinding). Only
an operator's setting allows private ranges or http. Redirects are not followed (`http_call.py`,
`billing.worker.sender`). Source: RFC 6890 and IANA's special-purpose registries; RFC 6052; docs/design.md §7.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from ssl import SSLContext
from urllib.parse import urlsplit

import httpx

_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind a translator
_UNICAST = IPv6Network("2000::/3")  # RFC 4291 §2.4, IANA: all allocated unicast; not site-local, nor local translators
_LOCALLY_TRANSLATED = IPv6Network("64:ff9b:1::/48")  # RFC 8215: the IPv4 address is in a position of RFC 6052 §2.2
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 §2.5.5.1, withdrawn: the IPv4 address in the last 32 bits
_SIIT = IPv6Network("::ffff:0:0:0/96")  # RFC 2765 §2.1: the same
_NEVER_PUBLIC = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890: assignments of the protocol itself, with the dummy address 192.0.0.8
    IPv4Network("192.88.99.0/24"),  # RFC 7526: relays of 6to4, withdrawn
    IPv4Network("168.63.129.16/32"),  # a cloud's own host, which serves credentials to any client inside
    IPv6Network("3fff::/20"),  # RFC 9637: documentation
)
_NEVER = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),  # link-local, where clouds serve metadata and credentials
    IPv4Network("168.63.129.16/32"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("192.0.0.192/32"),
    IPv4Network("224.0.0.0/3"),
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("fec0::/10"),
    IPv6Network("fd00:ec2::254/128"),
    IPv6Network("2001::/32"),  # RFC 4380: Teredo, an IPv4 host behind a relay
    _LOCALLY_TRANSLATED,
    IPv6Network("ff00::/8"),
)
"""Addresses that no network assigns to a provider or receiver: no operator's setting allows them."""

_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: the IPv4 address follows in the last 32 bits
_HOST = re.compile(r"[0-9A-Za-z._-]{1,253}")
_FORBIDDEN = re.compile(r"[^!-~]|[\\\"'<>^`{|}]")
_LOCAL_NAMES = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa")
_PORTS = {"https": 443, "http": 80}
_RESOLVE_AT_SAVE_S = 3.0

BROWSER_SETTINGS = frozenset({"return_url", "cancel_url", "callback_url"})
"""Settings that name an address of ours for the payer's browser or the provider: we never connect to them."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Resolves a host name to its addresses, at least one; raises OSError."""


class AddressRefused(Exception):
    """An address that we do not connect to; the text states the reason and repeats no part of the address."""


class AddressNotAllowed(httpx.ConnectError):
    """An address was refused while connecting: nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """The operator's exceptions from https to public addresses. Both are for networks that the operator trusts."""

    allow_private: bool = False
    allow_http: bool = False


def check_url(url: str, rules: AddressRules) -> None:
    """Check the form of an address, and the address itself where its host is a number. Raises AddressRefused."""
    host = _checked_host(url, rules)
    if rules.allow_private:
        _check_literal(host, rules)
        return
    name = host.rstrip(".").lower()
    if any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES):
        raise AddressRefused("the name leads into a private network")
    _check_literal(host, rules)


def safe_redirect(url: str, *, allow_http: bool = False) -> str:
    """Return an address that a patient's browser may be redirected to, or the empty text if it is unsafe.

    Safe: https, a plain host, no user name, no character that ends a header, an attribute or a policy directive.
    """
    try:
        _checked_host(url.partition("#")[0], AddressRules(allow_http=allow_http))
    except AddressRefused:
        return ""
    return "" if ";" in url or _FORBIDDEN.search(url) else url


def origin_of(url: str) -> str:
    """Scheme, host and port of a safe redirect, as a content security policy writes them; empty if it is unsafe."""
    if not safe_redirect(url):
        return ""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port is not None else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"https://{host}{port}"


def is_public(address: str) -> bool:
    """Whether an address is public; an IPv4 address inside an IPv6 address is checked too."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.teredo is not None:
            return False
        hidden = _hidden(found)
        if hidden is None and found not in _UNICAST:
            return False
        if hidden is not None:
            found = hidden
    return found.is_global and not found.is_multicast and not _is_in(found, _NEVER_PUBLIC)


def check_address(address: str, rules: AddressRules) -> None:
    """Check one address that a host name resolves to. Raises AddressRefused."""
    found = ip_address(address.partition("%")[0])
    hidden = _hidden(found) if isinstance(found, IPv6Address) else None
    if _is_in(found, _NEVER) or (hidden is not None and _is_in(hidden, _NEVER)):
        raise AddressRefused("the address is link-local, unspecified, a group or serves a cloud's metadata")
    if not rules.allow_private and not is_public(address):
        raise AddressRefused("the address leads into a private network")


async def resolve(host: str, port: int) -> list[str]:
    """Resolve a host name by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def checked_addresses(host: str, port: int, rules: AddressRules, resolve: Resolve = resolve) -> list[str]:
    """Resolve a host to its addresses, all of them allowed, in the resolver's order without duplicates.

    Raises AddressRefused, and OSError or UnicodeError if the name does not resolve.
    """
    found = list(dict.fromkeys(await resolve(host, port)))
    if not found:
        raise OSError("the name leads to no address")
    for address in found:
        check_address(address, rules)
    return found


async def check_before_saving(url: str, rules: AddressRules, resolve: Resolve = resolve) -> None:
    """Check an address before it is stored; a name that does not resolve yet is checked at the connection.

    Raises AddressRefused.
    """
    check_url(url, rules)
    parts = urlsplit(url)
    assert parts.hostname is not None, "it was checked"
    try:
        async with asyncio.timeout(_RESOLVE_AT_SAVE_S):
            await checked_addresses(parts.hostname, parts.port or _PORTS[parts.scheme], rules, resolve)
    except (OSError, UnicodeError, TimeoutError):
        return


async def check_settings(settings: Mapping[str, object], rules: AddressRules, resolve: Resolve = resolve) -> None:
    """Check every address in the settings of a provider account, nested settings included.

    Raises AddressRefused, whose text begins with the name of the setting.
    """
    for name, url in _addresses_in(settings, ""):
        is_ours = name.rpartition(".")[2] in BROWSER_SETTINGS
        try:
            if is_ours:
                check_url(url, AddressRules(allow_private=True, allow_http=True))
            else:
                await check_before_saving(url, rules, resolve)
        except AddressRefused as refusal:
            raise AddressRefused(f"{name}: {refusal}") from None


@cache
def accepted_certificates() -> SSLContext:
    """Read whose certificates a server may show; once for each process, since it takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to checked addresses only; connections are pooled by host. Raises AddressNotAllowed.

    The certificate must match the host name, although the connection goes to the checked address.
    """

    def __init__(
        self, rules: AddressRules, *, verify: SSLContext, limits: httpx.Limits, resolve: Resolve = resolve
    ) -> None:
        self._rules = rules
        self._verify = verify
        self._limits = limits
        self._resolve = resolve
        self._by_host: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first of its host's addresses that accepts a connection."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or _PORTS.get(request.url.scheme, 0)
        try:
            check_url(f"{request.url.scheme}://{request.url.netloc.decode('ascii')}/", self._rules)
            addresses = await checked_addresses(host, port, self._rules, self._resolve)
        except AddressRefused as refusal:
            raise AddressNotAllowed(str(refusal), request=request) from None
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("the name leads to no address", request=request) from error
        *others, last = addresses
        for address in others:
            try:
                return await self._send(request, host, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent: the next address is tried
                continue
        return await self._send(request, host, last)

    async def aclose(self) -> None:
        """Close the connections."""
        for transport in self._by_host.values():
            await transport.aclose()

    async def _send(self, request: httpx.Request, host: str, address: str) -> httpx.Response:
        if host not in self._by_host:
            self._by_host[host] = httpx.AsyncHTTPTransport(verify=self._verify, limits=self._limits, trust_env=False)
        extensions = {**request.extensions}
        if request.url.scheme == "https":
            extensions["sni_hostname"] = host
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host=address.partition("%")[0]),
            headers=request.headers,
            stream=request.stream,
            extensions=extensions,
        )
        return await self._by_host[host].handle_async_request(sent)


def _checked_host(url: str, rules: AddressRules) -> str:
    if _FORBIDDEN.search(url):
        raise AddressRefused("an address is written in ASCII, without spaces, quotes or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("the address cannot be read") from None
    if parts.scheme != "https" and not (rules.allow_http and parts.scheme == "http"):
        raise AddressRefused("an address beginning with https:// is needed")
    if not host or "@" in parts.netloc or "#" in url or port == 0:
        raise AddressRefused("an address with a host, without a password and without #, is needed")
    if "[" in parts.netloc:
        _parsed(host)
    elif not _HOST.fullmatch(host):
        raise AddressRefused("the host is no plain name")
    return host


def _check_literal(host: str, rules: AddressRules) -> None:
    """Check a literal address; an IPv4 address in another form than four decimal parts is refused."""
    if ":" in host:
        check_address(str(_parsed(host)), rules)
        return
    last = host.rstrip(".").rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0[xX][0-9a-fA-F]*", last):
        check_address(str(_parsed(host)), rules)


def _parsed(host: str) -> IPv4Address | IPv6Address:
    try:
        found = ip_address(host)
    except ValueError:
        raise AddressRefused("a numeric host is written as four decimal numbers or as an IPv6 address") from None
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        raise AddressRefused("an address of one link only")
    return found


def _hidden(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 address: mapped, compatible, 6to4, translated or ISATAP."""
    if int(address) > 1 and address in _COMPATIBLE:
        return IPv4Address(int(address))
    if address in _TRANSLATED or address in _SIIT or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


def _addresses_in(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*:/", value):
            yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _addresses_in(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _addresses_in(inner, path)

"""The client address of a request, also behind trusted proxies.

`X-Forwarded-For` is read from the right, one address for each trusted proxy. The client may have forged every address
left of the first address that is not trusted (RFC 7239 §8.1).
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from billing.web.app_state import app_state

HEADER = "X-Forwarded-For"


def source_address(request: web.Request) -> str:
    """The client address; empty where a trusted proxy sends no valid address."""
    trusted = app_state(request).trusted_proxies
    named = [part.strip() for line in request.headers.getall(HEADER, []) for part in line.split(",")]
    hops = [request.remote or "", *reversed(named)]
    for hop in hops:
        address = _address(hop)
        if address is None:
            return ""
        if not any(address in network for network in trusted):
            return str(address)
    return str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address without zone; an IPv4-mapped IPv6 address becomes the IPv4 address."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found

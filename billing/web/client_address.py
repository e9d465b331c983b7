"""Whom a request comes from, where proxies of ours stand in front.

`X-Forwarded-For` is believed from the right, one address for each proxy that is trusted, and no further: what stands
left of the first address that is not trusted was written by whoever asked, and may be anything (RFC 7239 §8.1).
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from billing.web.app_state import app_state

HEADER = "X-Forwarded-For"


def source_address(request: web.Request) -> str:
    """The address a request comes from; empty where a trusted proxy does not say it in an address."""
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
    """An address without zone; an IPv4 one stays itself where it is written inside an IPv6 one."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found

"""Servers, secrets and changed deliveries for the conformance tests of this repository's providers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx

from providers.contract import Callback
from providers.testing.conformance import SamplePayment


def answering_with(answer: Mapping[str, object], sent: list[bytes]) -> httpx.AsyncClient:
    """A client whose server gives every request the same answer."""

    async def respond(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url).encode() + b"\n" + await request.aread())
        return httpx.Response(200, json=answer)

    return httpx.AsyncClient(transport=httpx.MockTransport(respond), trust_env=False)


def key_of(settings: Mapping[str, object], name: str) -> bytes:
    """The first secret of a setting."""
    value: Any = settings[name]
    return (value if isinstance(value, str) else value[0]).encode()


def changed_values(callback: Callback, *unsigned: str) -> Iterator[Callback]:
    """A JSON delivery with each value of its top changed, one at a time."""
    fields = json.loads(callback.body)
    for name, value in fields.items():
        if name in unsigned:
            continue
        other = {**fields, name: f"{value}0" if isinstance(value, str) else _other(value)}
        yield replace(callback, body=json.dumps(other).encode())


def _other(value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, "amount": value["amount"] + 1}
    return value + 1


def number_of(payment: SamplePayment) -> int:
    return int(payment.transaction[1:])

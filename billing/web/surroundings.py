"""What handlers may reach, put together by `server` and found from a request."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol

from aiohttp import web

from billing.checkout.service.desk_phones import DeskPhones
from billing.core.actor import Role
from billing.core.ids import ProviderAccountId
from billing.ops.readiness import ReadinessCheck
from billing.organizations.service.api_keys import Caller, KeyRing
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.web.anonymous import AnonymousLimits, AnonymousTraffic


class LineSeen(Protocol):
    """How the calls to one provider account go, since the start; `is_stopped` where none is made for a while."""

    @property
    def is_stopped(self) -> bool: ...
    @property
    def answered(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def repeated(self) -> int: ...


class ForwardsDocuments(Protocol):
    """Has big documents worked on in another process (`document_workers.py`)."""

    async def forward(self, request: web.Request, body: bytes) -> web.Response: ...


Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """Sizes in bytes, times in seconds; `visit_size_max` for claim files and visits, `body_size_max` for the rest.

    `lingering_s` is how long the rest of a refused body is listened to, so that the client hears the refusal.
    """

    visit_size_max: int = 8 * 1024 * 1024
    body_size_max: int = 64 * 1024
    callback_size_max: int = 64 * 1024
    body_timeout_s: float = 30.0
    lingering_s: float = 2.0
    header_size_max: int = 8_190
    headers_max: int = 100
    keepalive_timeout_s: float = 75.0
    shutdown_timeout_s: float = 20.0
    anonymous: AnonymousLimits = field(default_factory=AnonymousLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One for each application. `callbacks` counts what became of callbacks, by a word.

    `documents` is None where this process works on every document itself, as a document worker does, which another
    process of ours asks. `lines` are the calls we make to providers, by account. What is told through one of the
    `trusted_proxies` comes from whom they say (`sources.py`).
    """

    context: PaymentContext
    intake: Intake
    keys: KeyRing
    readiness: ReadinessCheck
    desk_phones: DeskPhones
    limits: WebLimits
    trusted_proxies: Networks = ()
    lines: Callable[[], Mapping[ProviderAccountId, LineSeen]] = dict
    anonymous: AnonymousTraffic = field(default_factory=AnonymousTraffic)
    documents: ForwardsDocuments | None = None
    is_document_worker: bool = False
    callbacks: Counter[str] = field(default_factory=Counter)


SURROUNDINGS = web.AppKey("surroundings", Surroundings)
ROLES: web.AppKey[Mapping[Any, frozenset[Role]]] = web.AppKey("roles", Mapping)
REFERENCE: web.AppKey[dict[str, Any]] = web.AppKey("reference", dict)
CALLER = web.RequestKey("caller", Caller)
REQUEST_ID = web.RequestKey("request_id", str)
TOLD = web.RequestKey("told", dict[str, object])
"""What the one line in the log of a request says beside route, status and time; ids and words, no people."""


def surroundings(request: web.Request) -> Surroundings:
    """The surroundings of the application that serves a request, also inside a part of it."""
    found = request.config_dict[SURROUNDINGS]
    assert isinstance(found, Surroundings)
    return found

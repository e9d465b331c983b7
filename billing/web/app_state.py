"""The state of the application: built by `server`, read by handlers from a request."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any, BinaryIO, Protocol

from aiohttp import web

from billing.checkout.service.desk_phones import DeskPhones
from billing.ops.process_metrics import ProviderCalls
from billing.ops.readiness import ReadinessCheck
from billing.organizations.domain.rights import Right
from billing.organizations.domain.sessions import SignInLimits
from billing.organizations.service.api_keys import Caller, KeyRing
from billing.organizations.service.passwords import Passwords
from billing.organizations.service.sessions import Hospitals
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.web.anonymous import AnonymousLimits, AnonymousTraffic


class ForwardsDocuments(Protocol):
    """Forwards big documents to another process (`document_workers.py`)."""

    async def forward(self, request: web.Request, body: BinaryIO) -> web.Response: ...

    def receiving(self) -> AbstractContextManager[None]: ...


Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """Sizes in bytes, times in seconds.

    `visit_size_max` is for claim files and visits, `statement_size_max` for bank statements and settlement files, which
    are received into a temporary file, `body_size_max` for the rest.

    `lingering_s` is how long the rest of a rejected body is read, so that the client receives the response.
    """

    visit_size_max: int = 8 * 1024 * 1024
    statement_size_max: int = 256 * 1024 * 1024
    body_size_max: int = 64 * 1024
    callback_size_max: int = 64 * 1024
    body_timeout_s: float = 30.0
    lingering_s: float = 2.0
    header_size_max: int = 8_190
    headers_max: int = 100
    keepalive_timeout_s: float = 75.0
    shutdown_timeout_s: float = 20.0
    anonymous: AnonymousLimits = field(default_factory=AnonymousLimits)
    sign_in: SignInLimits = field(default_factory=SignInLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """The state of one application. `callbacks` counts callbacks by outcome.

    `documents` is None where this process handles every document itself, as a document worker does. `provider_calls`
    counts the calls to providers, by account. A request that comes through one of the `trusted_proxies` has the client
    address that the proxy states (`client_address.py`). `known_sessions` are hashes of cookies that were valid when
    they were last looked up: their holders are no anonymous clients.
    """

    context: PaymentContext
    intake: Intake
    keys: KeyRing
    readiness: ReadinessCheck
    desk_phones: DeskPhones
    hospitals: Hospitals
    limits: WebLimits
    trusted_proxies: Networks = ()
    provider_calls: ProviderCalls = dict
    anonymous: AnonymousTraffic = field(default_factory=AnonymousTraffic)
    documents: ForwardsDocuments | None = None
    is_document_worker: bool = False
    callbacks: Counter[str] = field(default_factory=Counter)
    passwords: Passwords = field(default_factory=Passwords)
    known_sessions: set[bytes] = field(default_factory=set)

    @property
    def is_offline(self) -> bool:
        """Whether the service does not reach a provider now: the Internet may be away."""
        return any(each.is_circuit_open for each in self.provider_calls().values())


APP_STATE = web.AppKey("app_state", AppState)
RIGHTS: web.AppKey[Mapping[Any, Right]] = web.AppKey("rights", Mapping)
SCREEN_PATHS: web.AppKey[frozenset[str]] = web.AppKey("screen_paths", frozenset)
"""The paths of the screens, as the router writes them."""
OPENAPI: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("openapi")
"""Gives the OpenAPI document of the application, which is written once for each process."""
STATE = web.RequestKey("state", AppState)
CALLER = web.RequestKey("caller", Caller)
REQUEST_ID = web.RequestKey("request_id", str)
LOG_FIELDS = web.RequestKey("log_fields", dict[str, object])
"""Further fields of the log line of a request: ids and codes, no personal data."""


def app_state(request: web.Request) -> AppState:
    """The state of the application that serves a request, which the outermost middleware put there."""
    return request[STATE]

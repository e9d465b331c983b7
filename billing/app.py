"""The one place where everything is put together: database, providers, use cases, intake and HTTP."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from aiohttp import web

from billing.domain.coverage.figures import load_figures
from billing.domain.coverage.policy import Policy
from billing.domain.errors import Unavailable
from billing.services.accounts import BuildProvider, StoredProviderAccounts
from billing.services.context import Clock, Context, Ids, utc_now
from billing.services.hinting import open_hints
from billing.services.intake import Intake, IntakeLimits
from billing.storage.database import Database, DatabaseLimits
from billing.web.live import LiveHub
from billing.web.server import create_application
from billing.web.surroundings import WebLimits
from providers.banks import banks
from providers.contract import Provider
from providers.registry import SECRET_FIELD, BrokenProvider, SettingsRefused, UnknownProvider, open_provider

SECRET_VARIABLE = "VIENPHI_SECRET_"  # noqa: S105 - the beginning of a name
_PROVIDER_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_PROVIDER_CONNECTIONS = httpx.Limits(max_connections=20, max_keepalive_connections=5)

FindSecret = Callable[[str], str]


class SecretMissing(Unavailable):
    """A provider account names a secret that this process was not given."""

    code = "secret_missing"


class ProviderUnfit(Unavailable):
    """A provider account cannot be used as it is set up: its provider is not installed, or refuses its settings."""

    code = "provider_unfit"


def secret_variable(name: str) -> str:
    """The variable of the environment that gives the secret of a name: in capitals, with `_` for `-`."""
    return SECRET_VARIABLE + name.upper().replace("-", "_")


def find_secret(name: str) -> str:
    """The secret of a name, from `VIENPHI_SECRET_<NAME>` or the file that `VIENPHI_SECRET_<NAME>_FILE` names.

    Raises SecretMissing.
    """
    variable = secret_variable(name)
    if variable in os.environ:
        return os.environ[variable]
    path = os.environ.get(f"{variable}_FILE")
    if path is None:
        raise SecretMissing(f"set {variable} or {variable}_FILE")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SecretMissing(f"the file that {variable}_FILE names cannot be read: {error.strerror}") from error


def provider_builder(client: httpx.AsyncClient, secret_of: FindSecret = find_secret) -> BuildProvider:
    """Make providers from stored settings; the secret joins them here and is kept nowhere else.

    What is made raises SecretMissing or ProviderUnfit.
    """

    def build(name: str, settings: Mapping[str, object], secret_name: str | None) -> Provider:
        secret = {} if secret_name is None else {SECRET_FIELD: secret_of(secret_name)}
        try:
            return open_provider(name, {**settings, **secret}, client)
        except (UnknownProvider, BrokenProvider, SettingsRefused) as error:
            raise ProviderUnfit(str(error)) from error

    return build


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service; `application` answers HTTP, `context` and `intake` serve use cases directly."""

    context: Context
    intake: Intake
    application: web.Application


@asynccontextmanager
async def open_service(
    database_url: str,
    *,
    database_limits: DatabaseLimits | None = None,
    intake_limits: IntakeLimits | None = None,
    web_limits: WebLimits | None = None,
    public_base_url: str = "",
    secret_of: FindSecret = find_secret,
    clock: Clock = utc_now,
) -> AsyncIterator[Service]:
    """Open the service on a migrated database; leaving it writes what still waits and closes everything."""
    database = await Database.open(database_url, limits=database_limits)
    try:
        async with (
            httpx.AsyncClient(timeout=_PROVIDER_TIMEOUT, limits=_PROVIDER_CONNECTIONS) as client,
            open_hints(database_url) as hints,
        ):
            context = Context(
                database=database,
                accounts=StoredProviderAccounts(database, provider_builder(client, secret_of), clock),
                clock=clock,
                ids=Ids(clock),
                figures=load_figures(),
                policy=Policy(),
                bank_names={bank.bin: bank.name for bank in banks().values()},
                note_change=hints.note,
            )
            live = LiveHub(context)
            hints.listen(live.hint)
            async with Intake(context, intake_limits) as intake:
                yield Service(
                    context=context,
                    intake=intake,
                    application=create_application(
                        context=context,
                        intake=intake,
                        limits=web_limits,
                        live=live,
                        public_base_url=public_base_url,
                    ),
                )
    finally:
        await database.close()

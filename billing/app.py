"""The one place where everything is put together: database, providers, use cases, intake and HTTP."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import structlog
from aiohttp import web
from pydantic import BaseModel

from billing.core.errors import Refused
from billing.core.ids import ProviderAccountId
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.db.background import Background
from billing.db.cells import open_database
from billing.db.context import Clock, Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.ledger.store.seal_export import SealExport
from billing.logs import configure_logs, lines_lost
from billing.notifications.service.change_notifier import Listener, open_change_notifier
from billing.ops.process_metrics import ProviderCalls
from billing.ops.traced_calls import TracedTransport
from billing.organizations.service.context import AccountUnusable, allow_all
from billing.organizations.service.provider_accounts import (
    BuildProvider,
    BuiltProvider,
    KnownAccounts,
    StoredProviderAccounts,
)
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake, IntakeLimits
from billing.secrets import FindSecret, SecretMissing, find_secret, find_secrets, variable_of_field
from billing.tracing import TraceTarget
from billing.web.app_state import Networks, WebLimits
from billing.web.document_workers import DocumentLimits, DocumentWorkers
from billing.web.live import LiveHub
from billing.web.server import create_application, serving_socket
from providers.addresses import AddressRules
from providers.banks import banks
from providers.http_client import ProviderClients
from providers.registry import (
    BrokenProvider,
    SettingsRefused,
    UnknownProvider,
    check_stored_settings,
    provider_class,
    read_settings,
)
from providers.settings import AccountSettings, given_fields, secret_fields

_NICE = 10
"""How far document workers stand back behind the process that takes callbacks."""

SPARE_CONNECTIONS = 2
"""Connections of the intake beyond one for each of its writers: for reading accounts."""

log = structlog.get_logger(__name__)


def account_settings(row: ProviderAccountRow, secret_of: FindSecret = find_secret) -> BaseModel:
    """The settings of an account with its secrets, as its provider's model. Raises AccountUnusable."""
    try:
        settings_type = provider_class(row.provider).settings_type
        misplaced = sorted(set(secret_fields(settings_type)) & set(row.settings))
        if misplaced:
            raise AccountUnusable(f"{', '.join(misplaced)}: a secret is given to the service, never stored")
        fields = {name: field for name, field in given_fields(settings_type).items() if name not in row.settings}
        secrets = find_secrets(row.secret_name, fields, secret_of) if row.secret_name is not None else {}
        return read_settings(row.provider, {**row.settings, **secrets})
    except (UnknownProvider, BrokenProvider) as refusal:
        raise AccountUnusable(str(refusal)) from None
    except SettingsRefused as refusal:
        absent = [field for name, field in fields.items() if name in refusal.fields and name not in secrets]
        remedies = "".join(f"; set {variable_of_field(row.secret_name or '', fields, field)}" for field in absent)
        raise AccountUnusable(f"{refusal}{remedies}") from None
    except SecretMissing as refusal:
        raise AccountUnusable(refusal.detail) from None


def check_account_settings(
    provider: str, settings: Mapping[str, object], secret_name: str, secret_of: FindSecret = find_secret
) -> tuple[str, ...]:
    """Check the settings of an account before they are stored, with those of its secrets that this process was given.

    Returns the variables in which serve and worker look for the secrets that are needed and not at hand. Raises
    SecretMissing for a secret that is given in a file that cannot be read, SettingsRefused, UnknownProvider,
    BrokenProvider.
    """
    fields = given_fields(provider_class(provider).settings_type)
    optional = {name: replace(field, is_required=False) for name, field in fields.items() if name not in settings}
    needed = check_stored_settings(provider, settings, find_secrets(secret_name, optional, secret_of))
    return tuple(variable_of_field(secret_name, fields, field) for field in needed)


def check_account(row: ProviderAccountRow, secret_of: FindSecret = find_secret) -> None:
    """Whether the provider of an account could be made of a row, as far as its secrets are here.

    Raises AccountUnusable.
    """
    try:
        check_account_settings(row.provider, row.settings, row.secret_name or row.name, secret_of)
    except (UnknownProvider, BrokenProvider, SettingsRefused) as refusal:
        raise AccountUnusable(str(refusal)) from None
    except SecretMissing as refusal:
        raise AccountUnusable(refusal.detail) from None


def provider_builder(clients: ProviderClients[ProviderAccountId], secret_of: FindSecret = find_secret) -> BuildProvider:
    """Make providers from stored settings; the secrets join them here and are kept nowhere else."""

    def build(row: ProviderAccountRow) -> BuiltProvider:
        settings = account_settings(row, secret_of)
        try:
            provider = provider_class(row.provider)(settings, clients.client(row.id))
        except Exception as fault:  # noqa: BLE001 - a fault of one provider is that account's alone
            log.error("provider_not_made", account_id=str(row.id), error=type(fault).__name__)
            raise AccountUnusable(f"{row.provider} cannot be made: {type(fault).__name__}") from None
        return BuiltProvider(provider, settings.allows if isinstance(settings, AccountSettings) else allow_all)

    return build


@dataclass(frozen=True, slots=True)
class DocumentWorker:
    """How a document worker is started: what `open_service` was given that its documents depend on."""

    database_url: str = field(repr=False)
    cells: Mapping[str, str] = field(repr=False)
    web_limits: WebLimits
    public_base_url: str
    outgoing: AddressRules | None
    memory_max: int = field(kw_only=True)
    is_log_json: bool = field(kw_only=True)
    traces: TraceTarget | None = field(kw_only=True)

    def __call__(self, path: str, ready: int) -> None:
        """Serve on a socket until the parent closes our input; write to `ready` once it can be connected to."""
        resource.setrlimit(resource.RLIMIT_AS, (self.memory_max, self.memory_max))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(_NICE)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends us
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        configure_logs(is_json=self.is_log_json)
        with exporting_traces(self.traces):
            asyncio.run(self._serve(path, ready))

    async def _serve(self, path: str, ready: int) -> None:
        # Whatever is being computed then: the transaction is rolled back, and nobody waits for the answer.
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os._exit, 0)
        async with (
            open_service(
                self.database_url,
                cells=self.cells,
                database_limits=DatabaseLimits(connections_max=2),
                intake_limits=IntakeLimits(queues=1),
                web_limits=self.web_limits,
                public_base_url=self.public_base_url,
                outgoing=self.outgoing,
                documents=None,
                is_document_worker=True,
            ) as service,
            serving_socket(service.application, path),
        ):
            os.write(ready, b"1")
            await asyncio.Event().wait()


class TracingUnavailable(Refused):
    """Traces are wanted and cannot be sent: packages are missing."""

    code = "tracing_unavailable"


@contextmanager
def exporting_traces(target: TraceTarget | None) -> Iterator[None]:
    """Record and send traces while open; without a target do nothing, and import nothing. Raises TracingUnavailable."""
    if target is None:
        yield
        return
    try:
        from billing.trace_export import TraceExport  # noqa: PLC0415 - it needs the extra `tracing`
    except ModuleNotFoundError as missing:
        raise TracingUnavailable(
            f"tracing.endpoint is set and {missing.name} is missing: install vienphi[tracing], or remove the setting"
        ) from None
    with TraceExport(target):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service; `application` answers HTTP, `context` and `intake` serve use cases directly."""

    context: PaymentContext
    accounts: StoredProviderAccounts
    intake: Intake
    application: web.Application
    provider_calls: ProviderCalls
    listen: Callable[[Listener], None]
    """Registers a listener for changes of organizations, of this process and of others."""


@asynccontextmanager
async def open_service(
    database_url: str,
    *,
    cells: Mapping[str, str] = MappingProxyType({}),
    cells_away: Mapping[str, str] = MappingProxyType({}),
    database_limits: DatabaseLimits | None = None,
    intake_limits: IntakeLimits | None = None,
    web_limits: WebLimits | None = None,
    public_base_url: str = "",
    trusted_proxies: Networks = (),
    outgoing: AddressRules | None = None,
    seal_export: SealExport | None = None,
    documents: DocumentLimits | None = DocumentLimits(),  # noqa: B008 - frozen
    is_document_worker: bool = False,
    is_log_json: bool = True,
    traces: TraceTarget | None = None,
    secret_of: FindSecret = find_secret,
    clock: Clock = utc_now,
) -> AsyncIterator[Service]:
    """Open the service on a migrated database; leaving it writes what still waits and closes everything.

    `cells` are the addresses of further cells by name (`db/cells.py`); `database_url` is that of the home cell.
    `cells_away` are those that are not opened, each with the reason: the command is about an organization of another.
    `outgoing` is what the operator allows as providers' addresses beyond https on the internet; `seal_export` is
    the file of heads, where the operator keeps one. `documents` are the limits of the processes that work on big
    documents, None where this process works on all of them itself; `is_log_json` is how those write their logs.
    `traces` is where those send their traces; for this process the caller opens `exporting_traces`.
    """
    web_limits = web_limits or WebLimits()
    workers: DocumentWorkers | None = None
    if documents is not None and not is_document_worker:
        worker = DocumentWorker(
            database_url,
            dict(cells),
            web_limits,
            public_base_url,
            outgoing,
            memory_max=documents.memory_max,
            is_log_json=is_log_json,
            traces=None if traces is None else replace(traces, service="vienphi-documents"),
        )
        workers = DocumentWorkers(worker, documents)
    background = Background()
    database_limits = database_limits or DatabaseLimits()
    intake_limits = intake_limits or IntakeLimits()
    database = await open_database(database_url, cells, away=cells_away, limits=database_limits)
    intake_database: Database | None = None
    try:
        # Connections of its own: the intake of callbacks waits for no other work of the service.
        intake_database = await open_database(
            database_url,
            cells,
            away=cells_away,
            limits=replace(
                database_limits, connections_min=1, connections_max=intake_limits.queues + SPARE_CONNECTIONS
            ),
            application_name="vienphi intake",
        )
        async with (
            ProviderClients[ProviderAccountId](addresses=outgoing, wrap=TracedTransport) as clients,
            open_change_notifier(database_url, background) as notifier,
        ):
            accounts = StoredProviderAccounts(
                intake_database,
                provider_builder(clients, secret_of),
                clock,
                check=partial(check_account, secret_of=secret_of),
                known=KnownAccounts(database, clock),
            )
            context = PaymentContext(
                database=database,
                accounts=accounts,
                clock=clock,
                ids=Ids(clock),
                parameters=load_parameters(),
                policy=Policy(),
                bank_names={bank.bin: bank.name for bank in banks().values()},
                public_base_url=public_base_url,
                outgoing=outgoing or AddressRules(),
                publish_change=notifier.publish,
                background=background,
                seal_export=seal_export,
            )
            live = LiveHub(context)
            notifier.listen(live.notify)
            async with Intake(replace(context, database=intake_database), intake_limits) as intake:
                yield Service(
                    context=context,
                    provider_calls=clients.stats,
                    listen=notifier.listen,
                    accounts=accounts,
                    intake=intake,
                    application=create_application(
                        context=context,
                        intake=intake,
                        limits=web_limits,
                        live=live,
                        trusted_proxies=trusted_proxies,
                        provider_calls=clients.stats,
                        log_lines_lost=lines_lost,
                        documents=workers,
                        is_document_worker=is_document_worker,
                    ),
                )
    finally:
        if workers is not None:
            await workers.close()
        if intake_database is not None:
            await intake_database.close()
        await database.close()

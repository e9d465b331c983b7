"""What commands that open a database share: it is migrated, it is fit to be served, and there is a sign to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from billing.app import Service, exporting_traces, open_service
from billing.core.errors import Refused
from billing.db.database import DatabaseLimits
from billing.db.migrator import pending
from billing.db.role_checks import check_role
from billing.db.transaction_ids import check_transaction_ids
from billing.ledger.store.seal_export import SealExport
from billing.logs import configure_logs
from billing.payments.service.intake import IntakeLimits
from billing.settings import LogFormat, Settings, WebhookSettings, load_settings
from billing.tracing import TraceTarget
from billing.web.anonymous import AnonymousLimits
from billing.web.app_state import WebLimits
from billing.web.document_workers import DocumentLimits
from billing.worker.sender import SenderLimits


class NotMigrated(Refused):
    """The database lacks migrations of this version."""

    code = "not_migrated"


def start(config: Path | None) -> Settings:
    """Read the settings, VIENPHI_DATABASE_URL among them, and configure the logs. Raises SettingsInvalid."""
    settings = load_settings(config, needed=("database_url",))
    configure_logs(is_json=settings.log_format is LogFormat.JSON)
    return settings


async def require_migrated(url: str) -> None:
    """Refuse a database that lacks migrations of this version. Raises NotMigrated, DatabaseUnavailable."""
    missing = await pending(url)
    if missing:
        raise NotMigrated(f"run vienphi migrate first; missing: {', '.join(missing)}")


@asynccontextmanager
async def open_checked_service(settings: Settings, *, name: str) -> AsyncIterator[Service]:
    """Open the service on a database that is migrated, by a role that may serve, on a server with durable commits.

    A provider account that cannot be used is reported in the log and in /readyz; only that account is rejected. `name`
    is that of the process in its traces.

    Raises NotMigrated, DatabaseUnsafe, RestoredElsewhere, DatabaseUnavailable, TracingUnavailable.
    """
    traces = settings.tracing.target(name)
    with exporting_traces(traces):
        async with _open(settings, traces) as service:
            yield service


@asynccontextmanager
async def _open(settings: Settings, traces: TraceTarget | None) -> AsyncIterator[Service]:
    assert settings.database_url is not None, "named as needed"
    url = settings.database_url.get_secret_value()
    for each in (url, *settings.cell_urls.values()):
        await require_migrated(each)
    queues, pool = settings.intake_queues, settings.pool
    async with open_service(
        url,
        cells=settings.cell_urls,
        database_limits=DatabaseLimits(connections_min=pool.connections_min, connections_max=pool.connections_max),
        intake_limits=IntakeLimits(
            queues=queues.count, batch_max=queues.batch_max, waiting_max=queues.queue_max, wait_max_ms=queues.wait_ms
        ),
        web_limits=WebLimits(
            visit_size_max=settings.visit_size_max,
            statement_size_max=settings.statement_size_max,
            body_size_max=settings.body_size_max,
            callback_size_max=settings.callback_size_max,
            anonymous=AnonymousLimits(**settings.anonymous.model_dump()),
            sign_in=settings.sign_in.limits,
        ),
        public_base_url=settings.public_base_url,
        trusted_proxies=settings.trusted_proxies,
        outgoing=settings.providers.rules,
        seal_export=seal_export_of(settings),
        documents=DocumentLimits(
            workers=settings.documents.workers,
            waiting_max=settings.documents.waiting_max,
            timeout_s=settings.documents.timeout_s,
            memory_max=settings.documents.memory_max_mb * 1024 * 1024,
        ),
        is_log_json=settings.log_format is LogFormat.JSON,
        traces=traces,
    ) as service:
        for cell in service.context.database.cells:
            await check_role(cell)
            await check_transaction_ids(cell)
        await service.accounts.check_all()
        yield service


def sender_limits(webhooks: WebhookSettings) -> SenderLimits:
    """How webhooks are posted."""
    return SenderLimits(
        timeout_s=webhooks.timeout_s, allow_private=webhooks.allow_private, allow_http=webhooks.allow_http
    )


def seal_export_of(settings: Settings) -> SealExport | None:
    """The file of heads; None where the operator keeps none."""
    if settings.seal_export_path is None or settings.seal_export_key is None:
        return None
    return SealExport(settings.seal_export_path, settings.seal_export_key.get_secret_value().encode())


def stop_event() -> asyncio.Event:
    """An event that is set when the process receives SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    return stop

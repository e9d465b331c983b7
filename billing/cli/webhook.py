"""`vienphi webhook`: whom we tell, what could not be told, and telling it again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import click

from billing.app import open_service
from billing.cli.opening import require_migrated
from billing.domain.ids import OrganizationId
from billing.domain.webhook import EndpointId
from billing.services.context import Context, utc_now
from billing.services.dispatching import list_dead, open_endpoint, redeliver, resume_endpoint
from billing.settings import Settings, load_settings
from billing.storage.database import Database, DatabaseLimits

_ORGANIZATION = click.option("--organization", type=click.IntRange(min=1), required=True, help="Number of the tenant.")


@click.group()
def webhook() -> None:
    """Endpoints of an organization and what could not be told to them."""


@webhook.command()
@_ORGANIZATION
@click.option(
    "--secret", "secrets", multiple=True, required=True, help="NAME of VIENPHI_SECRET_<NAME>; old one second."
)
@click.option("--topic", "topics", multiple=True, help="A topic to tell; none means all.")
@click.argument("url")
@click.pass_obj
def add(config: Path | None, organization: int, secrets: tuple[str, ...], topics: tuple[str, ...], url: str) -> None:
    """Tell URL what happens from now on. Needs VIENPHI_OWNER_URL."""
    settings = load_settings(config, needed=("owner_url",))
    endpoint_id = asyncio.run(_add(settings, OrganizationId(organization), url, secrets, topics))
    click.echo(f"endpoint {endpoint_id}")


@webhook.command("list-dead")
@_ORGANIZATION
@click.pass_obj
def list_dead_messages(config: Path | None, organization: int) -> None:
    """Messages that could not be told in three days, oldest first."""

    async def read(context: Context) -> None:
        dead = await list_dead(context, OrganizationId(organization))
        for row in dead:
            why = row["last_status"] or row["last_problem"]
            click.echo(f"{row['message_id']} {row['topic']} to {row['endpoint_id']}: {row['attempts']} attempts, {why}")
        click.echo(f"{len(dead)} dead")

    _run(config, read)


@webhook.command("redeliver")
@_ORGANIZATION
@click.option("--endpoint", type=click.UUID, help="Only to this endpoint.")
@click.argument("message", type=click.UUID)
@click.pass_obj
def redeliver_message(config: Path | None, organization: int, endpoint: UUID | None, message: UUID) -> None:
    """Tell MESSAGE again, dead or delivered; the worker sends it at once."""
    only = None if endpoint is None else EndpointId(endpoint)

    async def revive(context: Context) -> None:
        revived = await redeliver(context, OrganizationId(organization), message, endpoint_id=only)
        click.echo(f"due again for {revived} endpoint{'s' if revived > 1 else ''}")

    _run(config, revive)


@webhook.command()
@_ORGANIZATION
@click.argument("endpoint", type=click.UUID)
@click.pass_obj
def resume(config: Path | None, organization: int, endpoint: UUID) -> None:
    """Tell ENDPOINT again that answered 410 Gone."""

    async def go_on(context: Context) -> None:
        await resume_endpoint(context, OrganizationId(organization), EndpointId(endpoint))
        click.echo("told again from now on")

    _run(config, go_on)


def _run(config: Path | None, work: Callable[[Context], Awaitable[None]]) -> None:
    settings = load_settings(config, needed=("database_url",))
    assert settings.database_url is not None, "named as needed"
    url = settings.database_url.get_secret_value()

    async def run() -> None:
        await require_migrated(url)
        async with open_service(url) as service:
            await work(service.context)

    asyncio.run(run())


async def _add(
    settings: Settings, organization_id: OrganizationId, url: str, secrets: tuple[str, ...], topics: tuple[str, ...]
) -> EndpointId:
    assert settings.owner_url is not None, "named as needed"
    owner_url = settings.owner_url.get_secret_value()
    await require_migrated(owner_url)
    owner = await Database.open(owner_url, limits=DatabaseLimits(connections_max=1))
    try:
        return await open_endpoint(
            owner,
            organization_id,
            url=url,
            secret_names=secrets,
            topics=topics,
            allow_http=settings.webhooks.allow_http,
            clock=utc_now,
        )
    finally:
        await owner.close()

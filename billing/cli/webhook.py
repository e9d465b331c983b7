"""`vienphi webhook`: endpoints of an organization, what could not be delivered to them, and delivering it again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import click

from billing.cli.cells import open_command_service
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_on_owner_database
from billing.cli.startup import sender_limits
from billing.core.errors import Refused
from billing.core.ids import OrganizationId
from billing.db.context import utc_now
from billing.db.database import Database
from billing.notifications.domain.webhook import Attempt, EndpointId
from billing.notifications.service.endpoints import list_endpoints, remove_endpoint, send_test
from billing.notifications.service.webhooks import list_dead, open_endpoint, redeliver, resume_endpoint
from billing.payments.service.context import PaymentContext
from billing.secrets import find_secret
from billing.settings import load_settings
from billing.worker.sender import Sender

_ORGANIZATION = click.option("--organization", type=ORGANIZATION_NUMBER, required=True, help="Number of the tenant.")


class WebhookTestFailed(Refused):
    """An endpoint did not take the message that it was tried with."""

    code = "webhook_test_failed"


@click.group()
def webhook() -> None:
    """Webhook endpoints of an organization and messages that could not be delivered."""


@webhook.command()
@_ORGANIZATION
@click.option(
    "--secret", "secrets", multiple=True, required=True, help="NAME of VIENPHI_SECRET_<NAME>; old one second."
)
@click.option("--topic", "topics", multiple=True, help="A topic to deliver; none means all.")
@click.argument("url")
@click.pass_obj
def add(config: Path | None, organization: int, secrets: tuple[str, ...], topics: tuple[str, ...], url: str) -> None:
    """Deliver events to URL from now on. Needs VIENPHI_OWNER_URL, and the secrets as VIENPHI_SECRET_<NAME>."""
    settings = load_settings(config, needed=("owner_url",))

    async def work(owner: Database) -> EndpointId:
        return await open_endpoint(
            owner,
            OrganizationId(organization),
            url=url,
            secret_names=secrets,
            topics=topics,
            allow_http=settings.webhooks.allow_http,
            allow_private=settings.webhooks.allow_private,
            secret_of=find_secret,
            clock=utc_now,
        )

    click.echo(f"endpoint {run_on_owner_database(config, work)}")


@webhook.command("list")
@_ORGANIZATION
@click.pass_obj
def list_all(config: Path | None, organization: int) -> None:
    """List the endpoints with their topics, the names of their secrets and what was not delivered."""

    async def read(context: PaymentContext) -> None:
        for each in await list_endpoints(context, OrganizationId(organization)):
            state = "active" if each.is_active else "stopped"
            topics = ", ".join(each.endpoint.topics) or "all topics"
            names = ", ".join(each.endpoint.secret_names)
            click.echo(
                f"{each.endpoint.id} {state:7} {each.endpoint.url}  {topics}  secret {names}"
                f"  {each.waiting} waiting, {each.dead} dead"
            )

    _run(config, read)


@webhook.command()
@_ORGANIZATION
@click.option("--discard", is_flag=True, help="Lose the messages that it has not taken.")
@click.argument("endpoint", type=click.UUID)
@click.pass_obj
def remove(config: Path | None, organization: int, *, discard: bool, endpoint: UUID) -> None:
    """Remove ENDPOINT; it receives no more messages. Needs VIENPHI_OWNER_URL."""

    async def work(owner: Database) -> int:
        return await remove_endpoint(
            owner, OrganizationId(organization), EndpointId(endpoint), discards_messages=discard
        )

    lost = run_on_owner_database(config, work)
    click.echo(f"endpoint {endpoint} removed; {lost} messages discarded")


@webhook.command("test")
@_ORGANIZATION
@click.argument("endpoint", type=click.UUID)
@click.pass_obj
def try_endpoint(config: Path | None, organization: int, endpoint: UUID) -> None:
    """Send ENDPOINT one signed message of the topic webhook.test and print the answer.

    Exit status 1 where it is not taken. Needs VIENPHI_DATABASE_URL and the secret of the endpoint.
    """
    limits = sender_limits(load_settings(config).webhooks)
    attempts: list[Attempt] = []

    async def send(context: PaymentContext) -> None:
        sender = Sender(limits)
        attempts.append(
            await send_test(
                context, OrganizationId(organization), EndpointId(endpoint), send=sender.send, secret_of=find_secret
            )
        )

    _run(config, send)
    [attempt] = attempts
    if not attempt.is_delivered:
        answer = f"answered {attempt.status}" if attempt.status is not None else f"gave no answer: {attempt.problem}"
        raise WebhookTestFailed(f"endpoint {endpoint} {answer}; a status from 200 to 299 is needed")
    click.echo(f"endpoint {endpoint} answered {attempt.status}")


@webhook.command("list-dead")
@_ORGANIZATION
@click.pass_obj
def list_dead_messages(config: Path | None, organization: int) -> None:
    """Messages that could not be delivered in three days, oldest first."""

    async def read(context: PaymentContext) -> None:
        dead = await list_dead(context, OrganizationId(organization))
        for row in dead:
            why = row.last_status or row.last_problem
            click.echo(f"{row.message_id} {row.topic} to {row.endpoint_id}: {row.attempts} attempts, {why}")
        click.echo(f"{len(dead)} dead")

    _run(config, read)


@webhook.command("redeliver")
@_ORGANIZATION
@click.option("--endpoint", type=click.UUID, help="Only to this endpoint.")
@click.argument("message", type=click.UUID)
@click.pass_obj
def redeliver_message(config: Path | None, organization: int, endpoint: UUID | None, message: UUID) -> None:
    """Deliver MESSAGE again, dead or delivered; the worker sends it at once."""
    only = None if endpoint is None else EndpointId(endpoint)

    async def requeue(context: PaymentContext) -> None:
        requeued = await redeliver(context, OrganizationId(organization), message, endpoint_id=only)
        click.echo(f"due again for {requeued} endpoint{'s' if requeued > 1 else ''}")

    _run(config, requeue)


@webhook.command()
@_ORGANIZATION
@click.argument("endpoint", type=click.UUID)
@click.pass_obj
def resume(config: Path | None, organization: int, endpoint: UUID) -> None:
    """Resume ENDPOINT after it answered 410 Gone."""

    async def go_on(context: PaymentContext) -> None:
        await resume_endpoint(context, OrganizationId(organization), EndpointId(endpoint))
        click.echo("resumed")

    _run(config, go_on)


def _run(config: Path | None, work: Callable[[PaymentContext], Awaitable[None]]) -> None:
    settings = load_settings(config, needed=("database_url",))

    async def run() -> None:
        async with open_command_service(settings) as service:
            await work(service.context)

    asyncio.run(run())

"""`vienphi provider`: installed providers, the state of an account, and the content of a captured callback."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import click
import httpx

from billing.app import Service, account_settings
from billing.checkout.domain.urls import callback_path
from billing.cli.captured_callback import read_captured
from billing.cli.cells import open_command_service
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import OrganizationId
from billing.db.context import utc_now
from billing.organizations.service.context import AccountUnusable, ProviderAccount
from billing.organizations.store.organizations import ProviderAccountRow, find_provider_account
from billing.payments.service.check_callback import check_callback as check_captured
from billing.secrets import find_secrets
from billing.settings import load_settings
from providers import contract
from providers.registry import BrokenProvider, installed_providers, provider_class
from providers.sandbox.bank_simulator import BankSimulator
from providers.sandbox.message import SandboxMessage, SandboxSettings
from providers.settings import secret_fields

_ABILITIES = (
    contract.Callbacks,
    contract.Inquiries,
    contract.Queries,
    contract.LocalQr,
    contract.Feeds,
    contract.Refunds,
    contract.Cancellations,
    contract.SettlementFiles,
)
_TEST_PROVIDER = "sandbox"

_organization = click.option("--organization", type=ORGANIZATION_NUMBER, required=True)


class NotATestAccount(Refused):
    """Simulated money is accepted for test accounts only."""

    code = "not_a_test_account"


@click.group()
def provider() -> None:
    """Look at providers and their accounts. Writes nothing."""


@provider.command("list")
def list_providers() -> None:
    """The installed providers with what each can do."""
    for name in installed_providers():
        try:
            click.echo(f"{name:20} {_abilities(provider_class(name))}")
        except BrokenProvider as broken:
            click.echo(f"{name:20} BROKEN: {broken}")


@provider.command()
@_organization
@click.argument("account")
@click.pass_obj
def show(config: Path | None, organization: int, account: str) -> None:
    """ACCOUNT with its settings, and which of its secrets this process was given; never a secret itself.

    Needs VIENPHI_DATABASE_URL.
    """

    async def look(service: Service) -> None:
        row = await _row(service, organization, account)
        chosen = provider_class(row.provider)
        click.echo(f"account    {organization}/{row.name}{'' if row.is_active else ' (starts no payment)'}")
        click.echo(f"provider   {row.provider}: {_abilities(chosen)}")
        click.echo(f"callbacks  {callback_path(row.organization_id, row.name)}; signed is {chosen.signed_part}")
        for name, value in sorted(row.settings.items()):
            is_secret = name in secret_fields(chosen.settings_type)
            click.echo(f"setting    {name} = {'(a secret, which should not stand here)' if is_secret else value}")
        for name, presence in _secrets_given(row):
            click.echo(f"secret     {name}: {presence}")
        try:
            await service.accounts.find(row.organization_id, row.name)
        except AccountUnusable as refusal:
            click.echo(f"UNUSABLE   {refusal.detail}")
        else:
            click.echo("usable")

    _run(config, look)


@provider.command("check-callback")
@_organization
@click.argument("account")
@click.argument("requests", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1, required=True)
@click.pass_obj
def check_callback(config: Path | None, organization: int, account: str, requests: tuple[Path, ...]) -> None:
    """Verify captured REQUESTS of ACCOUNT and print their notices and the reply to each; books nothing.

    A request is a JSON object: method, path, query, headers (an object or pairs), body (text) or body_base64, and
    where known source_address and received_at. Exit status 1 where one would not be taken. Needs VIENPHI_DATABASE_URL.
    """
    refused: list[Path] = []

    async def check(service: Service) -> None:
        found = await _account(service, organization, account)
        for request in requests:
            callback, path = read_captured(await asyncio.to_thread(request.read_bytes), now=utc_now())
            own = callback_path(found.organization_id, found.name)
            if path and path != own and not path.startswith(own + "/"):
                click.echo(f"{request}: was sent to {path}, which is not the address of this account")
            checked = check_captured(found, callback)
            for line in checked.lines:
                click.echo(f"{request}: {line}")
            if not checked.is_accepted:
                refused.append(request)

    _run(config, check)
    if refused:
        raise SystemExit(1)


@provider.command()
@_organization
@click.option("--url", required=True, help="Where the service answers, as http://127.0.0.1:8080.")
@click.option("--amount", type=click.IntRange(1, 10**12), required=True, help="In đồng.")
@click.option("--reference", default="", help="The code that the transfer text carries.")
@click.argument("account")
@click.pass_obj
def simulate(config: Path | None, *, organization: int, url: str, amount: int, reference: str, account: str) -> None:
    """Send the running service a simulated payment for ACCOUNT, signed as by the sandbox bank; no other provider."""

    async def send(service: Service) -> None:
        row = await _row(service, organization, account)
        if row.provider != _TEST_PROVIDER:
            raise NotATestAccount(f"{row.name} is an account of {row.provider}: simulated money would enter real books")
        settings = account_settings(row)
        assert isinstance(settings, SandboxSettings), "they are its provider's"
        chance = SystemRandom()
        message = SandboxMessage(
            transaction_id=f"SIM{chance.randrange(10**12):012d}",
            merchant_id=settings.merchant_id,
            account_number=settings.account_number,
            amount=amount,
            status="SUCCEEDED",
            direction="credit",
            content=f"{reference} VIEN PHI".strip(),
            occurred_at=utc_now(),
        )
        callback_url = url.rstrip("/") + callback_path(row.organization_id, row.name)
        async with httpx.AsyncClient(timeout=20, trust_env=False) as line:
            bank = BankSimulator(line, callback_url, settings, clock=utc_now, random=chance)
            try:
                answer = await bank.deliver(message)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                raise InvalidValue(f"nobody answers at {url}: {type(error).__name__}", field="url") from error
        click.echo(f"{message.transaction_id}: {answer.status} {answer.result} {answer.receipt}")

    _run(config, send)


def _abilities(chosen: type[contract.Provider]) -> str:
    able = [ability.__name__ for ability in _ABILITIES if issubclass(chosen, ability)]
    return ", ".join(["Provider", *able])


def _secrets_given(row: ProviderAccountRow) -> Iterator[tuple[str, str]]:
    """Each secret of an account and how many of it this process was given."""
    known = secret_fields(provider_class(row.provider).settings_type)
    optional = {name: replace(field, is_required=False) for name, field in known.items()}
    found = find_secrets(row.secret_name or row.name, optional)
    for name, field in known.items():
        given = found.get(name)
        count = len(given) if isinstance(given, tuple) else int(given is not None)
        missing = "missing" if field.is_required else "not given"
        yield name, {0: missing, 1: "given"}.get(count, f"{count} alive")


async def _row(service: Service, organization: int, name: str) -> ProviderAccountRow:
    async with service.context.database.transaction(OrganizationId(organization)) as tx:
        row = await find_provider_account(tx, name)
    if row is None:
        raise NotFound("no such provider account", field="account")
    return row


async def _account(service: Service, organization: int, name: str) -> ProviderAccount:
    found = await service.accounts.find(OrganizationId(organization), name)
    if found is None:
        raise NotFound("no such provider account", field="account")
    return found


def _run(config: Path | None, work: Callable[[Service], Awaitable[None]]) -> None:
    settings = load_settings(config, needed=("database_url",))

    async def run() -> None:
        async with open_command_service(settings) as service:
            await work(service)

    asyncio.run(run())

"""`vienphi account`: contracts with payment providers: added and listed as the owner, changed by two persons."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import click

from billing.app import check_account_settings
from billing.cli.caller import run_as_caller
from billing.cli.files import read_settings_file
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_as_owner
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.ops.approval_kinds import approve_proposal, reject_proposal
from billing.organizations.domain.rights import Right
from billing.organizations.service.account_changes import ProposedChange, find_change, list_changes, propose_change
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.setup import NewBankAccount
from billing.payments.service.context import PaymentContext
from billing.secrets import PART
from providers.registry import BrokenProvider, SettingsRefused, UnknownProvider, provider_class

_LISTED_MAX = 1_000
_PAYEE_OPTIONS = {"bank_bin": "--bank-bin", "account_number": "--account-number", "account_holder": "--holder"}

_NUMBER = click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
_CHANGE = click.argument("change_id", type=click.UUID)


@click.group()
def account() -> None:
    """Provider accounts. `add` and `list` need VIENPHI_OWNER_URL; the others VIENPHI_DATABASE_URL and VIENPHI_KEY."""


@account.command()
@_NUMBER
@click.option("--name", required=True, help="Small letters, digits, hyphens; part of the callback's address.")
@click.option("--provider", required=True, help="Name of an installed provider, as sandbox.")
@click.option("--bank-bin", required=True, help="Six digits of the bank.")
@click.option("--account-number", required=True, help="Number of the bank account.")
@click.option("--holder", required=True, help="As the bank writes it.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help='JSON file of what else the provider needs, for the sandbox {"merchant_id": "…"}; no secret belongs into it.',
)
@click.option("--secret-name", help="The service finds it as VIENPHI_SECRET_<NAME>. [default: the account's name]")
@click.pass_obj
def add(
    config: Path | None,
    *,
    number: int,
    name: str,
    provider: str,
    bank_bin: str,
    account_number: str,
    holder: str,
    settings: Path | None,
    secret_name: str | None,
) -> None:
    """Add a contract with a provider, its bank account and its clearing account in the books.

    Secrets that this process was given (VIENPHI_SECRET_…) are checked together with the settings.
    """
    if PART in (secret_name or name).replace("-", "_"):
        raise InvalidValue("--secret-name: a secret's name holds no two hyphens together", field="secret_name")
    payee = {"bank_bin": bank_bin, "account_number": account_number, "account_holder": holder}
    stored, needed = _checked_settings(provider, payee, settings, secret_name or name)
    account_id = run_as_owner(
        config,
        lambda setup: setup.add_provider_account(
            OrganizationId(number),
            name=name,
            provider=provider,
            bank_account=NewBankAccount(bank_bin=bank_bin, account_number=account_number, holder=holder),
            settings=stored,
            secret_name=secret_name or name,
        ),
    )
    click.echo(f"provider account {name} added ({account_id}); callbacks come to /callbacks/{number}/{name}")
    for variable in needed:
        click.echo(f"next: give its secret to serve and worker as {variable}")


@account.command("list")
@_NUMBER
@click.pass_obj
def list_accounts(config: Path | None, number: int) -> None:
    """List the accounts of an organization with their providers and bank accounts."""
    rows = run_as_owner(config, lambda setup: setup.list_provider_accounts(OrganizationId(number)))
    for row in rows:
        state = "active" if row.is_active else "inactive"
        bank = " ".join(part for part in (row.bank_bin, row.account_number, row.holder) if part)
        click.echo(f"{row.name:20} {row.provider:16} {state:8} {bank}  secret name {row.secret_name or row.name}")


@account.command()
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="JSON file of the settings that change; null takes one away.",
)
@click.option("--bank-bin", help="The new bank account, with --account-number and --holder.")
@click.option("--account-number")
@click.option("--holder")
@click.option("--active/--inactive", "is_active", default=None, help="Whether it starts payments.")
@click.argument("name")
@click.pass_obj
def change(
    config: Path | None,
    *,
    settings: Path | None,
    bank_bin: str | None,
    account_number: str | None,
    holder: str | None,
    is_active: bool | None,
    name: str,
) -> None:
    """Propose a change of the account NAME; it takes effect when a second person approves it."""
    payee = _whole_payee(bank_bin, account_number, holder)
    changed = {} if settings is None else read_settings_file(settings)
    if not changed and payee is None and is_active is None:
        raise InvalidValue("nothing changes: give --settings, a bank account, --active or --inactive")

    async def propose(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_change(
            context,
            caller.organization_id,
            name,
            ProposedChange(settings=changed, payee=payee, is_active=is_active),
            actor=caller.actor,
        )

    change_id = run_as_caller(config, Right.CHANGE_ACCOUNTS, propose)
    click.echo(f"change {change_id} proposed")
    click.echo(f"next, by a second person: vienphi account approve {change_id}")


@account.command()
@_CHANGE
@click.pass_obj
def approve(config: Path | None, change_id: UUID) -> None:
    """Approve a change that another person proposed; it takes effect within half a minute."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        await find_change(context, caller.organization_id, change_id)
        await approve_proposal(context, caller.organization_id, change_id, actor=caller.actor)

    run_as_caller(config, Right.APPROVE_ACCOUNT_CHANGE, work)
    click.echo(f"change {change_id} approved")


@account.command()
@_CHANGE
@click.pass_obj
def reject(config: Path | None, change_id: UUID) -> None:
    """Reject a proposed change, or withdraw one's own."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        await find_change(context, caller.organization_id, change_id)
        await reject_proposal(context, caller.organization_id, change_id, actor=caller.actor)

    run_as_caller(config, Right.APPROVE_ACCOUNT_CHANGE, work)
    click.echo(f"change {change_id} rejected")


@account.command("list-changes")
@click.pass_obj
def list_account_changes(config: Path | None) -> None:
    """List changes of accounts, the newest first; names of settings, never their values."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for each in await list_changes(context, caller.organization_id, ListSlice(limit=_LISTED_MAX)):
            before, after = each.settings_before, each.settings
            names = sorted(field for field in {*before, *after} if before.get(field) != after.get(field))
            parts = [*names, *(["payee"] if each.payee else []), "active" if each.is_active else "inactive"]
            click.echo(f"{each.approval.id} {each.account_name:20} {each.approval.state:9} {', '.join(parts)}")

    run_as_caller(config, Right.READ_ACCOUNT_CHANGES, work)


def _checked_settings(
    provider: str, payee: Mapping[str, str], file: Path | None, secret_name: str
) -> tuple[dict[str, object], tuple[str, ...]]:
    """The settings to store, with the payee where the provider takes it, and the variables of secrets still needed."""
    from_file = {} if file is None else read_settings_file(file)
    try:
        taken = provider_class(provider).settings_type.model_fields
        stored = {**{field: value for field, value in payee.items() if field in taken}, **from_file}
        return stored, check_account_settings(provider, stored, secret_name)
    except (UnknownProvider, BrokenProvider) as refusal:
        raise InvalidValue(f"--provider: {refusal}", field="provider") from None
    except SettingsRefused as refusal:
        problems = []
        for path, reason in refusal.fields.items():
            is_option = path in _PAYEE_OPTIONS and path not in from_file
            place = _PAYEE_OPTIONS[path] if is_option else path
            problems.append(f"{place}: {reason}" if place else reason)
        source = "no --settings file" if file is None else str(file)
        raise InvalidValue(f"settings of {provider} ({source}): {'; '.join(problems)}", field="settings") from None


def _whole_payee(bank_bin: str | None, account_number: str | None, holder: str | None) -> tuple[str, str, str] | None:
    if bank_bin is None and account_number is None and holder is None:
        return None
    if not (bank_bin and account_number and holder):
        raise InvalidValue("a bank account is --bank-bin, --account-number and --holder together", field="payee")
    return bank_bin, account_number, holder

"""`vienphi account`: a contract with a payment provider, with the bank account it pays into."""

from pathlib import Path

import click

from billing.cli.setting_up import as_owner
from billing.domain.errors import InvalidValue
from billing.domain.ids import OrganizationId
from billing.interop.strict_json import read_object
from billing.secrets import PART, variable_of
from billing.services.organizing import NewBankAccount
from providers.registry import (
    BrokenProvider,
    SettingsRefused,
    UnknownProvider,
    check_stored_settings,
    provider_class,
)
from providers.settings import secret_fields


@click.group()
def account() -> None:
    """Set up provider accounts. Needs VIENPHI_OWNER_URL."""


@account.command()
@click.option("--organization", "number", type=click.IntRange(1, 999_999_999), required=True)
@click.option("--name", required=True, help="Small letters, digits, hyphens; part of the callback's address.")
@click.option("--provider", required=True, help="Name of an installed provider, as sandbox.")
@click.option("--bank-bin", required=True, help="Six digits of the bank.")
@click.option("--account-number", required=True, help="Number of the bank account.")
@click.option("--holder", required=True, help="As the bank writes it.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
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
    """Add a contract with a provider, its bank account and its clearing account in the books."""
    told = {} if settings is None else read_object(settings.read_bytes())
    if PART in (secret_name or name).replace("-", "_"):
        raise InvalidValue("a secret's name holds no two hyphens together", field="secret_name")
    bank_account = NewBankAccount(bank_bin=bank_bin, account_number=account_number, holder=holder)
    try:
        taken = provider_class(provider).settings_type.model_fields
        payee = {"bank_bin": bank_bin, "account_number": account_number, "account_holder": holder}
        known = {field: value for field, value in payee.items() if field in taken}
        check_stored_settings(provider, {**known, **told})
    except (UnknownProvider, BrokenProvider, SettingsRefused) as refusal:
        raise InvalidValue(str(refusal), field="settings") from None
    account_id = as_owner(
        config,
        lambda setup: setup.add_provider_account(
            OrganizationId(number),
            name=name,
            provider=provider,
            bank_account=bank_account,
            settings={**known, **told},
            secret_name=secret_name or name,
        ),
    )
    click.echo(f"provider account {name} added ({account_id}); callbacks come to /callbacks/{number}/{name}")
    for variable in _variables(provider, secret_name or name):
        click.echo(f"next: give its secret to serve and worker as {variable} or {variable}_FILE")


def _variables(provider: str, secret_name: str) -> list[str]:
    """Where serve and worker look for the secrets of an account that it cannot be without."""
    fields = secret_fields(provider_class(provider).settings_type)
    if len(fields) == 1:
        return [variable_of(secret_name)]
    return [variable_of(f"{secret_name}{PART}{field.name}") for field in fields.values() if field.is_required]

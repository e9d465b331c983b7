"""`vienphi policy`: the policy options that a facility can select, and the options that it has selected."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from billing.cli.approval import approve_by_subject
from billing.cli.caller import run_as_caller
from billing.cli.policy_option import parse_policy_options
from billing.coverage.domain.explain import Language
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.policy_options import PolicyOption, all_policy_options
from billing.coverage.formats.policy_json import write_policy_options
from billing.coverage.service.facility_policies import (
    SettingScope,
    list_facility_policies,
    propose_facility_policy,
)
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.service.context import PaymentContext

_PAGE = 1_000
_DEFAULT = {Language.VIETNAMESE: "mặc định", Language.ENGLISH: "default"}


@click.group()
def policy() -> None:
    """List and select the policy options of a facility: the choices that the law leaves open.

    `set`, `approve` and `show` need VIENPHI_DATABASE_URL and VIENPHI_KEY of a person of finance.
    """


@policy.command("list")
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=Language.VIETNAMESE.value,
    show_default=True,
    help="Language of the texts.",
)
def list_(lang: str) -> None:
    """List the policy options with rule, values and open legal question; needs no database."""
    language, defaults = Language(lang), write_policy_options(Policy())
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for option in all_policy_options().values():
        grid.add_row(option.name, _words(option, language, defaults[option.name]))
    Console(highlight=False, markup=False, emoji=False).print(grid)


@policy.command("set")
@click.option("--facility", required=True, help="MA_CSKCB of the site.")
@click.option("--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day of admission.")
@click.argument("pairs", metavar="[NAME=VALUE]...", nargs=-1)
@click.pass_obj
def set_(config: Path | None, *, facility: str, valid_from: datetime, pairs: tuple[str, ...]) -> None:
    """Propose all policy options of a facility; an option that is not named has its default."""
    options = parse_policy_options(pairs)

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_facility_policy(
            context,
            caller.organization_id,
            SettingScope(facility_code=facility, valid_from=valid_from.date()),
            options,
            actor=caller.actor,
        )

    policy_id = run_as_caller(config, Right.SET_PRICES, work)
    click.echo(f"proposed {policy_id}")
    click.echo(f"next, by a second person: vienphi policy approve {policy_id}")


@policy.command()
@click.argument("policy_id", type=click.UUID)
@click.pass_obj
def approve(config: Path | None, policy_id: UUID) -> None:
    """Approve a facility policy that another person proposed."""
    approve_by_subject(config, ApprovalKind.FACILITY_POLICY, policy_id)


@policy.command()
@click.option("--facility", help="Only of this MA_CSKCB.")
@click.pass_obj
def show(config: Path | None, *, facility: str | None) -> None:
    """List facility policies and proposals, the newest first."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for row in await list_facility_policies(context, caller.organization_id, limit=_PAGE, facility_code=facility):
            approval = row.approval
            assert approval is not None, "a policy is always proposed"
            options = " ".join(f"{name}={value}" for name, value in sorted(row.options.items())) or "(defaults)"
            click.echo(
                f"{row.id} {row.facility_code} from {row.valid_from} {approval.state:8}"
                f" ({approval.proposer}/{approval.decider or '–'})  {options}"
            )

    run_as_caller(config, Right.READ_PRICES, work)


def _words(option: PolicyOption, language: Language, default: str) -> str:
    lines = [f"{option.title[language]} [{option.rule}]"]
    lines += [
        f"  {value}: {words[language]}" + (f" ({_DEFAULT[language]})" if value == default else "")
        for value, words in option.choices.items()
    ]
    if option.form is not None:
        lines.append(f"  {option.form[language]} ({_DEFAULT[language]}: {default or '–'})")
    return "\n".join([*lines, option.question[language]])

"""`vienphi chart`: numbers and names of ledger accounts, proposed by one person and approved by another."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from billing.cli.approval import approve_by_proposal
from billing.cli.caller import run_as_caller
from billing.ledger.domain.accounts import AccountKey, AccountRole
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.approvals import ApprovalKind
from billing.organizations.service.chart import ProposedNumber, list_chart, propose_number
from billing.payments.service.context import PaymentContext


@click.group()
def chart() -> None:
    """The chart of accounts. Needs VIENPHI_DATABASE_URL, and VIENPHI_KEY of a person with the role finance."""


@chart.command("list")
@click.pass_obj
def list_(config: Path | None) -> None:
    """List every number of every ledger account: number, first day, role, subject and name."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for row in await list_chart(context, caller.organization_id):
            account = f"{row.account.role} {row.account.subject}".rstrip()
            click.echo(f"{row.number:9} from {row.valid_from}  {account}  {row.name}")

    run_as_caller(config, Right.READ_BOOKS, work)


@chart.command("set")
@click.option("--role", type=click.Choice([role.value for role in AccountRole]), required=True)
@click.option("--subject", default="", help="The account of the role, as in `list`; none for most roles.")
@click.option("--number", required=True, help="Three to nine digits.")
@click.option("--name", required=True)
@click.option(
    "--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="A day that is not closed."
)
@click.pass_obj
def set_(config: Path | None, *, role: str, subject: str, number: str, name: str, valid_from: datetime) -> None:
    """Propose the number and name of a ledger account from a day."""

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_number(
            context,
            caller.organization_id,
            AccountKey(AccountRole(role), subject),
            ProposedNumber(number=number, name=name, valid_from=valid_from.date()),
            actor=caller.actor,
        )

    proposal_id = run_as_caller(config, Right.SET_CHART, work)
    click.echo(f"proposed {proposal_id}")
    click.echo(f"next, by a second person: vienphi chart approve {proposal_id}")


@chart.command()
@click.argument("proposal_id", type=click.UUID)
@click.pass_obj
def approve(config: Path | None, proposal_id: UUID) -> None:
    """Approve a number that another person proposed."""
    approve_by_proposal(config, ApprovalKind.CHART, proposal_id)
    click.echo("approved")

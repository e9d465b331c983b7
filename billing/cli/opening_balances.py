"""`vienphi ledger opening-balances`: proposed by one person from a file, approved and posted by another."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from billing.cli.approval import approve_by_proposal
from billing.cli.caller import run_as_caller
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.service.context import PaymentContext
from billing.reconciliation.formats.opening_balances import read_opening_balances
from billing.reconciliation.service.opening_balances import propose_opening_balances


@click.command("opening-balances")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--first-day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The first business day, as 2026-12-01."
)
@click.pass_obj
def opening_balances(config: Path | None, file: Path, first_day: datetime) -> None:
    """Propose the opening balances of a CSV FILE: role, subject, number, amount in đồng; credit balances are negative.

    They are posted on the day before the first business day when another person approves them. Needs
    VIENPHI_DATABASE_URL, and VIENPHI_KEY of a person with the role finance.
    """
    rows = read_opening_balances(file.read_bytes())

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_opening_balances(
            context, caller.organization_id, rows, first_day=first_day.date(), actor=caller.actor
        )

    proposal_id = run_as_caller(config, Right.SET_OPENING_BALANCES, work)
    click.echo(f"proposed {proposal_id}: {len(rows)} accounts")
    click.echo(f"next, by a second person: vienphi ledger approve-opening-balances {proposal_id}")


@click.command("approve-opening-balances")
@click.argument("proposal_id", type=click.UUID)
@click.pass_obj
def approve_opening_balances(config: Path | None, proposal_id: UUID) -> None:
    """Approve opening balances that another person proposed; they are posted at once and cannot be posted again."""
    approve_by_proposal(config, ApprovalKind.OPENING_BALANCES, proposal_id)
    click.echo("posted")

"""`vienphi reconciliation`: lines of the bank matched with what the ledger expects."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from billing.cli.caller import run_as_caller
from billing.cli.reconciliation_settings import COMMANDS
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import OpenLine
from billing.reconciliation.service.decide_matches import list_lines
from billing.reconciliation.service.match_lines import run_matching
from billing.reconciliation.store.match_runs import MatchRun

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def reconciliation() -> None:
    """Reconciliation (đối soát). Needs VIENPHI_DATABASE_URL and VIENPHI_KEY."""


@reconciliation.command()
@click.option("--import", "import_id", type=click.UUID, help="Only the lines of this import. [default: all open lines]")
@click.option("--rematch-from", type=_DAY, help="First day whose lines are matched again by the newest rule set.")
@click.option("--rematch-to", type=_DAY, help="Last day of it.")
@click.pass_obj
def run(
    config: Path | None, *, import_id: UUID | None, rematch_from: datetime | None, rematch_to: datetime | None
) -> None:
    """Match lines of the bank and of reports, and print the counts.

    A line is matched only if nothing else fits as well; the others stay open. With a period, matches of its lines that
    no person made and no closed day holds are superseded first. The worker does this for each new import by itself.
    """
    if (rematch_from is None) != (rematch_to is None) or (rematch_from is not None and import_id is not None):
        raise click.UsageError("a period has --rematch-from and --rematch-to, and no --import")
    period = None if rematch_from is None or rematch_to is None else (rematch_from.date(), rematch_to.date())

    async def work(context: PaymentContext, caller: Caller) -> MatchRun:
        return await run_matching(
            context, caller.organization_id, actor=caller.actor, import_id=import_id, rematched=period
        )

    done = run_as_caller(config, Right.RECONCILE, work)
    click.echo(
        f"run {done.id}: {done.matches} matches by rule set {done.rule_set}, {done.booked} payments booked from lines, "
        f"{done.superseded} matches superseded"
    )


@reconciliation.command("list-open")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Rows at most.")
@click.pass_obj
def list_open(config: Path | None, *, limit: int) -> None:
    """List the lines of statements without a match, the newest first: day, amount, bank reference and codes."""

    async def work(context: PaymentContext, caller: Caller) -> list[OpenLine]:
        return await list_lines(context, caller.organization_id, ListSlice(limit=limit))

    for line in run_as_caller(config, Right.READ_BOOKS, work):
        names = " ".join((line.bank_reference or "-", *line.codes))
        click.echo(f"{line.id}  {line.booked_on}  {line.amount}  {names}{'  tentative' if line.is_tentative else ''}")


for _command in COMMANDS:
    reconciliation.add_command(_command)

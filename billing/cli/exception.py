"""`vienphi exception`: what a person must decide, and the bank traces. Decisions are made over HTTP or on screen."""

from pathlib import Path

import click

from billing.cli.caller import run_as_caller
from billing.core.clock import business_date
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.domain.exception import ExceptionFilter, ExceptionReason, ExceptionState
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.bank_trace import BankTrace, TraceState
from billing.reconciliation.service.bank_traces import list_bank_traces
from billing.reconciliation.service.exceptions import list_exceptions
from billing.reconciliation.store.exception_lists import ListedException

_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Rows at most.")


@click.group()
def exception() -> None:
    """Exceptions and bank traces. Needs VIENPHI_DATABASE_URL and VIENPHI_KEY."""


@exception.command("list")
@click.option(
    "--reason", type=click.Choice([each.value for each in ExceptionReason]), help="Only exceptions of this reason."
)
@click.option("--closed", is_flag=True, help="List the closed ones.")
@_LIMIT
@click.pass_obj
def list_(config: Path | None, *, reason: str | None, closed: bool, limit: int) -> None:
    """List exceptions, the newest first: day, reason, amount, owner, due time and the proposed action."""
    state = ExceptionState.CLOSED if closed else ExceptionState.OPEN

    async def work(context: PaymentContext, caller: Caller) -> list[ListedException]:
        wanted = ExceptionFilter(state=state, reason=reason)
        return await list_exceptions(context, caller.organization_id, wanted, after=None, limit=limit)

    for each in run_as_caller(config, Right.READ_BOOKS, work):
        due = "overdue since" if each.is_overdue else "due"
        click.echo(
            f"{each.id}  {each.business_day}  {each.reason.value}  {each.amount}  {each.owner or 'no owner'}  "
            f"{due} {business_date(each.due_at)}  proposed: {each.proposed_action.value}"
        )
        click.echo(f"    {each.sentence}")


@exception.command("list-traces")
@click.option("--state", type=click.Choice([each.value for each in TraceState]), help="Only traces in this state.")
@_LIMIT
@click.pass_obj
def list_traces(config: Path | None, *, state: str | None, limit: int) -> None:
    """List bank traces (tra soát), the newest first: state, amount, owner, deadline and exception."""

    async def work(context: PaymentContext, caller: Caller) -> list[BankTrace]:
        wanted = None if state is None else TraceState(state)
        return await list_bank_traces(context, caller.organization_id, ListSlice(limit=limit), state=wanted)

    for each in run_as_caller(config, Right.READ_BOOKS, work):
        click.echo(
            f"{each.id}  {each.state.value}  {each.amount}  {each.owner}  due {each.due_on}  "
            f"exception {each.exception_id}"
        )

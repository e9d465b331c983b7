"""`vienphi approval`: what one person proposed and another decides, of all kinds."""

from pathlib import Path
from uuid import UUID

import click

from billing.cli.caller import run_as_caller
from billing.core.errors import InvalidValue
from billing.core.list_slice import ListSlice
from billing.ops.approval_kinds import approve_proposal, approve_subject, find_proposal, list_proposals
from billing.organizations.domain.approval import kinds_of, right_of
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.approvals import ApprovalKind, ApprovalState
from billing.payments.service.context import PaymentContext

_LISTED_MAX = 1_000


@click.group()
def approval() -> None:
    """Proposals that wait for a second person, and their decisions. Needs VIENPHI_DATABASE_URL and VIENPHI_KEY."""


@approval.command("list")
@click.option("--kind", type=click.Choice([each.value for each in ApprovalKind]), help="Only of this kind.")
@click.option(
    "--state",
    type=click.Choice([each.value for each in ApprovalState]),
    help="Only in this state; proposed waits for a second person.",
)
@click.pass_obj
def list_(config: Path | None, *, kind: str | None, state: str | None) -> None:
    """List proposals of the kinds that your roles decide, the newest first: id, kind, state, subject and persons."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        kinds = kinds_of(caller.roles)
        for each in await list_proposals(
            context,
            caller.organization_id,
            ListSlice(limit=_LISTED_MAX),
            kinds=kinds if kind is None else kinds & {ApprovalKind(kind)},
            state=None if state is None else ApprovalState(state),
        ):
            click.echo(
                f"{each.id} {each.kind:19} {each.state:9} {each.subject_id} ({each.proposer}/{each.decider or '–'})"
            )

    run_as_caller(config, Right.READ_APPROVALS, work)


def approve_by_subject(config: Path | None, kind: ApprovalKind, subject_id: UUID) -> None:
    """Approve the proposal for a subject as the person of VIENPHI_KEY: the command `approve` of each kind."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        await approve_subject(context, caller.organization_id, kind, subject_id, actor=caller.actor)

    run_as_caller(config, right_of(kind), work)
    click.echo("approved")


def approve_by_proposal(config: Path | None, kind: ApprovalKind, proposal_id: UUID) -> None:
    """Approve a proposal of this kind as the person of VIENPHI_KEY, where the subject has no id of its own.

    Raises NotFound, and InvalidValue for a proposal of another kind.
    """

    async def work(context: PaymentContext, caller: Caller) -> None:
        proposal = await find_proposal(context, caller.organization_id, proposal_id)
        if proposal.kind is not kind:
            raise InvalidValue(f"this proposal is not of the kind {kind}; its kind is {proposal.kind}", field="id")
        await approve_proposal(context, caller.organization_id, proposal_id, actor=caller.actor)

    run_as_caller(config, right_of(kind), work)

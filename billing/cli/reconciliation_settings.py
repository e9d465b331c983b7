"""Commands of `vienphi reconciliation` for contracts and rule sets: one person proposes, another approves."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from billing.cli.approval import approve_by_proposal
from billing.cli.caller import run_as_caller
from billing.core.money import Dong
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import ItemKind, RuleSetChange
from billing.reconciliation.domain.provider_contract import ContractTerms
from billing.reconciliation.service.match_settings import (
    list_contracts,
    list_rule_sets,
    propose_contract,
    propose_rules,
)

_DAY = click.DateTime(["%Y-%m-%d"])
_DAYS = click.IntRange(0, 60)
_TERM = click.Choice([kind.value for kind in ItemKind])


@click.command("list-contracts")
@click.pass_obj
def list_contracts_command(config: Path | None) -> None:
    """List the contracts of provider accounts: account, first day, how it pays out, its fee."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for each in await list_contracts(context, caller.organization_id):
            fee = "no fee stated"
            if each.fee_basis_points is not None:
                fee = f"{each.fee_basis_points} basis points + {each.fee_fixed} đồng"
            pays = "pays out batches" if each.pays_out else "one line for each payment"
            click.echo(f"{each.account}  from {each.valid_from}  {pays}  {fee}")

    run_as_caller(config, Right.READ_BOOKS, work)


@click.command("set-contract")
@click.option("--account", required=True, help="Name of the provider account.")
@click.option("--from", "valid_from", type=_DAY, required=True, help="First day of the contract.")
@click.option("--pays-out/--pays-each", required=True, help="One amount for many payments, or a line for each payment.")
@click.option(
    "--fee-basis-points", type=click.IntRange(0, 10_000), help="Parts of 10,000 of each payment; 50 is 0.5 %."
)
@click.option("--fee-fixed", type=click.IntRange(0, 1_000_000), help="Đồng for each payment.")
@click.pass_obj
def set_contract(
    config: Path | None,
    *,
    account: str,
    valid_from: datetime,
    pays_out: bool,
    fee_basis_points: int | None,
    fee_fixed: int | None,
) -> None:
    """Propose the contract of a provider account from a day on. Without a fee, none is checked."""

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        terms = ContractTerms(
            valid_from=valid_from.date(),
            pays_out=pays_out,
            fee_basis_points=fee_basis_points,
            fee_fixed=fee_fixed,
        )
        return await propose_contract(context, caller.organization_id, account, terms, actor=caller.actor)

    _print_proposed(run_as_caller(config, Right.SET_MATCHING, work))


@click.command("list-rules")
@click.pass_obj
def list_rules(config: Path | None) -> None:
    """List the versions of the rules of matching, the newest first: it is in force."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for each in await list_rule_sets(context, caller.organization_id):
            rules = "  ".join(f"{name} {value}" for name, value in each.rules.as_json().items() if name != "terms")
            terms = "  ".join(f"{kind} {days} days" for kind, days in sorted(each.rules.terms.items()))
            click.echo(f"version {each.rules.version}  {each.created_at.date()}  {rules}  {terms}".rstrip())

    run_as_caller(config, Right.READ_BOOKS, work)


@click.command("set-rules")
@click.option("--tolerance", type=click.IntRange(0, 100_000), help="Đồng that a line and its item may differ by.")
@click.option(
    "--fee-tolerance", type=click.IntRange(0, 100_000), help="Đồng that a fee and its contract may differ by."
)
@click.option("--reference-days", type=_DAYS, help="Days after the item for a line with its bank reference.")
@click.option("--code-days", type=_DAYS, help="Days after the item for a line with its reference code.")
@click.option("--payout-days", type=_DAYS, help="Days after the item for a payout, card batch or bank deposit.")
@click.option("--term", "terms", type=(_TERM, _DAYS), multiple=True, help="Kind of item and its working days.")
@click.option(
    "--cut-off", type=click.DateTime(["%H:%M"]), help="Time of day; later payments may be booked on the next day."
)
@click.pass_obj
def set_rules(
    config: Path | None,
    *,
    tolerance: int | None,
    fee_tolerance: int | None,
    reference_days: int | None,
    code_days: int | None,
    payout_days: int | None,
    terms: tuple[tuple[str, int], ...],
    cut_off: datetime | None,
) -> None:
    """Propose the next version of the rules of matching; a rule that is left out stays."""
    change = RuleSetChange(
        tolerance=None if tolerance is None else Dong(tolerance),
        fee_tolerance=None if fee_tolerance is None else Dong(fee_tolerance),
        reference_days=reference_days,
        code_days=code_days,
        payout_days=payout_days,
        terms=dict(terms) or None,
        cut_off=None if cut_off is None else cut_off.time(),
    )

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_rules(context, caller.organization_id, change, actor=caller.actor)

    _print_proposed(run_as_caller(config, Right.SET_MATCHING, work))


@click.command("approve-contract")
@click.argument("proposal_id", type=click.UUID)
@click.pass_obj
def approve_contract(config: Path | None, proposal_id: UUID) -> None:
    """Approve a contract that another person proposed."""
    approve_by_proposal(config, ApprovalKind.PROVIDER_CONTRACT, proposal_id)
    click.echo("approved")


@click.command("approve-rules")
@click.argument("proposal_id", type=click.UUID)
@click.pass_obj
def approve_rules(config: Path | None, proposal_id: UUID) -> None:
    """Approve rules that another person proposed; the next run uses them."""
    approve_by_proposal(config, ApprovalKind.MATCH_RULES, proposal_id)
    click.echo("approved")


def _print_proposed(proposal_id: UUID) -> None:
    click.echo(f"proposed {proposal_id}")
    click.echo("another person approves it")


COMMANDS = (
    list_contracts_command,
    set_contract,
    approve_contract,
    list_rules,
    set_rules,
    approve_rules,
)
"""Added to the group `vienphi reconciliation`."""

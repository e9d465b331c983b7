"""`vienphi privacy`: a patient's data erased on request, and partitions that are past their retention taken off."""

import asyncio
from pathlib import Path

import click

from billing.cli.caller import run_as_caller
from billing.cli.cells import cell_option, choose_cells, heading, open_one_cell, owner_cells, require_none_away
from billing.cli.owner import OWNER_LIMITS
from billing.core.errors import InvalidValue
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.context import utc_now
from billing.ops.erasure import PatientErasure, PatientNumber, detach_old_partitions, erase_patient
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext
from billing.settings import Settings, load_settings


@click.group()
def privacy() -> None:
    """Personal data on its way out; what is past its retention is erased by the worker without a command."""


@privacy.command()
@click.option("--citizen-number", help="Number of the citizen card.")
@click.option("--hospital-number", help="The hospital's own number of the patient [MA_BN].")
@click.option("--ma-lk", help="One visit by its MA_LK.")
@click.option("--dry-run", is_flag=True, help="Count what would be erased, and erase nothing.")
@click.pass_obj
def erase(
    config: Path | None, *, citizen_number: str | None, hospital_number: str | None, ma_lk: str | None, dry_run: bool
) -> None:
    """Erase the person, documents, payers and messages of one patient's visits; invoices and books stay.

    Acts for the person of VIENPHI_KEY,
        who needs the role administrator; the audit records who erased which visit. Needs
    VIENPHI_DATABASE_URL.
    """
    given = {"citizen_number": citizen_number, "hospital_number": hospital_number, "ma_lk": ma_lk}
    named = [PatientNumber(by, number) for by, number in given.items() if number is not None]
    if len(named) != 1:
        raise InvalidValue("name the patient by one of --citizen-number, --hospital-number and --ma-lk")

    async def work(context: PaymentContext, caller: Caller) -> PatientErasure:
        return await erase_patient(context, caller.organization_id, named[0], actor=caller.actor, is_trial=dry_run)

    erasure = run_as_caller(config, Right.ERASE_PERSONAL_DATA, work)
    click.echo(f"{'would erase' if dry_run else 'erased'} the personal data of {erasure.visits} visits")
    for table, count in erasure.rows.items():
        click.echo(f"  {table:24} {count}")


@privacy.command("detach-partitions")
@click.option("--drop", is_flag=True, help="Drop them at once instead of leaving them to be archived.")
@cell_option("Only this cell.")
@click.pass_obj
def detach(config: Path | None, drop: bool, cell: str | None) -> None:
    """Take off the monthly partitions that are past their retention.

    Needs VIENPHI_OWNER_URL, and the owner_url of each further cell. Exit status 1 where a cell does not answer.
    """
    settings = load_settings(config, needed=("owner_url",))
    away: dict[str, str] = {}
    for cell_name, url in choose_cells(*owner_cells(settings), cell).items():
        try:
            detached = asyncio.run(_detach(url, settings, drops=drop))
        except DatabaseUnavailable as refusal:
            if not settings.cells:
                raise
            away[cell_name] = refusal.detail
            continue
        begin, done = heading(settings, cell_name), "dropped" if drop else "detached"
        for name in detached:
            click.echo(f"{begin}{done} {name}")
        click.echo(f"{begin}{len(detached)} partitions {done}")
    require_none_away(away)


async def _detach(url: str, settings: Settings, *, drops: bool) -> list[str]:
    async with open_one_cell(url, settings, limits=OWNER_LIMITS, name="privacy") as owner:
        found = await detach_old_partitions(owner, settings.retention.terms, now=utc_now(), drops=drops)
    return [name for names in found.values() for name in names]

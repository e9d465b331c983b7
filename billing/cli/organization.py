"""`vienphi organization`: set up a hospital, and how soon its exceptions must be decided."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import click

from billing.claims.service.setup import NewTerms
from billing.cli.approval import approve_by_proposal
from billing.cli.caller import run_as_caller
from billing.cli.cells import (
    cell_of,
    cell_option,
    choose_cells,
    heading,
    open_for_command,
    open_one_cell,
    owner_cells,
    require_all,
)
from billing.cli.files import read_settings_file
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.organization_clear import clear
from billing.cli.organization_move import move
from billing.cli.owner import OWNER_LIMITS, run_as_owner, run_claim_setup, run_on_owner_database, setup_of
from billing.cli.roll_up import roll_up_command
from billing.core.ids import OrganizationId
from billing.core.money import DONG_MAX, Dong
from billing.db.cells import CellDatabase, cells_away
from billing.db.database import HOME
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.setup import AlreadySetUp, NewOrganization
from billing.payments.domain.exception import DEFAULT_POLICIES
from billing.payments.service.context import PaymentContext
from billing.payments.service.exception_policies import read_exception_policies, set_exception_policy
from billing.payments.service.refund_limit import find_refund_limit, propose_refund_limit
from billing.settings import Settings, load_settings
from billing.visits.domain.facts import FacilityFacts, TechnicalLevel
from billing.visits.domain.visit import FormerTier


@click.group()
def organization() -> None:
    """Set up organizations. Needs VIENPHI_OWNER_URL."""


organization.add_command(move)
organization.add_command(clear)
organization.add_command(roll_up_command)


@organization.command()
@click.option("--id", "number", type=ORGANIZATION_NUMBER, required=True, help="Its number here; it never changes.")
@click.option("--name", required=True, help="Name of the legal unit.")
@click.option("--tax-code", required=True, help="Mã số thuế.")
@click.option("--facility-code", required=True, help="MA_CSKCB of its first site.")
@click.option("--facility-name", help="Name of the site. [default: that of the unit]")
@click.option(
    "--technical-level",
    type=click.Choice(["initial", "basic", "specialised"]),
    default="basic",
    show_default=True,
    help="Cấp chuyên môn kỹ thuật.",
)
@click.option("--help-phone", default="", help="Phone of the payment desk, shown to patients.")
@click.option("--training", "is_training", is_flag=True, help="To practise: bank simulator only, marked on every page.")
@cell_option("The cell that serves it; [default: home]")
@click.pass_obj
def add(
    config: Path | None,
    *,
    number: int,
    name: str,
    tax_code: str,
    facility_code: str,
    facility_name: str | None,
    technical_level: str,
    help_phone: str,
    is_training: bool,
    cell: str | None,
) -> None:
    """Add a legal unit with its first site, a prefix for its reference codes and its ledger accounts.

    With several cells each of them has to answer, with an owner_url: the number is new in all of them.
    """
    new = NewOrganization(
        id=OrganizationId(number),
        name=name,
        tax_code=tax_code,
        facility_code=facility_code,
        facility_name=facility_name or name,
        technical_level=technical_level,
        help_phone=help_phone,
        is_training=is_training,
    )
    settings = load_settings(config, needed=("owner_url",))
    asyncio.run(_add(settings, cell or HOME, new))
    click.echo(
        f"{heading(settings, cell or HOME)}organization {number} added; next: vienphi account add, vienphi key add"
    )


async def _add(settings: Settings, cell: str, new: NewOrganization) -> None:
    addresses, missing = owner_cells(settings)
    url = choose_cells(addresses, missing, cell)[cell]
    if settings.cells:
        async with open_for_command(addresses, missing, limits=OWNER_LIMITS, name="set-up") as database:
            if isinstance(database, CellDatabase) and database.away:
                raise cells_away(database.away)
            if new.id in await database.list_organizations():
                raise AlreadySetUp(f"organization {new.id} is in the cell {await cell_of(database, new.id)}")
    async with open_one_cell(url, settings, limits=OWNER_LIMITS, name="set-up") as database:
        await setup_of(database, settings).add_organization(new)


@organization.command("list")
@click.pass_obj
def list_organizations(config: Path | None) -> None:
    """List the organizations with their facilities, how many provider accounts each has, and of several cells its own.

    Exit status 1 if a cell does not answer; the others are listed.
    """
    asyncio.run(_list(load_settings(config, needed=("owner_url",))))


async def _list(settings: Settings) -> None:
    async with open_for_command(*owner_cells(settings), limits=OWNER_LIMITS, name="set-up") as database:
        for each in await setup_of(database, settings).list_organizations():
            facilities = ", ".join(each.facilities) or "none"
            cell = f"  cell {await cell_of(database, OrganizationId(each.id))}" if settings.cells else ""
            click.echo(
                f"{each.id:>9}  {each.name}  tax code {each.tax_code}  facilities {facilities}"
                f"  {each.accounts} accounts{cell}"
            )
        require_all(database)


@organization.command("add-facility")
@click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
@click.option("--facility-code", required=True, help="MA_CSKCB of the site.")
@click.option("--facility-name", required=True, help="Name of the site.")
@click.option("--technical-level", type=click.Choice([level.value for level in TechnicalLevel]), required=True)
@click.option("--phone", default="", help="Phone of its payment desk, shown to patients. [default: that of the unit]")
@click.pass_obj
def add_facility(
    config: Path | None, *, number: int, facility_code: str, facility_name: str, technical_level: str, phone: str
) -> None:
    """Add a further site to a legal unit; its visits are taken from then on."""
    run_as_owner(
        config,
        lambda setup: setup.add_facility(
            OrganizationId(number),
            code=facility_code,
            name=facility_name,
            technical_level=technical_level,
            phone=phone,
        ),
    )
    click.echo(f"facility {facility_code} added; next: vienphi organization set-facility, vienphi policy set")


@organization.command("set-phone")
@click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
@click.option("--facility-code", required=True, help="MA_CSKCB of the site.")
@click.option("--phone", required=True, help='Phone of its payment desk; "" for that of the unit.')
@click.pass_obj
def set_phone(config: Path | None, *, number: int, facility_code: str, phone: str) -> None:
    """Set the phone of a facility's payment desk: patients see it on their page and where a link opens nothing."""
    run_as_owner(
        config, lambda setup: setup.set_facility_phone(OrganizationId(number), code=facility_code, phone=phone)
    )
    click.echo(f"facility {facility_code}: patients call {phone or 'the phone of the organization'}")


@organization.command("set-facility")
@click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
@click.option("--facility-code", required=True, help="MA_CSKCB of the site.")
@click.option("--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day it holds.")
@click.option("--technical-level", type=click.Choice([level.value for level in TechnicalLevel]), required=True)
@click.option("--ranking-points", type=click.IntRange(0, 100), help="Điểm xếp cấp.")
@click.option("--provisional/--ranked", default=None, help="Ranked provisionally or not. [default: not stated]")
@click.option("--former-tier", type=click.Choice([line.value for line in FormerTier]), help="Tuyến before 2025-01-01.")
@click.option("--lists", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of its own lists.")
@click.pass_obj
def set_facility(
    config: Path | None,
    *,
    number: int,
    facility_code: str,
    valid_from: datetime,
    technical_level: str,
    ranking_points: int | None,
    provisional: bool | None,
    former_tier: str | None,
    lists: Path | None,
) -> None:
    """Set the rank of a facility from a day, which decides patient categories; without --lists it keeps its lists."""
    terms = NewTerms(
        facility_code=facility_code,
        valid_from=valid_from.date(),
        facts=FacilityFacts(
            technical_level=TechnicalLevel(technical_level),
            points=ranking_points,
            is_provisional=provisional,
            former_tier=None if former_tier is None else FormerTier(former_tier),
        ),
        lists=None if lists is None else read_settings_file(lists),
    )
    run_claim_setup(config, lambda setup: setup.set_terms(OrganizationId(number), terms))
    click.echo(f"facility {facility_code}: {technical_level} from {valid_from.date()}")


@organization.command("set-refund-limit")
@click.option("--amount", type=click.IntRange(0, DONG_MAX), required=True, help="In đồng; 0: every refund.")
@click.pass_obj
def set_refund_limit(config: Path | None, *, amount: int) -> None:
    """Propose the amount above which a second person approves a refund. Needs VIENPHI_DATABASE_URL and VIENPHI_KEY."""

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_refund_limit(context, caller.organization_id, Dong(amount), actor=caller.actor)

    proposal_id = run_as_caller(config, Right.SET_REFUND_LIMIT, work)
    click.echo(f"proposed {proposal_id}")
    click.echo(f"next, by a second person: vienphi organization approve-refund-limit {proposal_id}")


@organization.command("approve-refund-limit")
@click.argument("proposal_id", type=click.UUID)
@click.pass_obj
def approve_refund_limit(config: Path | None, proposal_id: UUID) -> None:
    """Approve the amount that another person proposed. Needs VIENPHI_DATABASE_URL and VIENPHI_KEY."""

    async def work(context: PaymentContext, caller: Caller) -> int:
        return await find_refund_limit(context, caller.organization_id)

    approve_by_proposal(config, ApprovalKind.REFUND_LIMIT, proposal_id)
    amount = run_as_caller(config, Right.APPROVE_REFUND_LIMIT, work)
    click.echo(f"refunds above {amount} đồng are approved by a second person")


_REASONS = {reason.value: reason for reason in DEFAULT_POLICIES}


@organization.command("set-exception")
@click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
@click.option("--reason", type=click.Choice(sorted(_REASONS)), required=True)
@click.option("--due-hours", type=click.IntRange(1, 720), required=True, help="Hours until a person must have decided.")
@click.option("--owner", help="Name of the person who owns it. [default: any person with the role finance]")
@click.pass_obj
def set_exception(config: Path | None, *, number: int, reason: str, due_hours: int, owner: str | None) -> None:
    """Set the due time and the owner of exceptions of a reason; open exceptions are not changed."""
    run_on_owner_database(
        config,
        lambda database: set_exception_policy(
            database, OrganizationId(number), _REASONS[reason], due=timedelta(hours=due_hours), owner_name=owner
        ),
    )
    click.echo(f"{reason}: due after {due_hours} h, owner {owner or 'any person with the role finance'}")


@organization.command("list-exceptions")
@click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
@click.pass_obj
def list_exceptions(config: Path | None, *, number: int) -> None:
    """Print what holds for each reason: the hours, and the owner's id where one person owns it."""
    terms = run_on_owner_database(config, lambda database: read_exception_policies(database, OrganizationId(number)))
    for reason, each in terms.items():
        click.echo(f"{reason.value:28} {each.due // timedelta(hours=1):>4} h  {each.owner_id or 'finance'}")

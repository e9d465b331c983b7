"""`vienphi organization`: set up a hospital."""

from pathlib import Path

import click

from billing.cli.setting_up import as_owner
from billing.domain.ids import OrganizationId
from billing.services.organizing import NewOrganization


@click.group()
def organization() -> None:
    """Set up organizations. Needs VIENPHI_OWNER_URL."""


@organization.command()
@click.option("--id", "number", type=click.IntRange(1, 999_999_999), required=True, help="Its number here, for ever.")
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
) -> None:
    """Add a legal unit with its first site, a prefix for its reference codes and its ledger accounts."""
    new = NewOrganization(
        id=OrganizationId(number),
        name=name,
        tax_code=tax_code,
        facility_code=facility_code,
        facility_name=facility_name or name,
        technical_level=technical_level,
        help_phone=help_phone,
    )
    as_owner(config, lambda setup: setup.add_organization(new))
    click.echo(f"organization {number} added; next: vienphi account add, vienphi key add")

"""`vienphi pricing`: whose amounts a facility collects, and where the hospital's system and we differ."""

import csv
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import click

from billing.cli.approval import approve_by_subject
from billing.cli.caller import run_as_caller
from billing.coverage.domain.explain import plain_number
from billing.coverage.domain.pricing_authority import DifferenceFilter, FacilityPricing, PriceDay, PricingAuthority
from billing.coverage.service.pricing_settings import (
    ListedDifference,
    SettingScope,
    list_differences,
    list_pricings,
    propose_pricing,
)
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.service.context import PaymentContext

_PAGE = 1_000
_COLUMNS = (
    "recorded_at", "facility_code", "ma_lk", "invoice_number", "source_table", "stt", "code", "field", "his_value",
    "vienphi_value", "rules", "vendor",
)  # fmt: skip


@click.group()
def pricing() -> None:
    """Whose amounts a facility collects. Needs VIENPHI_DATABASE_URL, and VIENPHI_KEY of a person of finance."""


@pricing.command("set")
@click.option("--facility", required=True, help="MA_CSKCB of the site.")
@click.option("--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day of admission.")
@click.option(
    "--authority",
    type=click.Choice([each.value for each in PricingAuthority]),
    required=True,
    help="his collects what the hospital's system computed; vienphi prices by the list in force.",
)
@click.option("--vendor", default="", help="Whose system the HIS is; required for his.")
@click.option(
    "--price-day",
    type=click.Choice([each.value for each in PriceDay]),
    default=PriceDay.ORDERED.value,
    show_default=True,
    help="Which day of a charge picks the price list.",
)
@click.pass_obj
def set_(
    config: Path | None, *, facility: str, valid_from: datetime, authority: str, vendor: str, price_day: str
) -> None:
    """Propose a setting; it holds once a second person approves it."""
    setting = FacilityPricing(
        authority=PricingAuthority(authority), price_day=PriceDay(price_day), vendor=vendor.strip()
    )

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_pricing(
            context,
            caller.organization_id,
            SettingScope(facility_code=facility, valid_from=valid_from.date()),
            setting,
            actor=caller.actor,
        )

    pricing_id = run_as_caller(config, Right.SET_PRICES, work)
    click.echo(f"proposed {pricing_id}")
    click.echo(f"next, by a second person: vienphi pricing approve {pricing_id}")


@pricing.command()
@click.argument("pricing_id", type=click.UUID)
@click.pass_obj
def approve(config: Path | None, pricing_id: UUID) -> None:
    """Approve a setting that another person proposed."""
    approve_by_subject(config, ApprovalKind.FACILITY_PRICING, pricing_id)


@pricing.command("list")
@click.pass_obj
def list_(config: Path | None) -> None:
    """List settings and proposals, the newest first."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for row in await list_pricings(context, caller.organization_id, limit=_PAGE):
            approval = row.approval
            assert approval is not None, "a setting is always proposed"
            click.echo(
                f"{row.id} {row.facility_code} from {row.valid_from} {row.authority:8} {approval.state:8}"
                f" by day {row.price_day}  {row.vendor}  ({approval.proposer}/{approval.decider or '–'})"
            )

    run_as_caller(config, Right.READ_PRICES, work)


@pricing.command()
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
@click.option("--field", help="Only of this field, as T_BNCCT.")
@click.option("--vendor", help="Only of this vendor's system.")
@click.pass_obj
def differences(config: Path | None, *, as_csv: bool, field: str | None, vendor: str | None) -> None:
    """List where what was collected for the hospital's system differs from ours, the newest first."""
    writer = csv.writer(sys.stdout, lineterminator="\n")

    async def work(context: PaymentContext, caller: Caller) -> int:
        if as_csv:
            writer.writerow(_COLUMNS)
        after: UUID | None = None
        count = 0
        wanted = DifferenceFilter(field=field, vendor=vendor)
        while rows := await list_differences(context, caller.organization_id, wanted, after=after, limit=_PAGE):
            for row in rows:
                cells = [_cell(row, column) for column in _COLUMNS]
                if as_csv:
                    writer.writerow(cells)
                else:
                    click.echo("  ".join(cells))
            count += len(rows)
            after = rows[-1].id
        return count

    count = run_as_caller(config, Right.READ_PRICES, work)
    if not as_csv:
        click.echo(f"{count} differences")


def _cell(row: ListedDifference, column: str) -> str:
    """A cell as text; one that a spreadsheet would take for a formula gets an apostrophe before it."""
    value: object = getattr(row, column)
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return value.isoformat()
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text

"""The hospital of the demonstration: what `vienphi demo` and `vienphi run` set up on a fresh database."""

import secrets
from collections.abc import Collection
from datetime import timedelta

from billing.cli.demo_day import FACILITY
from billing.cli.demo_staff import add_desks, add_staff
from billing.core.actor import Actor, Role
from billing.core.ids import OrganizationId
from billing.db.context import Context, Ids, utc_now
from billing.db.database import Database
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.desks import set_cash_settings
from billing.organizations.service.setup import NewBankAccount, NewOrganization, Setup
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.service.card_batches import NewTerminal, add_card_terminal
from billing.visit_accounts.service.safe import list_bank_accounts
from providers.addresses import AddressRules
from providers.sandbox.message import SandboxSettings

HOSPITAL = OrganizationId(1)
ACCOUNT = "sandbox"
CALLBACK_PATH = f"/callbacks/{HOSPITAL}/{ACCOUNT}"
_BANK = NewBankAccount(bank_bin="970436", account_number="0123456789012", holder="BENH VIEN DA KHOA MAU")


def sandbox_settings(*, query_url: str = "") -> SandboxSettings:
    """The hospital's account at the bank simulator, under a secret of its own."""
    return SandboxSettings(
        bank_bin=_BANK.bank_bin,
        account_number=_BANK.account_number,
        account_holder=_BANK.holder,
        merchant_id="DEMO",
        secret=secrets.token_urlsafe(24),  # type: ignore[arg-type]  # pydantic wraps it
        query_url=query_url,
    )


_KEY_HOLDER = "Phần mềm HIS"
"""The journal of the demonstration names it: what the hospital's software sends is the act of no cashier."""


async def set_up_hospital(
    owner_url: str,
    settings: SandboxSettings,
    *,
    key_life: timedelta,
    roles: Collection[Role] = (Role.CASHIER, Role.INTEGRATOR),
    outgoing: AddressRules | None = None,
    is_training: bool = False,
) -> str:
    """One hospital with a sandbox account; returns a key for its desk."""
    database = await Database.open(owner_url)
    try:
        setup = Setup(database, utc_now, Ids(utc_now), outgoing)
        await setup.add_organization(
            NewOrganization(
                id=HOSPITAL,
                name="Bệnh viện Đa khoa Mẫu",
                tax_code="0100000000",
                facility_code=FACILITY,
                facility_name="Bệnh viện Đa khoa Mẫu",
                technical_level="basic",
                help_phone="024 3999 0000",
                is_training=is_training,
            )
        )
        await setup.add_provider_account(
            HOSPITAL,
            name=ACCOUNT,
            provider="sandbox",
            bank_account=_BANK,
            settings=settings.model_dump(mode="json", exclude={"secret"}, exclude_defaults=True),
            secret_name="sandbox",  # noqa: S106 - a name, not a secret
        )
        return await setup.add_key(HOSPITAL, person_name=_KEY_HOLDER, roles=roles, expires_at=utc_now() + key_life)
    finally:
        await database.close()


async def add_screens(owner_url: str) -> str:
    """Add desks and a person with an account for each role; returns the key of the kiosk."""
    database = await Database.open(owner_url)
    try:
        await add_staff(database, HOSPITAL)
        context = Context(database=database)
        await add_desks(context, HOSPITAL, FACILITY)
        # The count is blind, as in the guides.
        setting = CashSetting(rounding_step=1, hides_expected_cash=True, confirms_offline=False)
        await set_cash_settings(context, HOSPITAL, facility_code=FACILITY, setting=setting, actor=Actor.system())
        return await Setup(database, utc_now, Ids(utc_now)).add_key(
            HOSPITAL, person_name="Máy lấy số", name="kiosk", facility_codes=[FACILITY]
        )
    finally:
        await database.close()


async def add_terminal(context: PaymentContext) -> None:
    """Add a card terminal at the hospital."""
    [bank_account] = await list_bank_accounts(context, HOSPITAL)
    terminal = NewTerminal(
        facility_code=FACILITY, name="POS 1", terminal_number="POS-0001", bank_account_id=bank_account.id
    )
    await add_card_terminal(context, HOSPITAL, terminal, actor=Actor.system())

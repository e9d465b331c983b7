"""The smallest hospital a test can work with: start here and change only what matters."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from pydantic import ValidationError

from billing.core.actor import Role
from billing.core.ids import OrganizationId, ProviderAccountId
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.db.context import Clock, Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import AccountUnusable
from billing.organizations.service.provider_accounts import BuildProvider, BuiltProvider, StoredProviderAccounts
from billing.organizations.service.setup import NewBankAccount, NewOrganization, Setup
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.context import PaymentContext
from providers.sandbox.adapter import Sandbox
from providers.sandbox.message import SandboxSettings

ACCOUNT_NAME = "sandbox"
FACILITY_CODE = "01001"
BANK_BIN = "970422"
SANDBOX_SECRET = "sandbox-secret-of-the-tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoHospital:
    """One organization with a facility, a sandbox account and a key; `settings` hold the secret the bank signs with."""

    organization_id: OrganizationId
    facility_code: str
    account_id: ProviderAccountId
    settings: SandboxSettings
    key: str

    @property
    def authorization(self) -> dict[str, str]:
        """The header that lets a program act for this organization."""
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def callback_path(self) -> str:
        return f"/callbacks/{self.organization_id}/{ACCOUNT_NAME}"


def build_sandbox(row: ProviderAccountRow) -> BuiltProvider:
    """Make the sandbox provider as `app` does, with the secret of the tests."""
    assert (row.provider, row.secret_name) == ("sandbox", "sandbox")
    try:
        values = SandboxSettings.model_validate({**row.settings, "secret": SANDBOX_SECRET})
    except ValidationError as refusal:
        raise AccountUnusable("settings of sandbox are refused") from refusal
    return BuiltProvider(Sandbox(values, httpx.AsyncClient(transport=httpx.MockTransport(_no_network))), values.allows)


def _no_network(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"the sandbox calls nobody, yet {request.method} was sent")


def build_context(
    database: Database, *, clock: Clock = utc_now, build_provider: BuildProvider = build_sandbox
) -> PaymentContext:
    """A context on a database opened with the app role."""
    return PaymentContext(
        database=database,
        accounts=StoredProviderAccounts(database, build_provider, clock),
        clock=clock,
        ids=Ids(clock),
        parameters=load_parameters(),
        policy=Policy(),
    )


async def add_demo_hospital(
    owner_url: str, *, organization: int = 1, facility_code: str = FACILITY_CODE, clock: Clock = utc_now
) -> DemoHospital:
    """Set up one organization as the owner; a second one needs another number and gets another bank account."""
    organization_id = OrganizationId(organization)
    account_number, holder = f"0110{organization:06d}", f"BENH VIEN {organization}"
    settings = {
        "bank_bin": BANK_BIN,
        "account_number": account_number,
        "account_holder": holder,
        "merchant_id": f"hospital-{organization}",
    }
    database = await Database.open(owner_url, limits=DatabaseLimits(connections_max=1))
    try:
        setup = Setup(database, clock, Ids(clock))
        await setup.add_organization(
            NewOrganization(
                id=organization_id,
                name=f"Bệnh viện {organization}",
                tax_code=f"01{organization:08d}",
                facility_code=facility_code,
                facility_name=f"Cơ sở {facility_code}",
                technical_level="basic",
            )
        )
        account_id = await setup.add_provider_account(
            organization_id,
            name=ACCOUNT_NAME,
            provider="sandbox",
            bank_account=NewBankAccount(bank_bin=BANK_BIN, account_number=account_number, holder=holder),
            settings=settings,
            secret_name="sandbox",
        )
        key = await setup.add_key(
            organization_id, person_name="Thu ngân", roles=tuple(Role), expires_at=clock() + timedelta(days=1)
        )
    finally:
        await database.close()
    return DemoHospital(
        organization_id=organization_id,
        facility_code=facility_code,
        account_id=account_id,
        settings=SandboxSettings.model_validate({**settings, "secret": SANDBOX_SECRET}),
        key=key,
    )


def visit_document(*, ma_lk: str = "LK0001", facility_code: str = FACILITY_CODE, **changes: object) -> dict[str, Any]:
    """An outpatient visit of four lines as JSON: 600 000 đồng, of which the patient pays 136 000.

    Above the line of 15 % of the base salary (379 500), card of benefit digit 4: the fund pays 80 %.
    Consultation 50 000, test 450 000 and drug 80 000 are insured: 20 % of 580 000 is 116 000; 20 000 are self-pay.
    """
    return {
        "MA_LK": ma_lk,
        "MA_CSKCB": facility_code,
        "MA_LOAI_KCB": "01",
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": "202611020800",
        "NGAY_RA": "202611021600",
        "cards": [{"code": "DN4791234567890", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}],
        "lines": [
            service_line(1, name="Khám Nội", group=13, price="50000"),
            service_line(2, name="Xét nghiệm", group=1, price="450000"),
            {**service_line(3, name="Giường theo yêu cầu", group=1, price="20000"), "PHAM_VI": "2"},
            drug_line(1, quantity="10", price="8000"),
        ],
        "patient": {"HO_TEN": "Nguyễn Văn Thử", "NGAY_SINH": "19800101", "GIOI_TINH": "1"},
        **changes,
    }


def service_line(stt: int, *, name: str, group: int, price: str) -> dict[str, Any]:
    """One service of the insurer's scope, once."""
    return {
        "table": "XML3",
        "stt": stt,
        "name": name,
        "MA_NHOM": group,
        "PHAM_VI": "1",
        "SO_LUONG": "1",
        "DON_GIA_BV": price,
        "DON_GIA_BH": price,
        "TYLE_TT_DV": "100",
        "TYLE_TT_BH": "100",
    }


def drug_line(stt: int, *, quantity: str, price: str) -> dict[str, Any]:
    """One drug of the insurer's scope."""
    return {
        "table": "XML2",
        "stt": stt,
        "name": "Paracetamol 500 mg",
        "MA_NHOM": 4,
        "PHAM_VI": "1",
        "SO_LUONG": quantity,
        "DON_GIA": price,
        "TYLE_TT_BH": "100",
    }


def set_refund_limit(amount: int) -> str:
    """The statements with which the owner sets the amount above which a second person approves a refund."""
    return f"""
        ALTER TABLE organization DISABLE TRIGGER refund_limit_is_approved;
        UPDATE organization SET refund_approval_above = {amount:d};
        ALTER TABLE organization ENABLE TRIGGER refund_limit_is_approved;
    """

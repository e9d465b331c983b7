"""The persons of the demo hospital: one for each role, with a password and a PIN that are known to everybody.

They exist in `vienphi run` and `vienphi demo` alone. The service listens on the loopback address there.
"""

from dataclasses import dataclass

from billing.core.actor import Actor, Role
from billing.core.ids import DeskId, OrganizationId
from billing.db.context import Context, Ids, utc_now
from billing.db.database import Database
from billing.organizations.service.desks import add_desk
from billing.organizations.service.sign_in_accounts import NewAccount, SignInSetup

PASSWORD = "vienphi-mau-2026"  # noqa: S105 - of the demonstration alone
PIN = "246813"
DESKS = ("Quầy 1", "Quầy 2", "Quầy 3")


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person of the demonstration."""

    login_name: str
    name: str
    role: Role


STAFF = (
    DemoPerson("thungan", "Lê Thị Hoa", Role.CASHIER),
    DemoPerson("thungan2", "Đỗ Thị Mai", Role.CASHIER),
    DemoPerson("truongca", "Nguyễn Thị Tâm", Role.HEAD_CASHIER),
    DemoPerson("truongca2", "Phan Thị Ngọc", Role.HEAD_CASHIER),
    DemoPerson("thuquy", "Trần Thị Vân", Role.TREASURER),
    DemoPerson("taichinh", "Phạm Minh Đức", Role.FINANCE),
    DemoPerson("taichinh2", "Bùi Thu Hà", Role.FINANCE),
    DemoPerson("kiemtoan", "Hoàng Văn Lực", Role.AUDITOR),
    DemoPerson("tichhop", "Ngô Quang Huy", Role.INTEGRATOR),
    DemoPerson("quantri", "Vũ Quốc Bảo", Role.ADMINISTRATOR),
)
"""Two cashiers, two head cashiers and two of finance, so that rules of two persons can be tried."""


async def add_staff(database: Database, organization_id: OrganizationId) -> None:
    """Add the persons with their accounts. `database` is opened with the owner's role."""
    setup = SignInSetup(database, utc_now, Ids(utc_now))
    for person in STAFF:
        new = NewAccount(
            person_name=person.name,
            roles=[person.role],
            login_name=person.login_name,
            password=PASSWORD,
            pin=PIN,
        )
        await setup.add(organization_id, new)


async def add_desks(context: Context, organization_id: OrganizationId, facility_code: str) -> list[DeskId]:
    """Add the desks of the hospital."""
    return [
        await add_desk(context, organization_id, facility_code=facility_code, name=name, actor=Actor.system())
        for name in DESKS
    ]

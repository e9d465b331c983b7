"""Pages of the screens in their states, for the accessibility check and for `make screenshots`.

Each area has a module `shots_<area>.py` with `SHOTS` and, where its pages need rows, `async def prepare(stage)`.
`test_screens.py` opens all of them; it writes pictures where VIENPHI_SCREENSHOTS names a folder.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

from billing.core.actor import Role
from billing.core.ids import DeskId
from tests.web.site import Site
from tests.web.staff import Staff, signed_in

DESK = (1366, 768)
PHONE = (390, 844)
KIOSK = (1080, 1600)
BOARD = (1920, 1080)

NAMES = {
    Role.CASHIER: "Lê Thị Hoa",
    Role.HEAD_CASHIER: "Nguyễn Thị Tâm",
    Role.TREASURER: "Trần Thị Vân",
    Role.FINANCE: "Phạm Minh Đức",
    Role.AUDITOR: "Hoàng Văn Lực",
    Role.INTEGRATOR: "Ngô Quang Huy",
    Role.ADMINISTRATOR: "Vũ Quốc Bảo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A page in one state. `path` may depend on what `prepare` returned. `role` None: nobody is signed in.

    `act` does in the page what leads to the state. `status` is that of the page. `media` is `print` for paper.
    `is_cut`: a request of the page fails, and htmx logs it to the console. `device_key` is the key of a
    screen that no person stands behind; such a page leaves by itself, since the data of a person must not stay.
    """

    name: str
    role: Role | None
    path: str | Callable[[Any], str]
    act: Callable[[Page], Awaitable[None]] | None = None
    size: tuple[int, int] = DESK
    status: int = 200
    media: str = "screen"
    is_cut: bool = False
    device_key: Callable[[Any], str] | None = None


@dataclass
class Stage:
    """The service with a desk, and one signed-in person for each role."""

    site: Site
    desk_id: DeskId
    stack: AsyncExitStack
    persons: dict[Role, Staff] = field(default_factory=dict)

    async def staff(self, role: Role) -> Staff:
        """The person of a role; a cashier works at the desk."""
        if role not in self.persons:
            desk_id = self.desk_id if role in (Role.CASHIER, Role.HEAD_CASHIER) else None
            person = signed_in(self.site, role, name=NAMES[role], desk_id=desk_id)
            self.persons[role] = await self.stack.enter_async_context(person)
        return self.persons[role]

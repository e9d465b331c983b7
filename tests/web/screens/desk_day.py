"""A cashier with an open shift at a desk, for the tests of the desk's pages."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from billing.core.actor import Actor, ActorKind, Role
from billing.core.ids import DeskId, VisitId
from billing.core.money import Dong
from billing.visit_accounts.service.shifts import NewShift, open_shift
from tests.builders import ACCOUNT_NAME
from tests.flow import PaymentFlow
from tests.visit_accounts.ordered import ORGANIZATION, order_visit
from tests.web.site import Site
from tests.web.staff import Staff, add_desk, signed_in


@dataclass(frozen=True, slots=True)
class DeskDay:
    """A desk with its cashier, signed in."""

    site: Site
    staff: Staff
    desk_id: DeskId

    @property
    def actor(self) -> Actor:
        return Actor(ActorKind.PERSON, self.staff.person_id, self.staff.person_id)

    async def visit(self, ma_lk: str = "LK0001", **changes: object) -> VisitId:
        """An open visit whose patient owes 100 000 for two slips."""
        return await order_visit(self.site.context, ma_lk, **changes)  # type: ignore[arg-type]

    async def open_shift(self, opening_float: int = 500_000) -> None:
        new = NewShift(desk_id=self.desk_id, opening_float=Dong(opening_float), issued_float=Dong(opening_float))
        await open_shift(self.site.context, ORGANIZATION, new, actor=self.actor)

    async def bill_on_credit(self, visit_id: VisitId) -> str:
        """The final bill of a visit whose patient pays later; returns the visit's page at the desk."""
        await self.site.as_owner(
            "UPDATE charge_item SET state = 'performed', performed_at = ordered_at WHERE organization_id = 1"
        )
        debt = {"due_on": "2027-01-31", "reason": "trả sau khi ra viện", "guarantor": {"name": "Nguyễn Thị B"}}
        assert (await self.site.client.post(f"/v1/visits/{visit_id}/debts", json=debt)).is_success
        bill = await self.site.client.post(f"/v1/visits/{visit_id}/final-bill", json={})
        assert bill.is_success, bill.text
        return f"/desk/visits/{visit_id}"

    async def pay_code(self, amount: int) -> None:
        """The bank's notice of a transfer under the newest code."""
        [row] = await self.site.as_owner("SELECT reference_code FROM intent ORDER BY id DESC LIMIT 1")
        code = row["reference_code"]
        account = await self.site.context.accounts.find(ORGANIZATION, ACCOUNT_NAME)
        assert account is not None
        flow = PaymentFlow(self.site.context, self.site.hospital, account)
        await flow.deliver(flow.notice(f"T-{code}", code, amount=amount))


@asynccontextmanager
async def desk_day(site: Site, *, name: str = "Lê Thị Hoa") -> AsyncIterator[DeskDay]:
    desk_id = await add_desk(site, "Quầy 3")
    async with signed_in(site, Role.CASHIER, desk_id=desk_id, name=name) as staff:
        yield DeskDay(site, staff, desk_id)


def panel_state(page: str) -> str:
    """The state of the pay panel of a page."""
    found = re.search(r'id="pay"[^>]*data-state="(\w+)"', page)
    assert found is not None, page
    return found[1]


def hidden(page: str, name: str) -> str:
    """The value of a hidden field of the pay form."""
    form = page[page.index('id="pay-form"') :]
    found = re.search(rf'name="{name}" value="([^"]*)"', form)
    assert found is not None, form[:2000]
    return found[1]

"""A desk on a morning: cashier, head cashier with a PIN, treasurer, and a visit whose patient pays."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from billing.core.actor import Role
from billing.db.context import Ids
from billing.db.database import Database
from billing.organizations.service.passwords import Passwords
from billing.organizations.service.setup import Setup
from tests.visit_accounts.accounts import OpenVisit, open_visit
from tests.web.site import Site
from tests.web.staff import Staff, add_desk, location, signed_in, text_of

PIN = "258036"
FLOAT = {"n100000": "1"}


@dataclass(frozen=True, slots=True)
class Morning:
    """A desk with its cashier, the head cashier with a PIN, the treasurer, and a visit whose patient pays."""

    site: Site
    cashier: Staff
    head: Staff
    treasurer: Staff
    visit: OpenVisit
    client: httpx.AsyncClient

    async def shift_id(self) -> str:
        [row] = await self.site.as_owner("SELECT id FROM shift ORDER BY id DESC LIMIT 1")
        return str(row["id"])

    async def open(self, notes: dict[str, str] | None = None, **fields: str) -> str:
        answer = await self.cashier.post("/shift", issued_float="100000", **(notes or FLOAT), **fields)
        assert location(answer).startswith("/shift"), text_of(answer.text)
        return await self.shift_id()

    async def take(self, amount: int, **part: object) -> dict[str, Any]:
        """The cashier collects over the API in the own shift, as the desk's page does."""
        parts = [{"method": "cash", "amount": amount, **part}]
        address = f"/v1/visits/{self.visit.visit_id}/collections"
        answer = await self.client.post(address, json={"amount": amount, "parts": parts})
        assert answer.status_code == 201, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def count(self, **notes: str) -> None:
        shift_id = await self.shift_id()
        assert location(await self.cashier.post("/shift/close/count", shift_id=shift_id, **notes)) == "/shift/close"
        assert location(await self.cashier.post("/shift/close/receipts", shift_id=shift_id)) == "/shift/close"

    async def sign(self, **fields: str) -> httpx.Response:
        page = await self.cashier.page("/shift/close")
        found = re.search(r'name="shown_expected" value="(\d+)"', page)
        assert found, text_of(page)
        values = {"second_person": str(self.head.person_id), "second_secret": PIN, **fields}
        return await self.cashier.post(
            "/shift/close/sign", shift_id=await self.shift_id(), shown_expected=found[1], **values
        )


@asynccontextmanager
async def staffed(site: Site) -> AsyncIterator[Morning]:
    desk_id = await add_desk(site)
    async with (
        signed_in(site, Role.CASHIER, desk_id=desk_id, name="Lê Thị Hoa") as cashier,
        signed_in(site, Role.HEAD_CASHIER, name="Nguyễn Thị Tâm") as head,
        signed_in(site, Role.TREASURER, name="Phạm Văn Quỹ") as treasurer,
    ):
        pin = await Passwords(time_cost=1, memory_kib=64).hash(PIN)
        await site.as_owner("UPDATE sign_in_account SET pin_hash = $1 WHERE person_id = $2", pin, head.person_id)
        async with client_of(site, "Lê Thị Hoa") as client:
            yield Morning(site, cashier, head, treasurer, await open_visit(site.context), client)


@asynccontextmanager
async def client_of(site: Site, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of the cashier, so that the collections of the API are the person's."""
    database = await Database.open(site.database.owner_url)
    try:
        setup = Setup(database, site.context.clock, Ids(site.context.clock))
        key = await setup.add_key(site.hospital.organization_id, person_name=name, name="quay", roles=[Role.CASHIER])
    finally:
        await database.close()
    headers, hooks = {"Authorization": f"Bearer {key}"}, site.client.event_hooks
    async with httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=hooks) as client:
        yield client

"""Refunds over HTTP, once through every operation; the examples of the API are recorded from it."""

from typing import Any

import httpx

from tests.builders import FACILITY_CODE
from tests.visit_accounts.accounts import open_visit
from tests.web.cash_day import send
from tests.web.site import Site

DESTINATION = {"bank_bin": "970436", "account_number": "0011223344", "holder": "=Nguyễn Văn An"}


async def pay_deposit(client: httpx.AsyncClient, site: Site, amount: int, ma_lk: str = "LK-HOAN") -> str:
    """A visit whose deposit was paid in cash at a new desk of the hospital's key."""
    visit = await open_visit(site.context, ma_lk)
    desk = await send(client, "/v1/desks", {"facility_code": FACILITY_CODE, "name": f"Quầy {ma_lk}"})
    await send(client, "/v1/shifts", {"desk_id": desk["id"], "opening_float": 0})
    part = {"method": "cash", "amount": amount}
    await send(client, f"/v1/visits/{visit.visit_id}/collections", {"amount": amount, "parts": [part]})
    return str(visit.visit_id)


async def approve(client: httpx.AsyncClient, refund: dict[str, Any]) -> None:
    """Approve the proposal of a refund."""
    proposals = (await client.get("/v1/approvals?kind=refund&state=proposed")).json()["items"]
    proposal = next(each for each in proposals if each["subject_id"] == refund["id"])
    await send(client, f"/v1/approvals/{proposal['id']}/approve")


async def spend_refund_day(client: httpx.AsyncClient, other: httpx.AsyncClient, site: Site) -> None:
    """`client` requests and sends; `other`, another person with the role finance, approves and confirms."""
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    visit_id = await pay_deposit(client, site, 300_000)
    body = {"visit_id": visit_id, "reason": "hoàn tạm ứng"}
    by_bank = await send(
        client,
        "/v1/refunds",
        {**body, "amount": 120_000, "way": "manual_transfer", "destination": DESTINATION},
    )
    in_cash = await send(client, "/v1/refunds", {**body, "amount": 80_000, "way": "cash"})
    dropped = await send(client, "/v1/refunds", {**body, "amount": 10_000, "way": "cash"})
    await client.get(f"/v1/refunds?visit_id={visit_id}&state=requested")
    await client.get(f"/v1/refunds/{by_bank['id']}")
    for refund in (by_bank, in_cash):
        await approve(other, refund)
    await send(client, f"/v1/refunds/{dropped['id']}/cancel")
    await send(client, f"/v1/refunds/{in_cash['id']}/send", {})
    ordered = {"refund_ids": [by_bank["id"]], "bank_account_id": str(bank["id"]), "layout": "generic"}
    order = await send(client, "/v1/payment-orders", ordered)
    await client.get(f"/v1/payment-orders/{order['id']}/file")
    await send(other, f"/v1/refunds/{by_bank['id']}/confirm", {"bank_reference": "FT26333000111"})

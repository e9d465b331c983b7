"""Final bills over HTTP, once through every operation; the examples of the API are recorded from it."""

from datetime import timedelta
from typing import Any

import httpx

from billing.core.clock import business_date
from tests.builders import FACILITY_CODE, visit_document
from tests.web.cash_day import send
from tests.web.site import Site


async def open_charged(client: httpx.AsyncClient, ma_lk: str) -> str:
    """The visit of the builders with its four lines performed: the patient pays 136 000; returns its id."""
    document = visit_document(ma_lk=ma_lk)
    address = f"/v1/facilities/{FACILITY_CODE}/visits/{ma_lk}"
    header = {key: value for key, value in document.items() if key not in ("lines", "MA_LK", "MA_CSKCB")}
    account = await send(client, address, {**header, "version": 1}, method="PUT")
    for line in document["lines"]:
        name = f"{line['table']}-{line['stt']}"
        body = {"version": 1, "state": "performed", "item": line}
        await send(client, f"{address}/charges/{name}", body, method="PUT")
    visit_id: str = account["id"]
    return visit_id


async def collect(client: httpx.AsyncClient, visit_id: str, amount: int) -> None:
    """Take cash for the deposit of a visit."""
    body = {"amount": amount, "parts": [{"method": "cash", "amount": amount}]}
    await send(client, f"/v1/visits/{visit_id}/collections", body)


async def open_shift(client: httpx.AsyncClient) -> None:
    desk = await send(client, "/v1/desks", {"facility_code": FACILITY_CODE, "name": "Quầy ra viện"})
    await send(client, "/v1/shifts", {"desk_id": desk["id"], "opening_float": 0})


async def approve_latest(head: httpx.AsyncClient, kind: str) -> None:
    """Another person approves the waiting proposal of a kind."""
    listed = (await head.get("/v1/approvals", params={"kind": kind, "state": "proposed"})).json()
    await send(head, f"/v1/approvals/{listed['items'][0]['id']}/approve")


async def spend_bill_day(cashier: httpx.AsyncClient, head: httpx.AsyncClient, site: Site) -> None:
    """`cashier` bills; `head`, another person with the role finance, approves. A shift of the cashier is open."""
    visit_id = await open_charged(cashier, "LK-RAVIEN")
    address = f"/v1/visits/{visit_id}"
    for position in range(3):
        body: dict[str, Any] = {"payer": "Bảo hiểm Tư", "reference": f"BL-{position}", "limit": 50_000}
        guarantee = await send(cashier, f"{address}/guarantees", body)
        action = ("confirm", "reject", "withdraw")[position]
        decision = {"amount": 30_000} if action == "confirm" else {"reason": "hết hạn mức"}
        await send(cashier, f"/v1/guarantees/{guarantee['id']}/{action}", decision)
    await cashier.get(f"{address}/guarantees")
    await cashier.get(f"{address}/balance")
    await cashier.get("/v1/ward-accounts?state=open")
    await send(cashier, f"{address}/exemptions", {"fund": "poor_patients", "amount": 6_000, "reason": "hộ nghèo"})
    await approve_latest(head, "exemption")
    await cashier.get(f"{address}/exemptions")
    due = (business_date(site.context.clock()) + timedelta(days=30)).isoformat()
    debt = {"due_on": due, "reason": "gia đình khó khăn", "guarantor": {"name": "Nguyễn Thị Con", "relation": "con"}}
    unneeded = await send(cashier, f"{address}/debts", debt)
    await send(cashier, f"/v1/debts/{unneeded['id']}/withdraw")
    agreed = await send(cashier, f"{address}/debts", debt)
    await collect(cashier, visit_id, 60_000)
    refund = {"reason": "bệnh nhân từ chối", "room_confirmation": "Phòng xét nghiệm: KTV Lan"}
    await send(cashier, f"{address}/charges/XML3-3/refund", refund)
    await cashier.get(f"{address}/final-bill")
    await send(cashier, f"{address}/final-bill", {})
    await cashier.get("/v1/closed-visits-with-money")
    await send(head, f"{address}/reopen", {"reason": "bổ sung thuốc"})
    await send(cashier, f"{address}/final-bill", {})
    await cashier.get("/v1/debts")
    await cashier.get(f"/v1/debts/{agreed['id']}")
    await send(cashier, f"/v1/debts/{agreed['id']}/write-off", {"reason": "không còn khả năng trả"})
    await approve_latest(head, "write_off")
    await cashier.get(f"{address}/documents")
    await pay_guarantees(cashier, head)


async def pay_guarantees(cashier: httpx.AsyncClient, head: httpx.AsyncClient) -> None:
    """The payer of a guarantee pays more than it owes; what it owes later is paid with its credit and written off."""
    payer = {"payer": "Bảo hiểm Tư"}
    await cashier.get("/v1/guarantee-receivables?state=owed")
    await send(cashier, "/v1/guarantee-payments", {**payer, "parts": [{"method": "cash", "amount": 40_000}]})
    await cashier.get("/v1/guarantee-payments")
    visit_id = await open_charged(cashier, "LK-BAOLANH")
    guarantee = {**payer, "reference": "BL-9", "limit": 136_000}
    made = await send(cashier, f"/v1/visits/{visit_id}/guarantees", guarantee)
    await send(cashier, f"/v1/guarantees/{made['id']}/confirm", {"amount": 136_000})
    await send(cashier, f"/v1/visits/{visit_id}/final-bill", {})
    await send(cashier, "/v1/guarantee-payments/apply-credit", payer)
    await send(cashier, f"/v1/guarantees/{made['id']}/write-off", {"reason": "công ty giải thể"})
    await approve_latest(head, "guarantee_write_off")

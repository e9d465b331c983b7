"""Exceptions over HTTP, once through every operation; the examples of the API are recorded from it."""

from datetime import datetime
from typing import Any

import httpx

from billing.core.clock import business_date
from tests.builders import visit_document
from tests.web.cash_day import send


async def decide_exceptions(client: httpx.AsyncClient) -> None:
    """Money that came twice for one invoice is assigned to another one, and the assignment is reverted."""
    [opened] = (await client.get("/v1/exceptions?reason=already_paid")).json()["items"]
    address = f"/v1/exceptions/{opened['id']}"
    payment = (await client.get(f"/v1/payments/{opened['payment_id']}")).json()
    day = business_date(datetime.fromisoformat(payment["occurred_at"])).isoformat()
    await send(client, "/v1/money-searches", {"first_day": day, "last_day": day, "amount": payment["amount"]})
    recorded = await send(client, "/v1/visits", visit_document(ma_lk="LK-GAN"))
    invoice = await send(client, "/v1/invoices", {"visit_id": recorded["visits"][0]["id"]})
    person_id = (await client.get("/v1/persons")).json()["items"][0]["id"]
    await send(client, f"{address}/comments", {"text": "đã gọi người nộp"})
    traced = {"action": "open_trace", "reason": "hỏi ngân hàng người chuyển", "due_on": "2099-12-31"}
    await send(client, f"{address}/decide", {"version": 1, **traced})
    [trace] = (await client.get(f"/v1/bank-traces?exception_id={opened['id']}")).json()["items"]
    await send(client, f"/v1/bank-traces/{trace['id']}/notes", {"text": "đã gửi công văn", "document": "CV-12/2026"})
    won = {"state": "won", "version": 1, "text": "ngân hàng xác nhận hai lần chuyển"}
    await send(client, f"/v1/bank-traces/{trace['id']}/advance", won)
    await client.get(f"/v1/bank-traces/{trace['id']}")
    await send(client, "/v1/exceptions/assign", {"exception_ids": [opened["id"]], "owner_id": person_id})
    decision: dict[str, Any] = {
        "version": 3,
        "action": "assign",
        "reason": "người nhà chuyển cho lượt khám sau",
        "visit_id": invoice["visit_id"],
        "invoice_id": invoice["id"],
        "amount": payment["amount"],
        "bank_reference": payment["bank_reference"],
    }
    await send(client, f"{address}/decide", decision)
    await client.get(address)
    await send(client, f"{address}/revert", {"version": 4, "reason": "gán nhầm lượt khám"})

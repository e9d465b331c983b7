"""A day at a cash desk over HTTP, once through every operation; the examples of the API are recorded from it."""

from datetime import timedelta
from typing import Any

import httpx

from billing.core.clock import business_date
from tests.builders import FACILITY_CODE
from tests.visit_accounts.accounts import open_visit
from tests.web.site import Site


async def send(client: httpx.AsyncClient, address: str, body: object = None, *, method: str = "POST") -> dict[str, Any]:
    """The document of an answer that succeeded."""
    answer = await client.request(method, address, json=body)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def spend_cash_day(cashier: httpx.AsyncClient, head: httpx.AsyncClient, site: Site) -> None:
    """`cashier` opens a shift and takes money; `head`, another person with the role finance, decides."""
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    desk = await send(cashier, "/v1/desks", {"facility_code": FACILITY_CODE, "name": "Quầy 1"})
    await cashier.get("/v1/desks")
    settings = {"rounding_step": 500, "hides_expected_cash": True}
    await send(cashier, f"/v1/facilities/{FACILITY_CODE}/cash-settings", settings, method="PUT")
    terminal = await send(
        cashier,
        "/v1/card-terminals",
        {"facility_code": FACILITY_CODE, "name": "POS 1", "terminal_number": "T01", "bank_account_id": str(bank["id"])},
    )
    await cashier.get("/v1/card-terminals")
    shift = await send(
        cashier, "/v1/shifts", {"desk_id": desk["id"], "opening_float": 500_000, "issued_float": 500_000}
    )
    address = f"/v1/shifts/{shift['id']}"
    await head.get(address)
    await head.get("/v1/shifts")
    await _receipts(cashier, head, site, terminal["id"])
    await _paper(cashier, site, desk["id"])
    await send(cashier, f"{address}/paid-in", {"amount": 200_000, "reason": "tiền lẻ"})
    await send(cashier, f"{address}/paid-out", {"amount": 100_000, "reason": "trả bớt tiền lẻ"})
    sent = [await send(cashier, "/v1/hand-overs", {"shift_id": shift["id"], "amount": 100_000}) for _ in range(2)]
    await send(head, f"/v1/hand-overs/{sent[0]['id']}/accept")
    await send(head, f"/v1/hand-overs/{sent[1]['id']}/reject", {"reason": "đếm thiếu một tờ"})
    await cashier.get("/v1/hand-overs")
    await send(head, "/v1/bank-deposits", {"amount": 50_000, "bank_account_id": str(bank["id"]), "slip": "NT-0001"})
    count = {"500000": 1, "50000": 1}
    await send(cashier, f"{address}/end", {"counted": count, "difference_reason": "chưa rõ"})
    await send(head, f"{address}/close")
    left = await send(cashier, "/v1/shifts", {"desk_id": desk["id"], "opening_float": 550_000})
    await send(head, f"/v1/shifts/{left['id']}/force-close", {"counted": count, "reason": "thu ngân về sớm"})


async def move_a_receipt(
    cashier: httpx.AsyncClient, other: httpx.AsyncClient, head: httpx.AsyncClient, site: Site
) -> None:
    """`cashier` takes an advance that belongs in the shift of `other`, and `head` moves its receipt there."""
    visit = await open_visit(site.context, "LK-CHUYEN")
    shifts = []
    for person, name in ((cashier, "Quầy 2"), (other, "Quầy 3")):
        desk = await send(person, "/v1/desks", {"facility_code": FACILITY_CODE, "name": name})
        shifts.append((await send(person, "/v1/shifts", {"desk_id": desk["id"], "opening_float": 0}))["id"])
    advance = {"amount": 20_000, "parts": [{"method": "cash", "amount": 20_000}]}
    receipt = await send(cashier, f"/v1/visits/{visit.visit_id}/collections", advance)
    await send(head, f"/v1/receipts/{receipt['id']}/move", {"shift_id": shifts[1], "reason": "lập nhầm quầy"})
    await send(cashier, f"/v1/shifts/{shifts[0]}/end", {"counted": {}})
    await send(other, f"/v1/shifts/{shifts[1]}/end", {"counted": {"20000": 1}})


async def _receipts(cashier: httpx.AsyncClient, head: httpx.AsyncClient, site: Site, terminal_id: str) -> None:
    visit = await open_visit(site.context, "LK-QUAY")
    request_id = await visit.request(150_200)
    collections = f"/v1/visits/{visit.visit_id}/collections"
    card = {"method": "card", "amount": 50_000, "terminal_id": terminal_id, "approval_code": "A00001"}
    cash = {"method": "cash", "amount": 100_200, "tendered": 200_000}
    kept = await send(cashier, collections, {"deposit_request_id": str(request_id), "parts": [cash, card]})
    await cashier.get(f"/v1/receipts/{kept['id']}")
    await cashier.get("/v1/receipts")
    await send(cashier, f"/v1/receipts/{kept['id']}/reprint")
    wrong = await send(cashier, collections, {"amount": 20_000, "parts": [{"method": "cash", "amount": 20_000}]})
    await send(head, f"/v1/receipts/{wrong['id']}/void", {"reason": "nhầm người bệnh"})
    batch = await send(
        head,
        "/v1/card-batches",
        {
            "terminal_id": terminal_id,
            "day": business_date(site.context.clock()).isoformat(),
            "batch_number": "000001",
            "slips": [{"approval_code": "A00001", "amount": 50_000}, {"approval_code": "A00002", "amount": 10_000}],
            "gross": 60_000,
            "fee": 600,
            "net": 59_400,
        },
    )
    await head.get(f"/v1/card-batches/{batch['id']}")


async def _paper(cashier: httpx.AsyncClient, site: Site, desk_id: str) -> None:
    visit = await open_visit(site.context, "LK-GIAY")
    block = await send(cashier, "/v1/receipt-blocks", {"desk_id": desk_id, "count": 2})
    written_at = site.context.clock() - timedelta(milliseconds=1)
    number = block["first_number"]
    paper = {
        "number": number,
        "issued_at": written_at.isoformat(),
        "visit_id": str(visit.visit_id),
        "amount": 30_000,
        "parts": [{"method": "cash", "amount": 30_000}],
    }
    await send(cashier, f"/v1/receipt-blocks/{block['id']}/receipts", paper)
    await send(cashier, f"/v1/receipt-blocks/{block['id']}/unused", {"numbers": [number + 1]})
    await cashier.get(f"/v1/receipt-blocks/{block['id']}")

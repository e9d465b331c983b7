"""Situations of the cash desk from end to end over HTTP; after each the books hold and every view sums equally."""

from typing import Any

import pytest

from billing.core.actor import Role
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.web.cash_day import send
from tests.web.live_visit import VISIT, charge, header, item
from tests.web.site import Site, problem
from tests.web.test_cash_desk import as_role


@pytest.fixture
async def shift(site: Site) -> dict[str, Any]:
    desk = await send(site.client, "/v1/desks", {"facility_code": FACILITY_CODE, "name": "Quầy 1"})
    body = {"desk_id": desk["id"], "opening_float": 200_000, "issued_float": 200_000}
    return await send(site.client, "/v1/shifts", body)


async def _open_visit(site: Site) -> str:
    """A visit with a consultation and a test; of 500 000 đồng the patient pays 100 000."""
    visit_id: str = (await send(site.client, VISIT, header(), method="PUT"))["id"]
    first = charge(order_number="KB-1", price="50000", item=item("Khám", "50000", group=13))
    await send(site.client, f"{VISIT}/charges/L1", first, method="PUT")
    await send(site.client, f"{VISIT}/charges/L2", charge(), method="PUT")
    return visit_id


async def _states(site: Site, visit_id: str) -> dict[str, str]:
    view = await site.read(f"/v1/visits/{visit_id}/account")
    return {each["line"]: each["state"] for each in view["charges"]}


async def _views_sum_equally(site: Site, visit_id: str, shift_id: str) -> None:
    """Deposit, receipts, drawer and ledger state the same amounts."""
    account = await site.read(f"/v1/visits/{visit_id}/account")
    receipts = (await site.read(f"/v1/receipts?visit_id={visit_id}&state=valid"))["items"]
    seen = await site.read(f"/v1/shifts/{shift_id}")
    balances = {
        each["account"]["role"]: each["balance"] for each in (await site.read("/v1/ledger/balances"))["accounts"]
    }
    assert account["account"]["deposit"]["held"] == sum(each["amount"] for each in receipts) == balances["deposit"]
    assert seen["cash"] == balances["cash_drawer"] == sum(each["amount"] for each in seen["events"])
    await assert_books_are_right(site.context.database)


async def test_two_orders_are_paid_in_cash_and_the_void_takes_their_clearance_back(
    site: Site, shift: dict[str, Any]
) -> None:
    visit_id = await _open_visit(site)
    request = await send(site.client, f"/v1/visits/{visit_id}/deposit-requests", {"lines": ["L1", "L2"]})
    assert (request["amount"], set((await _states(site, visit_id)).values())) == (100_000, {"ordered"})

    receipt = await send(
        site.client,
        f"/v1/visits/{visit_id}/collections",
        {"deposit_request_id": request["id"], "parts": [{"method": "cash", "amount": 100_000}]},
    )

    assert set((await _states(site, visit_id)).values()) == {"cleared"}
    assert (await site.read(f"/v1/deposit-requests/{request['id']}"))["state"] == "paid"
    await _views_sum_equally(site, visit_id, shift["id"])

    async with await as_role(site, Role.HEAD_CASHIER) as head:
        await send(head, f"/v1/receipts/{receipt['id']}/void", {"reason": "người bệnh đổi ý"})
    assert set((await _states(site, visit_id)).values()) == {"ordered"}
    assert (await site.read(f"/v1/deposit-requests/{request['id']}"))["state"] == "requested"
    await _views_sum_equally(site, visit_id, shift["id"])


async def test_half_by_qr_and_half_in_cash_are_on_one_receipt(site: Site, shift: dict[str, Any]) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]], "amount": 68_000}
    intent = await send(site.client, "/v1/intents", body)
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]

    receipt = await send(
        site.client,
        f"/v1/visits/{invoice['visit_id']}/collections",
        {
            "invoice_id": invoice["id"],
            "amount": 136_000,
            "parts": [
                {"method": "provider", "payment_id": payment["id"]},
                {"method": "cash", "amount": 68_000, "tendered": 100_000},
            ],
        },
    )

    assert (receipt["amount"], receipt["printed"]["change"]) == (136_000, 32_000)
    assert (await site.read(f"/v1/invoices/{invoice['id']}"))["owed"] == 0
    assert (await site.read(f"/v1/shifts/{shift['id']}"))["cash"] == 268_000
    async with await as_role(site, Role.HEAD_CASHIER) as head:
        await send(head, f"/v1/receipts/{receipt['id']}/void", {"reason": "in nhầm hóa đơn"})
    assert (await site.read(f"/v1/invoices/{invoice['id']}"))["owed"] == 136_000
    assert (await site.read(f"/v1/payments/{payment['id']}"))["position"]["credit"] == 68_000
    await assert_books_are_right(site.context.database)


async def test_server_is_away_for_an_hour_and_its_paper_block_is_entered_afterwards(
    site: Site, shift: dict[str, Any]
) -> None:
    visit_id = await _open_visit(site)
    block = await send(site.client, "/v1/receipt-blocks", {"desk_id": shift["desk_id"], "count": 3})
    address = f"/v1/receipt-blocks/{block['id']}"
    meanwhile = await send(
        site.client,
        f"/v1/visits/{visit_id}/collections",
        {"amount": 10_000, "parts": [{"method": "cash", "amount": 10_000}]},
    )
    written_at = site.context.clock().isoformat()

    def paper(number: int) -> dict[str, Any]:
        part = {"method": "cash", "amount": 40_000}
        return {
            "number": number,
            "issued_at": written_at,
            "visit_id": visit_id,
            "amount": 40_000,
            "parts": [part],
        }

    first = await send(site.client, f"{address}/receipts", paper(1))
    problem(await site.client.post(f"{address}/receipts", json=paper(1)), 409, "receipt_number_taken")
    problem(await site.client.post(f"{address}/receipts", json=paper(4)), 422, "invalid_value")
    for written in ("yesterday", "2026-11-02T08:00:00"):
        timeless = {**paper(2), "issued_at": written}
        problem(await site.client.post(f"{address}/receipts", json=timeless), 422, "invalid_value")
    await send(site.client, f"{address}/receipts", paper(2))
    entered = await send(site.client, f"{address}/unused", {"numbers": [3]})

    assert (first["number"][-6:], meanwhile["number"][-6:], first["issued_at"]) == ("000001", "000004", written_at)
    assert entered["entered"] == [1, 2, 3]
    await _views_sum_equally(site, visit_id, shift["id"])


async def test_wrong_shift_is_refused_and_the_right_one_takes_the_money(site: Site, shift: dict[str, Any]) -> None:
    visit_id = await _open_visit(site)
    body = {"amount": 50_000, "parts": [{"method": "cash", "amount": 50_000}]}
    async with await as_role(site, Role.CASHIER) as other:
        problem(await other.post(f"/v1/visits/{visit_id}/collections", json=body), 409, "no_open_shift")
        sent = {"shift_id": shift["id"], "amount": 1_000}
        problem(await other.post("/v1/hand-overs", json=sent), 409, "wrong_shift")
    receipt = await send(site.client, f"/v1/visits/{visit_id}/collections", body)
    counted = {"counted": {"200000": 1, "50000": 1}}
    await send(site.client, f"/v1/shifts/{shift['id']}/end", counted)
    async with await as_role(site, Role.HEAD_CASHIER) as head:
        void = await head.post(f"/v1/receipts/{receipt['id']}/void", json={"reason": "nhầm người bệnh"})
        problem(void, 409, "shift_not_open")
        closed = await send(head, f"/v1/shifts/{shift['id']}/close")
    answer = await site.client.post(f"/v1/visits/{visit_id}/collections", json=body)
    assert "your last one ended at" in problem(answer, 409, "no_open_shift")["detail"]
    assert (closed["state"], closed["expected_cash"]) == ("closed", 250_000)
    await _views_sum_equally(site, visit_id, shift["id"])

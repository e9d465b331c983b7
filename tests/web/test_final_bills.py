"""Final bills over HTTP: a whole day, refusals by name, and a line refund."""

import asyncio

import httpx
import pytest

from billing.core.actor import Role
from tests.builders import FACILITY_CODE, service_line
from tests.flow import assert_books_are_right
from tests.web.bill_day import collect, open_charged, open_shift, spend_bill_day
from tests.web.cash_day import send
from tests.web.conftest import HOOKS
from tests.web.live_visit import charge, header
from tests.web.site import UNKNOWN_ID, Site, key_of, problem


@pytest.fixture
async def visit_id(site: Site) -> str:
    await open_shift(site.client)
    return await open_charged(site.client, "LK-0001")


async def test_whole_day_leaves_right_books(site: Site) -> None:
    headers = await key_of(site, Role.FINANCE, Role.HEAD_CASHIER)
    head = httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=HOOKS)
    await open_shift(site.client)
    await spend_bill_day(site.client, head, site)
    await head.aclose()

    await assert_books_are_right(site.context.database)
    topics = {row["topic"] for row in await site.as_owner("SELECT topic FROM outbox WHERE organization_id = 1")}
    assert {"guarantee.updated", "visit.closed", "visit.reopened", "invoice.updated"} <= topics


async def test_open_visit_is_invoiced_by_its_final_bill_only(site: Site, visit_id: str) -> None:
    refused = await site.client.post("/v1/invoices", json={"visit_id": visit_id})

    problem(refused, 409, "final_bill_needed")
    assert await site.as_owner("SELECT 1 FROM invoice") == []
    await collect(site.client, visit_id, 136_000)
    assert (await site.client.post(f"/v1/visits/{visit_id}/final-bill", json={})).status_code == 201


async def test_final_bill_previews_collects_and_closes(site: Site, visit_id: str) -> None:
    address = f"/v1/visits/{visit_id}/final-bill"
    assert (await site.client.get(address)).json()["to_collect"] == 136_000
    problem(await site.client.post(address, json={}), 409, "money_owed")
    await collect(site.client, visit_id, 150_000)
    assert (await site.client.get(address)).json()["to_return"] == 14_000
    headers = {"Idempotency-Key": "ra-vien-1"}

    first = await site.client.post(address, json={}, headers=headers)
    again = await site.client.post(address, json={}, headers=headers)

    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.json()["state"] == "closed"
    [final_bill] = again.json()["final_bills"]
    assert (final_bill["paid"], final_bill["owed"], final_bill["released"]) == (136_000, 0, 14_000)
    closed = problem(await site.client.post(address, json={}), 409, "visit_closed")
    assert "is closed since" in closed["detail"]
    assert "by Thu ngân" in closed["detail"]
    await assert_books_are_right(site.context.database)


async def test_cancelled_line_of_a_reopened_visit_is_shown_with_its_signed_amounts(site: Site, visit_id: str) -> None:
    head = await key_of(site, Role.HEAD_CASHIER)
    await collect(site.client, visit_id, 136_000)
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    await site.client.post(f"/v1/visits/{visit_id}/reopen", json={"reason": "tính nhầm"}, headers=head)
    address = f"/v1/facilities/{FACILITY_CODE}/visits/LK-0001/charges/XML3-3/cancel"
    await send(site.client, address, {"reason": "người bệnh từ chối"})

    bill = await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})

    [correction] = bill["corrections"]
    [line] = correction["lines"]
    assert (correction["patient"], line["quantity"], line["self_pay"]) == (-20_000, "-1", "-20000.00")
    assert bill == await site.read(f"/v1/visits/{visit_id}/final-bill")


async def test_line_refund_frees_the_money_of_an_open_visit_only(site: Site, visit_id: str) -> None:
    await collect(site.client, visit_id, 136_000)
    address = f"/v1/visits/{visit_id}/charges"
    body = {"reason": "máy hỏng", "room_confirmation": "Phòng XN: KTV Lan"}
    problem(await site.client.post(f"{address}/XML9-9/refund", json=body), 404, "unknown_charge")
    problem(
        await site.client.post(f"{address}/XML3-2/refund", json={**body, "room_confirmation": ""}), 422, "invalid_value"
    )

    refund = await send(site.client, f"{address}/XML3-2/refund", body)

    assert (refund["freed"], refund["released"]) == (116_000, 116_000)
    problem(await site.client.post(f"{address}/XML3-2/refund", json=body), 409, "order_cancelled")
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    problem(await site.client.post(f"{address}/XML3-1/refund", json=body), 409, "reopening_needed")
    [listed] = (await site.client.get("/v1/closed-visits-with-money")).json()["items"]
    assert (listed["credit"], listed["owed"]) == (116_000, 0)
    await assert_books_are_right(site.context.database)


async def test_line_refund_clears_the_order_that_the_deposit_covers_now(site: Site) -> None:
    await open_shift(site.client)
    address = f"/v1/facilities/{FACILITY_CODE}/visits/LK-0002"
    account = await send(site.client, address, header(MA_DOITUONG_KCB="9", cards=[]), method="PUT")
    for line in ("L1", "L2"):
        await send(site.client, f"{address}/charges/{line}", charge(order_number=line), method="PUT")
    await collect(site.client, account["id"], 450_000)
    assert await _states(site, account["id"]) == {"L1": "cleared", "L2": "ordered"}
    body = {"reason": "máy hỏng", "room_confirmation": "Phòng XN: KTV Lan", "is_released": False}

    await send(site.client, f"/v1/visits/{account['id']}/charges/L1/refund", body)

    assert await _states(site, account["id"]) == {"L1": "cancelled", "L2": "cleared"}


async def _states(site: Site, visit_id: str) -> dict[str, str]:
    found = await site.read(f"/v1/visits/{visit_id}/account")
    return {one["line"]: one["state"] for one in found["charges"]}


async def test_guarantees_and_debts_are_refused_by_name(site: Site, visit_id: str) -> None:
    address = f"/v1/visits/{visit_id}"
    body = {"payer": "Bảo hiểm Tư", "reference": "BL-1", "limit": 50_000}
    guarantee = await send(site.client, f"{address}/guarantees", body)
    confirm = f"/v1/guarantees/{guarantee['id']}/confirm"
    for path, sent, status, code in (
        (f"{address}/guarantees", body, 409, "guarantee_exists"),
        (f"{address}/guarantees", {**body, "limit": 0}, 422, "invalid_value"),
        (f"{address}/guarantees", {**body, "valid_until": "2020-01-01"}, 422, "invalid_value"),
        (f"/v1/visits/{UNKNOWN_ID}/guarantees", body, 404, "not_found"),
        (confirm, {"amount": 50_001}, 422, "amount_above_limit"),
        (f"/v1/guarantees/{UNKNOWN_ID}/confirm", {"amount": 1}, 404, "not_found"),
        (f"{address}/exemptions", {"fund": "Quỹ", "amount": 1, "reason": "hộ nghèo"}, 422, "invalid_value"),
        (
            f"{address}/debts",
            {"due_on": "2020-01-01", "reason": "khó khăn", "guarantor": {"name": "A"}},
            422,
            "invalid_value",
        ),
        (f"{address}/reopen", {"reason": "thử lại"}, 409, "visit_not_closed"),
        (f"/v1/debts/{UNKNOWN_ID}/write-off", {"reason": "thử lại"}, 404, "not_found"),
    ):
        problem(await site.client.post(path, json=sent), status, code)
    await send(site.client, confirm, {"amount": 20_000})
    problem(await site.client.post(confirm, json={"amount": 20_000}), 409, "guarantee_decided")
    assert (await site.client.get(f"{address}/final-bill")).json()["to_collect"] == 116_000


async def test_of_a_final_bill_and_a_line_refund_at_once_each_order_leaves_right_books(
    site: Site, visit_id: str
) -> None:
    await collect(site.client, visit_id, 136_000)
    refund = {"reason": "máy hỏng", "room_confirmation": "Phòng XN: KTV Lan"}

    answers = await asyncio.gather(
        site.client.post(f"/v1/visits/{visit_id}/final-bill", json={}),
        site.client.post(f"/v1/visits/{visit_id}/charges/XML3-2/refund", json=refund),
    )

    assert answers[0].status_code == 201, answers[0].text
    assert answers[1].status_code in (201, 409), answers[1].text
    await assert_books_are_right(site.context.database)


async def test_lines_of_a_correction_are_exact_texts(site: Site, visit_id: str) -> None:
    await collect(site.client, visit_id, 136_000)
    address = f"/v1/visits/{visit_id}"
    await send(site.client, f"{address}/final-bill", {})
    await send(site.client, f"{address}/reopen", {"reason": "xét nghiệm nhập nhầm"})
    refund = {"reason": "nhập nhầm", "room_confirmation": "Phòng XN: KTV Lan"}
    await send(site.client, f"{address}/charges/XML3-2/refund", refund)

    bill = await send(site.client, f"{address}/final-bill", {})

    [line] = [line for one in bill["corrections"] for line in one["lines"] if line["stt"] == 2]
    assert (line["quantity"], line["hospital_amount"], line["fund"]) == ("-1", "-450000.00", "-360000.00")
    assert await site.read(f"{address}/final-bill") == bill


@pytest.mark.parametrize("way_out", ["cancel", "override"])
async def test_order_that_was_not_performed_is_not_billed_silently(site: Site, visit_id: str, way_out: str) -> None:
    await collect(site.client, visit_id, 136_000)
    visit = f"/v1/facilities/{FACILITY_CODE}/visits/LK-0001"
    body = {"version": 1, "item": service_line(9, name="Siêu âm", group=1, price="100000")}
    await send(site.client, f"{visit}/charges/XML3-9", body, method="PUT")
    address = f"/v1/visits/{visit_id}/final-bill"

    blocked = problem(await site.client.post(address, json={}), 409, "discharge_blocked")
    assert blocked["blockers"] == [{"kind": "ordered_not_performed", "line": "XML3-9"}]
    if way_out == "cancel":
        await send(site.client, f"{visit}/charges/XML3-9/cancel", {"reason": "bệnh nhân không làm"})
    else:
        reason = {"kind": "ordered_not_performed", "line": "XML3-9", "reason": "làm ở cơ sở khác"}
        await send(site.client, f"/v1/visits/{visit_id}/discharge-overrides", reason)
        await collect(site.client, visit_id, 20_000)

    bill = await send(site.client, address, {})
    assert bill["shares"]["total"] == (600_000 if way_out == "cancel" else 700_000)
    await assert_books_are_right(site.context.database)

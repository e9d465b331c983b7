"""The cash desk over HTTP: a whole day, who may do what, and refusals by name."""

import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from billing.core.actor import Role
from billing.notifications.domain.webhook import DueDelivery, message_body
from tests.builders import FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.visit_accounts.accounts import OpenVisit, open_visit
from tests.web.cash_day import send, spend_cash_day
from tests.web.conftest import HOOKS
from tests.web.site import UNKNOWN_ID, Site, key_of, problem


async def as_role(site: Site, *roles: Role) -> httpx.AsyncClient:
    headers = await key_of(site, *roles)
    return httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=HOOKS)


async def open_shift(site: Site, **changes: object) -> dict[str, Any]:
    """A shift of the hospital's key at a new desk, with 500 000 đồng."""
    desk = await send(site.client, "/v1/desks", {"facility_code": FACILITY_CODE, "name": "Quầy 1"})
    body = {"desk_id": desk["id"], "opening_float": 500_000, "issued_float": 500_000, **changes}
    return await send(site.client, "/v1/shifts", body)


def advance(amount: int, **changes: object) -> dict[str, Any]:
    return {"amount": amount, "parts": [{"method": "cash", "amount": amount}], **changes}


@pytest.fixture
async def visit(site: Site) -> OpenVisit:
    return await open_visit(site.context)


async def test_whole_day_leaves_right_books_and_described_messages(site: Site) -> None:
    head = await as_role(site, Role.HEAD_CASHIER, Role.TREASURER, Role.FINANCE)
    await spend_cash_day(site.client, head, site)

    await assert_books_are_right(site.context.database)
    document = (await site.anonymous_client.get("/openapi.json")).json()
    sent = await site.as_owner("SELECT id, topic, payload::text AS payload FROM outbox WHERE organization_id = 1")
    assert {"receipt.issued", "receipt.voided", "shift.updated", "hand_over.updated"} <= {row["topic"] for row in sent}
    for row in sent:
        due = DueDelivery(message_id=row["id"], topic=row["topic"], payload=json.loads(row["payload"]), attempts=0)
        schema = document["webhooks"][row["topic"]]["post"]["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(
            json.loads(message_body(due, organization_id=1))
        )
    await head.aclose()


async def test_repeated_collection_takes_the_money_once(site: Site, visit: OpenVisit) -> None:
    await open_shift(site)
    address, headers = f"/v1/visits/{visit.visit_id}/collections", {"Idempotency-Key": "thu-1"}

    first = await site.client.post(address, json=advance(50_000), headers=headers)
    again = await site.client.post(address, json=advance(50_000), headers=headers)

    assert (first.status_code, again.status_code, first.json()["id"]) == (201, 201, again.json()["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await open_visit(site.context, "LK0002")
    answer = await site.client.post(f"/v1/visits/{other.visit_id}/collections", json=advance(50_000), headers=headers)
    problem(answer, 422, "idempotency_key_reused")
    assert (await visit.deposit()).held == 50_000


async def test_collections_are_refused_by_name(site: Site, visit: OpenVisit) -> None:
    address = f"/v1/visits/{visit.visit_id}/collections"
    problem(await site.client.post(address, json=advance(1_000)), 409, "no_open_shift")
    await open_shift(site)
    request_id = str(await visit.request(10_000))

    for body, status, code in (
        ({"parts": []}, 422, "invalid_value"),
        (advance(0), 422, "invalid_value"),
        ({"parts": [{"method": "gold", "amount": 1}], "amount": 1}, 422, "invalid_body"),
        ({**advance(10_001), "deposit_request_id": request_id}, 409, "over_collection"),
        ({**advance(1_000), "amount": 2_000}, 409, "amount_mismatch"),
        ({**advance(1_000), "deposit_request_id": UNKNOWN_ID}, 404, "not_found"),
        ({"amount": 5, "parts": [{"method": "cash", "amount": 5, "tendered": 4}]}, 409, "tendered_too_little"),
        ({"amount": 5, "parts": [{"method": "provider", "payment_id": UNKNOWN_ID}]}, 409, "payment_not_of_target"),
    ):
        problem(await site.client.post(address, json=body), status, code)
    problem(await site.client.post(f"/v1/visits/{UNKNOWN_ID}/collections", json=advance(1_000)), 404, "not_found")
    assert (await visit.deposit()).held == 0


async def test_transfer_is_confirmed_by_a_head_cashier_only(site: Site, visit: OpenVisit) -> None:
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    desk = await send(site.client, "/v1/desks", {"facility_code": FACILITY_CODE, "name": "Quầy 2"})
    transfer = {"method": "transfer", "amount": 9_000, "bank_account_id": str(bank["id"]), "reference": "FT26"}
    body = {"amount": 9_000, "parts": [transfer]}
    async with await as_role(site, Role.CASHIER) as cashier:
        await send(cashier, "/v1/shifts", {"desk_id": desk["id"], "opening_float": 0})
        answer = await cashier.post(f"/v1/visits/{visit.visit_id}/collections", json=body)
        problem(answer, 403, "not_permitted")
    await open_shift(site)
    await send(site.client, f"/v1/visits/{visit.visit_id}/collections", body)
    assert (await visit.deposit()).held == 9_000
    await assert_books_are_right(site.context.database)


async def test_shift_of_another_cashier_and_ended_shift_are_refused_by_name(site: Site) -> None:
    shift = await open_shift(site)
    address = f"/v1/shifts/{shift['id']}"
    moved = {"amount": 1_000, "reason": "tiền lẻ"}
    async with await as_role(site, Role.CASHIER) as other:
        problem(await other.post(f"{address}/paid-in", json=moved), 409, "wrong_shift")
        problem(await other.post(f"{address}/close"), 403, "not_permitted")
        taken = {"desk_id": shift["desk_id"], "opening_float": 0}
        problem(await other.post("/v1/shifts", json=taken), 409, "shift_already_open")
    problem(await site.client.post(f"{address}/paid-out", json={**moved, "amount": 500_001}), 409, "not_enough_cash")
    problem(await site.client.post(f"{address}/close"), 409, "shift_not_ended")
    short = {"counted": {"100000": 4}}
    problem(await site.client.post(f"{address}/end", json=short), 409, "difference_reason_needed")
    problem(await site.client.post(f"{address}/end", json={"counted": {"7": 1}}), 422, "invalid_value")
    await send(site.client, f"{address}/end", {**short, "difference_reason": "mất một tờ"})
    problem(await site.client.post(f"{address}/paid-in", json=moved), 409, "shift_not_open")
    problem(await site.client.post(f"{address}/close"), 409, "second_person_required")
    problem(await site.client.get(f"/v1/shifts/{UNKNOWN_ID}"), 404, "not_found")


async def test_cashier_of_a_blind_facility_sees_no_cash_before_the_count(site: Site, visit: OpenVisit) -> None:
    shift = await open_shift(site)
    address = f"/v1/shifts/{shift['id']}"
    settings = {"rounding_step": 1, "hides_expected_cash": True}
    await send(site.client, f"/v1/facilities/{FACILITY_CODE}/cash-settings", settings, method="PUT")
    await send(site.client, f"/v1/visits/{visit.visit_id}/collections", advance(100_000))

    own = await site.read(address)
    async with await as_role(site, Role.HEAD_CASHIER, Role.TREASURER, Role.FINANCE) as head:
        seen = (await head.get(address)).json()
    assert (own["is_hidden"], own["cash"], own["events"], own["sums"]) == (True, None, [], [])
    assert (seen["is_hidden"], seen["cash"], len(seen["receipts"])) == (False, 600_000, 1)
    await send(site.client, f"{address}/end", {"counted": {"500000": 1, "100000": 1}})
    assert (await site.read(address))["cash"] == 600_000


async def test_void_needs_another_person_with_the_right(site: Site, visit: OpenVisit) -> None:
    await open_shift(site)
    receipt = await send(site.client, f"/v1/visits/{visit.visit_id}/collections", advance(100_000))
    address, body = f"/v1/receipts/{receipt['id']}/void", {"reason": "nhầm người bệnh"}

    async with (
        await as_role(site, Role.CASHIER) as cashier,
        await as_role(site, Role.HEAD_CASHIER, Role.TREASURER, Role.FINANCE) as head,
    ):
        problem(await cashier.post(address, json=body), 403, "not_permitted")
        problem(await site.client.post(address, json=body), 409, "second_person_required")
        problem(await head.post(address, json={"reason": ""}), 422, "invalid_value")
        voided = await send(head, address, body)
        problem(await head.post(address, json=body), 409, "receipt_already_void")
    assert (voided["state"], voided["void_reason"], voided["number"]) == ("void", body["reason"], receipt["number"])
    assert (await visit.deposit()).held == 0
    listed = await site.read("/v1/receipts?state=void")
    assert [each["id"] for each in listed["items"]] == [receipt["id"]]


async def test_slip_batch_and_terminal_are_recorded_once(site: Site, visit: OpenVisit) -> None:
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    await open_shift(site)
    terminal = {
        "facility_code": FACILITY_CODE,
        "name": "POS",
        "terminal_number": "T1",
        "bank_account_id": str(bank["id"]),
    }
    added = await send(site.client, "/v1/card-terminals", terminal)
    problem(await site.client.post("/v1/card-terminals", json=terminal), 409, "terminal_number_taken")
    card = {"method": "card", "amount": 70_000, "terminal_id": added["id"], "approval_code": "A1"}
    body = {"amount": 70_000, "parts": [card]}
    await send(site.client, f"/v1/visits/{visit.visit_id}/collections", body)
    answer = await site.client.post(f"/v1/visits/{visit.visit_id}/collections", json=body)
    problem(answer, 409, "slip_already_recorded")
    (slip,) = await site.as_owner("SELECT day FROM card_slip WHERE organization_id = 1")
    batch = {
        "terminal_id": added["id"],
        "day": slip["day"].isoformat(),
        "batch_number": "1",
        "count": 1,
        "gross": 70_000,
        "fee": 700,
        "net": 69_300,
    }
    slips = [{"approval_code": "A1", "amount": 35_000}] * 2
    for wrong, field in (
        ({"net": 1}, "net"),
        ({"count": None}, "slips"),
        ({"slips": slips}, "slips"),
        ({"count": None, "slips": slips}, "slips"),
    ):
        refused = await site.client.post("/v1/card-batches", json={**batch, **wrong})
        assert problem(refused, 422, "invalid_value")["errors"][0]["field"] == field
    recorded = await send(site.client, "/v1/card-batches", batch)
    assert (recorded["differences"], recorded["net"]) == ([], 69_300)
    problem(await site.client.post("/v1/card-batches", json=batch), 409, "batch_already_recorded")
    await assert_books_are_right(site.context.database)

"""Refunds over HTTP: the whole way, the file for the bank, and refusals by name."""

import csv
import io
from pathlib import Path

import httpx
import pytest

from billing.core.actor import Role
from billing.core.money import Dong
from billing.spreadsheets.xlsx_rows import open_xlsx, read_xlsx
from billing.visit_accounts.formats.payment_order import Transfer, layouts, write_payment_order
from tests.flow import assert_books_are_right
from tests.web.cash_day import send
from tests.web.conftest import HOOKS
from tests.web.refund_day import DESTINATION, approve, pay_deposit, spend_refund_day
from tests.web.site import UNKNOWN_ID, Site, key_of, problem


@pytest.fixture
async def other(site: Site) -> httpx.AsyncClient:
    headers = await key_of(site, Role.FINANCE)
    return httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=HOOKS)


async def test_whole_way_leaves_right_books_and_nothing_waiting(site: Site, other: httpx.AsyncClient) -> None:
    await spend_refund_day(site.client, other, site)

    await assert_books_are_right(site.context.database)
    listed = (await site.client.get("/v1/refunds")).json()["items"]
    assert sorted(each["state"] for each in listed) == ["cancelled", "done", "done"]
    account = (await site.client.get(f"/v1/visits/{listed[0]['visit_id']}/account")).json()
    assert (account["refunds_waiting"], account["account"]["deposit"]["held"]) == (0, 100_000)
    sent = await site.as_owner("SELECT topic FROM outbox WHERE organization_id = 1 AND topic = 'refund.updated'")
    assert len(sent) == 9


async def test_refund_waits_in_the_account_and_is_in_one_payment_order_only(
    site: Site, other: httpx.AsyncClient
) -> None:
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    visit_id = await pay_deposit(site.client, site, 100_000)
    body = {
        "visit_id": visit_id,
        "amount": 60_000,
        "way": "manual_transfer",
        "reason": "hoàn ứng",
        "destination": DESTINATION,
    }
    refund = await send(site.client, "/v1/refunds", body)
    account = (await site.client.get(f"/v1/visits/{visit_id}/account")).json()
    assert account["refunds_waiting"] == 60_000
    order = {"refund_ids": [refund["id"]], "bank_account_id": str(bank["id"]), "layout": "generic"}
    problem(await site.client.post("/v1/payment-orders", json=order), 409, "refund_not_approved")
    await approve(other, refund)
    first = await send(site.client, "/v1/payment-orders", order)
    problem(await site.client.post("/v1/payment-orders", json=order), 409, "refund_not_waiting")
    problem(
        await site.client.post(f"/v1/refunds/{refund['id']}/confirm", json={"bank_reference": "FT1"}),
        409,
        "second_person_required",
    )

    answer = await site.client.get(f"/v1/payment-orders/{first['id']}/file")

    _, row = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row[1:3] == ["0011223344", "970436"]
    assert row[4:] == ["NGUYEN VAN AN", "60000", f"{refund['reference']} HOAN TIEN"]


async def test_refusals_are_named(site: Site) -> None:
    visit_id = await pay_deposit(site.client, site, 50_000)
    body = {"visit_id": visit_id, "amount": 50_001, "way": "cash", "reason": "hoàn ứng"}
    problem(await site.client.post("/v1/refunds", json=body), 409, "nothing_to_refund")
    transfer = {**body, "amount": 50_000, "way": "manual_transfer"}
    problem(await site.client.post("/v1/refunds", json=transfer), 422, "destination_needed")
    problem(await site.client.get(f"/v1/refunds/{UNKNOWN_ID}"), 404, "not_found")
    refund = await send(site.client, "/v1/refunds", {**body, "amount": 50_000})
    problem(await site.client.post(f"/v1/refunds/{refund['id']}/send", json={}), 409, "refund_not_approved")
    problem(
        await site.client.post(
            "/v1/payment-orders",
            json={"refund_ids": [refund["id"]], "bank_account_id": UNKNOWN_ID, "layout": "no_bank"},
        ),
        422,
        "invalid_value",
    )


async def test_repeated_request_reserves_once(site: Site) -> None:
    visit_id = await pay_deposit(site.client, site, 50_000)
    body = {"visit_id": visit_id, "amount": 20_000, "way": "cash", "reason": "hoàn ứng"}
    answers = [
        await site.client.post("/v1/refunds", json=body, headers={"Idempotency-Key": "hoan-1"}) for _ in range(2)
    ]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len((await site.client.get("/v1/refunds")).json()["items"]) == 1


@pytest.mark.parametrize("name", ["bidv", "generic", "vietcombank", "vietinbank"])
def test_file_of_every_bank_holds_each_transfer_and_no_formula(name: str, tmp_path: Path) -> None:
    layout = layouts()[name]
    transfer = Transfer(
        line=1,
        account_number="0012345",
        bank_bin="970436",
        bank_name="Vietcombank",
        holder="=cmd|' /C calc'!A0",
        amount=Dong(125_000),
        text="K7ABCDEFR HOAN TIEN",
    )
    file = write_payment_order(layout, [transfer])

    assert write_payment_order(layout, [transfer]).content == file.content
    if layout.file == "xlsx":
        assert b"<f>" not in file.content
        rows = [list(row.cells) for row in read_xlsx(open_xlsx(file.content))]
        index = [column.field for column in layout.columns].index("account_number")
        assert rows[1][index] == "0012345"

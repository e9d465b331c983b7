"""Price lists and pricing authority over HTTP, by two persons with a key each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from billing.core.actor import Role
from tests.builders import FACILITY_CODE, service_line, visit_document
from tests.persons import give_keys
from tests.spreadsheets.workbooks import rows, workbook
from tests.web.conftest import HOOKS
from tests.web.site import Site, problem

CSV = {"Content-Type": "text/csv"}
XLSX = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
LIST = "mã dịch vụ;tên;giá BHYT;giá viện phí\nX1;Xét nghiệm;400000;420000\n".encode()


@dataclass(frozen=True, slots=True)
class Persons:
    """Three programs of finance: two act for A, one for B; and one of a cashier."""

    a: httpx.AsyncClient
    also_a: httpx.AsyncClient
    b: httpx.AsyncClient
    cashier: httpx.AsyncClient


@pytest.fixture
async def persons(site: Site) -> AsyncIterator[Persons]:
    names = (("books-one", "A"), ("books-two", "A"), ("books-three", "B"))
    keys = await give_keys(site.database, site.context, *names)
    keys += await give_keys(site.database, site.context, ("till", "C"), roles=(Role.CASHIER,))
    clients = [
        httpx.AsyncClient(
            base_url=site.address, headers={"Authorization": f"Bearer {key}"}, timeout=20, event_hooks=HOOKS
        )
        for key in keys
    ]
    yield Persons(*clients)
    for client in clients:
        await client.aclose()


async def draft(persons: Persons, content: bytes = LIST, query: str = "from=2026-07-01") -> str:
    answer = await persons.a.post(f"/v1/tariffs?{query}", content=content, headers=CSV)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def approve(client: httpx.AsyncClient, subject: dict[str, Any]) -> httpx.Response:
    """Approve what is proposed for a price list, setting, policy, account or dead letter."""
    return await client.post(f"/v1/approvals/{subject['approval']['id']}/approve")


async def effective(persons: Persons) -> str:
    tariff_id = await draft(persons)
    drafted = (await persons.b.get(f"/v1/tariffs/{tariff_id}")).json()
    assert (await approve(persons.b, drafted)).status_code == 200
    assert (await persons.a.post(f"/v1/tariffs/{tariff_id}/activate")).status_code == 200
    return tariff_id


async def set_pricing(persons: Persons, **changes: str) -> None:
    body = {"facility": FACILITY_CODE, "valid_from": "2026-07-01", "authority": "vienphi", **changes}
    proposed = await persons.a.post("/v1/facility-pricing", json=body)
    assert proposed.status_code == 201, proposed.text
    approved = await approve(persons.b, proposed.json())
    assert (approved.json()["state"], approved.json()["decided_by"]) == ("approved", "B")


async def test_price_list_takes_effect_by_two_persons(persons: Persons) -> None:
    drafted = await persons.a.post("/v1/tariffs?from=2026-07-01&name=2026", content=LIST, headers=CSV)
    address = drafted.headers["Location"]
    changes = (await persons.b.get(f"{address}/changes")).json()
    for same in (persons.a, persons.also_a):
        problem(await approve(same, drafted.json()), 409, "second_person_required")
    problem(await persons.a.post(f"{address}/activate"), 409, "tariff_state_forbids")
    await approve(persons.b, drafted.json())
    approved = await persons.b.get(address)
    activated = await persons.also_a.post(f"{address}/activate")

    assert [each.json()["state"] for each in (drafted, approved, activated)] == ["draft", "approved", "effective"]
    assert activated.json() == (await persons.a.get(address)).json()
    assert [activated.json()[by] for by in ("drafted_by", "activated_by")] == ["A", "A"]
    assert activated.json()["approval"]["decided_by"] == "B"
    assert changes["added"] == 1
    assert changes["changes"][0] == {
        "change": "added", "code": "X1", "name": "Xét nghiệm", "price": "insured", "old": None, "new": "400000",
    }  # fmt: skip
    listed = (await persons.a.get("/v1/tariffs?state=effective")).json()["items"]
    assert [each["name"] for each in listed] == ["2026"]
    problem(await persons.a.post(f"{address}/discard"), 409, "tariff_state_forbids")


async def test_repeated_request_drafts_nothing_twice(persons: Persons) -> None:
    headers = {**CSV, "Idempotency-Key": "k1"}
    first = await persons.a.post("/v1/tariffs?from=2026-07-01", content=LIST, headers=headers)
    again = await persons.a.post("/v1/tariffs?from=2026-07-01", content=LIST, headers=headers)
    other_day = await persons.a.post("/v1/tariffs?from=2026-08-01", content=LIST, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(other_day, 422, "idempotency_key_reused")
    assert len((await persons.a.get("/v1/tariffs")).json()["items"]) == 1


async def test_workbook_is_drafted(persons: Persons) -> None:
    content = workbook(rows(("mã", "giá BHYT"), ("X1", 5)), rows(("ghi chú",)))

    named = await persons.a.post("/v1/tariffs?from=2026-07-01&sheet=Giá 1", content=content, headers=XLSX)

    assert named.status_code == 201, named.text
    assert (named.json()["items"], named.json()["is_complete"]) == (1, True)
    problem(await persons.a.post("/v1/tariffs?from=2026-07-01", content=content, headers=XLSX), 422, "sheet_unreadable")


async def test_every_bad_row_is_reported_and_nothing_is_written(site: Site) -> None:
    content = "mã;giá BHYT\nX1;1.234\nX2;5\nX2;6\n".encode()

    async with site.nothing_written():
        refused = problem(
            await site.client.post("/v1/tariffs?from=2026-07-01", content=content, headers=CSV),
            422,
            "price_list_faulty",
        )

    assert [each["field"] for each in refused["errors"]] == ["row 2, giá BHYT", "row 4, mã dịch vụ"]
    assert refused["detail"] == "2 rows cannot be read; nothing was stored"


@pytest.mark.parametrize(
    ("query", "headers", "content", "status", "code"),
    [
        ("", CSV, LIST, 400, "invalid_query"),
        ("from=2026-13-01", CSV, LIST, 400, "invalid_query"),
        ("from=2026-07-01&decimal_mark=dot", CSV, LIST, 400, "invalid_query"),
        ("from=2026-07-01&until=2026-06-30", CSV, LIST, 422, "invalid_value"),
        ("from=2026-07-01&facility=99999", CSV, LIST, 404, "not_found"),
        ("from=2026-07-01", {"Content-Type": "application/json"}, b"{}", 415, "media_type_not_supported"),
        ("from=2026-07-01", CSV, b"", 422, "sheet_unreadable"),
        ("from=2026-07-01", XLSX, LIST, 422, "sheet_unreadable"),
        ("from=2026-07-01", CSV, bytes(1024 * 1024 + 1), 413, "body_too_large"),
    ],
    ids=["no day", "no such day", "mark", "ends first", "facility", "json", "empty", "no workbook", "large"],
)
async def test_invalid_request_is_rejected(
    site: Site, query: str, headers: dict[str, str], content: bytes, status: int, code: str
) -> None:
    async with site.nothing_written():
        problem(await site.client.post(f"/v1/tariffs?{query}", content=content, headers=headers), status, code)


async def test_only_finance_changes_prices(persons: Persons) -> None:
    tariff_id = await draft(persons)

    for answer in (
        await persons.cashier.post("/v1/tariffs?from=2026-07-01", content=LIST, headers=CSV),
        await approve(persons.cashier, (await persons.a.get(f"/v1/tariffs/{tariff_id}")).json()),
        await persons.cashier.post("/v1/facility-pricing", json={}),
        await persons.cashier.get("/v1/price-differences"),
    ):
        problem(answer, 403, "not_permitted")


async def test_setting_of_a_facility_takes_two_persons(persons: Persons) -> None:
    body = {"facility": FACILITY_CODE, "valid_from": "2026-07-01", "authority": "his", "vendor": "HIS X"}

    proposed = await persons.a.post("/v1/facility-pricing", json=body)
    address = proposed.headers["Location"]
    problem(await approve(persons.also_a, proposed.json()), 409, "second_person_required")
    await approve(persons.b, proposed.json())
    problem(await approve(persons.b, proposed.json()), 409, "already_decided")
    approved = (await persons.a.get(address)).json()

    assert (proposed.json()["approval"]["decided_by"], approved["approval"]["decided_by"]) == (None, "B")
    assert (await persons.a.get(f"/v1/facility-pricing?facility={FACILITY_CODE}")).json()["items"] == [approved]
    problem(await persons.a.post("/v1/facility-pricing", json={**body, "vendor": ""}), 422, "invalid_value")
    problem(
        await persons.a.post("/v1/facility-pricing", json={**body, "valid_from": "2026-02-30"}), 422, "invalid_value"
    )
    problem(await persons.a.post("/v1/facility-pricing", json={**body, "facility": "99999"}), 404, "not_found")


async def test_charge_without_price_is_refused_by_name_on_the_invoice(site: Site, persons: Persons) -> None:
    await set_pricing(persons)
    line = {**service_line(1, name="Xét nghiệm", group=1, price="500000"), "MA_DICH_VU": "X1"}

    taken = (await site.client.post("/v1/visits", json=visit_document(lines=[line]))).json()["visits"][0]
    refused = problem(await site.client.post("/v1/invoices", json={"visit_id": taken["id"]}), 409, "price_not_in_force")
    await effective(persons)
    issued = await site.client.post("/v1/invoices", json={"visit_id": taken["id"]})

    assert taken["price"] is None
    assert taken["findings"][0]["found"] == "X1"
    assert refused["detail"] == "no price in force for X1 on 2026-11-02 (B-053)"
    assert issued.json()["shares"]["patient"] == 80_000
    [reason, *_] = issued.json()["lines"][0]["reasons"]
    assert reason["sentence"]["vi"] == "Đơn giá 400.000 đ theo bảng giá của cơ sở có hiệu lực từ 01/07/2026."


async def test_differences_to_the_hospitals_system_are_read_by_cursor(site: Site, persons: Persons) -> None:
    await effective(persons)
    await set_pricing(persons, authority="his", vendor="HIS X")
    line = {**service_line(1, name="Xét nghiệm", group=1, price="500000"), "MA_DICH_VU": "X1"}

    invoice = await site.issue_invoice(lines=[{**line, "T_BNTT": "0", "T_BNCCT": "120000", "T_BHTT": "380000"}])
    first = (await persons.a.get("/v1/price-differences?limit=4")).json()
    rest = (await persons.a.get(f"/v1/price-differences?limit=4&cursor={first['next_cursor']}")).json()
    [copay] = (await persons.a.get("/v1/price-differences?field=T_BNCCT&vendor=HIS X")).json()["items"]

    assert invoice["shares"]["patient"] == 120_000
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 2, None)
    assert (copay["his_value"], copay["vienphi_value"], copay["stt"], copay["code"]) == ("120000", "80000", 1, "X1")
    assert "B-010" in copay["rules"]
    assert copay["invoice_id"] == invoice["id"]
    assert (await persons.a.get(f"/v1/price-differences?visit_id={invoice['id']}")).json()["items"] == []

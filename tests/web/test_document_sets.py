"""The document set of a visit over HTTP: every document of its bills, its money and its entries."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import FACILITY_CODE, add_demo_hospital
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.bill_day import open_shift, spend_bill_day
from tests.web.cash_day import send, spend_cash_day
from tests.web.conftest import HOOKS
from tests.web.import_day import BYTES
from tests.web.refund_day import spend_refund_day
from tests.web.site import UNKNOWN_ID, Site, key_of, problem

# Every entry whose postings name the visit, its invoices or its payments: without the index by transaction.
_ENTRIES = """
    SELECT DISTINCT posting.entry_id FROM posting
    WHERE posting.visit_id = $1
        OR posting.invoice_id IN (SELECT id FROM invoice WHERE visit_id = $1)
        OR posting.payment_id IN (SELECT id FROM visit_subject WHERE subject = 'payment' AND visit_id = $1)
"""


@pytest.fixture
async def head(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    headers = await key_of(site, Role.FINANCE, Role.HEAD_CASHIER, Role.TREASURER)
    async with httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=HOOKS) as client:
        yield client


async def visit_of(site: Site, ma_lk: str) -> str:
    (row,) = await site.as_owner("SELECT id FROM visit WHERE ma_lk = $1", ma_lk)
    return str(row["id"])


async def documents_of(site: Site, visit_id: str) -> list[dict[str, Any]]:
    """The documents of a visit, after checking what holds for every visit."""
    found = await site.read(f"/v1/visits/{visit_id}/documents")
    documents: list[dict[str, Any]] = found["documents"]
    times = [datetime.fromisoformat(each["at"]) for each in documents]
    assert times == sorted(times)
    assert found["left_out"] == 0
    assert len({(each["kind"], each["id"]) for each in documents}) == len(documents)
    entries = {each["id"] for each in documents if each["kind"] == "entry"}
    assert {str(row["entry_id"]) for row in await site.as_owner(_ENTRIES, visit_id)} <= entries
    for link in {each["link"] for each in documents if each["link"] is not None}:
        assert (await site.client.get(link)).status_code == 200, link
    return documents


async def test_bills_reductions_and_receipts_of_a_visit_are_its_documents(site: Site, head: httpx.AsyncClient) -> None:
    await open_shift(site.client)
    await spend_bill_day(site.client, head, site)
    visit_id = await visit_of(site, "LK-RAVIEN")
    [receipt] = (await site.read(f"/v1/receipts?visit_id={visit_id}"))["items"]
    await send(site.client, f"/v1/receipts/{receipt['id']}/reprint")

    documents = await documents_of(site, visit_id)

    kinds = Counter(each["kind"] for each in documents)
    assert (kinds["guarantee"], kinds["exemption"], kinds["debt"], kinds["receipt"]) == (3, 1, 2, 1)
    assert (kinds["final_bill"], kinds["reopening"], kinds["deposit"], kinds["invoice"]) == (2, 1, 1, 1)
    assert kinds["correction"] >= 1
    [printed] = [each for each in documents if each["kind"] == "receipt"]
    assert (printed["number"], printed["amount"], printed["reprints"]) == (receipt["number"], 60_000, 1)
    assert printed["printed"] == (await site.read(f"/v1/receipts/{receipt['id']}"))["printed"]
    [invoice] = [each for each in documents if each["kind"] == "invoice"]
    assert invoice["person"] != ""
    [approved] = [each for each in documents if each["kind"] == "exemption"]
    assert (approved["amount"], approved["person"].startswith("Người finance")) == (6_000, True)
    written_off = [each["amount"] for each in documents if each["kind"] == "debt" and each["state"] == "written_off"]
    assert written_off == [
        -each["amount"] for each in documents if each["kind"] == "correction" and each["state"] == "write_off"
    ]


async def test_refunds_and_cards_of_visits_are_their_documents(site: Site, head: httpx.AsyncClient) -> None:
    await spend_cash_day(site.client, head, site)
    await spend_refund_day(site.client, head, site)

    refunded = await documents_of(site, await visit_of(site, "LK-HOAN"))
    at_desk = await documents_of(site, await visit_of(site, "LK-QUAY"))

    states = {each["amount"]: each["state"] for each in refunded if each["kind"] == "refund"}
    assert states == {120_000: "done", 80_000: "done", 10_000: "cancelled"}
    assert "FT26333000111" in {each["bank_reference"] for each in refunded}
    assert {each["method"] for each in refunded if each["kind"] == "receipt"} == {"in deposit", "out returned_deposit"}
    void = next(each for each in at_desk if each["kind"] == "receipt" and each["state"] == "void")
    assert void["reason"] != ""
    assert {each["method"] for each in at_desk if each["kind"] == "payment"} >= {"cash", "card"}
    assert [each["number"] for each in at_desk if each["kind"] == "card_batch"] != []


async def test_payment_is_listed_with_its_code_its_line_and_its_match(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [payment] = (await site.read("/v1/payments"))["items"]
    day = business_date(datetime.fromisoformat(payment["occurred_at"]))
    line = Line(amount=payment["amount"], text="NOP", reference=payment["bank_reference"], day=day)
    content = statement_csv(line)
    imported = await site.client.post("/v1/bank-statements?file_name=vcb.csv", content=content, headers=BYTES)
    assert imported.status_code == 201, imported.text
    await send(site.client, "/v1/match-runs", {})
    [invoice] = (await site.read("/v1/invoices"))["items"]

    documents = await documents_of(site, invoice["visit_id"])

    by_kind = {each["kind"]: each for each in documents}
    assert by_kind["intent"]["number"] == intent["reference_code"]
    assert by_kind["payment"]["bank_reference"] == payment["bank_reference"]
    assert by_kind["payment"]["of_id"] == intent["id"]
    assert by_kind["statement_line"]["bank_reference"] == payment["bank_reference"]
    assert by_kind["statement_line"]["number"].startswith("vcb.csv ")
    assert by_kind["statement_line"]["of_id"] == by_kind["match"]["id"]
    events = [each["state"] for each in documents if each["kind"] == "entry"]
    assert events == ["invoice_issued", "payment_received", "bank_lines_matched"]


async def test_key_of_a_facility_reads_no_books_and_another_hospital_reads_nothing(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [invoice] = (await site.read("/v1/invoices"))["items"]
    address = f"/v1/visits/{invoice['visit_id']}/documents"
    limited = await key_of(site, Role.FINANCE, facility_codes=[FACILITY_CODE])
    cashier = await key_of(site, Role.CASHIER)
    other = await add_demo_hospital(site.database.owner_url, organization=2, facility_code="02001")

    reached = (await site.client.get(address, headers=limited)).json()

    assert {each["kind"] for each in reached["documents"]} == {"invoice", "intent", "payment"}
    assert reached["left_out"] == 2
    problem(await site.client.get(address, headers=cashier), 403, "not_permitted")
    problem(await site.client.get(address, headers=other.authorization), 404, "not_found")
    problem(await site.client.get(f"/v1/visits/{UNKNOWN_ID}/documents"), 404, "not_found")

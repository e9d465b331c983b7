"""Issuing invoices over HTTP: lines with their reasons, and every refusal with nothing written."""

import asyncpg
import pytest

from tests.builders import DemoHospital, visit_document
from tests.web.site import Site, problem

UNKNOWN = "00000000-0000-7000-8000-000000000000"


async def test_invoice_states_the_shares_and_their_rules(site: Site) -> None:
    visit_id = await site.record_visit()

    answer = await site.client.post("/v1/invoices", json={"visit_id": visit_id})

    invoice = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/invoices/{invoice['id']}"
    assert (invoice["visit_id"], invoice["visit_version"], invoice["state"]) == (visit_id, 1, "issued")
    assert invoice["shares"] == {
        "patient": 136_000,
        "insurer": 464_000,
        "other": 0,
        "private": 0,
        "total": 600_000,
    }
    assert (invoice["owed"], invoice["paid"], invoice["version"]) == (136_000, 0, 1)
    assert invoice["number"].endswith("-000001")
    drug, *_, bed = invoice["lines"]
    assert (drug["copay"], drug["fund"], drug["self_pay"], drug["quantity"]) == ("16000.00", "64000.00", "0.00", "10")
    assert (bed["self_pay"], bed["fund"]) == ("20000.00", "0.00")
    assert "80 %" in drug["reasons"][0]["sentence"]["vi"]
    assert "80 %" in drug["reasons"][0]["sentence"]["en"]
    assert all(reason["citation"]["vi"] for line in invoice["lines"] for reason in line["reasons"])
    assert drug["reasons"][0]["period"]["en"] == "since 2015"
    assert [(step["field"], step["formula"]["vi"], step["amount"]) for step in drug["breakdown"]] == [
        ("THANH_TIEN_BV", "10 × 8.000", "80000.00"),
        ("THANH_TIEN_BH", "10 × 8.000", "80000.00"),
        ("T_BHTT", "80.000 × 80 %", "64000.00"),
        ("T_BNCCT", "80.000 − 64.000", "16000.00"),
    ]
    assert await site.read(answer.headers["Location"]) == invoice


async def test_every_stored_rule_has_its_sentence(site: Site) -> None:
    # A card that ended before the visit: the level is 0 by another sentence of its rule.
    cards = [{"code": "DN4791234567890", "valid_from": "2025-01-01", "valid_to": "2025-12-31"}]

    invoice = await site.issue_invoice(cards=cards)

    reasons = [reason for line in invoice["lines"] for reason in line["reasons"]]
    assert invoice["owed"] == 600_000
    assert any("variant" in reason for reason in reasons)
    assert all(reason["sentence"]["vi"] and reason["sentence"]["en"] for reason in reasons)


async def test_further_invoice_bills_only_the_added_items(site: Site) -> None:
    first = await site.issue_invoice()
    document = visit_document()
    document["lines"][2]["DON_GIA_BV"] = document["lines"][2]["DON_GIA_BH"] = "30000"
    await site.client.post("/v1/visits", json=document)

    second = await site.client.post("/v1/invoices", json={"visit_id": first["visit_id"]})

    assert second.status_code == 201
    assert second.json()["owed"] == 10_000


async def test_nothing_more_to_invoice_is_refused(site: Site) -> None:
    invoice = await site.issue_invoice()

    async with site.nothing_written():
        answer = await site.client.post("/v1/invoices", json={"visit_id": invoice["visit_id"]})

    problem(answer, 409, "nothing_to_invoice")


async def test_visit_that_lacks_a_fact_is_taken_without_price_and_not_invoiced(site: Site) -> None:
    cards = [{"code": "DN4010000000001", "valid_from": "2024-01-01"}]
    document = visit_document(MA_DOITUONG_KCB="3", NGAY_VAO="202412010800", cards=cards)
    taken = (await site.client.post("/v1/visits", json=document)).json()["visits"][0]
    assert taken["price"] is None
    assert [finding["code"] for finding in taken["findings"]] == ["not-supported"]

    async with site.nothing_written():
        answer = await site.client.post("/v1/invoices", json={"visit_id": taken["id"]})

    assert problem(answer, 422, "not_supported")["errors"][0]["field"] == "route"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "visit_id"),
        ({"visit_id": 1}, "visit_id"),
        ({"visit_id": None}, "visit_id"),
        ({"visit_id": True}, "visit_id"),
        ({"visit_id": UNKNOWN, "amount": 1}, "amount"),
    ],
)
async def test_body_of_another_shape_is_refused_by_field(site: Site, body: dict[str, object], field: str) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/invoices", json=body)

    errors = problem(answer, 422, "invalid_body")["errors"]
    assert [error["field"] for error in errors] == [field]


async def test_duplicate_json_key_is_rejected(site: Site) -> None:
    visit_id = await site.record_visit()
    content = f'{{"visit_id": "{visit_id}", "visit_id": "{visit_id}"}}'.encode()

    async with site.nothing_written():
        answer = await site.client.post("/v1/invoices", content=content, headers={"Content-Type": "application/json"})

    problem(answer, 400, "body_unreadable")


@pytest.mark.parametrize("visit_id", [UNKNOWN, "LK0001", ""])
async def test_unknown_visit_is_not_found(site: Site, visit_id: str) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/invoices", json={"visit_id": visit_id})

    problem(answer, 404, "not_found")


async def test_invoice_of_another_organization_does_not_exist(site: Site, other_organization: DemoHospital) -> None:
    invoice = await site.issue_invoice()
    visit_id, address = invoice["visit_id"], f"/v1/invoices/{invoice['id']}"

    async with site.nothing_written():
        found = await site.anonymous_client.get(address, headers=other_organization.authorization)
        issued = await site.anonymous_client.post(
            "/v1/invoices", json={"visit_id": visit_id}, headers=other_organization.authorization
        )

    problem(found, 404, "not_found")
    problem(issued, 404, "not_found")
    assert (await site.client.get(address)).status_code == 200


async def test_body_above_the_small_limit_is_refused(site: Site) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/invoices", json={"visit_id": "x" * 70_000})

    problem(answer, 413, "body_too_large")


async def test_guaranteed_part_stands_apart_and_is_not_owed_by_the_patient(site: Site) -> None:
    terms = {"covers": ["copay"], "coinsurance_pct": "100", "guaranteed_by": "Bảo Việt"}

    # 116 000 of the 136 000 are co-payment.
    invoice = await site.issue_invoice(private_insurance=terms)
    refused = await site.client.post(
        "/v1/visits", json=visit_document(ma_lk="LK2", private_insurance=terms | {"guaranteed_by": "x" * 101})
    )

    assert invoice["shares"] == {
        "patient": 20_000,
        "insurer": 464_000,
        "other": 0,
        "private": 116_000,
        "total": 600_000,
    }
    assert (invoice["owed"], invoice["guarantor"]) == (20_000, "Bảo Việt")
    assert problem(refused, 422, "invalid_value")["errors"][0]["field"] == "private_insurance.guaranteed_by"


@pytest.mark.own_server
async def test_invoice_with_damaged_inputs_can_be_read_without_breakdown(site: Site) -> None:
    invoice = await site.issue_invoice()
    assert site.database.superuser_url is not None
    connection = await asyncpg.connect(site.database.superuser_url)
    await connection.execute("SET session_replication_role = replica; UPDATE invoice_snapshot SET document = '{'")
    await connection.close()

    again = await site.read(f"/v1/invoices/{invoice['id']}")

    assert again["owed"] == invoice["owed"]
    assert [line["breakdown"] for line in again["lines"]] == [[]] * len(invoice["lines"])

"""Idempotent requests: repeated requests under one key create one resource."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing.checkout.service.intents import INSTRUCTION_TIMEOUT
from billing.db.idempotency_keys import try_lock_key
from providers.contract import PaymentInstruction, PaymentRefused, PaymentRequest, ProviderUnreachable
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, DemoHospital, visit_document
from tests.web.site import Site, claim_file, problem

KEY = {"Idempotency-Key": "order-1"}


async def send(site: Site, address: str, body: Mapping[str, Any], key: str = "order-1") -> httpx.Response:
    return await site.client.post(address, json=body, headers={"Idempotency-Key": key})


async def count(site: Site, table: str) -> int:
    [row] = await site.as_owner(f"SELECT count(*) AS rows FROM {table}")
    number: int = row["rows"]
    return number


async def test_repeated_invoice_request_returns_the_invoice_in_its_current_state(site: Site) -> None:
    visit_id = await site.record_visit()
    first = await send(site, "/v1/invoices", {"visit_id": visit_id})

    async with site.nothing_written():
        again = await send(site, "/v1/invoices", {"visit_id": visit_id})

    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json(), again.headers["Location"]) == (first.json(), first.headers["Location"])


async def test_repeated_intent_request_returns_the_same_code(site: Site) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]}
    first = await send(site, "/v1/intents", body)
    await site.bank().pay(first.json()["instruction"]["qr_payload"], Behaviour.EXACT)

    async with site.nothing_written():
        again = await send(site, "/v1/intents", body)

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["reference_code"] == first.json()["reference_code"]
    assert (first.json()["state"], again.json()["state"]) == ("pending", "succeeded")


async def test_late_retry_of_a_visit_does_not_revert_a_newer_version(site: Site) -> None:
    first = await send(site, "/v1/visits", visit_document())
    await send(site, "/v1/visits", visit_document(NGAY_RA="202611021700"), key="order-2")

    async with site.nothing_written():
        again = await send(site, "/v1/visits", visit_document())

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    [visit] = again.json()["visits"]
    assert (visit["id"], visit["version"]) == (first.json()["visits"][0]["id"], 2)
    assert visit["price"]["shares"]["patient"] == 136_000


async def test_repeated_claim_file_names_its_visits(site: Site) -> None:
    headers = {**KEY, "Content-Type": "application/xml"}
    first = await site.client.post("/v1/visits", content=claim_file(), headers=headers)

    again = await site.client.post("/v1/visits", content=claim_file(), headers=headers)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert [visit["id"] for visit in again.json()["visits"]] == [visit["id"] for visit in first.json()["visits"]]
    assert again.json()["findings"] == first.json()["findings"]


async def test_key_of_another_body_or_media_type_is_refused(site: Site) -> None:
    visit_id = await site.record_visit()
    await send(site, "/v1/invoices", {"visit_id": visit_id})
    await send(site, "/v1/visits", visit_document())

    async with site.nothing_written():
        other_body = await send(site, "/v1/visits", visit_document(NGAY_RA="202611021700"))
        headers = {**KEY, "Content-Type": "application/xml"}
        other_type = await site.client.post("/v1/visits", content=claim_file(), headers=headers)

    problem(other_body, 422, "idempotency_key_reused")
    problem(other_type, 422, "idempotency_key_reused")


@pytest.mark.parametrize("address", ["/v1/visits", "/v1/invoices", "/v1/intents"])
async def test_creating_request_without_a_key_is_refused(site: Site, address: str) -> None:
    async with httpx.AsyncClient(base_url=site.address, headers=site.hospital.authorization) as client:
        problem(await client.post(address, json={}), 400, "idempotency_key_missing")
        for key in ("", "a b", "a" * 256, "khoá".encode()):
            answer = await client.post(address, json={}, headers={"Idempotency-Key": key})  # type: ignore[dict-item]
            assert answer.status_code == 400, key
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        problem(await client.post(address, json={}, headers=twice), 400, "idempotency_key_invalid")


async def test_rejected_request_may_be_sent_again_under_its_key(site: Site) -> None:
    invoice = await site.issue_invoice()
    refused = await send(site, "/v1/invoices", {"visit_id": invoice["visit_id"]})
    document = visit_document()
    document["lines"][2]["DON_GIA_BV"] = document["lines"][2]["DON_GIA_BH"] = "30000"
    await site.client.post("/v1/visits", json=document)

    again = await send(site, "/v1/invoices", {"visit_id": invoice["visit_id"]})

    problem(refused, 409, "nothing_to_invoice")
    assert again.status_code == 201


async def test_internal_error_stores_no_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    visit_id = await site.record_visit()

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("billing.invoices.service.issuing.add_invoice", fail)
        problem(await send(site, "/v1/invoices", {"visit_id": visit_id}), 500, "internal_error")

    assert (await send(site, "/v1/invoices", {"visit_id": visit_id})).status_code == 201


async def test_same_key_at_once_creates_one_invoice(site: Site) -> None:
    visit_id = await site.record_visit()

    answers = await asyncio.gather(*(send(site, "/v1/invoices", {"visit_id": visit_id}) for _ in range(8)))

    created = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.json()["id"] for answer in created}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in created) == 1
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "request_still_running")
            assert int(answer.headers["Retry-After"]) > 0
    assert await count(site, "invoice") == 1


async def test_key_held_by_another_connection_is_still_running(site: Site) -> None:
    visit_id = await site.record_visit()
    held = {"caller": "desk", "route": "POST /v1/invoices", "key": "order-1"}

    async with site.context.database.transaction(site.hospital.organization_id) as tx:
        assert await try_lock_key(tx, **held)
        async with site.nothing_written():
            waiting = await send(site, "/v1/invoices", {"visit_id": visit_id})

    problem(waiting, 409, "request_still_running")
    assert waiting.headers["Retry-After"]
    assert (await send(site, "/v1/invoices", {"visit_id": visit_id})).status_code == 201


async def test_key_of_another_organization_or_route_is_another_key(
    site: Site, other_organization: DemoHospital
) -> None:
    await send(site, "/v1/visits", visit_document())

    theirs = await site.anonymous_client.post(
        "/v1/visits", json=visit_document(facility_code="01002"), headers={**KEY, **other_organization.authorization}
    )
    visit_id = theirs.json()["visits"][0]["id"]

    assert theirs.status_code == 201
    assert "Idempotent-Replayed" not in theirs.headers
    issued = await site.anonymous_client.post(
        "/v1/invoices", json={"visit_id": visit_id}, headers={**KEY, **other_organization.authorization}
    )
    assert issued.status_code == 201


async def test_retry_after_a_crash_before_the_provider_answered_completes_the_request(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]}
    references: list[str] = []
    create = Sandbox.create_payment

    async def crash(_self: Sandbox, request: PaymentRequest) -> PaymentInstruction:
        references.append(request.reference)
        raise ConnectionResetError

    async def note(self: Sandbox, request: PaymentRequest) -> PaymentInstruction:
        references.append(request.reference)
        return await create(self, request)

    monkeypatch.setattr(Sandbox, "create_payment", crash)
    assert (await send(site, "/v1/intents", body)).status_code == 500
    monkeypatch.setattr(Sandbox, "create_payment", note)
    too_early = await send(site, "/v1/intents", body)
    now = site.context.clock()
    site.context.clock = lambda: now + INSTRUCTION_TIMEOUT + timedelta(seconds=1)

    finished = await send(site, "/v1/intents", body)

    problem(too_early, 409, "request_still_running")
    assert (finished.status_code, finished.headers["Idempotent-Replayed"]) == (201, "true")
    assert finished.json()["instruction"]["qr_payload"]
    assert references == [finished.json()["reference_code"]] * 2
    assert await count(site, "intent") == 1


async def test_retry_of_a_request_that_the_provider_rejected_is_rejected_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]}

    async def refuse(_self: Sandbox, _request: PaymentRequest) -> PaymentInstruction:
        raise PaymentRefused

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "create_payment", refuse)
        problem(await send(site, "/v1/intents", body), 409, "payment_not_started")

    problem(await send(site, "/v1/intents", body), 409, "payment_not_started")
    [intent] = await site.as_owner("SELECT state FROM intent")
    assert intent["state"] == "failed"


async def test_unreachable_provider_is_unavailable_and_the_same_request_calls_it_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]}

    async def nobody_there(_self: Sandbox, _request: PaymentRequest) -> PaymentInstruction:
        raise ProviderUnreachable("nothing was sent")

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "create_payment", nobody_there)
        answer = await send(site, "/v1/intents", body)
    refused = problem(answer, 503, "provider_unreachable")
    now = site.context.clock()
    site.context.clock = lambda: now + INSTRUCTION_TIMEOUT + timedelta(seconds=1)
    repeated = await send(site, "/v1/intents", body)
    measures = (await site.anonymous_client.get("/metrics")).text

    assert answer.headers["Retry-After"] == str(INSTRUCTION_TIMEOUT.seconds)
    assert (repeated.status_code, repeated.json()["id"]) == (201, refused["intent_id"])
    assert repeated.json()["instruction"]["qr_payload"]
    assert "vienphi_provider_unreachable_total 1.0" in measures
    assert await count(site, "intent") == 1

"""One example for each operation of the API, recorded from the running service.

`VIENPHI_RECORD=1 pytest tests/web/test_openapi_examples.py` writes `billing/web/openapi_examples.json`; without it,
the test holds the file against the schemas and against what the service answers now.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from billing.core.actor import Role
from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.ledger.service.seal_rows import seal_once
from billing.web.openapi_examples import EXAMPLES_FILE, read_examples
from billing.web.routes import API
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, FACILITY_CODE, visit_document
from tests.flow import apply_in_batches
from tests.persons import give_keys
from tests.web.bill_day import open_shift, spend_bill_day
from tests.web.cash_day import move_a_receipt, spend_cash_day
from tests.web.clearance_day import clear_orders_and_discharge
from tests.web.conftest import give_key
from tests.web.deposit_day import request_deposits
from tests.web.exception_day import decide_exceptions
from tests.web.import_day import import_files
from tests.web.live_visit import PATIENT, VISIT, charge, drug, header
from tests.web.match_day import match_lines
from tests.web.refund_day import spend_refund_day
from tests.web.site import Site
from tests.web.test_tariffs import LIST, approve

_JSON = "application/json"
_LINES_MAX, _TEXT_MAX = 2, 600
_PATTERNS = [
    (route.method, re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", route.path)), route.handler.__name__) for route in API
]


@dataclass
class Recorder:
    """Keeps the first successful exchange of each operation."""

    examples: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def keep(self, answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        name = next(
            (name for method, path, name in _PATTERNS if method == request.method and path.fullmatch(request.url.path)),
            None,
        )
        if name is None or answer.is_error or name in self.examples:
            return
        example: dict[str, Any] = {"status": answer.status_code, "response": _content(answer.headers, answer.text)}
        if request.content:
            example["request"] = _content(request.headers, request.content.decode())
        self.examples[name] = example


def _content(headers: httpx.Headers, text: str) -> Any:
    """A JSON document with its lists cut short, or the beginning of a text."""
    if headers["Content-Type"].startswith(_JSON):
        return _short(json.loads(text))
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…"


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return [_short(each) for each in value[:_LINES_MAX]] if isinstance(value, list) else value


async def record(site: Site, *keep: Callable[[httpx.Response], Awaitable[None]]) -> dict[str, dict[str, Any]]:
    """Use every operation once, in the order of a hospital's day; `keep` receives each answer."""
    recorder = Recorder()
    persons = [("books-one", "Trần Thị Bình"), ("books-two", "Lê Văn Cường")]
    keys = await give_keys(site.database, site.context, *persons, roles=list(Role))
    hooks = {"request": [give_key], "response": [recorder.keep, *keep]}
    clients = [
        httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=hooks)
        for headers in (site.hospital.authorization, *({"Authorization": f"Bearer {key}"} for key in keys))
    ]
    try:
        await _close_a_day(clients[1], site)
        payload = await _desk(clients[0], site)
        await decide_exceptions(clients[0])
        await match_lines(clients[0])
        await import_files(clients[0])
        await _two_persons(clients[0], clients[1], clients[2])
        await _dead_letters(clients[1], clients[2], site, payload)
        await spend_cash_day(clients[0], clients[1], site)
        await move_a_receipt(clients[1], clients[2], clients[0], site)
        await request_deposits(clients[0], site)
        await clear_orders_and_discharge(clients[1], site)
        await open_shift(clients[0])
        await spend_bill_day(clients[0], clients[1], site)
        await _books(clients[0], site)
        await _live_visit(clients[0])
        await spend_refund_day(clients[2], clients[1], site)
        await _persons(clients[0], site)
    finally:
        for client in clients:
            await client.aclose()
    return recorder.examples


async def _close_a_day(client: httpx.AsyncClient, site: Site) -> None:
    """Opening balances for today, proposed before the first entry; then yesterday, without entries, is closed."""
    day = business_date(site.context.clock()) - timedelta(days=1)
    balances = [{"role": "safe", "amount": 500_000}, {"role": "revenue", "amount": -500_000}]
    first_day = (day + timedelta(days=1)).isoformat()
    await client.post("/v1/ledger/opening-balances", json={"first_day": first_day, "balances": balances})
    earlier = day - timedelta(days=40)
    await site.as_owner("INSERT INTO business_day VALUES (1, $1, 'open', now(), NULL)", earlier)
    await client.post(f"/v1/ledger/days/{earlier}/close")
    await client.post(f"/v1/months/{earlier:%Y-%m}/close")
    await client.get("/v1/months")
    await site.as_owner("INSERT INTO business_day VALUES (1, $1, 'open', now(), NULL)", day)
    await client.get(f"/v1/ledger/days/{day}")
    await client.post(f"/v1/ledger/days/{day}/close")
    await seal_once(site.context, OrganizationId(1))
    await client.get(f"/v1/ledger/days/{day}/certificate")
    await client.get(f"/v1/months/{earlier:%Y-%m}/certificate")


async def _desk(client: httpx.AsyncClient, site: Site) -> str:
    visit = visit_document()
    await client.post("/v1/quotes", json=visit)
    await client.post("/v1/quotes/what-if", json={"visit": visit})
    await client.post("/v1/claims/check", json={"visit": visit})
    visit_id = (await client.post("/v1/visits", json=visit)).json()["visits"][0]["id"]
    for address in ("/v1/visits", f"/v1/visits/{visit_id}", f"/v1/visits/{visit_id}/claim-check", "/v1/rules"):
        await client.get(address)
    invoice_id = (await client.post("/v1/invoices", json={"visit_id": visit_id})).json()["id"]
    for address in ("/v1/invoices", f"/v1/invoices/{invoice_id}", f"/v1/invoices/{invoice_id}/claim.xml"):
        await client.get(address)
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice_id]}
    intent = (await client.post("/v1/intents", json=body)).json()
    withdrawn = (await client.post("/v1/intents", json={**body, "amount": 36_000})).json()
    await client.post(f"/v1/intents/{withdrawn['id']}/cancel")
    await client.get(f"/v1/intents/{intent['id']}/qr.svg")
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    for address in ("/v1/intents", f"/v1/intents/{intent['id']}"):
        await client.get(address)
    payment_id = (await client.get("/v1/payments")).json()["items"][0]["id"]
    await client.get(f"/v1/payments/{payment_id}")
    await client.get("/v1/exceptions")
    payload: str = intent["instruction"]["qr_payload"]
    return payload


async def _two_persons(client: httpx.AsyncClient, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
    csv = {"Content-Type": "text/csv"}
    drafted = [(await one.post(f"/v1/tariffs?from=2026-07-0{day}", content=LIST, headers=csv)).json() for day in (1, 2)]
    drafts = [each["id"] for each in drafted]
    for address in ("/v1/tariffs", f"/v1/tariffs/{drafts[0]}", f"/v1/tariffs/{drafts[0]}/changes"):
        await two.get(address)
    await two.get("/v1/approvals?state=proposed")
    await two.get(f"/v1/approvals/{drafted[0]['approval']['id']}")
    await approve(two, drafted[0])
    await one.post(f"/v1/tariffs/{drafts[0]}/activate")
    await one.post(f"/v1/tariffs/{drafts[1]}/discard")
    pricing = {"facility": FACILITY_CODE, "valid_from": "2026-07-01", "authority": "his", "vendor": "HIS X"}
    options = {"copay_crossing": "cap"}
    for address, body in (
        ("/v1/facility-pricing", pricing),
        ("/v1/facility-policies", {"facility": FACILITY_CODE, "valid_from": "2026-07-01", "options": options}),
        ("/v1/account-changes", {"account": ACCOUNT_NAME, "settings": {"tolerance_s": 600}}),
    ):
        proposed = (await one.post(address, json=body)).json()
        await two.get(address)
        await two.get(f"{address}/{proposed['id']}")
        await approve(two, proposed)
    refused = {"account": ACCOUNT_NAME, "settings": {"tolerance_s": 900}}
    rejected = (await one.post("/v1/account-changes", json=refused)).json()["id"]
    await two.post(f"/v1/approvals/{rejected}/reject")
    await client.get("/v1/policy-options")
    await client.get("/v1/price-differences")


async def _dead_letters(one: httpx.AsyncClient, two: httpx.AsyncClient, site: Site, payload: str) -> None:
    """Three deliveries that a fault kept from being written: retried, closed, and left waiting."""

    async def stumble(*_: object) -> object:
        raise InvalidValue("what no rule foresaw")

    with pytest.MonkeyPatch.context() as patched:
        apply_in_batches(patched, stumble)
        for _ in range(3):
            await site.bank().pay(payload, Behaviour.EXACT)
    letters = (await one.get("/v1/callbacks")).json()["items"]
    retried, closed, left = (f"/v1/callbacks/{letter['id']}" for letter in letters)
    await one.post(f"{retried}/retry")
    reason = {"reason": "the bank took the message back"}
    proposals = [(await one.post(f"{address}/close", json=reason)).json() for address in (closed, left)]
    await approve(two, proposals[0])
    await two.post(f"/v1/approvals/{proposals[1]['approval']['id']}/reject")


async def _books(client: httpx.AsyncClient, site: Site) -> None:
    entry_id = (await client.get("/v1/ledger/entries")).json()["items"][0]["id"]
    await client.get(f"/v1/ledger/entries/{entry_id}")
    await client.get("/v1/ledger/balances")
    await client.get("/v1/ledger/chart")
    number = {"role": "revenue", "number": "5113", "name": "Doanh thu khám chữa bệnh", "valid_from": "2099-01-01"}
    await client.post("/v1/ledger/chart", json=number)
    await client.get("/v1/ledger/accounts/revenue/statement")
    days = f"from={business_date(site.context.clock())}&to={business_date(site.context.clock())}"
    await client.get("/v1/reports")
    await client.get(f"/v1/reports/insurer-receivable?{days}")
    await client.get(f"/v1/reports/insurer-receivable/file?{days}")
    await client.post("/v1/refund-limit", json={"amount": 500_000})
    await client.get("/v1/refund-limit")
    await client.get("/v1/callbacks")
    (delivery,) = await site.as_owner("SELECT id FROM delivery WHERE organization_id = 1 LIMIT 1")
    await client.get(f"/v1/callbacks/{delivery['id']}")


async def _persons(client: httpx.AsyncClient, site: Site) -> None:
    """The persons and keys; the key of a program that is no longer used is revoked."""
    await give_keys(site.database, site.context, ("old-program", "Phạm Thị Dung"), roles=[Role.INTEGRATOR])
    await client.get("/v1/persons")
    keys = (await client.get("/v1/keys")).json()["items"]
    [old] = [key["id"] for key in keys if key["name"] == "old-program"]
    await client.post(f"/v1/keys/{old}/revoke")


async def _live_visit(client: httpx.AsyncClient) -> None:
    """An open visit with charges, a rejected message that is retried, and a patient who is merged."""
    opened = (await client.put(VISIT, json=header())).json()
    await client.put(f"{VISIT}/charges/L1", json=charge())
    await client.post(f"{VISIT}/charges", json={"charges": [{"line": "L2", **charge(item=drug())}]})
    await client.post(f"{VISIT}/charges/L2/cancel", json={"reason": "bệnh nhân dị ứng"})
    await client.get(f"/v1/visits/{opened['id']}/account")
    other = VISIT.replace("LK0001", "LK0002")
    await client.put(f"{other}/charges/L1", json=charge())
    unknown = (await client.put(other, json=header(patient={"is_unknown": True}))).json()["patient_id"]
    [rejected] = (await client.get("/v1/integration-messages", params={"outcome": "rejected"})).json()["items"]
    await client.get(f"/v1/integration-messages/{rejected['id']}")
    await client.post(f"/v1/integration-messages/{rejected['id']}/retry")
    await client.get("/v1/patients", params={"citizen_number": PATIENT["SO_CCCD"]})
    await client.get(f"/v1/patients/{unknown}")
    await client.post(f"/v1/patients/{unknown}/identity", json={"HO_TEN": "Nguyễn Văn Thử"})
    reason = {"into": opened["patient_id"], "reason": "cùng một người"}
    await client.post(f"/v1/patients/{unknown}/merge", json=reason)


def _write(recorded: dict[str, dict[str, Any]]) -> None:
    text = json.dumps(recorded, ensure_ascii=False, indent=1, sort_keys=True)
    Path(str(EXAMPLES_FILE)).write_text(text + "\n", "utf-8")


async def test_every_operation_has_an_example_of_its_schema_as_the_service_answers_now(site: Site) -> None:
    recorded = await record(site)
    if os.environ.get("VIENPHI_RECORD") == "1":
        _write(recorded)
        pytest.skip("recorded")
    assert {name: _shape(each) for name, each in recorded.items()} == {
        name: _shape(each) for name, each in read_examples().items()
    }, "run: VIENPHI_RECORD=1 pytest tests/web/test_openapi_examples.py"
    document = (await site.anonymous_client.get("/openapi.json")).json()
    examples = {
        operation["operationId"]: operation
        for path, item in document["paths"].items()
        if path.startswith("/v1/")
        for operation in item.values()
    }

    assert recorded.keys() == examples.keys()
    for name in recorded:
        operation = examples[name]
        bodies = [operation["requestBody"]] if "request" in recorded[name] else []
        bodies.append(operation["responses"][str(recorded[name]["status"])])
        for body in bodies:
            content = next(each for each in body["content"].values() if "example" in each)
            schema = {**content["schema"], "components": document["components"]}
            Draft202012Validator(schema).validate(content["example"])


def _shape(value: Any) -> Any:
    """Names and kinds, without values: ids and times differ."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value[:1]] if isinstance(value, list) else type(value).__name__

"""One example for each operation of the API, recorded from the running service.

`VIENPHI_RECORD=1 pytest tests/web/test_openapi_examples.py` writes `billing/web/openapi_examples.json`; without it,
the test holds the file against the schemas and against what the service answers now.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from billing.core.errors import InvalidValue
from billing.payments.service import intake
from billing.web.openapi_examples import EXAMPLES_FILE, read_examples
from billing.web.routes import API
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, FACILITY_CODE, visit_document
from tests.services.persons import give_keys
from tests.web.conftest import give_key
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


async def record(site: Site) -> dict[str, dict[str, Any]]:
    """Use every operation once, in the order of a hospital's day."""
    recorder = Recorder()
    keys = await give_keys(site.database, site.context, ("books-one", "Trần Thị Bình"), ("books-two", "Lê Văn Cường"))
    hooks = {"request": [give_key], "response": [recorder.keep]}
    clients = [
        httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=hooks)
        for headers in (site.hospital.authorization, *({"Authorization": f"Bearer {key}"} for key in keys))
    ]
    try:
        payload = await _desk(clients[0], site)
        await _two_persons(clients[0], clients[1], clients[2])
        await _dead_letters(clients[1], clients[2], site, payload)
        await _books(clients[0], site)
    finally:
        for client in clients:
            await client.aclose()
    return recorder.examples


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
        patched.setattr(intake, "apply_deliveries", stumble)
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
    await client.get("/v1/ledger/accounts/revenue/statement")
    await client.get("/v1/callbacks")
    (delivery,) = await site.as_owner("SELECT id FROM delivery WHERE organization_id = 1 LIMIT 1")
    await client.get(f"/v1/callbacks/{delivery['id']}")


def _write(recorded: dict[str, dict[str, Any]]) -> None:
    text = json.dumps(recorded, ensure_ascii=False, indent=1, sort_keys=True)
    Path(str(EXAMPLES_FILE)).write_text(text + "\n", "utf-8")


async def test_every_operation_has_an_example_that_its_schema_describes(site: Site) -> None:
    recorded = await record(site)
    if os.environ.get("VIENPHI_RECORD") == "1":
        _write(recorded)
        pytest.skip("recorded")
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


async def test_examples_have_the_fields_that_the_service_answers(site: Site) -> None:
    recorded, kept = await record(site), read_examples()

    assert {name: _shape(each) for name, each in recorded.items()} == {
        name: _shape(each) for name, each in kept.items()
    }, "run: VIENPHI_RECORD=1 pytest tests/web/test_openapi_examples.py"


def _shape(value: Any) -> Any:
    """Names and kinds, without values: ids and times differ."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value[:1]] if isinstance(value, list) else type(value).__name__

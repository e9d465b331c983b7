"""The OpenAPI document: valid, complete in both directions, and kept by the running service."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from billing.core.clock import business_date
from billing.coverage.domain.pricing_authority import DifferenceField
from billing.coverage.domain.what_if import RouteStatus
from billing.invoices.domain.invoice import InvoiceState
from billing.ledger.domain.accounts import AccountRole, EntryKind
from billing.notifications.domain.webhook import TOPICS, DueDelivery, message_body
from billing.payments.domain.amount_due import PatientState
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.intent import IntentState
from billing.tariffs.domain.tariff import TariffState
from billing.visits.domain.finding import FindingCode
from billing.visits.formats.visit_json import VISIT_KEYS
from billing.web.openapi import plain_path
from billing.web.screens.device_routes import DEVICE_SCREENS, DEVICE_SET_UP
from billing.web.screens.prints.public import PUBLIC_RECEIPTS
from billing.web.screens.routes import SCREENS
from billing.web.screens.sign_in import OPEN_SCREENS
from billing.web.server import create_application, serving
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import BANK_BIN
from tests.web.site import Site

CASH_DESK = {
    "/v1/bank-deposits",
    "/v1/card-batches",
    "/v1/card-terminals",
    "/v1/desks",
    "/v1/hand-overs",
    "/v1/receipt-blocks",
    "/v1/receipt-blocks/{id}/receipts",
    "/v1/receipt-blocks/{id}/unused",
    "/v1/shifts",
    "/v1/shifts/{id}/paid-in",
    "/v1/shifts/{id}/paid-out",
    "/v1/visits/{id}/collections",
}
"""The creating operations of the cash desk."""

CLEARANCE = {"/v1/facilities/{facility_code}/clearance-policies", "/v1/visits/{id}/discharge-overrides"}
"""The creating operations of clearance."""

REFUNDS = {"/v1/payment-orders", "/v1/refunds"}
"""The creating operations of refunds."""

METHODS = {"get", "post", "put", "patch", "delete"}


PAGES = ("/pay/", "/static/")
"""What people open in a browser is no part of the API."""


def operations(site: Site) -> set[tuple[str, str]]:
    """Every method and path of the API that the application answers, also inside its parts; HEAD goes with GET."""
    screens = {route.path for route in (*SCREENS, *OPEN_SCREENS, *PUBLIC_RECEIPTS, *DEVICE_SET_UP, *DEVICE_SCREENS)}
    found = set()
    for route in site.application.router.routes():
        assert isinstance(route.resource, web.Resource)
        path = route.resource.canonical
        if route.method != "HEAD" and not path.startswith(PAGES) and path not in screens:
            found.add((route.method.lower(), plain_path(path)))
    return found


async def test_document_is_valid_openapi_3_1(site: Site) -> None:
    answer = await site.anonymous_client.get("/openapi.json")

    assert answer.headers["Content-Type"].startswith("application/json")
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_every_route_is_in_the_document_and_the_other_way_round(site: Site) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()

    written = {(method, path) for path, item in document["paths"].items() for method in item if method in METHODS}

    assert written == operations(site)


async def test_every_operation_describes_request_responses_and_security(site: Site) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]

    assert len(names) == len(set(names))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["responses"], where
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), where
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}], where
                assert "Roles:" in operation["description"], where
                for status in ("401", "403"):
                    assert "application/problem+json" in operation["responses"][status]["content"], where
            else:
                assert operation["security"] == [], where


async def test_creating_operations_require_an_idempotency_key(site: Site) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()

    creating = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if any(each["name"] == "Idempotency-Key" and each["required"] for each in operation["parameters"])
    }

    assert creating == {
        "/v1/visits/{id}/charges/{line}/refund",
        "/v1/visits/{id}/debts",
        "/v1/visits/{id}/exemptions",
        "/v1/visits/{id}/final-bill",
        "/v1/guarantee-payments",
        "/v1/receipts/{id}/move",
        "/v1/visits/{id}/guarantees",
        "/v1/visits",
        "/v1/invoices",
        "/v1/intents",
        "/v1/tariffs",
        "/v1/facility-pricing",
        "/v1/facility-policies",
        "/v1/visits/{id}/deposit-requests",
        *CASH_DESK,
        *CLEARANCE,
        *REFUNDS,
    }


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.inline_scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inline_scripts += tag == "script" and "src" not in dict(attrs)
        self.found |= {value or "" for name, value in attrs if name in ("href", "src")}


async def test_page_of_the_api_requests_nothing_from_another_host(site: Site) -> None:
    page: httpx.Response = await site.anonymous_client.get("/docs")

    assert page.headers["Content-Type"].startswith("text/html")
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    addresses = _Addresses()
    addresses.feed(page.text)
    assert addresses.inline_scripts == 0
    assert {address.partition("?")[0] for address in addresses.found} >= {"/openapi.json", "data:,"}
    for address in addresses.found - {"data:,"}:
        assert address.startswith("/")
        assert (await site.anonymous_client.get(address)).status_code == 200


async def test_visit_is_spelled_out_with_every_field(site: Site) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()

    for path in ("/v1/visits", "/v1/quotes"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Visit"}
    assert document["components"]["schemas"]["Visit"]["properties"].keys() == VISIT_KEYS


async def test_states_roles_and_reasons_are_enumerations(site: Site) -> None:
    document = (await site.anonymous_client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]

    assert schemas["IntentState"]["enum"] == list(IntentState)
    assert schemas["InvoiceState"]["enum"] == list(InvoiceState)
    assert schemas["PatientState"]["enum"] == list(PatientState)
    assert schemas["ExceptionDocument"]["properties"]["reason"] == {"$ref": "#/components/schemas/ExceptionReason"}
    assert schemas["ExceptionReason"]["enum"] == list(ExceptionReason)
    assert schemas["TariffDocument"]["properties"]["state"]["enum"] == list(TariffState)
    assert schemas["EntryDocument"]["properties"]["kind"]["enum"] == list(EntryKind)
    assert schemas["FindingDocument"]["properties"]["code"]["enum"] == list(FindingCode)
    assert schemas["ClaimFindingDocument"]["properties"]["code"]["enum"] == list(FindingCode)
    assert schemas["PriceDifferenceDocument"]["properties"]["field"]["enum"] == list(DifferenceField)
    assert schemas["RouteDocument"]["properties"]["status"]["enum"] == list(RouteStatus)
    listed = document["paths"]["/v1/ledger/accounts/{role}/statement"]["get"]["parameters"]
    assert next(each for each in listed if each["name"] == "role")["schema"]["enum"] == list(AccountRole)


_CLOSED_LISTS = {
    *("state", "role", "reason", "kind", "verdict", "severity", "authority", "price_day", "normal_side", "status"),
    *("target", "source", "outcome", "partitions", "tasks", "accounts"),
}
_FREE_TEXT = {
    ("VoucherDocument", "reason"),
    ("VoucherDocument", "state"),  # of the kind of the document
    ("DecideBody", "reason"),
    ("ExceptionDecisionDocument", "reason"),
    ("RevertBody", "reason"),
    ("ManualMatchBody", "reason"),
    ("MatchDocument", "reason"),
    ("RevertedMatchBody", "reason"),
    ("CancelBody", "reason"),
    ("DebtDocument", "reason"),
    ("ExemptionDocument", "reason"),
    ("GuaranteeDocument", "reason"),
    ("LineRefundDocument", "reason"),
    ("NewDebtBody", "reason"),
    ("NewExemption", "reason"),
    ("NewLineRefundBody", "reason"),
    ("Reason", "reason"),
    ("Reopening", "reason"),
    ("WriteOff", "reason"),
    ("CashMoved", "reason"),
    ("ForcedClose", "reason"),
    ("HandOverRejection", "reason"),
    ("MergeBody", "reason"),
    ("NewClosing", "reason"),
    ("OverrideBody", "reason"),
    ("OverrideDocument", "reason"),
    ("ProblemDocument", "status"),
    ("ShiftEventDocument", "reason"),
    ("ReceiptMove", "reason"),
    ("RefundBody", "reason"),
    ("RefundDocument", "reason"),
    ("RefundSummary", "reason"),
    ("VoidReason", "reason"),
}


async def test_every_field_that_is_named_after_a_closed_list_names_its_values(site: Site) -> None:
    schemas = (await site.anonymous_client.get("/openapi.json")).json()["components"]["schemas"]

    open_lists = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, given in schema.get("properties", {}).items()
        if field in _CLOSED_LISTS and (name, field) not in _FREE_TEXT
        for each in given.get("anyOf", [given])
        if each.get("type") == "string" and "enum" not in each and "const" not in each
    ]

    assert open_lists == []


async def test_unknown_role_of_an_account_is_answered_with_the_roles(site: Site) -> None:
    answer = await site.client.get("/v1/ledger/accounts/cash/statement")

    assert answer.status_code == 404
    assert all(role in answer.json()["detail"] for role in AccountRole)


async def test_webhooks_are_described_as_they_are_sent(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    document = (await site.anonymous_client.get("/openapi.json")).json()

    sent = await site.as_owner("SELECT id, topic, payload::text AS payload FROM outbox WHERE organization_id = 1")

    assert {row["topic"] for row in sent} <= document["webhooks"].keys() == set(TOPICS)
    for row in sent:
        due = DueDelivery(message_id=row["id"], topic=row["topic"], payload=json.loads(row["payload"]), attempts=0)
        schema = document["webhooks"][row["topic"]]["post"]["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(
            json.loads(message_body(due, organization_id=1))
        )


async def test_instruction_carries_transfer_text_and_bank_name(site: Site) -> None:
    application = create_application(
        context=replace(site.context, bank_names={BANK_BIN: "Ngân hàng Thử"}), intake=site.intake
    )
    intent = await site.open_intent()

    async with serving(application) as address:
        instruction = (await site.client.get(f"{address}/v1/intents/{intent['id']}")).json()["instruction"]

    assert instruction["transfer_text"] == f"{intent['reference_code']} VIEN PHI"
    assert instruction["bank_name"] == "Ngân hàng Thử"


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("visits", "ma_lk, state, from, to"),
        ("invoices", "visit_id, ma_lk, number, state, from, to"),
        ("intents", "invoice_id, deposit_request_id, ma_lk, reference_code, state, from, to"),
        ("payments", "intent_id, invoice_id, ma_lk, from, to"),
        ("exceptions", "state, reason, owner_id, from, to"),
    ],
)
async def test_unknown_filter_is_refused_with_the_known_ones(site: Site, address: str, known: str) -> None:
    answer = await site.client.get(f"/v1/{address}?colour=red")

    assert answer.status_code == 400
    assert known in answer.json()["detail"]


async def test_lists_are_filtered_by_state_day_and_visit(site: Site) -> None:
    intent = await site.open_intent(ma_lk="LKA")
    other = await site.open_intent(ma_lk="LKB")
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    today = business_date(site.context.clock())
    day_before, day_after = today - timedelta(days=1), today + timedelta(days=1)

    async def found(address: str) -> set[str]:
        return {row["id"] for row in (await site.read(f"/v1/{address}"))["items"]}

    assert await found("intents?state=succeeded") == {intent["id"]}
    assert await found("intents?ma_lk=LKB") == {other["id"]}
    assert await found("invoices?ma_lk=LKB&state=issued") == set(other["invoice_ids"])
    assert await found("invoices?state=draft") == set()
    assert len(await found("visits?state=closed")) == 2
    assert await found("visits?state=open") == set()
    assert len(await found("payments?ma_lk=LKA")) == 1
    assert await found("payments?ma_lk=LKB") == set()
    for address in ("intents", "invoices", "visits", "payments"):
        everything = await found(address)
        assert everything
        assert await found(f"{address}?from={today}&to={today}") == everything
        assert await found(f"{address}?from={day_after}") == set()
        assert await found(f"{address}?to={day_before}") == set()
    for wrong in ("state=paid", "from=22/11/2026", f"from={day_after}&to={today}"):
        assert (await site.client.get(f"/v1/intents?{wrong}")).status_code == 400


@pytest.mark.parametrize("malformed", ["BK2026-000001", "x" * 200, "0000"])
async def test_malformed_id_is_named(site: Site, malformed: str) -> None:
    answers = [
        await site.client.get(f"/v1/invoices/{malformed}"),
        await site.client.post("/v1/intents", json={"account": "sandbox", "invoice_ids": [malformed]}),
    ]

    for answer in answers:
        assert answer.status_code == 404
        assert f'"{malformed[:60]}" is not an id' in answer.json()["detail"]


async def test_unknown_field_of_a_body_is_refused_with_the_known_ones(site: Site) -> None:
    answer = await site.client.post("/v1/invoices", json={"visit": "x"})

    assert "known are visit_id" in answer.json()["detail"]


async def test_query_parameter_is_refused_where_an_operation_has_none(site: Site) -> None:
    document = (await site.client.get("/openapi.json")).json()
    gets = {path: each["get"] for path, each in document["paths"].items() if path.startswith("/v1/") and "get" in each}
    paths = [path for path, get in gets.items() if not any(one["in"] in ("query", "path") for one in get["parameters"])]
    assert "/v1/rules" in paths
    for path in paths:
        refused = await site.client.get(path, params={"nope": "1"})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")
        assert refused.json()["errors"][0]["field"] == "nope"
        assert (await site.client.get(path)).status_code == 200

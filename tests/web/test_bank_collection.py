"""Bill inquiry of a bank over real HTTP and a real database: inquiry, payment, inquiry after the payment."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from billing.db.context import Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import allow_all
from billing.organizations.service.provider_accounts import BuiltProvider
from billing.organizations.service.setup import NewBankAccount, Setup
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.intake import Intake
from billing.web.server import create_application, serving
from providers.contract import Callback
from providers.notices import format_vietnam_timestamp
from tests.builders import add_demo_hospital, build_context, build_sandbox
from tests.conftest import DatabaseAddress
from tests.providers.bank_collection_samples import account, inquire, notify, settings
from tests.web.conftest import HOOKS, LIMITS
from tests.web.site import Site

NAME = "collection"


def build(row: ProviderAccountRow) -> BuiltProvider:
    """Build as `app` does: the stored settings with the secrets of the tests."""
    if row.provider == "sandbox":
        return build_sandbox(row)
    assert (row.provider, row.secret_name) == ("bank_collection", NAME)
    return BuiltProvider(account(settings(**row.settings)), allow_all)


@pytest.fixture
async def collecting(database: DatabaseAddress, app_database: Database) -> AsyncIterator[Site]:
    """The service with a hospital that a bank collects for."""
    hospital = await add_demo_hospital(database.owner_url)
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=1))
    try:
        await Setup(owner, utc_now, Ids(utc_now)).add_provider_account(
            hospital.organization_id,
            name=NAME,
            provider="bank_collection",
            bank_account=NewBankAccount(bank_bin="970415", account_number="000000000017", holder="BENH VIEN TEST"),
            settings={"provider_id": "9999", "code_prefix": "9TST"},
            secret_name=NAME,
        )
    finally:
        await owner.close()
    context = build_context(app_database, build_provider=build)
    async with Intake(context) as intake:
        application = create_application(context=context, intake=intake, limits=LIMITS)
        async with (
            serving(application) as address,
            httpx.AsyncClient(
                base_url=address, headers=hospital.authorization, timeout=20, event_hooks=HOOKS
            ) as client,
            httpx.AsyncClient(base_url=address, timeout=20) as anonymous_client,
        ):
            yield Site(
                address=address,
                application=application,
                context=context,
                intake=intake,
                hospital=hospital,
                database=database,
                client=client,
                anonymous_client=anonymous_client,
            )


async def deliver(site: Site, callback: Callback) -> dict[str, Any]:
    path = f"/callbacks/{site.hospital.organization_id}/{NAME}/{callback.path_suffix}"
    answer = await site.anonymous_client.post(path, content=callback.body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = json.loads(answer.content)
    return document


def money(reference: str, amount: int, **changed: Any) -> Callback:
    virtual_account = f"9TST{reference}"
    fields = {
        "custCode": virtual_account,
        "recvVirtualAcctId": virtual_account,
        "amount": str(amount),
        "transTime": format_vietnam_timestamp(utc_now()),
        "remark": f"CT DEN:1 {reference}",
        **changed,
    }
    return notify(**fields)


async def open_intent(site: Site) -> dict[str, Any]:
    invoice = await site.issue_invoice()
    answer = await site.client.post("/v1/intents", json={"account": NAME, "invoice_ids": [invoice["id"]]})
    assert answer.status_code == 201, answer.text
    intent: dict[str, Any] = answer.json()
    return intent


async def test_bill_is_inquired_paid_once_and_then_reported_as_paid(collecting):
    intent = await open_intent(collecting)
    reference, amount = intent["reference_code"], intent["amount"]

    inquiry = await deliver(collecting, inquire(f"9TST{reference}"))
    assert inquiry["data"]["errors"]["errorCode"] == "00"
    assert (inquiry["data"]["details"]["billId"], inquiry["data"]["details"]["amount"]) == (reference, str(amount))

    paid = money(reference, amount)
    assert [(await deliver(collecting, paid))["errorCode"] for _ in range(3)] == ["00", "05", "05"]

    again = await deliver(collecting, inquire(f"9TST{reference}"))
    assert again["data"]["errors"]["errorCode"] == "02"
    (row,) = await collecting.as_owner("SELECT count(*) AS payments, sum(amount) AS paid FROM payment")
    assert (row["payments"], row["paid"]) == (1, amount)


async def test_money_for_an_unknown_bill_is_answered_02_and_booked(collecting):
    intent = await open_intent(collecting)
    callback = money("NOTFOUNDX", 350_000, remark=f"CT DEN:1 {intent['reference_code']}")

    assert (await deliver(collecting, callback))["errorCode"] == "02"

    (row,) = await collecting.as_owner("SELECT count(*) AS payments, sum(amount) AS paid FROM payment")
    assert (row["payments"], row["paid"]) == (1, 350_000)
    answer = await collecting.read(f"/v1/intents/{intent['id']}")
    assert answer["state"] != "succeeded", "what was sent under another code pays nothing here"


async def test_inquiry_and_forged_money_write_nothing(collecting):
    intent = await open_intent(collecting)
    reference, amount = intent["reference_code"], intent["amount"]
    true = money(reference, amount)
    forged = replace(true, body=true.body.replace(b'"900000001"', b'"900000002"'))

    async with collecting.nothing_written():
        assert (await deliver(collecting, inquire("9TSTNOTFOUNDX")))["data"]["errors"]["errorCode"] == "02"
        assert (await deliver(collecting, inquire(f"9TST{reference}")))["data"]["errors"]["errorCode"] == "00"
        assert (await deliver(collecting, forged))["errorCode"] == "01"

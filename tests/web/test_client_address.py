"""Where a request comes from: proxies are believed one by one from the right, callbacks from allowed networks only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from random import Random
from typing import Any

import pytest

from billing.organizations.service.provider_accounts import BuiltProvider, StoredProviderAccounts
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.service.intake import Intake
from billing.web.app_state import APP_STATE
from billing.web.server import create_application, serving
from providers.contract import PaymentInstruction, PaymentRequest, PaymentUnknown
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import BankSimulator
from tests.builders import ACCOUNT_NAME, build_sandbox
from tests.web.site import Site

BANK = "203.0.113.9"


def allowing_sandbox(row: ProviderAccountRow) -> BuiltProvider:
    return build_sandbox(replace(row, settings={**row.settings, "allowed_networks": ["203.0.113.0/28"]}))


@asynccontextmanager
async def behind(site: Site, *proxies: str) -> AsyncIterator[tuple[str, Any]]:
    """The service behind trusted proxies, with an account that lets callbacks come from the bank's network only."""
    context = replace(
        site.context, accounts=StoredProviderAccounts(site.context.database, allowing_sandbox, site.context.clock)
    )
    async with Intake(context) as intake:
        application = create_application(
            context=context, intake=intake, trusted_proxies=tuple(ip_network(each) for each in proxies)
        )
        async with serving(application) as address:
            yield address, application[APP_STATE].callbacks


async def deliver(site: Site, address: str, *forwarded: str) -> int:
    intent = await site.open_intent()
    bank = BankSimulator(
        site.anonymous_client,
        address + site.hospital.callback_path,
        site.hospital.settings,
        clock=site.context.clock,
        random=Random(1),
    )
    message = bank.transfer(intent["instruction"]["qr_payload"])
    site.anonymous_client.headers = [("X-Forwarded-For", each) for each in forwarded]  # type: ignore[assignment]
    answer = await bank.deliver(message)
    return answer.status


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        ((), (), 403),  # the address of the test itself
        ((), (BANK,), 403),  # no proxy is trusted
        (("127.0.0.0/8",), (BANK,), 200),
        (("127.0.0.0/8",), (f"10.1.1.1, {BANK}",), 200),  # what the bank's own proxy wrote is not read
        (("127.0.0.0/8",), (f"{BANK}, 198.51.100.7",), 403),  # made up by whoever came from 198.51.100.7
        (("127.0.0.0/8",), (BANK, "198.51.100.7"), 403),
        (("127.0.0.0/8", "10.0.0.0/8"), (f"{BANK}, 10.0.0.2",), 200),
        (("127.0.0.0/8", "10.0.0.0/8"), (BANK, "10.0.0.2"), 200),
        (("127.0.0.0/8",), (f"{BANK}, unknown",), 403),
        (("127.0.0.0/8",), (f"{BANK},,",), 403),
        (("127.0.0.0/8",), (f"::ffff:{BANK}",), 200),
        (("127.0.0.0/8",), (), 403),
    ],
)
async def test_callback_comes_from_the_first_address_that_is_no_proxy_of_ours(
    site: Site, proxies: tuple[str, ...], forwarded: tuple[str, ...], status: int
) -> None:
    async with behind(site, *proxies) as (address, counted):
        assert await deliver(site, address, *forwarded) == status

    assert counted["not_allowed"] == (status == 403)


async def test_callback_from_a_foreign_address_is_rejected_before_it_is_read_and_writes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(Sandbox, "read_callback", fail)
    async with behind(site) as (address, _), site.nothing_written():
        answer = await site.anonymous_client.post(address + site.hospital.callback_path, content=b"{}")

    assert (answer.status_code, answer.json()) == (403, {"code": "source_not_allowed"})


async def test_intent_advises_the_desk_where_the_start_of_the_payment_is_unknown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[PaymentRequest] = []

    async def no_answer(_self: Sandbox, request: PaymentRequest) -> PaymentInstruction:
        requests.append(request)
        raise PaymentUnknown

    invoice = await site.issue_invoice()
    monkeypatch.setattr(Sandbox, "create_payment", no_answer)
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]}
    headers = {"Idempotency-Key": "one"}

    first = await site.client.post("/v1/intents", json=body, headers=headers)
    again = await site.client.post("/v1/intents", json=body, headers=headers)

    intent = first.json()
    assert (first.status_code, intent["state"], intent["instruction"]) == (201, "unknown", None)
    assert "not known" in intent["advice"]["en"]
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (intent, "true")
    assert [request.payer_address for request in requests] == ["127.0.0.1"]
    page = await site.anonymous_client.get(intent["pay_url"])
    assert page.status_code == 200

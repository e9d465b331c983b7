"""A delivery of every provider is stored as a dead letter and booked from there, without any credential."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

import httpx
import pytest

from billing.core.actor import Actor
from billing.core.errors import InvalidValue
from billing.core.ids import DeliveryId
from billing.db.database import Database
from billing.organizations.service.provider_accounts import BuiltProvider
from billing.payments.service.intake import Intake
from billing.payments.service.payment_events import Delivery
from billing.payments.service.retry_dead_letters import list_dead_letters, retry_dead_letter
from providers.contract import BadSignature, Callback, Callbacks, Notices, Provider, Reply, Verdict
from providers.testing.conformance import AMOUNT, NOW, ProviderConformance
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.conftest import DatabaseAddress
from tests.flow import apply_in_batches, assert_books_are_right
from tests.providers import (
    bank_collection_samples,
    sepay_samples,
    test_bank_conformance,
    test_conformance,
    test_sandbox_conformance,
    vietqr_samples,
)

Made = tuple[Provider, Callback]


def conformant(suite: type[ProviderConformance], **changes: object) -> Callable[[], Made]:
    def make() -> Made:
        settings: Mapping[str, Any] = {**suite.settings, **changes}
        values = suite.provider.settings_type.model_validate(dict(settings))
        provider = suite.provider(values, httpx.AsyncClient(trust_env=False))
        return provider, suite().callback(settings, transaction="T1", amount=AMOUNT, at=NOW)

    return make


def vietqr() -> Made:
    bank = vietqr_samples.account()
    return bank, vietqr_samples.sync(bank)


def vietinbank() -> Made:
    return bank_collection_samples.account(), bank_collection_samples.notify()


def bidv() -> Made:
    return bank_collection_samples.account(bank_collection_samples.bidv_settings()), bank_collection_samples.paybill()


def sepay_with_a_key() -> Made:
    provider, callback = conformant(test_bank_conformance.TestSepay, auth="apikey", secrets=sepay_samples.KEY)()
    return provider, replace(callback, headers=(("authorization", f"Apikey {sepay_samples.KEY}"),))


PROVIDERS: dict[str, Callable[[], Made]] = {
    "vietqr": vietqr,
    "bank_collection of VietinBank": vietinbank,
    "bank_collection of BIDV": bidv,
    "sepay with a key": sepay_with_a_key,
    "sepay": conformant(test_bank_conformance.TestSepay),
    "sandbox": conformant(test_sandbox_conformance.TestSandbox),
    **{
        suite.__name__.removeprefix("Test").lower(): conformant(suite)
        for suite in vars(test_conformance).values()
        if isinstance(suite, type) and issubclass(suite, ProviderConformance) and suite is not ProviderConformance
    },
}


async def stumble(*_: object) -> object:
    raise InvalidValue("an error that no rule foresaw")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_dead_letter_of_a_provider_is_retried_from_its_notices(
    name: str, database: DatabaseAddress, app_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, callback = PROVIDERS[name]()
    assert isinstance(provider, Callbacks)
    read = provider.read_callback(callback)
    assert isinstance(read, Notices), "the sample is authentic"
    assert read.notices
    hospital = await add_demo_hospital(database.owner_url)
    context = build_context(app_database, build_provider=lambda _row: BuiltProvider(provider))
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    notices = tuple(replace(notice, names_other_account=False) for notice in read.notices)
    delivery = Delivery(id=DeliveryId(context.ids.new()), account=account, callback=callback, notices=notices)
    with monkeypatch.context() as patched:
        apply_in_batches(patched, stumble)
        async with Intake(context) as intake:
            stored = await intake.submit(delivery)
    (letter,) = await list_dead_letters(context, hospital.organization_id)

    def fail(_callback: Callback) -> object:
        raise BadSignature(Reply(status=401))

    monkeypatch.setattr(provider, "read_callback", fail)
    answer = await retry_dead_letter(context, hospital.organization_id, letter.id, actor=Actor.system())

    assert (stored.verdict, letter.id) == (Verdict.STORED, stored.receipt_id)
    assert letter.verified_at == callback.received_at
    assert letter.verified_by
    assert answer.verdict is not Verdict.DUPLICATE
    async with app_database.transaction(hospital.organization_id) as tx:
        received = await tx.fetchval("SELECT received_at FROM delivery WHERE organization_id = 1")
        booked: Sequence[int] = [row["amount"] for row in await tx.fetch("SELECT amount FROM payment")]
        kept = await tx.fetchval("SELECT headers::text || encode(body, 'escape') FROM dead_letter")
    assert received == callback.received_at
    assert booked == [notice.amount for notice in notices if notice.movement_keys]
    for header, value in callback.headers:
        assert header != "authorization" or value not in kept
    await assert_books_are_right(app_database)


def test_every_provider_is_tried() -> None:
    known = {each.name.replace("_", "") for each in entry_points(group="billing.providers")}

    assert known <= {name.split()[0].replace("_", "") for name in PROVIDERS}

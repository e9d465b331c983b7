"""Metrics: counts by route and outcome, without personal data and without organizations."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from billing.core.ids import ProviderAccountId
from billing.web.server import create_application, serving
from providers.http_client import ClientLimits, ProviderClients
from providers.sandbox.bank_simulator import Behaviour
from tests.web.site import Site


async def samples(site: Site) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = await site.anonymous_client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_callbacks_batches_and_requests_are_counted(site: Site) -> None:
    intent = await site.open_intent()
    bank = site.bank()
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.TWICE)
    await bank.deliver_forged(bank.transfer(intent["instruction"]["qr_payload"]))

    found = await samples(site)

    assert found["vienphi_callbacks_total", (("outcome", "accepted"),)] == 1
    assert found["vienphi_callbacks_total", (("outcome", "duplicate"),)] == 1
    assert found["vienphi_callbacks_total", (("outcome", "bad_signature"),)] == 1
    assert found["vienphi_intake_batch_size_count", ()] == 2
    assert found["vienphi_commit_seconds_count", ()] == 2
    opened = (("method", "POST"), ("route", "/v1/intents"), ("status", "201"))
    assert found["vienphi_request_seconds_count", opened] == 1
    assert {value for (name, _), value in found.items() if name == "vienphi_intake_queue_depth"} == {0}


async def test_age_of_the_oldest_transaction_is_measured(site: Site) -> None:
    found = await samples(site)

    assert 0 <= found["vienphi_oldest_transaction_age_seconds", ()] < 60


async def test_labels_are_bounded_and_name_nobody(site: Site) -> None:
    intent = await site.open_intent()
    for number in range(5):
        await site.client.get(f"/v1/intents/{intent['id'][:-1]}{number}")
        await site.client.get(f"/nowhere/{number}")
        await site.client.request(f"METHOD{number}", "/v1/visits")

    found = await samples(site)

    labels = {value for _, pairs in found for _, value in pairs}
    assert intent["id"] not in " ".join(labels)
    assert not any("nowhere" in label or "METHOD" in label for label in labels)
    assert {name for _, pairs in found for name, _ in pairs} <= {"method", "route", "status", "outcome", "queue", "le"}


async def test_calls_to_providers_are_counted_without_a_name(site: Site) -> None:
    async with ProviderClients[ProviderAccountId](ClientLimits(failures_max=1)) as clients:
        client = clients.client(site.hospital.account_id)
        with pytest.raises(httpx.ConnectError):
            await client.post("http://127.0.0.1:9/")
        with pytest.raises(httpx.ConnectError):
            await client.post("http://127.0.0.1:9/")
        application = create_application(context=site.context, intake=site.intake, provider_calls=clients.stats)
        async with serving(application) as address:
            measures = (await site.anonymous_client.get(f"{address}/metrics")).text
            ready = (await site.client.get(f"{address}/readyz")).json()

    assert 'vienphi_provider_calls_total{outcome="failed"} 1.0' in measures
    assert 'vienphi_provider_calls_total{outcome="refused"} 1.0' in measures
    assert "vienphi_provider_circuits_open 1.0" in measures
    assert (ready["status"], ready["accounts"]) == ("ready", "degraded")
    assert ready["details"]["circuit_open_accounts"] == [str(site.hospital.account_id)]

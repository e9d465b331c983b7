"""Stored callbacks over HTTP: read one, retry a dead letter."""

from datetime import timedelta

import pytest

from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.db.context import utc_now
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
from tests.flow import apply_in_batches
from tests.web.site import Site, problem


async def test_callback_can_be_read_as_it_was_answered(site: Site) -> None:
    intent = await site.open_intent()
    [answer] = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    callback = await site.read(f"/v1/callbacks/{answer.receipt}")

    assert (callback["state"], callback["verdict"], callback["account"]) == ("answered", "accepted", ACCOUNT_NAME)
    assert (await site.read("/v1/callbacks"))["items"] == []
    problem(await site.client.post(f"/v1/callbacks/{answer.receipt}/retry"), 404, "not_found")


async def test_callback_that_could_not_be_written_is_retried_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()

    async def stumble(*_: object) -> object:
        raise InvalidValue("what no rule foresaw")

    with monkeypatch.context() as patch:
        apply_in_batches(patch, stumble)
        [stored] = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [waiting] = (await site.read("/v1/callbacks"))["items"]
    address = f"/v1/callbacks/{waiting['id']}"

    retried = await site.client.post(f"{address}/retry")
    again = await site.client.post(f"{address}/retry")

    assert (waiting["id"], waiting["state"], waiting["fault"]) == (stored.receipt, "waiting", "invalid_value")
    assert (retried.status_code, retried.json()["verdict"]) == (200, "accepted")
    problem(again, 409, "already_retried")
    letter = await site.read(address)
    assert (letter["state"], letter["retried_at"] is None) == ("retried", False)
    assert (await site.read(f"/v1/callbacks/{letter['retried_as']}"))["verdict"] == "accepted"
    assert (await site.read("/v1/callbacks"))["items"] == []
    assert (await site.read(f"/v1/intents/{intent['id']}"))["state"] == "succeeded"


async def test_dead_letters_are_listed_by_state_and_day_of_arrival(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()

    async def stumble(*_: object) -> object:
        raise InvalidValue("what no rule foresaw")

    with monkeypatch.context() as patch:
        apply_in_batches(patch, stumble)
        for _ in range(2):
            await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    first, second = [letter["id"] for letter in (await site.read("/v1/callbacks"))["items"]]
    await site.client.post(f"/v1/callbacks/{first}/retry")
    today = business_date(utc_now())
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)

    async def ids(query: str) -> list[str]:
        return [letter["id"] for letter in (await site.read(f"/v1/callbacks?{query}"))["items"]]

    assert "\nvienphi_dead_letters_total 2.0\n" in (await site.anonymous_client.get("/metrics")).text
    assert await ids("state=waiting") == [second]
    assert await ids("state=retried") == [first]
    assert await ids("state=closed") == []
    assert await ids(f"state=retried&from={today}&to={today}") == [first]
    assert await ids(f"from={tomorrow}") == []
    assert await ids(f"to={yesterday}") == []

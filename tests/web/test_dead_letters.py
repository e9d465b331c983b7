"""Stored callbacks over HTTP: read one, retry a dead letter."""

import pytest

from billing.core.errors import InvalidValue
from billing.payments.service import intake
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
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
        patch.setattr(intake, "apply_deliveries", stumble)
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

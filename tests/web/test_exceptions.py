"""Exceptions over HTTP."""

from datetime import timedelta

from billing.core.actor import Role
from providers.sandbox.bank_simulator import Behaviour
from tests.web.site import Site, key_of


async def test_exception_has_reason_age_and_due(site: Site) -> None:
    intent = await site.open_intent()
    bank = site.bank()
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    opened = (await site.read("/v1/exceptions"))["items"]
    now = site.context.clock()
    site.context.clock = lambda: now + timedelta(days=2)
    headers = await key_of(site, Role.FINANCE)

    [late] = (await site.client.get("/v1/exceptions", headers=headers)).json()["items"]

    assert [one["reason"] for one in opened] == [late["reason"]]
    assert (late["is_overdue"], late["age_s"] > 86_400, late["owner_id"]) == (True, True, None)
    assert (await site.client.get("/v1/exceptions?state=closed", headers=headers)).json()["items"] == []

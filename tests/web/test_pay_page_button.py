"""The patient's page, "I have transferred": the bank is asked sooner, and nothing is paid, however often it is said."""

import pytest

from providers.sandbox.bank import Behaviour
from tests.web.paying import Seen
from tests.web.site import Site

UNKNOWN_TOKEN = "0" * 32


async def test_saying_to_have_paid_asks_the_bank_sooner_and_pays_nothing(site: Site) -> None:
    intent = await site.open_intent()

    answer = await site.anonymous_client.post(f"{intent['pay_url']}/transferred")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{intent['pay_url']}?reported=1")
    (row,) = await site.as_owner("SELECT due_at, asked FROM asking WHERE intent_id = $1", intent["id"])
    assert (row["due_at"] <= site.context.clock(), row["asked"]) == (True, 0)
    after = await site.read(f"/v1/intents/{intent['id']}")
    assert (after["state"], after["received"], after["version"]) == ("pending", 0, intent["version"])
    told = await site.anonymous_client.get(answer.headers["Location"])
    assert Seen(told.text).status.startswith("Cảm ơn, đang hỏi ngân hàng. Trang này tự báo khi tiền về tới bệnh viện;")


async def test_saying_it_again_changes_nothing(site: Site) -> None:
    intent = await site.open_intent()
    await site.anonymous_client.post(f"{intent['pay_url']}/transferred")

    async with site.nothing_written():
        for _ in range(3):
            answer = await site.anonymous_client.post(f"{intent['pay_url']}/transferred?lang=en")

    assert answer.headers["Location"] == f"{intent['pay_url']}?reported=1&lang=en"


async def test_question_far_off_is_brought_near_unless_it_was_just_asked(site: Site) -> None:
    intent = await site.open_intent()
    await site.anonymous_client.post(f"{intent['pay_url']}/transferred")
    later = """
        UPDATE asking SET asked_at = now() - $2::text::interval, asked = 1, due_at = now() + interval '1 hour'
        WHERE intent_id = $1
    """
    due = "SELECT due_at < now() + interval '1 second' AS is_near FROM asking WHERE intent_id = $1"

    found = []
    for asked_ago in ("10 seconds", "2 minutes"):
        await site.as_owner(later, intent["id"], asked_ago)
        await site.anonymous_client.post(f"{intent['pay_url']}/transferred")
        found.append((await site.as_owner(due, intent["id"]))[0]["is_near"])

    assert found == [False, True]


@pytest.mark.parametrize("state", ["paid", "cancelled"])
async def test_nothing_is_asked_about_what_is_over(site: Site, state: str) -> None:
    intent = await site.open_intent()
    if state == "paid":
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    else:
        await site.client.post(f"/v1/intents/{intent['id']}/cancel")

    async with site.nothing_written():
        await site.anonymous_client.post(f"{intent['pay_url']}/transferred")


async def test_saying_so_on_an_unknown_page_is_not_found(site: Site) -> None:
    async with site.nothing_written():
        answer = await site.anonymous_client.post(f"/pay/1-{UNKNOWN_TOKEN}/transferred")

    assert answer.status_code == 404

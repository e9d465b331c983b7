"""The payment page, "I have transferred": the poll is expedited and nothing is paid."""

import pytest

from providers.sandbox.bank_simulator import Behaviour
from tests.web.pay_page_view import PageView
from tests.web.site import Site

UNKNOWN_TOKEN = "0" * 32


async def test_reported_transfer_expedites_the_poll_and_pays_nothing(site: Site) -> None:
    intent = await site.open_intent()

    answer = await site.anonymous_client.post(f"{intent['pay_url']}/transferred")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{intent['pay_url']}?reported=1")
    (row,) = await site.as_owner("SELECT due_at, attempts FROM status_poll WHERE intent_id = $1", intent["id"])
    assert (row["due_at"] <= site.context.clock(), row["attempts"]) == (True, 0)
    after = await site.read(f"/v1/intents/{intent['id']}")
    assert (after["state"], after["received"], after["version"]) == ("pending", 0, intent["version"])
    page = await site.anonymous_client.get(answer.headers["Location"])
    assert PageView(page.text).status.startswith(
        "Cảm ơn, đang hỏi ngân hàng. Trang này tự báo khi tiền về tới bệnh viện;"
    )


@pytest.mark.parametrize("language", ["", "&lang=en"])
async def test_report_is_answered_without_hiding_that_a_part_is_still_to_pay(site: Site, language: str) -> None:
    """The address keeps the report: a part that arrives later must not be answered with "do not transfer again"."""
    intent = await site.open_intent()
    await site.anonymous_client.post(f"{intent['pay_url']}/transferred")
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)

    page = PageView((await site.anonymous_client.get(f"{intent['pay_url']}?reported=1{language}")).text)

    assert page.status.startswith("Not complete." if language else "Còn thiếu.")
    assert "we are checking with the bank" in page.status if language else "đang hỏi ngân hàng" in page.status
    assert page.has_button


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("is_reported", [True, False])
async def test_other_language_keeps_the_report(site: Site, lang: str, is_reported: bool) -> None:
    intent = await site.open_intent()
    query = {"lang": lang, **({"reported": "1"} if is_reported else {})}

    page = PageView((await site.anonymous_client.get(intent["pay_url"], params=query)).text)
    other = PageView((await site.anonymous_client.get(page.other_language)).text)

    assert ("reported=1" in page.other_language) is is_reported
    assert other.status.startswith(
        {
            ("vi", True): "Thank you, we are checking",
            ("en", True): "Cảm ơn, đang hỏi ngân hàng",
            ("vi", False): "Waiting",
            ("en", False): "Chờ chuyển khoản",
        }[lang, is_reported]
    )


async def test_second_report_changes_nothing(site: Site) -> None:
    intent = await site.open_intent()
    await site.anonymous_client.post(f"{intent['pay_url']}/transferred")

    async with site.nothing_written():
        for _ in range(3):
            answer = await site.anonymous_client.post(f"{intent['pay_url']}/transferred?lang=en")

    assert answer.headers["Location"] == f"{intent['pay_url']}?reported=1&lang=en"


async def test_distant_poll_is_expedited_unless_one_was_just_sent(site: Site) -> None:
    intent = await site.open_intent()
    await site.anonymous_client.post(f"{intent['pay_url']}/transferred")
    later = """
        UPDATE status_poll SET polled_at = now() - $2::text::interval, attempts = 1, due_at = now() + interval '1 hour'
        WHERE intent_id = $1
    """
    due = "SELECT due_at < now() + interval '1 second' AS is_near FROM status_poll WHERE intent_id = $1"

    found = []
    for polled_ago in ("10 seconds", "2 minutes"):
        await site.as_owner(later, intent["id"], polled_ago)
        await site.anonymous_client.post(f"{intent['pay_url']}/transferred")
        found.append((await site.as_owner(due, intent["id"]))[0]["is_near"])

    assert found == [False, True]


@pytest.mark.parametrize("state", ["paid", "cancelled"])
async def test_final_intent_is_not_polled(site: Site, state: str) -> None:
    intent = await site.open_intent()
    if state == "paid":
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    else:
        await site.client.post(f"/v1/intents/{intent['id']}/cancel")

    async with site.nothing_written():
        await site.anonymous_client.post(f"{intent['pay_url']}/transferred")


async def test_report_on_an_unknown_page_is_not_found(site: Site) -> None:
    async with site.nothing_written():
        answer = await site.anonymous_client.post(f"/pay/1-{UNKNOWN_TOKEN}/transferred")

    assert answer.status_code == 404

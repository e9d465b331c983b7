"""The amount due: the API, the QR code, the list and the payment page agree."""

from typing import Any

import pytest

from billing.checkout.formats.vietqr import read_vietqr
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME
from tests.web.site import Site, problem

OWED = 136_000
HALF = OWED // 2


async def two_intents(site: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two codes for one invoice."""
    invoice = await site.issue_invoice()
    body = {"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]}
    return (
        (await site.client.post("/v1/intents", json=body)).json(),
        (await site.client.post("/v1/intents", json=body)).json(),
    )


async def assert_nothing_is_requested(site: Site, intent: dict[str, Any], state: str) -> None:
    read = await site.read(f"/v1/intents/{intent['id']}")
    assert (read["remaining"], read["state_label"]["state"]) == (0, state)
    instruction = read["instruction"]
    fields = ("qr_payload", "qr_svg", "redirect_url", "form_fields", "transfer_text")
    assert [instruction[name] for name in fields if instruction[name]] == []
    problem(await site.client.get(f"/v1/intents/{intent['id']}/qr.svg"), 404, "not_found")
    listed = await site.read(f"/v1/intents?reference_code={intent['reference_code']}")
    assert [(each["remaining"], each["state_label"]["state"]) for each in listed["items"]] == [(0, state)]
    page = await site.client.get(read["pay_url"])
    assert page.status_code == 200
    assert 'class="qr"' not in page.text


async def assert_requested(site: Site, intent: dict[str, Any], amount: int) -> None:
    read = await site.read(f"/v1/intents/{intent['id']}")
    assert read["remaining"] == amount
    code = read_vietqr(read["instruction"]["qr_payload"])
    assert code is not None
    assert (code.amount, intent["reference_code"] in code.purpose) == (amount, True)
    assert (await site.client.get(read["instruction"]["qr_svg"])).status_code == 200
    listed = await site.read(f"/v1/intents?reference_code={intent['reference_code']}")
    assert [each["remaining"] for each in listed["items"]] == [amount]


async def test_code_of_an_invoice_that_another_code_paid_requests_nothing(site: Site) -> None:
    first, second = await two_intents(site)
    await assert_requested(site, second, OWED)

    await site.bank().pay(first["instruction"]["qr_payload"], Behaviour.EXACT)

    await assert_nothing_is_requested(site, first, "paid")
    await assert_nothing_is_requested(site, second, "paid_otherwise")


async def test_code_of_an_invoice_that_another_code_paid_in_part_requests_the_rest(site: Site) -> None:
    first, second = await two_intents(site)

    await site.bank().pay(first["instruction"]["qr_payload"], Behaviour.SHORT)

    await assert_requested(site, first, HALF)
    await assert_requested(site, second, HALF)


async def test_cancelled_code_requests_nothing_while_its_invoice_owes(site: Site) -> None:
    first, second = await two_intents(site)

    answer = await site.client.post(f"/v1/intents/{first['id']}/cancel")

    assert (answer.status_code, answer.json()["remaining"]) == (200, 0)
    await assert_nothing_is_requested(site, first, "cancelled")
    await assert_requested(site, second, OWED)


async def test_cancelled_code_with_a_part_payment_requests_nothing(site: Site) -> None:
    first, second = await two_intents(site)
    await site.bank().pay(first["instruction"]["qr_payload"], Behaviour.SHORT)

    await site.client.post(f"/v1/intents/{first['id']}/cancel")

    await assert_nothing_is_requested(site, first, "cancelled_short")
    await assert_requested(site, second, HALF)


async def test_webhooks_state_the_remaining_amount(site: Site) -> None:
    first, second = await two_intents(site)
    await site.bank().pay(first["instruction"]["qr_payload"], Behaviour.SHORT)
    await site.bank().pay(second["instruction"]["qr_payload"], Behaviour.SHORT)
    await site.client.post(f"/v1/intents/{second['id']}/cancel")

    async with site.context.database.transaction(site.hospital.organization_id) as tx:
        rows = await tx.fetch("SELECT payload FROM outbox WHERE topic = 'intent.updated' ORDER BY id")
    last = {row["payload"]["intent_id"]: row["payload"]["remaining"] for row in rows}
    assert last == {first["id"]: HALF, second["id"]: 0}


@pytest.mark.parametrize("is_other_first", [True, False])
async def test_code_requests_again_once_a_refund_makes_the_invoice_owe_again(site: Site, is_other_first: bool) -> None:
    codes = await two_intents(site)
    payer, other = reversed(codes) if is_other_first else codes
    bank = site.bank()
    paid = bank.transfer(payer["instruction"]["qr_payload"], Behaviour.EXACT)
    await bank.deliver(paid)
    await assert_nothing_is_requested(site, other, "paid_otherwise")

    back = {"transaction_id": "R1", "bank_reference": "FTR1", "direction": "debit"}
    await bank.deliver(paid.model_copy(update=back))

    await assert_requested(site, payer, OWED)
    await assert_requested(site, other, OWED)

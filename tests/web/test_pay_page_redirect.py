"""The patient's page of a provider that has a page of its own, or collects under numbers of its own."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from providers.contract import PaymentInstruction
from providers.emvqr import Particulars, VietQr, build_vietqr
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import BANK_BIN
from tests.web.pay_page_view import look
from tests.web.site import Site

PAGE = "https://pay.example.vn/vpcpay.html?vnp_Amount=13600000&vnp_TxnRef=X"


async def instruct(site: Site, intent: dict[str, Any], instruction: PaymentInstruction) -> None:
    """Store an instruction as the provider would return it."""
    await site.as_owner(
        "UPDATE intent SET instruction = $2::text::jsonb WHERE organization_id = 1 AND id = $1",
        intent["id"],
        json.dumps(asdict(instruction)),
    )


async def test_redirect_page_is_one_press_away(site: Site) -> None:
    intent = await site.open_intent()
    await instruct(site, intent, PaymentInstruction(redirect_url=PAGE))

    page = await look(site, intent)

    assert 'href="https://pay.example.vn/vpcpay.html?vnp_Amount=13600000&amp;vnp_TxnRef=X"' in page.html
    assert "Thanh toán trên trang pay.example.vn" in page.html
    assert page.code is None
    assert "Không hiển thị được mã" not in page.html


async def test_form_is_posted_in_its_order_and_the_policy_allows_that_host_alone(site: Site) -> None:
    intent = await site.open_intent()
    fields = (("operation", "PURCHASE"), ("order_description", 'a "b" <c>'), ("signature", "x="))
    await instruct(site, intent, PaymentInstruction(redirect_url=PAGE, form_fields=fields))

    answer = await site.anonymous_client.get(intent["pay_url"])

    places = [answer.text.index(f'name="{name}"') for name, _ in fields]
    assert places == sorted(places)
    assert 'value="a &#34;b&#34; &lt;c&gt;"' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "form-action 'self' https://pay.example.vn;" in policy
    shown_instruction = (await site.read(f"/v1/intents/{intent['id']}"))["instruction"]
    assert shown_instruction["form_fields"] == [{"name": name, "value": value} for name, value in fields]


@pytest.mark.parametrize(
    "address",
    [
        *("http://pay.example.vn/", "javascript:alert(1)", "https://", "//pay.example.vn"),
        *("https://pay.example.vn;script-src *", "https://pay.example.vn/\r\nX: 1", "https://u:p@pay.example.vn/"),
    ],
)
async def test_invalid_redirect_url_is_not_offered(site: Site, address: str) -> None:
    intent = await site.open_intent()
    await instruct(site, intent, PaymentInstruction(redirect_url=address, form_fields=(("a", "b"),)))

    page = await look(site, intent)
    policy = (await site.anonymous_client.get(intent["pay_url"])).headers["Content-Security-Policy"]

    assert "form-action 'self';" in policy
    assert "Thanh toán trên trang" not in page.html
    assert "Không hiển thị được mã" in page.html


async def test_redirect_for_a_wrong_amount_is_not_offered(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)
    await instruct(site, intent, PaymentInstruction(redirect_url=PAGE))

    assert "Thanh toán trên trang" not in (await look(site, intent)).html


@pytest.mark.parametrize(("collected", "is_shown"), [("V9TEST00000001", True), ("", False)])
async def test_number_collected_under_is_shown_only_where_the_provider_named_it(
    site: Site, collected: str, is_shown: bool
) -> None:
    intent = await site.open_intent()
    code = VietQr(
        bank_bin=BANK_BIN,
        account_number="V9TEST00000001",
        amount=intent["amount"],
        particulars=Particulars(purpose=f"CSTEST1 {intent['reference_code']}"),
    )
    instruction = PaymentInstruction(qr_payload=build_vietqr(code), bank_bin=BANK_BIN, account_number=collected)
    await instruct(site, intent, instruction)

    assert ((await look(site, intent)).code is not None) is is_shown

"""The payment page after too much was paid: the payer chooses whether the excess is kept or returned."""

from datetime import UTC, datetime

import pytest

from billing.checkout.domain.page_content import PageReturn
from billing.core.actor import Role
from billing.core.money import Dong
from billing.coverage.domain.explain import Language
from billing.payments.domain.refund import RefundState, RefundWay
from billing.web.pages.pay.surplus import return_sentence
from providers.sandbox.bank_simulator import Behaviour
from tests.flow import assert_books_are_right
from tests.web.pay_page_view import PageView, look
from tests.web.site import Site
from tests.web.staff import signed_in, text_of

UNKNOWN_TOKEN = "0" * 32


async def test_page_names_the_birth_year_behind_the_shortened_name(site: Site) -> None:
    page = await look(site, await site.open_intent(patient={"HO_TEN": "Nguyễn Văn An", "NGAY_SINH": "19580312"}))

    assert "<b>Nguyễn V. An – 1958</b>" in page.html
    assert "19580312" not in page.html


async def test_page_of_a_patient_without_a_birth_shows_the_name_alone(site: Site) -> None:
    page = await look(site, await site.open_intent(patient={"HO_TEN": "Nguyễn Văn An"}))

    assert "<b>Nguyễn V. An</b>" in page.html


async def test_payer_chooses_that_the_excess_is_returned_and_finance_reads_it(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.OVER)
    before = await look(site, intent)

    answer = await site.anonymous_client.post(f"{intent['pay_url']}/return")
    chosen = await look(site, intent)
    [row] = await site.as_owner("SELECT id FROM exception_case WHERE reason = 'over_paid'")
    async with signed_in(site, Role.FINANCE) as clerk:
        shown = text_of(await clerk.page(f"/finance/exceptions/{row['id']}"))

    assert before.html.count("Trả lại cho tôi") == before.html.count("Giữ lại cho lần sau") == 1
    assert (answer.status_code, answer.headers["Location"]) == (303, intent["pay_url"])
    assert "Đã ghi yêu cầu trả lại" in chosen.html
    assert chosen.status == "Nộp thừa. Đã nhận 146.000 đ, trong đó nộp thừa 10.000 đ."
    assert before.html.index("Trả lại cho tôi") < before.html.index("Mã giao dịch ngân hàng")
    assert ("Trả lại cho tôi" in chosen.html, "Giữ lại cho lần sau" in chosen.html) == (False, True)
    assert "Người nộp chọn: trả lại tiền thừa" in shown
    assert await site.as_owner("SELECT FROM refund") == []
    await assert_books_are_right(site.context.database)


async def test_choice_is_changed_and_repeated_without_harm(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.OVER)

    for choice in ("return", "return", "keep"):
        await site.anonymous_client.post(f"{intent['pay_url']}/{choice}?lang=en")
    page = PageView((await site.anonymous_client.get(f"{intent['pay_url']}?lang=en")).text)

    assert "The excess is kept for the patient" in page.html
    [row] = await site.as_owner("SELECT count(*) AS choices FROM surplus_choice")
    assert row["choices"] == 1


async def test_nothing_is_chosen_while_nothing_is_in_excess(site: Site) -> None:
    intent = await site.open_intent()

    answer = await site.anonymous_client.post(f"{intent['pay_url']}/return")
    page = await look(site, intent)
    unknown = await site.anonymous_client.post(f"/pay/1-{UNKNOWN_TOKEN}/return")
    other = await site.anonymous_client.post(f"{intent['pay_url']}/gone")

    assert (answer.status_code, unknown.status_code, other.status_code) == (303, 404, 404)
    assert "Trả lại cho tôi" not in page.html
    assert await site.as_owner("SELECT FROM surplus_choice") == []


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("state", list(RefundState))
def test_page_states_the_progress_of_a_return(state: RefundState, language: Language) -> None:
    ended_at = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)
    returned = PageReturn(amount=Dong(10_000), way=RefundWay.MANUAL_TRANSFER, state=state, ended_at=ended_at)

    sentence = return_sentence(returned, language)

    assert "10.000 đ" in sentence
    assert ("09:00 30/11/2026" in sentence) == (state is RefundState.DONE)

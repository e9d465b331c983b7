"""The payment page: every state, the data that it never shows, and its explanations."""

import re
from dataclasses import replace
from datetime import datetime

import pytest

from billing.checkout.domain.patient_states import WORDS
from billing.checkout.formats.qr_image import qr_png
from billing.core.clock import VIETNAM
from billing.core.errors import Unavailable
from billing.coverage.domain.explain import Language
from billing.payments.domain.amount_due import COLLECTING, FINAL, PatientState
from billing.web.pages.pay import handlers
from billing.web.server import create_application, serving
from providers.emvqr import crc16, parse
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import BANK_BIN
from tests.web.pay_page_view import look, open_another, open_in_state, set_state
from tests.web.site import Site


async def test_intent_names_its_page_by_a_random_token(site: Site) -> None:
    first = await site.open_intent()
    second = await open_another(site, first)

    assert re.fullmatch(r"/pay/1-[0-9a-f]{32}", first["pay_url"])
    assert first["pay_url"] != second["pay_url"]
    assert (await site.read(f"/v1/intents/{first['id']}"))["pay_url"] == first["pay_url"]


async def test_page_is_named_below_the_address_that_patients_reach(site: Site) -> None:
    intent = await site.open_intent()
    application = create_application(
        context=replace(site.context, public_base_url="https://vienphi.example.vn"), intake=site.intake
    )

    async with serving(application) as address:
        answer = await site.client.get(f"{address}/v1/intents/{intent['id']}")

    assert answer.json()["pay_url"] == "https://vienphi.example.vn" + intent["pay_url"]


async def test_page_states_purpose_amount_and_payee(site: Site) -> None:
    intent = await site.open_intent()

    page = await look(site, intent)

    assert page.status.startswith("Chờ chuyển khoản.")
    assert page.amount == "136.000 đ"
    assert "Bệnh viện 1" in page.html
    assert "<b>Nguyễn V. Thử – 1980</b> · Lượt khám LK0001" in page.html
    assert page.sums["Số tài khoản"] == site.hospital.settings.account_number
    assert page.sums["Chủ tài khoản"] == site.hospital.settings.account_holder
    assert page.sums["Số tiền"] == "136.000 đ"
    assert page.sums["Nội dung"] == f"{intent['reference_code']} VIEN PHI"
    assert page.has_button
    assert page.is_reloading


async def test_code_on_the_page_pays_what_is_due_into_the_approved_account(site: Site) -> None:
    intent = await site.open_intent()

    page = await look(site, intent)

    code = parse(page.code or "")
    assert (code.bank_bin, code.account_number) == (BANK_BIN, site.hospital.settings.account_number)
    assert (code.amount, code.purpose) == (136_000, f"{intent['reference_code']} VIEN PHI")
    assert f'aria-label="Mã QR chuyển 136.000 đ, nội dung {intent["reference_code"]} VIEN PHI"' in page.html


async def test_cost_is_explained_in_sentences(site: Site) -> None:
    page = await look(site, await site.open_intent())

    for sentence in (
        "Quỹ BHYT trả 464.000 đ.",
        "Người bệnh trả 136.000 đ.",
        "Trong đó cùng chi trả với quỹ BHYT 116.000 đ, tự trả 20.000 đ.",
    ):
        assert f"<p>{sentence}</p>" in page.html


async def test_guaranteed_part_is_stated_before_the_patient_share(site: Site) -> None:
    terms = {"covers": ["copay"], "guaranteed_by": "Bảo Việt"}

    page = await look(site, await site.open_intent(private_insurance=terms))

    assert page.amount == "20.000 đ"
    sentences = [
        "Người bệnh trả 136.000 đ.",
        "Trong đó cùng chi trả với quỹ BHYT 116.000 đ, tự trả 20.000 đ.",
        "Bảo hiểm tư nhân bảo lãnh trả 116.000 đ.",
        "Người bệnh còn phải trả 20.000 đ.",
    ]
    assert [page.html.index(f"<p>{sentence}</p>") for sentence in sentences] == sorted(
        page.html.index(f"<p>{sentence}</p>") for sentence in sentences
    )


async def test_page_shows_no_card_no_full_name_and_no_services(site: Site) -> None:
    page = await look(site, await site.open_intent())

    for secret in ("DN4791234567890", "DN479", "Nguyễn Văn Thử", "Xét nghiệm", "Khám Nội", "Paracetamol", "19800101"):
        assert secret not in page.html


async def test_page_is_in_english_on_request(site: Site) -> None:
    intent = await site.open_intent()

    page = await look(site, intent, lang="en")

    assert page.status.startswith("Waiting for your transfer.")
    assert page.sums["Transfer text"] == f"{intent['reference_code']} VIEN PHI"
    assert '<html lang="en">' in page.html
    assert f'<a href="{intent["pay_url"]}?lang=vi" lang="vi"' in page.html


async def test_part_paid_page_requests_the_rest_under_the_same_code(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)

    page = await look(site, intent)

    assert page.status.startswith("Còn thiếu. Đã nhận 68.000 đ, còn thiếu 68.000 đ.")
    assert (page.sums["Số tiền của khoản này"], page.sums["Đã nhận"], page.amount) == (
        "136.000 đ",
        "68.000 đ",
        "68.000 đ",
    )
    code = parse(page.code or "")
    assert (code.amount, code.purpose) == (68_000, f"{intent['reference_code']} VIEN PHI")
    assert page.is_reloading

    await site.bank().pay(page.code or "", Behaviour.EXACT)

    assert (await look(site, intent)).status.startswith("Đã thanh toán.")


async def test_old_code_still_pays_after_a_part_was_paid(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)

    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    page = await look(site, intent)
    assert page.status.startswith("Nộp thừa. Đã nhận 204.000 đ, trong đó nộp thừa 68.000 đ.")


async def test_paid_page_requests_nothing_more(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    page = await look(site, intent)

    assert page.status == "Đã thanh toán. Đã nhận đủ 136.000 đ. Khoản này đã thanh toán, không cần chuyển thêm."
    assert (page.code, page.has_button, page.is_reloading) == (None, False, False)
    assert "data-final" in page.html


async def test_paid_page_shows_time_reference_and_next_step_and_can_be_saved(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    (payment,) = (await site.read("/v1/payments"))["items"]
    occurred_at = datetime.fromisoformat(payment["occurred_at"]).astimezone(VIETNAM)

    page = await look(site, intent)
    saved = await site.anonymous_client.get(f"{intent['pay_url']}/confirmation.html")

    assert f'href="{intent["pay_url"]}/confirmation.html" download' in page.html
    assert "Không cần quay lại quầy thu." in page.html
    assert saved.headers["Content-Disposition"].endswith(f'"vien-phi-{intent["reference_code"]}.html"')
    for text in (page.html, saved.text):
        assert occurred_at.strftime("%H:%M %d/%m/%Y") in text
        assert payment["bank_reference"] in text
        assert "136.000 đ" in text
    assert "Đã nhận đủ" in saved.text
    assert "<link" not in saved.text


async def test_page_without_money_has_no_confirmation_to_save(site: Site) -> None:
    intent = await site.open_intent()

    answer = await site.anonymous_client.get(f"{intent['pay_url']}/confirmation.html")

    assert answer.status_code == 404
    assert "confirmation.html" not in (await look(site, intent)).html


async def test_page_of_a_paid_part_states_the_amount_owed_by_the_invoice(site: Site) -> None:
    intent = await open_another(site, await site.open_intent(), amount=100_000)
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    page = await look(site, intent)

    assert page.status.startswith("Đã nhận phần này. Đã nhận 100.000 đ theo mã này. Bảng kê còn 36.000 đ chưa trả")
    assert "không cần chuyển thêm" not in page.html
    assert "Không cần quay lại quầy" not in page.html
    assert page.code is None


async def test_page_uses_no_terms_of_the_desk(site: Site) -> None:
    intent = await site.open_intent()

    assert "báo có" not in (await look(site, intent)).html


async def test_page_explains_how_a_phone_scans_its_own_picture(site: Site) -> None:
    page = await look(site, await site.open_intent())

    assert "lưu ảnh QR, mở ứng dụng ngân hàng, chọn Quét QR rồi chọn ảnh vừa lưu" in page.html


async def test_overpaid_page_states_the_patient_credit(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.OVER)

    page = await look(site, intent)

    assert page.status.startswith("Nộp thừa. Đã nhận 146.000 đ, trong đó nộp thừa 10.000 đ.")
    assert (page.amount, page.sums["Đã nhận"]) == ("10.000 đ", "146.000 đ")
    assert page.sums["Số tiền của khoản này"] == "136.000 đ"
    assert (page.code, page.is_reloading) == (None, False)


async def test_expired_code_is_shown_without_announcing_a_new_code(site: Site) -> None:
    intent = await site.open_intent()
    await set_state(site, intent, "expired")

    page = await look(site, intent)

    assert page.status.startswith("Đã quá thời hạn. Thời hạn của mã đã qua nhưng mã vẫn nhận được tiền.")
    assert "mã mới" not in page.html.lower()
    assert parse(page.code or "").amount == 136_000
    assert page.is_reloading


async def test_expired_code_requests_only_the_amount_owed(site: Site) -> None:
    intent = await site.open_intent()
    part = await open_another(site, intent, amount=36_000)
    await site.bank().pay(part["instruction"]["qr_payload"], Behaviour.EXACT)
    await set_state(site, intent, "expired")

    page = await look(site, intent)

    assert (page.amount, parse(page.code or "").amount) == ("100.000 đ", 100_000)


async def test_cancelled_page_explains_late_money_and_requests_none(site: Site) -> None:
    intent = await site.open_intent()
    await site.client.post(f"/v1/intents/{intent['id']}/cancel")

    page = await look(site, intent)

    assert page.status.startswith("Đã hủy. Quầy đã hủy mã này, xin đừng chuyển. Nếu đã chuyển, tiền vẫn được ghi nhận")
    assert (page.code, page.has_button) == (None, False)

    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    assert (await look(site, intent)).status.startswith("Đã thanh toán.")


async def test_amount_paid_by_another_code_is_not_requested_again(site: Site) -> None:
    intent = await site.open_intent()
    other = await open_another(site, intent)
    await site.bank().pay(other["instruction"]["qr_payload"], Behaviour.EXACT)

    page = await look(site, intent)

    assert page.status == "Đã thanh toán. Khoản này đã thanh toán bằng phiếu khác. Xin đừng chuyển thêm."
    assert (page.code, page.has_button, page.is_reloading) == (None, False, False)


async def test_money_for_an_invoice_paid_by_another_code_is_shown_as_credit(site: Site) -> None:
    intent = await site.open_intent()
    other = await open_another(site, intent)
    await site.bank().pay(other["instruction"]["qr_payload"], Behaviour.EXACT)

    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    page = await look(site, intent)
    assert page.status.startswith("Nộp thừa. Đã nhận 136.000 đ, trong đó nộp thừa 136.000 đ.")


async def test_unknown_outcome_warns_against_paying_twice(site: Site) -> None:
    intent = await site.open_intent()
    await set_state(site, intent, "unknown")

    page = await look(site, intent)

    assert "xin đừng chuyển lần nữa" in page.status
    assert page.is_reloading


async def test_failed_page_leads_to_the_desk(site: Site) -> None:
    intent = await site.open_intent()
    await set_state(site, intent, "failed")

    page = await look(site, intent)

    assert page.status.startswith("Không dùng được.")
    assert (page.code, page.has_button) == (None, False)


@pytest.mark.parametrize(
    "change",
    [
        "jsonb_build_object('qr_payload', replace(instruction ->> 'qr_payload', '0110000001', '0110000002'))",
        "jsonb_build_object('qr_payload', 'https://other.example')",
        "jsonb_build_object('qr_payload', '')",
        "'null'",
    ],
)
async def test_code_that_does_not_read_back_is_not_shown(site: Site, change: str) -> None:
    intent = await site.open_intent()
    await site.as_owner(f"UPDATE intent SET instruction = {change} WHERE organization_id = 1 AND id = $1", intent["id"])

    page = await look(site, intent)
    picture = await site.anonymous_client.get(f"{intent['pay_url']}/qr.png")

    assert page.code is None
    assert "Không hiển thị được mã thanh toán." in page.html
    assert "Số tài khoản" not in page.html
    assert picture.status_code == 404


async def test_code_for_another_account_is_not_shown_even_where_its_checksum_holds(site: Site) -> None:
    intent, stolen = await site.open_intent(), "0110000002"
    body = intent["instruction"]["qr_payload"].replace(site.hospital.settings.account_number, stolen)[:-4]
    statement = """
        UPDATE intent SET instruction = jsonb_build_object('qr_payload', $2::text)
        WHERE organization_id = 1 AND id = $1
    """
    await site.as_owner(statement, intent["id"], body + crc16(body))

    page = await look(site, intent)

    assert (page.code, stolen in page.html) == (None, False)


async def test_picture_to_keep_is_the_code_that_is_shown(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)
    page = await look(site, intent)

    answer = await site.anonymous_client.get(f"{intent['pay_url']}/qr.png")

    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="vietqr-{intent["reference_code"]}.png"'
    assert answer.content == qr_png(page.code or "")


async def test_unavailable_page_states_that_no_money_is_lost(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await site.open_intent()

    async def fail(*_: object) -> None:
        raise Unavailable("every connection is in use")

    monkeypatch.setattr(handlers, "find_pay_page", fail)
    answer = await site.anonymous_client.get(intent["pay_url"])

    assert answer.status_code == 503
    assert "Tiền đã chuyển không bị mất" in answer.text


@pytest.mark.parametrize("state", list(PatientState))
@pytest.mark.parametrize("language", list(Language))
async def test_every_state_has_a_page_with_its_published_label(
    site: Site, state: PatientState, language: Language
) -> None:
    page = await look(site, await open_in_state(site, state), lang=language.value)

    words = WORDS[state][language]
    beginning = words.sentence.partition("{")[0]
    assert page.status.startswith(f"{words.label}. {beginning}")
    assert (page.code is not None) == (state in COLLECTING)
    assert page.is_reloading == (state not in FINAL)


async def test_api_labels_states_as_the_page_does(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.SHORT)

    after = await site.read(f"/v1/intents/{intent['id']}")

    assert intent["state_label"] == {"state": "waiting", "vi": "Chờ báo có", "en": "Waiting for the bank"}
    assert after["state_label"] == {"state": "short", "vi": "Còn thiếu", "en": "Not complete"}


async def test_page_and_confirmation_of_a_practising_hospital_are_marked(site: Site) -> None:
    intent = await open_in_state(site, PatientState.PAID)
    pages = [intent["pay_url"], intent["pay_url"] + "/confirmation.html"]
    before = [(await site.anonymous_client.get(page)).text for page in pages]
    await site.as_owner("UPDATE organization SET is_training = true WHERE id = 1")
    marked = [(await site.anonymous_client.get(page)).text for page in pages]

    assert all("TẬP HUẤN" not in page for page in before)
    assert all("TẬP HUẤN" in page for page in marked)

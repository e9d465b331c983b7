"""VietQR of our own making, and vietqr.vn: its vectors, its token, its call backs, its traps."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from billing.checkout.formats.qr_image import qr_svg
from providers.contract import (
    Callback,
    Notices,
    Outcome,
    PaymentRefused,
    Unreadable,
    Verdict,
)
from providers.emvqr import parse
from providers.registry import SettingsRefused, open_provider
from providers.vietqr.adapter import SYNC_PATH_SUFFIX
from providers.vietqr.settings import VietqrSettings
from providers.vietqr.signing import basic_authorization, check_order_checksum, refund_checksum
from tests.checkout.formats.test_qr_image import _decoded, _rows_of_svg
from tests.providers.vietqr_samples import (
    AT,
    PASSWORD,
    REQUEST,
    SETTINGS,
    SYNC,
    account,
    delivery,
    one,
    sync,
    vectors,
)

# ---- the vectors


@vectors("vietqrvn_basic_auth")
def test_basic_header_is_the_vectors(vector):
    given = vector["input"]

    assert basic_authorization(given["username"], given["password"]) == vector["expected"]["authorization"]


@vectors("vietqrvn_check_order_checksum")
def test_checksum_of_a_question_is_the_vectors(vector):
    given = vector["input"]

    checksum = check_order_checksum(bank_account=given["bankAccount"], username=given["username"])

    assert checksum == vector["expected"]["checkSum"]


@vectors("vietqrvn_refund_checksum")
def test_checksum_of_a_refund_is_the_vectors(vector):
    given = vector["input"]

    checksum = refund_checksum(
        secret_key=given["secretKey"],
        reference_number=given["referenceNumber"],
        amount=given["amount"],
        bank_account=given["bankAccount"],
    )

    assert checksum == vector["expected"]["checkSum"]


@vectors("vietqrvn_transaction_sync")
def test_call_back_is_read_and_answered_as_in_the_vectors(vector):
    bank, expected = account(), vector["expected"]
    callback = sync(bank, vector["input"]["body_json"])

    notice = one(bank.read_callback(callback))
    answer = bank.answer_callback(callback, Verdict.ACCEPTED, "<our receipt id>")

    assert answer.status == expected["http_status"]
    assert json.loads(answer.body) == expected.get("response", json.loads(answer.body))
    key = expected["dedupe_key"]
    number = "11111111-1111-4111-8111-111111111111"
    # The bank's reference is a weaker key than vietqr.vn's id: banks restart and repeat references.
    assert notice.movement_keys == (frozenset() if key is None else {f"transaction:{number}", f"bank:{key}"})
    assert notice.outcome is (Outcome.REVIEW if key is None else Outcome.SUCCEEDED)


# ---- the code


def test_code_pays_our_account_and_begins_its_text_with_the_reference():
    shown = account(qr_account_number="V9TEST01").qr_for(REQUEST)

    decoded = parse(shown.qr_payload)
    assert (decoded.bank_bin, decoded.account_number, decoded.amount) == ("970436", "V9TEST01", 350_000)
    assert (decoded.initiation, decoded.purpose, decoded.crc_valid) == ("12", "K7ABCDEFR VIEN PHI", True)


def test_drawn_code_is_read_back_by_another_decoder():
    payload = account().qr_for(REQUEST).qr_payload

    assert _decoded(_rows_of_svg(qr_svg(payload, title="Mã QR"))) == [payload]


def test_amount_above_the_ceiling_is_refused_and_at_it_carried():
    bank = account(amount_max=350_000)

    assert parse(bank.qr_for(REQUEST).qr_payload).amount == 350_000
    with pytest.raises(PaymentRefused):
        account(amount_max=349_999).qr_for(REQUEST)


async def test_nothing_is_begun_where_the_code_is_ours():
    assert await account().create_payment(REQUEST) == account().qr_for(REQUEST)


# ---- the token


def test_other_methods_and_addresses_are_answered_without_a_notice():
    bank = account()

    assert bank.read_callback(delivery("elsewhere")).status == 404
    got = Callback("GET", SYNC_PATH_SUFFIX, "", (), (), b"", "203.0.113.99", AT)
    assert bank.read_callback(got).status == 405


# ---- reported transactions


def test_time_in_seconds_and_in_milliseconds_is_one_timestamp():
    bank = account()

    for written in (1790000000, 1790000000000):
        notice = one(bank.read_callback(sync(bank, transactiontime=written)))
        assert notice.occurred_at == datetime.fromtimestamp(1790000000, UTC)


def test_id_names_the_money_where_the_bank_gave_no_reference():
    bank = account()

    notice = one(bank.read_callback(sync(bank, referencenumber="")))

    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.movement_keys == {f"transaction:{SYNC['transactionid']}"}


PLACEHOLDERS = ["", "-", "0", "NONREF", "null", "n/a", " "]


@pytest.mark.parametrize("reference", ["FT26002000001", *PLACEHOLDERS])
def test_two_ids_are_two_transfers_whatever_the_bank_calls_them(reference):
    bank = account()
    first, second = (
        one(bank.read_callback(sync(bank, transactionid=f"id-{n}", referencenumber=reference))) for n in "12"
    )

    assert first.event_key != second.event_key
    assert first.movement_keys & second.movement_keys == (
        {f"bank:{reference}"} if reference.startswith("FT") else frozenset()
    )


@pytest.mark.parametrize("number", PLACEHOLDERS)
@pytest.mark.parametrize("reference", ["FT26002000001", *PLACEHOLDERS])
@pytest.mark.parametrize(
    "changed", [{"amount": 1}, {"orderId": "K7ABCDEFS"}, {"content": "khac"}, {"transactiontime": 1790000001000}]
)
def test_transfers_without_an_id_are_distinguished_by_what_they_state(number, reference, changed):
    bank = account()
    names = {"transactionid": number, "referencenumber": reference}
    first, again, other = (one(bank.read_callback(sync(bank, **names, **each))) for each in ({}, {}, changed))

    assert first.outcome is Outcome.SUCCEEDED
    assert (first.event_key, first.movement_keys, first.fingerprint) == (
        again.event_key,
        again.movement_keys,
        again.fingerprint,
    )
    assert first.event_key != other.event_key
    assert not {key for key in first.movement_keys & other.movement_keys if not key.startswith("bank:")}


def test_money_that_leaves_is_no_receipt():
    bank = account()

    assert bank.read_callback(sync(bank, transType="D")) == Notices(())


def test_transfer_to_another_account_is_marked():
    bank = account(qr_account_number="V9TEST01")

    assert one(bank.read_callback(sync(bank, bankaccount="0000000000018"))).names_other_account
    assert not one(bank.read_callback(sync(bank, bankaccount="V9TEST01"))).names_other_account


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": "350000"},
        {"amount": 350000.5},
        {"amount": -1},
        {"amount": 0},
        {"amount": True},
        {"amount": 10**13},
        {"transType": "X"},
        {"transType": ["C"]},
        {"bankaccount": ""},
        {"bankaccount": 17},
        {"content": None},
        {"transactiontime": 179000000},
        {"transactiontime": {}},
        {"referencenumber": "FT 1"},
        {"referenceNumber": "FT26002000002"},
    ],
)
def test_nonsense_is_refused(changed):
    bank = account()

    with pytest.raises(Unreadable) as raised:
        bank.read_callback(sync(bank, **changed))

    assert json.loads(raised.value.reply.body)["error"] is True


@pytest.mark.parametrize("body", ["", "[]", "null", '{"amount":1,"amount":2}', "{"])
def test_body_that_is_no_object_is_refused(body):
    bank = account()

    with pytest.raises(Unreadable):
        bank.read_callback(sync(bank, body))


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_reply_in_their_words(verdict):
    answer = account().answer_callback(sync(account()), verdict, "receipt-1")

    result = json.loads(answer.body)
    if verdict is Verdict.TRY_LATER:
        assert (answer.status, result["error"], result["object"]) == (503, True, None)
    else:
        assert (answer.status, result["error"], result["object"]) == (200, False, {"reftransactionid": "receipt-1"})


# ---- what a token alone is worth


@pytest.mark.parametrize(
    ("settings", "amount", "outcome"),
    [
        ({"confirm_above": 350_000}, 350_000, Outcome.SUCCEEDED),
        ({"confirm_above": 350_000}, 350_001, Outcome.UNKNOWN),
        ({"confirm_above": 0}, 1, Outcome.UNKNOWN),
        ({"confirm_above": 0, "allowed_networks": ["203.0.113.0/24"]}, 99_000_000, Outcome.SUCCEEDED),
    ],
)
def test_token_alone_credits_as_far_as_the_settings_allow(settings, amount, outcome):
    bank = account(**settings)

    assert one(bank.read_callback(sync(bank, amount=amount))).outcome is outcome


@pytest.mark.parametrize(
    "wrong",
    [
        {"passwords": ()},
        {"username": ""},
        {"passwords": "short"},
        {"api_username": "hospital-user"},
        {"creates_orders": True},
        {"refund_secret": "FAKE_SECRET"},
        {"unheard_of": 1},
    ],
)
def test_settings_that_cannot_work_are_refused_without_repeating_a_value(wrong):
    with pytest.raises(SettingsRefused) as raised:
        open_provider("vietqr", {**SETTINGS, **wrong}, httpx.AsyncClient())

    assert PASSWORD not in f"{raised.value!r}"


def test_nothing_secret_is_shown():
    settings = VietqrSettings.model_validate({**SETTINGS, "api_username": "u", "api_password": "FAKE_API_PASSWORD"})

    assert PASSWORD not in repr(settings)
    assert "FAKE_API_PASSWORD" not in repr(settings)

"""SePay on a bank account: the webhook in each of its ways to prove itself, and its traps."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from providers.contract import (
    BadSignature,
    Callback,
    Notices,
    Outcome,
    PaymentRefused,
    PaymentRequest,
    Reply,
    Unreadable,
    Verdict,
)
from providers.emvqr import parse
from providers.registry import SettingsRefused, open_provider
from providers.sepay.bank import TOKEN_PATH_SUFFIX
from tests.providers.sepay_samples import (
    AT,
    KEY,
    SECRET,
    SETTINGS,
    TRANSFER,
    VECTORS,
    account,
    delivery,
    one,
    signed,
    with_key,
)


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


# ---- the vectors


@vectors("webhook_hmac")
def test_signed_webhook_is_judged_as_in_the_vectors(vector):
    given = vector["input"]
    bank = account(secrets=vector["key"], tolerance_s=given["tolerance_s"])
    headers = {name.replace("-", "_"): value for name, value in given["headers"].items()}
    callback = delivery(given["raw_body"], at=datetime.fromtimestamp(given["now"], UTC), **headers)

    if vector["expected"]["valid"]:
        assert one(bank.read_callback(callback)).amount == json.loads(given["raw_body"])["transferAmount"]
    else:
        with pytest.raises(BadSignature):
            bank.read_callback(callback)


@vectors("webhook_apikey")
def test_key_is_judged_as_in_the_vectors(vector):
    bank = account(auth="apikey", secrets=vector["key"])
    callback = delivery(json.dumps(TRANSFER), Authorization=vector["input"]["authorization"])

    if vector["expected"]["valid"]:
        assert one(bank.read_callback(callback)).outcome is Outcome.SUCCEEDED
    else:
        with pytest.raises(BadSignature):
            bank.read_callback(callback)


@vectors("webhook_dedupe")
def test_repeated_delivery_is_one_event_and_one_fact(vector):
    bank = account()
    result = [one(bank.read_callback(signed(**each))) for each in vector["input"]["deliveries"]]

    assert len({notice.event_key for notice in result}) == vector["expected"]["receipts_posted"]
    assert len({(notice.movement_keys, notice.fingerprint) for notice in result}) == 1
    answer = bank.answer_callback(signed(), Verdict.DUPLICATE, "receipt")
    assert (answer.status, json.loads(answer.body)) == (200, vector["expected"]["response"])


# ---- creating


async def test_payment_is_a_code_for_the_account():
    request = PaymentRequest(
        reference="K7ABCDEFR", amount=350_000, purpose="K7ABCDEFR VIEN PHI", expires_at=None, requested_at=AT
    )

    decoded = parse((await account(qr_account_number="VQR0001").create_payment(request)).qr_payload)

    assert (decoded.account_number, decoded.amount, decoded.purpose) == ("VQR0001", 350_000, "K7ABCDEFR VIEN PHI")
    with pytest.raises(PaymentRefused):
        account().qr_for(
            PaymentRequest(reference="K7ABCDEFR", amount=-1, purpose="K7ABCDEFR", expires_at=None, requested_at=AT)
        )


# ---- the webhook


def test_transfer_carries_code_text_and_the_banks_reference():
    notice = one(account().read_callback(signed()))

    assert (notice.reference, notice.bank_reference, notice.provider_reference) == (
        "K7ABCDEFR",
        "FT26002000001",
        "92704",
    )
    assert notice.movement_keys == {"transaction:92704", "bank:FT26002000001"}
    assert notice.occurred_at.isoformat() == "2026-01-02T09:15:30+07:00"
    assert notice.transfer_text == TRANSFER["description"]


def test_both_texts_are_searched_where_they_differ():
    notice = one(account().read_callback(signed(code=None, content="VIEN PHI", description="CT DEN:1 K7ABCDEFR")))

    assert notice.reference is None
    assert notice.transfer_text == "VIEN PHI CT DEN:1 K7ABCDEFR"


def test_money_that_leaves_is_answered_and_reported_to_nobody():
    assert account().read_callback(signed(transferType="out")) == Notices(())


def test_bank_hub_reports_the_same_in_other_words():
    hub = {
        "transaction_id": "92704",
        "transaction_date": "2026-01-02 09:15:30",
        "account_number": "0000000000017",
        "va": "VQR0001",
        "payment_code": "K7ABCDEFR",
        "transfer_type": "credit",
        "amount": 350000,
        "reference_code": "FT26002000001",
        "content": "K7ABCDEFR VIEN PHI",
    }
    bank = account(auth="apikey", secrets=KEY)

    ours = one(bank.read_callback(delivery(json.dumps(hub), Authorization=f"Apikey {KEY}")))

    theirs = one(bank.read_callback(with_key()))
    assert (ours.movement_keys, ours.amount, ours.reference) == (theirs.movement_keys, theirs.amount, theirs.reference)
    assert ours.virtual_account == "VQR0001"
    assert bank.read_callback(
        delivery(json.dumps({**hub, "transfer_type": "debit"}), Authorization=f"Apikey {KEY}")
    ) == Notices(())


@pytest.mark.parametrize(
    ("changed", "is_other"),
    [({"accountNumber": "0000000000018"}, True), ({"accountNumber": "0000000000018", "subAccount": "VQR1"}, False)],
)
def test_transfer_to_another_account_names_it(changed, is_other):
    assert one(account(qr_account_number="VQR1").read_callback(signed(**changed))).names_other_account is is_other


@pytest.mark.parametrize("name", sorted(set(TRANSFER) - {"subAccount"}))
def test_changed_byte_is_refused(name):
    callback = signed()
    value = TRANSFER[name]
    changed = json.dumps({**TRANSFER, name: value + 1 if isinstance(value, int) else value + "x"})
    assert changed.encode() != callback.body

    with pytest.raises(BadSignature):
        account().read_callback(
            delivery(changed, **{name.replace("-", "_"): value for name, value in callback.headers})
        )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_SePay_Timestamp": "1790000003"},
        {"X_SePay_Timestamp": "1790000003", "X_SePay_Signature": "sha256="},
        {"X_SePay_Timestamp": "now", "X_SePay_Signature": "sha256=" + "0" * 64},
        {"Authorization": f"Apikey {SECRET}"},
    ],
)
def test_webhook_without_a_signature_is_refused(headers):
    with pytest.raises(BadSignature):
        account().read_callback(delivery(json.dumps(TRANSFER), **headers))


def test_algorithm_that_the_message_names_is_not_taken():
    callback = signed()
    headers = dict(callback.headers)

    for other in ("sha1", "md5", "none", "SHA256"):
        wrong = headers["x-sepay-signature"].replace("sha256", other)
        with pytest.raises(BadSignature):
            account().read_callback(
                delivery(callback.body, X_SePay_Timestamp=headers["x-sepay-timestamp"], X_SePay_Signature=wrong)
            )


def test_signature_that_stands_twice_is_refused():
    callback = signed()
    twice = [*callback.headers, callback.headers[1]]

    with pytest.raises(BadSignature):
        account().read_callback(
            Callback(
                method="POST",
                path_suffix="",
                raw_query="",
                query=(),
                headers=twice,
                body=callback.body,
                source_address="",
                received_at=AT,
            )
        )


def test_signature_of_another_account_and_of_the_far_future_are_refused():
    for wrong in (signed("FAKE_SEPAY_WEBHOOK_SECRET_0002"), signed(at=AT + timedelta(seconds=301))):
        with pytest.raises(BadSignature):
            account().read_callback(wrong)


def test_both_secrets_hold_while_one_is_being_changed():
    bank = account(secrets=["FAKE_SEPAY_WEBHOOK_SECRET_0002", SECRET])

    assert one(bank.read_callback(signed())).amount == 350_000
    assert one(bank.read_callback(signed("FAKE_SEPAY_WEBHOOK_SECRET_0002"))).amount == 350_000


@pytest.mark.parametrize(
    "changed",
    [
        {"transferAmount": "350000"},
        {"transferAmount": 350000.5},
        {"transferAmount": 0},
        {"transferAmount": -1},
        {"transferAmount": True},
        {"transferType": "sideways"},
        {"transactionDate": "02/01/2026"},
        {"id": None},
        {"id": "a b"},
    ],
)
def test_signed_nonsense_is_unreadable(changed):
    with pytest.raises(Unreadable):
        account().read_callback(signed(**changed))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_success_is_stated_only_of_what_is_recorded(verdict):
    answer = account().answer_callback(signed(), verdict, "receipt")

    is_recorded = verdict is not Verdict.TRY_LATER
    assert (answer.status, json.loads(answer.body)["success"]) == (200 if is_recorded else 503, is_recorded)


# ---- what a credential alone is worth


@pytest.mark.parametrize(
    ("settings", "amount", "outcome"),
    [
        ({"confirm_above": 350_000}, 350_000, Outcome.SUCCEEDED),
        ({"confirm_above": 350_000}, 350_001, Outcome.UNKNOWN),
        ({"confirm_above": 0}, 1, Outcome.UNKNOWN),
        ({"confirm_above": 0, "allowed_networks": ["203.0.113.0/24"]}, 99_000_000, Outcome.SUCCEEDED),
    ],
)
def test_credential_alone_credits_as_far_as_the_settings_allow(settings, amount, outcome):
    bank = account(auth="apikey", secrets=KEY, **settings)

    assert one(bank.read_callback(with_key(transferAmount=amount))).outcome is outcome


def test_what_the_list_confirms_is_another_event_of_the_same_fact():
    bank = account(auth="apikey", secrets=KEY, confirm_above=0)
    doubtful, sure = one(bank.read_callback(with_key())), one(account().read_callback(signed()))

    assert doubtful.event_key != sure.event_key
    assert doubtful.movement_keys == sure.movement_keys


def test_webhook_that_proves_itself_by_nothing_is_refused_at_start():
    for wrong in ({"auth": "none"}, {"auth": "apikey", "secrets": ()}, {"auth": "oauth2"}):
        with pytest.raises(SettingsRefused):
            open_provider("sepay", {**SETTINGS, **wrong}, httpx.AsyncClient())

    assert one(account(auth="none", unsafe_for_tests=True).read_callback(delivery(json.dumps(TRANSFER)))).amount


# ---- OAuth2: they fetch a token from us

OAUTH2: dict[str, Any] = {"auth": "oauth2", "oauth2_client_id": "sepay", "token_life_s": 60}


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def test_token_is_given_for_their_credentials_and_good_until_it_ends():
    bank = account(**OAUTH2)

    given = bank.read_callback(delivery("", path_suffix=TOKEN_PATH_SUFFIX, Authorization=basic("sepay", SECRET)))

    assert isinstance(given, Reply)
    result = json.loads(given.body)
    assert (result["token_type"], result["expires_in"]) == ("Bearer", 60)
    shown = {"Authorization": f"Bearer {result['access_token']}"}
    assert one(bank.read_callback(delivery(json.dumps(TRANSFER), **shown))).amount == 350_000
    with pytest.raises(BadSignature):
        bank.read_callback(delivery(json.dumps(TRANSFER), at=AT + timedelta(seconds=60), **shown))
    assert bank.answer_callback(signed(), Verdict.ACCEPTED, "receipt").status == 201


def test_token_is_given_for_credentials_in_the_form():
    form = f"grant_type=client_credentials&client_id=sepay&client_secret={SECRET}"

    assert isinstance(account(**OAUTH2).read_callback(delivery(form, path_suffix=TOKEN_PATH_SUFFIX)), Reply)


@pytest.mark.parametrize(
    "wrong", [basic("sepay", "wrong"), basic("other", SECRET), "Basic !!", "Bearer x", basic("", "")]
)
def test_no_token_for_anybody_else(wrong):
    with pytest.raises(BadSignature):
        account(**OAUTH2).read_callback(delivery("", path_suffix=TOKEN_PATH_SUFFIX, Authorization=wrong))


@pytest.mark.parametrize("token", ["", "x", "9999999999.0123456789abcdef." + "0" * 64])
def test_token_that_we_never_gave_is_refused(token):
    with pytest.raises(BadSignature):
        account(**OAUTH2).read_callback(delivery(json.dumps(TRANSFER), Authorization=f"Bearer {token}"))

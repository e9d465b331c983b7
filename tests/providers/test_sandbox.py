import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from providers.contract import (
    Movement,
    Notices,
    Outcome,
    Payer,
    PaymentRefused,
    PaymentRequest,
    Reply,
    Unreadable,
    Verdict,
)
from providers.emvqr import check_payee
from providers.sandbox.adapter import Sandbox
from providers.sandbox.message import SandboxSettings
from tests.providers.sandbox_samples import MESSAGE, NOW, SANDBOX, SECRET, SETTINGS, delivery, message_body, one

# ---- starting a payment


async def test_payment_is_a_dynamic_code_for_the_account_of_the_settings():
    request = PaymentRequest(
        reference="K7ABCDEFR", amount=350_000, purpose="K7ABCDEFR VIEN PHI", expires_at=None, requested_at=NOW
    )

    instruction = await SANDBOX.create_payment(request)

    code = check_payee(instruction.qr_payload, bank_bin="970436", account_number="0000000000017")
    assert (code.initiation, code.amount, code.purpose) == ("12", 350_000, "K7ABCDEFR VIEN PHI")
    assert (instruction.bank_bin, instruction.account_number) == ("970436", "0000000000017")
    assert instruction.account_holder == "BENH VIEN TEST"


async def test_payment_requested_twice_is_the_same():
    request = PaymentRequest(reference="K7ABCDEFR", amount=1, purpose="K7ABCDEFR", expires_at=NOW, requested_at=NOW)

    assert await SANDBOX.create_payment(request) == await SANDBOX.create_payment(request)


@pytest.mark.parametrize(
    ("amount", "purpose"), [(-1, "K7ABCDEFR"), (10**13, "K7ABCDEFR"), (1, "K7ABCDEFR viện phí"), (1, "K7ABCDEFR" * 3)]
)
async def test_payment_that_no_code_can_carry_is_refused(amount, purpose):
    with pytest.raises(PaymentRefused):
        await SANDBOX.create_payment(
            PaymentRequest(reference="K7ABCDEFR", amount=amount, purpose=purpose, expires_at=None, requested_at=NOW)
        )


# ---- reading a message


def test_message_becomes_one_notice():
    notice = one(message_body())

    assert notice.event_key == "SB00000000000001:SUCCEEDED"
    assert notice.movement_keys == {"transaction:SB00000000000001", "bank:FT26002000001"}
    assert (notice.movement, notice.outcome, notice.provider_status) == (
        Movement.RECEIVED,
        Outcome.SUCCEEDED,
        "SUCCEEDED",
    )
    assert notice.amount == 350_000
    assert notice.transfer_text == "K7ABCDEFR VIEN PHI"
    assert notice.reference is None
    assert notice.occurred_at == datetime(2026, 1, 2, 8, 15, 28, tzinfo=UTC)
    assert (notice.provider_reference, notice.bank_reference) == ("SB00000000000001", "FT26002000001")
    assert notice.payer == Payer(name="NGUYEN VAN TEST", account="0000000099")
    assert not notice.names_other_account


def test_message_without_what_a_bank_may_leave_out_is_read():
    body = json.dumps(
        {
            name: MESSAGE[name]
            for name in ("transaction_id", "account_number", "amount", "status", "direction", "occurred_at")
        }
    ).encode()

    notice = one(body)

    assert notice.movement_keys == {"transaction:SB00000000000001"}
    assert (notice.transfer_text, notice.reference, notice.payer) == ("", None, None)


def test_message_received_twice_reads_equal():
    later = NOW + timedelta(minutes=10)

    first = SANDBOX.read_callback(delivery(message_body()))
    second = SANDBOX.read_callback(delivery(message_body(), signed_at=later, received_at=later))

    assert first == second


@pytest.mark.parametrize(
    ("status", "direction", "movement", "outcome"),
    [
        ("PENDING", "credit", Movement.RECEIVED, Outcome.PENDING),
        ("SUCCEEDED", "credit", Movement.RECEIVED, Outcome.SUCCEEDED),
        ("FAILED", "credit", Movement.RECEIVED, Outcome.FAILED),
        ("CANCELLED", "credit", Movement.RECEIVED, Outcome.CANCELLED),
        ("EXPIRED", "credit", Movement.RECEIVED, Outcome.EXPIRED),
        ("REVIEW", "credit", Movement.RECEIVED, Outcome.REVIEW),
        ("REVERSED", "credit", Movement.RECEIVED, Outcome.UNKNOWN),
        ("PARKED", "credit", Movement.RECEIVED, Outcome.UNKNOWN),
        ("SUCCEEDED", "debit", Movement.REFUNDED, Outcome.SUCCEEDED),
        ("PENDING", "debit", Movement.REFUNDED, Outcome.PENDING),
        ("REVERSED", "debit", Movement.REVERSED, Outcome.SUCCEEDED),
        ("PARKED", "debit", Movement.REFUNDED, Outcome.UNKNOWN),
    ],
)
def test_status_word_is_mapped_explicitly_and_unknown_stays_unknown(status, direction, movement, outcome):
    notice = one(message_body(status=status, direction=direction))

    assert (notice.movement, notice.outcome) == (movement, outcome)
    assert notice.event_key == f"SB00000000000001:{status}"


@pytest.mark.parametrize("changes", [{"account_number": "0000000000018"}, {"merchant_id": "OTHER"}])
def test_message_about_another_account_is_marked(changes):
    assert one(message_body(**changes)).names_other_account


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction_id": "SB2"},
        {"account_number": "18"},
        {"amount": 350_001},
        {"status": "PENDING"},
        {"direction": "debit"},
        {"content": "K7ABCDEFR"},
        {"reference": "K7ABCDEFR"},
        {"occurred_at": "2026-01-02T15:15:29+07:00"},
    ],
)
def test_fingerprint_differs_with_every_meaningful_field(changes):
    assert one(message_body(**changes)).fingerprint != one(message_body()).fingerprint


@pytest.mark.parametrize(
    "changes", [{"payer": None}, {"bank_reference": "FT2"}, {"occurred_at": "2026-01-02T08:15:28Z"}]
)
def test_fingerprint_is_the_same_where_nothing_meaningful_changed(changes):
    assert one(message_body(**changes)).fingerprint == one(message_body()).fingerprint


# ---- what is not authentic


def test_another_method_is_answered_without_a_notice():
    reply = SANDBOX.read_callback(delivery(message_body(), method="GET"))

    assert isinstance(reply, Reply)
    assert reply.status == 405


# ---- authentic, but senseless


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (message_body()[:-1] + b', "amount": 1}', "a key stands twice"),
        (b"[]", "a JSON object is expected"),
        (b"", "no JSON"),
        (message_body(amount="x").replace(b'"x"', b"350000.0"), "amount"),
        (message_body(amount="x").replace(b'"x"', b"3.5e5"), "amount"),
        (message_body(amount="x").replace(b'"x"', b"NaN"), "NaN"),
        (message_body(amount="350000"), "amount"),
        (message_body(amount=True), "amount"),
        (message_body(amount=0), "amount"),
        (message_body(amount=-350_000), "amount"),
        (message_body(amount=10**13), "amount"),
        (message_body(currency="USD"), "currency"),
        (message_body(transaction_id=""), "transaction_id"),
        (message_body(transaction_id="SB1:SUCCEEDED"), "transaction_id"),
        (message_body(transaction_id=1), "transaction_id"),
        (message_body(bank_reference="FT 1"), "bank_reference"),
        (message_body(status=""), "status"),
        (message_body(status="succeeded"), "status"),
        (message_body(status="SUCCEEDED\n"), "status"),
        (message_body(direction="both"), "direction"),
        (message_body(content="x" * 501), "content"),
        (message_body(content=None), "content"),
        (message_body(content="\0"), "NUL"),
        (message_body(occurred_at="2026-01-02T15:15:28"), "occurred_at"),
        (message_body(occurred_at="2026-01-02"), "occurred_at"),
        (message_body(occurred_at="yesterday"), "occurred_at"),
        (message_body(occurred_at=1767341728), "occurred_at"),
        (message_body(occurred_at="0001-01-01T00:00:00+14:00"), "occurred_at"),
        (message_body(occurred_at="9999-12-31T23:59:59-12:00"), "occurred_at"),
        (message_body(payer="NGUYEN VAN TEST"), "payer"),
        (message_body(payer={"name": "A", "card": "9704"}), "payer.card"),
        (message_body(surplus=1), "surplus"),
        (json.dumps({name: value for name, value in MESSAGE.items() if name != "amount"}).encode(), "amount"),
    ],
)
def test_authentic_message_that_makes_no_sense_is_unreadable(body, reason):
    with pytest.raises(Unreadable) as refused:
        SANDBOX.read_callback(delivery(body))

    assert reason in refused.value.reason
    assert refused.value.reply == Reply(status=422, body=b'{"result": "unreadable"}')


def test_reason_of_an_unreadable_message_repeats_no_personal_data():
    with pytest.raises(Unreadable) as refused:
        SANDBOX.read_callback(delivery(message_body(payer={"name": ["NGUYEN VAN TEST"], "account": 9})))

    assert refused.value.reason == "wrong or missing: payer.account, payer.name"
    assert refused.value.__suppress_context__


# ---- answering


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_reply_that_names_the_receipt(verdict):
    reply = SANDBOX.answer_callback(delivery(message_body()), verdict, "receipt-1")

    decoded = json.loads(reply.body)
    assert decoded["receipt"] == "receipt-1"
    assert decoded["result"] == {"accepted": "ok"}.get(verdict.value, verdict.value)
    assert reply.content_type == "application/json"
    assert reply.status == (503 if verdict is Verdict.TRY_LATER else 200)


def test_try_later_states_when():
    reply = SANDBOX.answer_callback(delivery(message_body()), Verdict.TRY_LATER, "")

    assert reply.headers == {"Retry-After": "1"}
    assert json.loads(reply.body) == {"result": "try_later"}


# ---- secrets


def test_secret_is_in_no_text_of_provider_or_settings():
    instance = Sandbox(SETTINGS, client=None)

    for text in (repr(instance), str(instance), repr(SETTINGS), str(SETTINGS), SETTINGS.model_dump_json()):
        assert SECRET not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "fifteen-letters"},
        {"bank_bin": "97043"},
        {"account_number": "1" * 20},
        {"account_number": "17\n"},
        {"tolerance_s": 0},
        {"surplus": "x"},
    ],
)
def test_settings_out_of_line_are_refused_without_repeating_the_secret(changes):
    values = SETTINGS.model_dump() | {"secret": SECRET} | changes

    with pytest.raises(ValidationError) as refused:
        SandboxSettings.model_validate(values)
    assert values["secret"] not in str(refused.value)


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        SETTINGS.account_number = "18"


def test_two_accounts_of_one_secret_do_not_take_each_others_money():
    other = Sandbox(SETTINGS.model_copy(update={"account_number": "0000000000099"}), client=None)

    notices = other.read_callback(delivery(message_body()))

    assert isinstance(notices, Notices)
    assert notices.notices[0].names_other_account

"""Bank collection: the bank's codes in answers to notifications and bill inquiries."""

import json

import pytest

from providers.contract import Bill, BillInquiry, BillState, Reply, Verdict
from tests.providers.bank_collection_samples import (
    AT,
    INQUIRY_TAIL,
    NOTIFY_PATH_SUFFIX,
    account,
    code,
    delivery,
    inquire,
    notify,
)

# ---- answers to notifications


@pytest.mark.parametrize(
    ("verdict", "decoded"),
    [
        (Verdict.ACCEPTED, "00"),
        (Verdict.STORED, "00"),
        (Verdict.AMOUNT_DIFFERS, "00"),
        (Verdict.DUPLICATE, "05"),
        (Verdict.UNKNOWN_REFERENCE, "02"),
        (Verdict.TRY_LATER, "03"),
    ],
)
def test_every_verdict_is_answered_signed_in_the_banks_codes(verdict, decoded):
    answer = account().answer_callback(notify(), verdict, "receipt")

    document = json.loads(answer.body)
    assert (answer.status, document["errorCode"], document["transId"]) == (200, decoded, "900000001")
    assert len(document["signature"]) == 344, "an RSA signature of 2048 bits in Base64"


def test_repetition_is_answered_as_the_contract_states():
    bank = account(duplicate_answer="repeat")

    assert bank.answer_callback(notify(), Verdict.DUPLICATE, "r") == bank.answer_callback(
        notify(), Verdict.ACCEPTED, "r"
    )


def test_try_later_is_stated_even_to_what_cannot_be_read():
    bank = account()

    assert code(bank.answer_callback(delivery(NOTIFY_PATH_SUFFIX, "nonsense"), Verdict.TRY_LATER, "")) == "03"
    assert code(bank.answer_callback(delivery(INQUIRY_TAIL, "nonsense"), Verdict.TRY_LATER, "")) == "03"
    assert bank.answer_callback(delivery("elsewhere", ""), Verdict.TRY_LATER, "").status == 503


# ---- answers to inquiries


def bill(state: BillState = BillState.OPEN, remaining: int = 350_000) -> Bill:
    return Bill(reference="K7ABCDEFR", remaining=remaining, state=state, created_at=AT, expires_at=None)


@pytest.mark.parametrize(
    ("found", "decoded"),
    [
        (bill(), "00"),
        (bill(BillState.PAID), "02"),
        (bill(remaining=0), "02"),
        (bill(BillState.EXPIRED), "02"),
        (bill(BillState.CANCELLED), "02"),
        (None, "02"),
    ],
)
def test_inquiry_is_answered_by_the_state_of_the_bill(found, decoded):
    bank, queried = account(), inquire()

    inquiry = bank.read_callback(queried)

    assert inquiry == BillInquiry("K7ABCDEFR")
    answer = bank.answer_inquiry(queried, inquiry, found)
    details = json.loads(answer.body)["data"]["details"]
    assert code(answer) == decoded
    assert details["amount"] == ("350000" if decoded == "00" else "")
    assert details["custName"] == ("BENH VIEN TEST_K7ABCDEFR_350000VND" if decoded == "00" else "")


def test_inquiry_for_another_is_answered_without_looking():
    answer = account().read_callback(inquire(providerId="8888"))

    assert isinstance(answer, Reply)
    assert code(answer) == "02"


def test_inquiry_that_cannot_be_answered_now_is_answered_03():
    assert code(account().answer_inquiry_later(inquire(), BillInquiry("K7ABCDEFR"))) == "03"


def test_code_without_the_banks_prefix_is_found_too():
    assert account().read_callback(inquire("K7ABCDEFR")) == BillInquiry("K7ABCDEFR")

"""Every vector of bank collection: who is believed, what is read, and our answers byte for byte."""

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest

from providers.bank_collection.message import read_values
from providers.bank_collection.profile import shipped_profile
from providers.bank_collection.settlement import OurReceipt, compare, read_file
from providers.bank_collection.signing import signed_text
from providers.contract import (
    BadSignature,
    Bill,
    BillInquiry,
    BillState,
    Notices,
    Outcome,
    SettlementUnreadable,
    Verdict,
)
from providers.notices import parse_vietnam_timestamp
from tests.providers.bank_collection_samples import (
    AT,
    INQUIRY_TAIL,
    NOTIFY_PATH_SUFFIX,
    VECTORS,
    account,
    bidv_settings,
    delivery,
    one,
)

VERDICTS = {"00": Verdict.ACCEPTED, "02": Verdict.UNKNOWN_REFERENCE, "05": Verdict.DUPLICATE}


def vectors(kind: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS if each["kind"] == kind]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[each["id"] for each in chosen])


def test_every_vector_is_run():
    assert {each["kind"] for each in VECTORS} == {"notify", "inquiry", "paybill", "reconciliation_file"}
    assert len(VECTORS) == 14


@vectors("notify")
def test_notification_is_judged_and_answered_as_in_the_vectors(vector):
    bank, expected, body = account(), vector["expected"], vector["input"]["body_json"]
    callback = delivery(NOTIFY_PATH_SUFFIX, body)
    profile = shipped_profile("vietinbank_collection")
    values = read_values(json.loads(body), profile.notification)

    assert (
        signed_text([values[name] for name in profile.notification.signed], profile.signing)
        == (expected["signed_string"])
    )
    if not expected["valid"]:
        with pytest.raises(BadSignature) as raised:
            bank.read_callback(callback)
        assert json.loads(raised.value.reply.body) == expected["response"]
        return
    read = bank.read_callback(callback)
    if vector["id"] == "notify-debit":
        assert read == Notices(())
    else:
        notice, document = one(read), json.loads(body)
        assert (notice.outcome, notice.amount) == (Outcome.SUCCEEDED, int(document["amount"]))
        assert notice.occurred_at == datetime(2026, 1, 2, 2, 15, 30, tzinfo=UTC)
        assert f"transaction:{document['transId']}" in notice.movement_keys
    answer = bank.answer_callback(callback, VERDICTS[expected["response"]["errorCode"]], "receipt")
    assert json.loads(answer.body) == expected["response"]


def test_code_stands_in_the_customer_code_or_else_in_the_remark():
    read = {
        each["id"]: one(account().read_callback(delivery(NOTIFY_PATH_SUFFIX, each["input"]["body_json"])))
        for each in VECTORS
        if each["id"] in {"notify-ok", "notify-ok-dynamic", "notify-unknown"}
    }

    assert read["notify-ok"].reference == "HPB7K2QF9XA"
    assert read["notify-ok-dynamic"].reference is None
    assert "HPB7K2QF9XA" in read["notify-ok-dynamic"].transfer_text
    assert read["notify-unknown"].reference == "HPBNOTFOUND"
    assert "HPB7K2QF9XA" not in read["notify-unknown"].transfer_text, "the remark must not pay another's bill"


@vectors("inquiry")
def test_inquiry_is_judged_and_answered_as_in_the_vectors(vector):
    bank, expected = account(), vector["expected"]
    callback = delivery(INQUIRY_TAIL, vector["input"]["body_json"])
    if expected["valid"]:
        inquiry = bank.read_callback(callback)
        assert inquiry == BillInquiry("HPB7K2QF9XA")
        state = BillState.PAID if vector["id"] == "inq-already-paid" else BillState.OPEN
        remaining = 0 if state is BillState.PAID else 350_000
        bill = Bill(reference="HPB7K2QF9XA", remaining=remaining, state=state, created_at=AT, expires_at=None)
        answer = bank.answer_inquiry(callback, inquiry, bill)
    else:
        with pytest.raises(BadSignature) as raised:
            bank.read_callback(callback)
        answer = raised.value.reply

    document = json.loads(answer.body)
    assert document["data"] == expected["response_data"]
    assert document["header"]["signature"] == expected["response_signature"]
    assert document["header"]["msgType"] == "1110"


@vectors("paybill")
def test_paybill_is_judged_and_answered_as_in_the_vectors(vector):
    bank = account(bidv_settings(secrets=vector["secret"]))
    callback = delivery("paybill", vector["input"]["body_json"])

    notice = one(bank.read_callback(callback))

    assert (notice.outcome, notice.amount, notice.reference) == (Outcome.SUCCEEDED, 350_000, "HPB7K2QF9XA")
    assert json.loads(bank.answer_callback(callback, Verdict.ACCEPTED, "r").body) == vector["expected"]["response"]
    profile = shipped_profile("bidv_collection")
    values = read_values(json.loads(vector["input"]["body_json"]), profile.notification)
    signed = [values[name] for name in profile.notification.signed]
    assert signed_text(signed, profile.signing, vector["secret"]) == vector["expected"]["checksum_text"]


@vectors("reconciliation_file")
def test_file_of_a_day_is_judged_as_in_the_vectors(vector):
    content, expected = vector["input"]["text"].encode(), vector["expected"]
    if not expected["all_record_checksums_valid"]:
        line = next(
            number
            for number, text in enumerate(vector["input"]["text"].split("\n"), start=1)
            if f"|{expected['bad_records'][0]}|" in text
        )
        with pytest.raises(SettlementUnreadable) as raised:
            list(account(reconciliation_key=vector["key"]).read_settlement(BytesIO(content)))
        assert raised.value.line == line
        return
    lines = tuple(account(reconciliation_key=vector["key"]).read_settlement(BytesIO(content)))
    ours = [_receipt(each) for each in vector["input"]["our_receipts"]]

    assert len(lines) == expected["records"]
    assert lines == read_file(content, vector["key"]).lines
    assert {name: how.value for name, how in compare(lines, ours).items()} == expected["statuses"]


def _receipt(document: dict[str, Any]) -> OurReceipt:
    timestamp = parse_vietnam_timestamp(document["transTime"])
    return OurReceipt(transaction=document["transId"], amount=int(document["amount"]), occurred_at=timestamp)

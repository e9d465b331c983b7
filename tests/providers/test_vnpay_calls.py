"""Requests to VNPAY: status queries, refunds, and faults of the network; the daily file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from io import BytesIO

import httpx
import pytest
import respx

from providers.contract import Notices, Outcome, SettlementUnreadable
from providers.notices import VIETNAM
from providers.vnpay.signing import HASH_FIELD, QUERY_ANSWER, QUERY_REQUEST, REFUND_ANSWER, listed_text, secure_hash
from tests.providers.network_faults import AFTER_SENDING, BEFORE_SENDING
from tests.providers.vnpay_samples import API, KNOWN, REFUND, SECRET, signed_answer, signed_ipn, terminal


@pytest.fixture
def vnpay() -> Iterator[respx.Route]:
    with respx.mock(assert_all_called=False) as world:
        yield world.post(API)


def answered(**changed: str) -> httpx.Response:
    return httpx.Response(200, json=signed_answer(QUERY_ANSWER, **changed))


async def queried() -> Notices:
    async with httpx.AsyncClient() as client:
        return await terminal(client).query_payment(KNOWN)


async def test_paid_is_reported_as_its_ipn_reports_it(vnpay):
    vnpay.return_value = answered()

    result = await queried()

    called_back = terminal().read_callback(signed_ipn())
    assert isinstance(called_back, Notices)
    (ours,), (theirs,) = result.notices, called_back.notices
    assert (ours.event_key, ours.movement_keys, ours.fingerprint) == (
        theirs.event_key,
        theirs.movement_keys,
        theirs.fingerprint,
    )
    assert result.evidence


async def test_question_is_signed_and_dated_by_the_payment(vnpay):
    vnpay.return_value = answered()

    await queried()

    sent = json.loads(vnpay.calls.last.request.content)
    assert (sent["vnp_TransactionDate"], sent["vnp_CreateDate"]) == ("20260102091000", "20260102094500")
    assert sent[HASH_FIELD] == secure_hash(SECRET.encode(), listed_text(sent, QUERY_REQUEST))
    assert len(sent["vnp_RequestId"]) == 32


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"vnp_TransactionStatus": "01", "vnp_TransactionNo": "0", "vnp_PayDate": ""}, Outcome.PENDING),
        ({"vnp_TransactionStatus": "02"}, Outcome.FAILED),
        ({"vnp_TransactionStatus": "07"}, Outcome.REVIEW),
        ({"vnp_TransactionStatus": "42"}, Outcome.UNKNOWN),
        ({"vnp_ResponseCode": "91"}, Outcome.NOT_FOUND),
        ({"vnp_ResponseCode": "94"}, Outcome.UNKNOWN),
        ({"vnp_ResponseCode": "97"}, Outcome.UNKNOWN),
        ({"vnp_TransactionType": "02"}, Outcome.UNKNOWN),
        ({"vnp_TxnRef": "K7ABCDEFS"}, Outcome.UNKNOWN),
        ({"vnp_TmnCode": "FAKETMN2"}, Outcome.UNKNOWN),
        ({"vnp_Command": "refund"}, Outcome.UNKNOWN),
        ({"vnp_Amount": "35e6"}, Outcome.UNKNOWN),
    ],
)
async def test_answer_is_read_by_both_its_codes(vnpay, changed, outcome):
    vnpay.return_value = answered(**changed)

    assert [notice.outcome for notice in (await queried()).notices] == [outcome]


async def test_answer_of_another_secret_is_no_answer(vnpay):
    vnpay.return_value = httpx.Response(
        200, json=signed_answer(QUERY_ANSWER, secret="ANOTHERSECRETANOTHERSECRET000001")
    )

    assert (await queried()).notices[0].outcome is Outcome.UNKNOWN


async def test_whatever_is_no_answer_is_unknown(vnpay):
    vnpay.side_effect = AFTER_SENDING["timeout after sending"]

    assert [notice.outcome for notice in (await queried()).notices] == [Outcome.UNKNOWN]


async def test_refund_without_an_answer_is_unknown_and_shows_no_secret(vnpay, caplog, capsys):
    vnpay.side_effect = AFTER_SENDING["timeout after sending"]

    async with httpx.AsyncClient() as client:
        result = await terminal(client).refund(REFUND)

    assert result.outcome is Outcome.UNKNOWN
    assert vnpay.call_count == 1
    assert SECRET not in caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("trouble", sorted(BEFORE_SENDING))
async def test_refund_that_was_never_sent_has_failed(vnpay, trouble):
    vnpay.side_effect = BEFORE_SENDING[trouble]

    async with httpx.AsyncClient() as client:
        assert (await terminal(client).refund(REFUND)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("00", Outcome.PENDING),
        ("94", Outcome.PENDING),
        ("91", Outcome.FAILED),
        ("95", Outcome.FAILED),
        ("99", Outcome.UNKNOWN),
        ("77", Outcome.UNKNOWN),
    ],
)
async def test_refund_is_accepted_or_refused_by_its_code(vnpay, code, outcome):
    vnpay.return_value = httpx.Response(
        200, json=signed_answer(REFUND_ANSWER, vnp_Command="refund", vnp_ResponseCode=code)
    )

    async with httpx.AsyncClient() as client:
        assert (await terminal(client).refund(REFUND)).outcome is outcome


@pytest.mark.parametrize(("amount", "kind"), [(350_000, "02"), (1_000, "03")])
async def test_refund_states_whole_or_part_and_keeps_its_id_when_repeated(vnpay, amount, kind):
    vnpay.return_value = httpx.Response(200, json=signed_answer(REFUND_ANSWER, vnp_Command="refund"))

    async with httpx.AsyncClient() as client:
        for _ in range(2):
            await terminal(client).refund(replace(REFUND, amount=amount))

    first, again = (json.loads(call.request.content) for call in vnpay.calls)
    assert (first["vnp_TransactionType"], first["vnp_Amount"]) == (kind, str(amount * 100))
    assert first["vnp_RequestId"] == again["vnp_RequestId"]


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        ("02", "05", Outcome.PENDING),
        ("02", "06", Outcome.PENDING),
        ("02", "09", Outcome.FAILED),
        ("02", "00", Outcome.SUCCEEDED),
        ("01", "00", Outcome.UNKNOWN),
    ],
)
async def test_refund_is_followed_by_querydr(vnpay, kind, status, outcome):
    vnpay.return_value = answered(vnp_TransactionType=kind, vnp_TransactionStatus=status)

    async with httpx.AsyncClient() as client:
        result = await terminal(client).query_refund(REFUND, provider_reference="", queried_at=KNOWN.queried_at)

    assert result.outcome is outcome


@pytest.mark.parametrize("status", ["00", "05", "09"])
@pytest.mark.parametrize("changed", [{"vnp_Amount": "5000000"}, {"vnp_Amount": ""}])
async def test_end_of_another_part_is_not_taken_for_the_end_of_this_one(vnpay, status, changed):
    vnpay.return_value = answered(vnp_TransactionType="03", vnp_TransactionStatus=status, **changed)

    async with httpx.AsyncClient() as client:
        part = replace(REFUND, amount=100_000)
        result = await terminal(client).query_refund(part, provider_reference="", queried_at=KNOWN.queried_at)

    assert result.outcome is (Outcome.PENDING if status == "05" else Outcome.UNKNOWN)


# ---- the daily file

COLUMNS = {
    "transaction": "Mã GD VNPAY",
    "reference": "Mã đơn hàng",
    "amount": "Số tiền",
    "fee": "Phí",
    "status": "Trạng thái",
    "paid_statuses": ["Thành công"],
    "refunded_statuses": ["Hoàn tiền"],
    "occurred_at": "Thời gian",
    "thousands": ",",
}
HEADER = "Mã đơn hàng,Mã GD VNPAY,Số tiền,Phí,Trạng thái,Thời gian\n"


def report(lines: str, **changed: object) -> list[object]:
    gateway = terminal(report={**COLUMNS, **changed})
    return list(gateway.read_settlement(BytesIO((HEADER + lines).encode("utf-8-sig"))))


def test_report_is_read_by_the_columns_of_the_settings():
    lines = report(
        'K7ABCDEFR,14000001,"350,000",3850,Thành công,02/01/2026 09:15:30\n'
        'K7ABCDEFR,14000009,"50,000",0,Hoàn tiền,02/01/2026 10:00:00\n'
        'K7ABCDEFS,14000002,"1,000",0,Lỗi,02/01/2026 10:00:00\n'
    )

    assert [(line.number, line.transaction, line.amount, line.fee, line.movement.value) for line in lines] == [
        (2, "14000001", 350_000, 3_850, "received"),
        (3, "14000009", 50_000, 0, "refunded"),
    ]


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("K7ABCDEFR,1.4E+07,1000,0,Thành công,02/01/2026 09:15:30\n", "line 2: .*spreadsheet"),
        ("K7ABCDEFR,14000001,9.7E+12,0,Thành công,02/01/2026 09:15:30\n", "line 2: .*amount"),
        ("K7ABCDEFR,14000001,1000.5,0,Thành công,02/01/2026 09:15:30\n", "line 2: .*whole"),
        ("K7ABCDEFR,14000001,1000,0,Thành công,2026-01-02\n", "line 2: .*timestamp"),
        ("K7ABCDEFR,14000001,1000\n", "line 2: 3 cells"),
    ],
)
def test_report_with_one_wrong_line_is_refused_whole(lines, wrong):
    with pytest.raises(SettlementUnreadable, match=wrong):
        report(lines)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%m/%Y %H:%M:%S", "02/01/2026 09:15:30"),
        ("%d/%m/%Y %H:%M:%S", "2/1/2026 9:15:30"),
        ("%Y%m%d%H%M%S", "20260102091530"),
        ("%H:%M:%S %d.%m.%Y", "09:15:30 02.01.2026"),
        ("%d/%m/%Y %I:%M:%S %p", "02/01/2026 09:15:30 AM"),
    ],
)
def test_timestamp_is_read_in_the_form_of_the_settings(form, text):
    [line] = report(f'K7ABCDEFR,14000001,"1,000",0,Thành công,{text}\n', timestamp_format=form)

    assert line.occurred_at == datetime(2026, 1, 2, 9, 15, 30, tzinfo=VIETNAM)


@pytest.mark.parametrize("text", ["32/01/2026 09:15:30", "02/01/2026 24:15:30", "02/01/2026"])
def test_timestamp_of_another_form_or_without_meaning_is_refused(text):
    with pytest.raises(SettlementUnreadable, match=r"line 2: .*timestamp"):
        report(f'K7ABCDEFR,14000001,"1,000",0,Thành công,{text}\n')


def test_report_without_a_column_is_refused():
    with pytest.raises(SettlementUnreadable, match="'Số tham chiếu' stands 0 times"):
        report("", reference="Số tham chiếu")


def test_report_that_nobody_described_is_refused():
    with pytest.raises(SettlementUnreadable, match="settings"):
        terminal().read_settlement(BytesIO())

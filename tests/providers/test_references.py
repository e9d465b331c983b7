"""Placeholders in the place of a reference or an id."""

import pytest

from providers.contract import Outcome
from providers.references import is_placeholder, without_placeholder
from providers.sepay.message import read_webhook
from tests.providers.bank_collection_samples import account, notify, one
from tests.providers.sepay_samples import TRANSFER


@pytest.mark.parametrize(
    "text",
    ["", " ", "\t\u00a0", "-", "--", "_", ".", "*", "/", "0", "00000", "0-0", "NONREF", "nonref", "Non Ref", "null",
     "NULL", "(null)", "None", "nil", "N/A", "n.a.", "na", "NaN", "undefined", "NOTPROVIDED", "Không có", "khong",
     "xxxx"],
)  # fmt: skip
def test_placeholder_is_no_reference(text):
    assert is_placeholder(text)
    assert without_placeholder(text) == ""


@pytest.mark.parametrize("text", ["1", "0001", "9051", "FT26002000001", "NA1", "N0", "X1", "NULL7", "00000A", " FT1 "])
def test_reference_is_no_placeholder(text):
    assert not is_placeholder(text)
    assert without_placeholder(text) == text.strip()


@pytest.mark.parametrize("text", ["-", "0", "NONREF", "null", "N/A", " ", ""])
def test_sepay_transfer_of_a_placeholder_has_its_id_alone(text):
    notice = read_webhook({**TRANSFER, "referenceCode": text}).notice(Outcome.SUCCEEDED, is_other_account=False)

    assert notice.movement_keys == {f"transaction:{TRANSFER['id']}"}
    assert notice.bank_reference == ""


@pytest.mark.parametrize("number", [0, "0", "-", "null"])
@pytest.mark.parametrize(
    "changed",
    [{"transferAmount": 1}, {"content": "khac", "description": "khac"}, {"transactionDate": "2026-01-03 00:00:00"}],
)
def test_sepay_transfers_without_an_id_are_distinguished_by_what_they_state(number, changed):
    first, again, other = (
        read_webhook({**TRANSFER, "id": number, **each}).notice(Outcome.SUCCEEDED, is_other_account=False)
        for each in ({}, {}, changed)
    )

    assert (first.event_key, first.movement_keys) == (again.event_key, again.movement_keys)
    assert first.event_key != other.event_key
    assert {key for key in first.movement_keys & other.movement_keys if not key.startswith("bank:")} == set()


@pytest.mark.parametrize("text", ["-", "0", "NONREF"])
def test_bank_collection_takes_no_placeholder_for_a_name(text):
    by_id = one(account().read_callback(notify(bankTransId=text)))
    first, again, other = (
        one(account().read_callback(notify(transId=text, **each))) for each in ({}, {}, {"remark": "khac"})
    )

    assert {key.partition(":")[0] for key in by_id.movement_keys} == {"transaction"}
    assert (first.event_key, first.movement_keys) == (again.event_key, again.movement_keys)
    assert first.event_key != other.event_key

"""The token of vietqr.vn: given for the password alone, valid until it ends, of one account."""

import base64
import json
from datetime import timedelta

import pytest

from providers.contract import (
    BadSignature,
    Reply,
)
from providers.vietqr.adapter import SYNC_PATH_SUFFIX, TOKEN_PATH_SUFFIX
from providers.vietqr.signing import basic_authorization
from tests.providers.vietqr_samples import AT, PASSWORD, SYNC, USER, account, delivery, one, token


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        basic_authorization(USER, "wrong"),
        basic_authorization("other", PASSWORD),
        basic_authorization("", ""),
        "Basic !!",
        "Bearer " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    ],
)
def test_no_token_for_anybody_else(wrong):
    with pytest.raises(BadSignature) as raised:
        account().read_callback(delivery(TOKEN_PATH_SUFFIX, authorization=wrong))

    assert raised.value.reply.status == 401
    assert json.loads(raised.value.reply.body)["status"] == "FAILED"


def test_any_token_that_has_not_ended_is_good_and_none_that_has():
    bank = account()
    older, newer = token(bank, at=AT - timedelta(seconds=299)), token(bank)

    for good in (older, newer):
        assert one(bank.read_callback(delivery(SYNC_PATH_SUFFIX, json.dumps(SYNC), authorization=f"Bearer {good}")))
    later = AT + timedelta(seconds=1)
    with pytest.raises(BadSignature):
        bank.read_callback(delivery(SYNC_PATH_SUFFIX, json.dumps(SYNC), authorization=f"Bearer {older}", at=later))


@pytest.mark.parametrize("shown", [None, "Bearer ", "Bearer x", "Bearer 9999999999.0123456789abcdef." + "0" * 64])
def test_call_back_without_a_token_of_ours_is_refused_in_their_words(shown):
    with pytest.raises(BadSignature) as raised:
        account().read_callback(delivery(SYNC_PATH_SUFFIX, json.dumps(SYNC), authorization=shown))

    result = json.loads(raised.value.reply.body)
    assert (raised.value.reply.status, result["error"], result["object"]) == (401, True, None)


def test_token_of_another_account_is_refused():
    other = account(passwords="FAKE_OTHER_PASSWORD_0001")
    given = other.read_callback(
        delivery(TOKEN_PATH_SUFFIX, authorization=basic_authorization(USER, "FAKE_OTHER_PASSWORD_0001"))
    )
    assert isinstance(given, Reply)
    shown = json.loads(given.body)["access_token"]

    with pytest.raises(BadSignature):
        account().read_callback(delivery(SYNC_PATH_SUFFIX, json.dumps(SYNC), authorization=f"Bearer {shown}"))


def test_account_that_gave_nobody_a_password_takes_no_call_back():
    plain = account(username="", passwords=())

    for callback in (
        delivery(TOKEN_PATH_SUFFIX, authorization=basic_authorization("", "")),
        delivery(SYNC_PATH_SUFFIX, json.dumps(SYNC), authorization=f"Bearer {token(account())}"),
    ):
        with pytest.raises(BadSignature):
            plain.read_callback(callback)

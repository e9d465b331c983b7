"""A message of the sandbox bank that is not authentic: changed, cut, signed with another secret, too old."""

from datetime import timedelta

import pytest

from providers.contract import (
    BadSignature,
    Reply,
)
from providers.sandbox.adapter import Sandbox
from tests.providers.sandbox_samples import NOW, SANDBOX, SETTINGS, delivery, message_body


def _refused(callback):
    with pytest.raises(BadSignature) as refused:
        SANDBOX.read_callback(callback)
    assert refused.value.reply == Reply(status=401, body=b'{"result": "bad_signature"}')


def test_changed_byte_anywhere_in_the_body_is_refused():
    body = message_body()
    headers = delivery(body).headers
    for position in range(len(body)):
        for flip in (0x01, 0x20):
            changed = bytearray(body)
            changed[position] ^= flip
            _refused(delivery(bytes(changed), headers=headers))


@pytest.mark.parametrize("changed", [b"", b" ", message_body() + b"\n", b" " + message_body(), message_body()[:-1]])
def test_lengthened_or_cut_body_is_refused(changed):
    _refused(delivery(changed, headers=delivery(message_body()).headers))


def test_changed_character_anywhere_in_the_header_is_refused():
    (header,) = delivery(message_body()).headers
    name, value = header
    for position in range(len(value)):
        for letter in ("0", "f", "A", ",", "\u0660", ""):
            changed = value[:position] + letter + value[position + 1 :]
            if changed != value:
                _refused(delivery(message_body(), headers=[(name, changed)]))


def test_other_secret_is_refused():
    _refused(delivery(message_body(), key=b"another-secret-of-tests"))


def test_missing_header_is_refused():
    _refused(delivery(message_body(), headers=[]))


def test_header_that_stands_twice_is_refused():
    (header,) = delivery(message_body()).headers

    _refused(delivery(message_body(), headers=[header, header]))


@pytest.mark.parametrize(
    "value", ["", "t=,v1=", "v1=00", "t=1", "t=1,v1=zz", "\ud800", "t=" + "9" * 5_000 + ",v1=" + "0" * 64]
)
def test_header_of_another_shape_is_refused(value):
    _refused(delivery(message_body(), headers=[("x-sandbox-signature", value)]))


@pytest.mark.parametrize("seconds", [-301, 301, -86_400])
def test_signature_too_old_or_too_early_is_refused(seconds):
    _refused(delivery(message_body(), signed_at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-300, 300])
def test_signature_at_the_edge_of_the_tolerance_is_taken(seconds):
    assert SANDBOX.read_callback(delivery(message_body(), signed_at=NOW + timedelta(seconds=seconds)))


def test_tolerance_is_a_setting():
    strict = Sandbox(SETTINGS.model_copy(update={"tolerance_s": 5}), client=None)

    with pytest.raises(BadSignature):
        strict.read_callback(delivery(message_body(), signed_at=NOW - timedelta(seconds=6)))

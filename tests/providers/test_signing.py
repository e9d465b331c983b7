import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.signing import hmac_sha256_hex, is_same_secret, read_json_object
from providers.strict_json import NotStrictJson


def test_hmac_is_that_of_the_standard():
    # RFC 4231, test case 2.
    assert hmac_sha256_hex(b"Jefe", b"what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_same_secret_is_the_same():
    assert is_same_secret("ab12", "ab12")


@pytest.mark.parametrize("received", ["", "ab1", "ab123", "AB12", "ab1\u0662", "\ud800", None, b"ab12", 12, ["ab12"]])
def test_anything_else_is_not_the_same_and_raises_nothing(received):
    assert not is_same_secret("ab12", received)


def test_object_is_read_with_whole_and_exact_numbers():
    decoded = read_json_object('{"a": 350000, "b": 0.10, "c": "Viện phí", "d": [true, null], "e": -0}'.encode())

    assert decoded == {"a": 350_000, "b": Decimal("0.10"), "c": "Viện phí", "d": [True, None], "e": 0}
    assert type(decoded["a"]) is int
    assert type(decoded["b"]) is Decimal


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'{"a": 1} x', "no JSON"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b'{"a": 01}', "no JSON"),
        (b"{'a': 1}", "no JSON"),
        (b'{"a": "\n"}', "no JSON"),
        (b'{"a": "\xff"}', "no UTF-8"),
        (b'{"a": 1, "a": 1}', "a key stands twice"),
        (b'{"a": {"b": 1, "b": 2}}', "a key stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "a key stands twice"),
        (b'{"a": NaN}', "is not a number"),
        (b'{"a": Infinity}', "is not a number"),
        (b'{"a": [-Infinity]}', "is not a number"),
        (b"[]", "a JSON object is expected"),
        (b"1", "a JSON object is expected"),
        (b"null", "a JSON object is expected"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": [{"b": "\\ud800"}]}', "half a character"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "more than 60 characters"),
        (b'{"a": 1e99999999999999999999}', "too large an exponent"),
        (b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "too deep"),
        (b'{"a":' * 10_000, "too deep"),
        (b'{"a": "' + b"x" * 65_536 + b'"}', "longer than"),
    ],
    ids=range(25),
)
def test_body_that_is_no_strict_object_is_refused_by_name(body, reason):
    with pytest.raises(NotStrictJson, match=reason):
        read_json_object(body)


def test_limit_of_size_is_the_callers():
    assert read_json_object(b'{"a": 1}', size_max=8) == {"a": 1}
    with pytest.raises(NotStrictJson):
        read_json_object(b'{"a": 1}', size_max=7)


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", max_size=3), _values, max_size=4))
def test_any_plain_object_is_read_back(decoded):
    assert read_json_object(json.dumps(decoded).encode()) == decoded


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(body):
    with contextlib.suppress(NotStrictJson):
        assert isinstance(read_json_object(body), dict)

"""JSON of the database: every digit kept, nothing inexact let in."""

from decimal import Decimal

import pytest

from billing.db.json_codec import decode_json, encode_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (2**63, "9223372036854775808"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        ("viện phí", '"viện phí"'),
        ({"a": [1, {"b": "\n"}]}, '{"a":[1,{"b":"\\n"}]}'),
    ],
)
def test_value_is_written_and_read_back_exactly(value: object, text: str) -> None:
    assert encode_json(value) == text
    assert decode_json(text) == value


@pytest.mark.parametrize("value", [0.5, b"x", {1: 2}, object(), {1, 2}])
def test_value_without_an_exact_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode_json(value)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_number_that_is_none_is_refused(value: Decimal) -> None:
    with pytest.raises(ValueError, match="no number"):
        encode_json(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{"])
def test_text_that_is_ambiguous_or_broken_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_json(text)

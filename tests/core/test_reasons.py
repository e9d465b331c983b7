"""The rule for the reasons that persons state."""

import pytest

from billing.core.errors import InvalidValue
from billing.core.reasons import REASON_LENGTH_MAX, read_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("  nhập   nhầm\n", "nhập nhầm"), ("abc", "abc"), ("x" * REASON_LENGTH_MAX, "x" * REASON_LENGTH_MAX)],
)
def test_reason_is_one_line(text: str, reason: str) -> None:
    assert read_reason(text) == reason


@pytest.mark.parametrize("text", ["", "ab", " a ", "x" * (REASON_LENGTH_MAX + 1), "ab\x00cd", "abc\u202edef"])
def test_reason_that_is_too_short_too_long_or_not_printable_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as error:
        read_reason(text, field="note")
    assert error.value.field == "note"

"""A setting of another form is refused in words, not by a pattern."""

import pytest
from pydantic import BaseModel, Field, ValidationError

from providers.settings_problems import wrong_fields


@pytest.mark.parametrize(
    ("pattern", "result"),
    [
        (r"^[0-9]{6}$", "must be 6 digits"),
        (r"^[0-9A-Za-z]{1,19}$", "must be 1 to 19 digits, letters"),
        (r"^[a-z0-9-]{1,60}$", "must be 1 to 60 digits, small letters, -"),
        (r"^[0-9A-Za-z .,-]{1,60}$", "must be 1 to 60 digits, letters, . , - and spaces"),
        (r"^(https?://[!-~]{1,500})$", "must match the pattern ^(https?://[!-~]{1,500})$"),
    ],
)
def test_form_is_reported_in_words(pattern: str, result: str) -> None:
    class Settings(BaseModel):
        value: str = Field(pattern=pattern)

    with pytest.raises(ValidationError) as refused:
        Settings(value="\u00e9")

    assert wrong_fields(refused.value, {"value": "\u00e9"}) == {"value": result}

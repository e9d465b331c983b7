"""The layout of one bank's statement, as data: a TOML file in `statement_profiles`, or a file of the hospital.

A profile names the headings of the columns and the words of the lines above and below the rows; no bank's rules are in
code. Words are compared without marks, case and punctuation: `Số dư đầu kỳ/ Opening balance` is
`so du dau ky opening balance`. Source: docs/reference/statements.md, section 1 (layouts are unverified until a pilot
file was read).
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from billing.core.errors import InvalidValue
from billing.core.text import normalize_heading

PROFILE_SIZE_MAX = 64 * 1024
GENERIC = "generic"
"""The profile of any table whose headings are usual ones; applied only if no bank's profile fits."""

MAPPED = "mapped"
"""The profile of a table whose columns a person named."""

Role = Literal[
    "line_number",
    "booked_on",
    "value_on",
    "reference",
    "text",
    "debit",
    "credit",
    "amount",
    "mark",
    "fee",
    "tax",
    "balance",
    "currency",
    "counterparty_name",
    "counterparty_account",
    "counterparty_bank",
]


class ProfileRefused(InvalidValue):
    """A profile that is missing or invalid; names the fields."""

    code = "statement_profile_invalid"


def _normalized(words: str) -> str:
    found = normalize_heading(words) or words.strip()
    if not found:
        raise ValueError("is empty")
    return found


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError("is no regular expression") from error
    return text


Words = Annotated[str, AfterValidator(_normalized)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Recognition(_Part):
    """Marks of the layout: one of `titles` in the lines above the headings, or one of `sheets` in the sheet's name.

    Without both, the headings alone decide. `section` begins the part of another account in the same sheet.
    """

    titles: tuple[Words, ...] = ()
    sheets: tuple[Words, ...] = ()
    section: tuple[Words, ...] = ()


class Ends(_Part):
    """The words in front of the values above and below the rows.

    `value` is the place of a value that does not stand in the cell of its words: the next filled cell to the right,
    the last number of the row, or the cell below. Lines with one of `not_account` name another number.
    """

    account: tuple[Words, ...] = ()
    not_account: tuple[Words, ...] = ()
    opening: tuple[Words, ...] = ()
    closing: tuple[Words, ...] = ()
    period: tuple[Words, ...] = ()
    currency: tuple[Words, ...] = ()
    value: Literal["right", "last", "below"] = "right"


class Rows(_Part):
    """The rules of the rows.

    `undated`: a row with amounts and without a day has the day of the row above (`fill_down`), is the total (`total`)
    or is refused. `total`: words of the row that ends the rows. `total_states` what the total row holds in the columns
    of amounts: their sums, or something else. `numbered`: only rows with a number in `line_number` are movements.
    `reference_after_day`: the cell of the day holds the reference too. `reference_in_text` finds the reference in the
    narrative where its column is empty; its first group, if it has one, is the reference.
    `debit_marks` and `credit_marks` are the beginnings of the texts in the column `mark`.
    """

    undated: Literal["fill_down", "total", "refuse"] = "refuse"
    total: tuple[Words, ...] = ()
    total_states: Literal["sums", "other"] = "other"
    numbered: bool = False
    reference_after_day: bool = False
    reference_in_text: Pattern | None = None
    debit_marks: tuple[str, ...] = ()
    credit_marks: tuple[str, ...] = ()


class Profile(_Part):
    """The layout of one kind of statement.

    `columns` names for each column its possible headings, the preferred ones first. `complete_with` is the mark by
    which a cut file is recognised: the stated closing balance, the total row, either of them, or nothing.
    """

    name: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    bank: str
    verified: bool = False
    recognition: Recognition = Recognition()
    columns: Mapping[Role, tuple[Words, ...]]
    optional: tuple[Role, ...] = ()
    ends: Ends = Ends()
    rows: Rows = Rows()
    complete_with: Literal["closing", "total", "closing_or_total", "nothing"]

    @model_validator(mode="after")
    def _is_sufficient(self) -> Self:
        required = self.required
        if not {"booked_on", "text"} <= required:
            raise ValueError("the columns booked_on and text are needed")
        if not ({"debit", "credit"} <= required or "amount" in required):
            raise ValueError("the columns debit and credit, or amount, are needed")
        if "balance" not in required and not (self.ends.opening and self.ends.closing):
            raise ValueError("without a column balance, the words of opening and closing balance are needed")
        if "mark" in self.columns and not (self.rows.debit_marks and self.rows.credit_marks):
            raise ValueError("the column mark needs rows.debit_marks and rows.credit_marks")
        return self

    @property
    def required(self) -> set[Role]:
        """The columns without which a table is not of this layout."""
        return set(self.columns) - set(self.optional)


@cache
def shipped_profiles() -> Mapping[str, Profile]:
    """The profiles of this program by name."""
    folder = resources.files("billing.reconciliation.formats").joinpath("statement_profiles")
    found = [read_profile(each.read_text("utf-8")) for each in folder.iterdir() if each.name.endswith(".toml")]
    return {profile.name: profile for profile in sorted(found, key=lambda profile: profile.name)}


def mapped_profile(headings: Mapping[Role, str]) -> Profile:
    """The layout of a table whose columns a person named by their headings; the rest as the generic layout.

    Raises ProfileRefused naming what is missing.
    """
    generic = shipped_profiles()[GENERIC]
    try:
        return Profile(
            name=MAPPED,
            bank="columns named by a person",
            columns={role: (heading,) for role, heading in headings.items()},
            ends=generic.ends,
            rows=generic.rows,
            complete_with="nothing",
        )
    except ValidationError as error:
        wrong = [str(each["msg"]).removeprefix("Value error, ") for each in error.errors()]
        raise ProfileRefused("; ".join(wrong), field="columns") from None


def find_profile(name: str) -> Profile:
    """A shipped profile by name, or the profile in a file whose path ends in `.toml`. Raises ProfileRefused."""
    if name.endswith(".toml"):
        return profile_of_file(Path(name))
    profile = shipped_profiles().get(name)
    if profile is None:
        raise ProfileRefused(f"there is no profile of this name; known are {', '.join(shipped_profiles())}")
    return profile


def profile_of_file(path: Path) -> Profile:
    """The profile in a file. Raises ProfileRefused."""
    try:
        with path.open("rb") as stream:
            content = stream.read(PROFILE_SIZE_MAX + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileRefused("the profile cannot be read as a text in UTF-8") from error
    if len(content) > PROFILE_SIZE_MAX:
        raise ProfileRefused(f"the profile has more than {PROFILE_SIZE_MAX} bytes")
    return read_profile(text)


def read_profile(text: str) -> Profile:
    """A profile written in TOML. Raises ProfileRefused naming the invalid fields."""
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileRefused(f"the profile is no TOML: {error}") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'profile'}: {each['msg']}" for each in error.errors()]
        raise ProfileRefused(f"the profile is invalid: {'; '.join(wrong)}") from None

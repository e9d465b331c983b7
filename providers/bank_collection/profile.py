"""The profile of one bank, as data: paths of its calls, names of its fields, signed values and algorithm.

A profile is a TOML file, shipped (`profiles/`) or the hospital's own; no bank's rules are in code. Fields have our
names (`transaction`, `timestamp`, `amount` …); a profile states the path of each in the message (`data.transId`; a
number is an index in a list that holds exactly that many) and its form. Source: docs/reference/providers.md, bank
collection: the schemas in circulation; each contract differs, so every line can be changed.
"""

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_PATH_SUFFIX = r"^[0-9A-Za-z._~/-]{0,200}$"
_NAME = re.compile(r"[a-z0-9_]{1,60}")
_FILE_SIZE_MAX = 64 * 1024
_REQUIRED = {"transaction", "amount"}
_OURS = {"code", "description", "signature", "name", "bill", "term", "amount_due"}


class ProfileRefused(ValueError):
    """A profile that is missing or invalid; names fields, never a value."""


class Algorithm(StrEnum):
    """The signature algorithm. SHA-1 and MD5 are for old contracts only."""

    RSA_SHA256 = "rsa_sha256"
    RSA_SHA1 = "rsa_sha1"
    HMAC_SHA256 = "hmac_sha256"
    SHA256 = "sha256"
    MD5 = "md5"

    @property
    def is_rsa(self) -> bool:
        """Whether a key pair signs rather than a shared secret."""
        return self in {Algorithm.RSA_SHA256, Algorithm.RSA_SHA1}


class Auth(StrEnum):
    """The credential of a call in addition to its signature."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    HEADER = "header"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldForm(_Part):
    """The path and form of a field.

    `text` is any text, `name` visible ASCII, `digits` a text of digits, `integer` a JSON number, `timestamp` a time in
    the profile's format. `length` is exact, 0 if it varies; exact lengths make a concatenation without a
    separator unambiguous.
    """

    path: str = Field(pattern=r"^[0-9A-Za-z_.-]{1,100}$")
    kind: Literal["text", "name", "digits", "integer", "timestamp"] = "text"
    length_max: int = Field(default=200, ge=1, le=1000)
    length: int = Field(default=0, ge=0, le=1000)
    required: bool = False


class Signing(_Part):
    """The rules that build and sign texts, in both directions.

    `key_stands` is the place of the secret among the values of a plain hash; it is joined like a value.
    """

    algorithm: Algorithm
    separator: str = Field(default="", max_length=1)
    skips_empty: bool = False
    key_stands: Literal["nowhere", "first", "last"] = "nowhere"
    form: Literal["base64", "hex"] = "base64"

    @model_validator(mode="after")
    def _is_keyed(self) -> Self:
        if (self.algorithm in {Algorithm.SHA256, Algorithm.MD5}) != (self.key_stands != "nowhere"):
            raise ValueError("a plain hash takes the secret into its text; nothing else does")
        return self


class Answer(_Part):
    """One result as the bank's document codes it. `shows_bill`: it names the queried bill."""

    code: str = Field(max_length=10)
    text: str = Field(max_length=200)
    shows_bill: bool = False


class Answers(_Part):
    """Every result that we may reply to one kind of call."""

    ok: Answer
    bad_signature: Answer
    not_found: Answer
    paid: Answer
    expired: Answer
    duplicate: Answer
    amount_differs: Answer
    try_later: Answer
    unreadable: Answer


class Message(_Part):
    """One kind of call: the end of its address, its fields, the signed fields, and its reply.

    `answer` maps each path of the reply to its value: `=text` is that text, any other value is one of our names
    (a field of the call, `code`, `description`, `signature` and, for an inquiry, `name`, `bill`, `term`,
    `amount_due`), or an empty text. A reply without `signature` is not signed.
    """

    path_suffix: str = Field(pattern=_PATH_SUFFIX)
    signature: str
    fields: Mapping[str, FieldForm]
    signed: tuple[str, ...] = Field(min_length=1)
    answer: Mapping[str, str]
    answer_signed: tuple[str, ...] = ()
    answers: Answers

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        unknown = set(self.signed) - set(self.fields)
        if unknown:
            raise ValueError(f"signed fields without a place: {', '.join(sorted(unknown))}")
        stated = {each for each in self.answer.values() if each and not each.startswith("=")}
        unknown = (stated | set(self.answer_signed)) - set(self.fields) - _OURS
        if unknown:
            raise ValueError(f"an answer of what is not known: {', '.join(sorted(unknown))}")
        if ("signature" in self.answer.values()) != bool(self.answer_signed):
            raise ValueError("an answer is signed where its signature stands, and only there")
        return self


class Inquiry(Message):
    """`name_format` is the text shown to the payer: the hospital, the code, the amount; never the patient."""

    name_format: str = "{company}_{code}_{amount}VND"
    code_fields: tuple[str, ...] = ("customer",)


class Notification(Message):
    """`dedupe` identifies one movement; `match_by` are the fields searched for our code, in that order; `remark` is
    free text. Unsigned fields are never matched.

    `credits` and `debits` are the values of `direction` for money in and out; empty `credits`: every notification is
    money in. A person reviews every other value.
    """

    dedupe: tuple[str, ...] = ("transaction",)
    references_restart_daily: bool = False
    match_by: tuple[str, ...] = ("virtual_account", "customer", "bill", "remark")
    credits: tuple[str, ...] = ()
    debits: tuple[str, ...] = ()
    duplicate_answer: Literal["repeat", "code"] = "repeat"

    @model_validator(mode="after")
    def _can_be_booked(self) -> Self:
        unsigned = (_REQUIRED | set(self.dedupe)) - set(self.signed)
        if unsigned:
            raise ValueError(f"money cannot be booked by unsigned fields: {', '.join(sorted(unsigned))}")
        return self


class Profile(_Part):
    """The complete agreement with one bank."""

    name: str
    auth: Auth = Auth.NONE
    auth_header: str = Field(default="", pattern=r"^[a-z0-9-]{0,60}$")
    token_path_suffix: str = Field(default="", pattern=_PATH_SUFFIX)
    timestamp_format: Literal["compact", "iso", "ms"] = "compact"
    signing: Signing
    inquiry: Inquiry | None = None
    notification: Notification

    @model_validator(mode="after")
    def _addresses_differ(self) -> Self:
        path_suffixes = [self.notification.path_suffix, *([self.inquiry.path_suffix] if self.inquiry else [])]
        path_suffixes += [self.token_path_suffix] if self.auth is Auth.BEARER else []
        if len(set(path_suffixes)) != len(path_suffixes):
            raise ValueError("two kinds of call have the same address")
        if self.auth is Auth.HEADER and not self.auth_header:
            raise ValueError("auth_header is missing")
        return self


@cache
def shipped_profile(name: str) -> Profile:
    """A shipped profile. Raises ProfileRefused if none has that name."""
    file = resources.files("providers.bank_collection") / "profiles" / f"{name}.toml"
    if not _NAME.fullmatch(name) or not file.is_file():
        raise ProfileRefused("there is no such profile")
    return read_profile(file.read_text("utf-8"))


def profile_of_file(path: Path) -> Profile:
    """The hospital's own profile. Raises ProfileRefused."""
    try:
        content = path.read_bytes()[: _FILE_SIZE_MAX + 1]
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileRefused("the profile cannot be read") from error
    if len(content) > _FILE_SIZE_MAX:
        raise ProfileRefused(f"the profile has more than {_FILE_SIZE_MAX} bytes")
    return read_profile(text)


def read_profile(text: str) -> Profile:
    """A profile written in TOML. Raises ProfileRefused naming the invalid fields."""
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileRefused("the profile is no TOML") from error
    except ValidationError as error:
        wrong = [".".join(map(str, each["loc"])) or "profile" for each in error.errors()]
        raise ProfileRefused(f"the profile makes no sense in {', '.join(wrong)}") from None

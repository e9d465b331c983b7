"""Typed reading of one JSON object: every value is exact, and every refusal names the path of its field."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from billing.core.clock import VIETNAM
from billing.core.errors import InvalidValue
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.invalid_input import InvalidInput

FOUND_LENGTH_MAX = 200

_DECIMALS_MAX = 38
_WHOLE_LIMIT = 10**15
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,38})?")
_TIMESTAMP_FORMAT = re.compile(r"[0-9]{12}")
_DAY = re.compile(r"[0-9]{8}")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TEXT_LENGTH_MAX = 1024
_INTEGER_MAX = 2**31 - 1
_YEAR_MIN, _YEAR_MAX = 1900, 2100
_Choice = TypeVar("_Choice", bound=StrEnum)


class InvalidField(InvalidValue):
    """A field of the object with an invalid value; `field` is its path, `found` its value."""

    def __init__(
        self, path: str, expected: str, *, found: object = "", finding: FindingCode = FindingCode.VALUE_INVALID
    ) -> None:
        super().__init__(f"{path}: {expected}", field=path)
        self.expected = expected
        self.found = str(found)[:FOUND_LENGTH_MAX]
        self.finding = finding


def _listed(known: Iterable[str]) -> str:
    return ", ".join(sorted(known))


@cache
def _by_word(choices: type[_Choice]) -> Mapping[object, _Choice]:
    return {choice.value: choice for choice in choices}


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object with its path; every refusal names the path of the field."""

    values: Mapping[str, object]
    path: str

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Add the path to the refusals of a domain value about its own fields."""
        try:
            yield
        except InvalidField:
            raise
        except InvalidValue as refusal:
            raise self.named(refusal) from refusal

    def named(self, refusal: InvalidValue) -> InvalidField:
        """The refusal of a domain value about one of its fields, with the path of the field."""
        field = refusal.field or ""
        found = self.values.get(field, "")
        finding = refusal.finding if isinstance(refusal, InvalidInput) else FindingCode.VALUE_INVALID
        return InvalidField(self.at(field) if field else self.path, refusal.detail, found=found, finding=finding)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether there is a value; null and the empty text are no values."""
        return self.values.get(key) not in (None, "")

    def unknown(self, key: str, known: Iterable[str]) -> InvalidField:
        """The refusal of an unknown field."""
        expected = f"this field is not known here; known are {_listed(known)}"
        return InvalidField(self.at(key), expected, found=self.values[key])

    def refuse_other_keys(self, known: frozenset[str]) -> None:
        for key in self.values:
            if key not in known:
                raise self.unknown(key, known)

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text; a whole number is read as its digits, so that codes may be written either way."""
        value = self.values.get(key)
        if type(value) is str and 0 < len(value) <= _TEXT_LENGTH_MAX:
            return value
        if default is not None and value in (None, ""):
            return default
        if type(value) is int:
            value = str(value)
        if not isinstance(value, str) or not value or len(value) > _TEXT_LENGTH_MAX:
            raise InvalidField(self.at(key), f"a text of 1 to {_TEXT_LENGTH_MAX} characters is expected", found=value)
        return value

    def code(self, key: str, known: frozenset[str], *, default: str | None = None) -> str:
        code = self.text(key, default=default)
        if code not in known:
            expected = f"a code of the list is expected: {_listed(known)}"
            raise InvalidField(self.at(key), expected, found=code, finding=FindingCode.CODE_UNKNOWN)
        return code

    def choice(self, key: str, choices: type[_Choice], *, default: _Choice | None = None) -> _Choice:
        known: Mapping[object, _Choice] = _by_word(choices)
        word = self.values.get(key)
        if type(word) is str and word in known:
            return known[word]
        if default is not None and not self.has(key):
            return default
        return choices(self.code(key, frozenset(map(str, known))))

    def choices(self, key: str, choices: type[_Choice]) -> list[_Choice]:
        """A list of words of an enum."""
        values = self._list(key)
        known = _by_word(choices)
        for value in values:
            if not isinstance(value, str) or value not in known:
                expected = f"a word of the list is expected: {_listed(map(str, known))}"
                raise InvalidField(self.at(key), expected, found=value, finding=FindingCode.CODE_UNKNOWN)
        return [known[value] for value in values]

    def integers(self, key: str) -> list[int]:
        """A list of whole numbers."""
        values = [value for value in self._list(key) if type(value) is int]
        if len(values) != len(self._list(key)):
            raise InvalidField(self.at(key), "a list of whole numbers is expected", found=self.values.get(key))
        return values

    def flag(self, key: str) -> bool:
        """True or false; absent is false."""
        value = self.values.get(key, False)
        if type(value) is not bool:
            raise InvalidField(self.at(key), "true or false is expected", found=value)
        return value

    def number(self, key: str, *, default: Decimal | None = None, decimals_max: int = _DECIMALS_MAX) -> Decimal:
        """A number from 0, exact; as text it has no sign, exponent or thousands mark."""
        value = self.values.get(key)
        if type(value) is str and decimals_max == _DECIMALS_MAX and _NUMBER.fullmatch(value):
            return Decimal(value)
        if default is not None and value in (None, ""):
            return default
        if type(value) is int and 0 <= value < _WHOLE_LIMIT:
            return Decimal(value)
        if type(value) is int or isinstance(value, Decimal):
            value = format(Decimal(value), "f") if -30 < Decimal(value).adjusted() < 30 else str(value)
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise InvalidField(self.at(key), "a number from 0 without exponent is expected", found=value)
        if decimals_max < _DECIMALS_MAX and len(value.partition(".")[2].rstrip("0")) > decimals_max:
            raise InvalidField(self.at(key), f"at most {decimals_max} decimals are expected", found=value)
        return Decimal(value)

    def amount(self, key: str) -> Decimal | None:
        """An amount that the source states, or None; evidence may have a sign."""
        if not self.has(key):
            return None
        value = self.values[key]
        if isinstance(value, str) and value.startswith("-"):
            return Fields({key: value[1:]}, self.path).number(key).copy_negate()
        if isinstance(value, int | Decimal) and value < 0:
            return Fields({key: Decimal(value).copy_negate()}, self.path).number(key).copy_negate()
        return self.number(key)

    def integer(self, key: str) -> int:
        """A whole number from 0 within the range of a database column."""
        value = self.values.get(key)
        if type(value) is int and 0 <= value <= _INTEGER_MAX:
            return value
        number = self.number(key)
        if number != int(number) or number > _INTEGER_MAX:
            raise InvalidField(self.at(key), f"a whole number up to {_INTEGER_MAX} is expected", found=number)
        return int(number)

    def timestamp(self, key: str, *, day_is_enough: bool = False) -> datetime:
        """A timestamp yyyymmddHHMM in Vietnam time; with `day_is_enough` also a day yyyymmdd, from its first minute."""
        text = self.text(key)
        shape = "yyyymmddHHMM or yyyymmdd is expected" if day_is_enough else "yyyymmddHHMM is expected"
        if day_is_enough and _DAY.fullmatch(text):
            text += "0000"
        try:
            if not _TIMESTAMP_FORMAT.fullmatch(text) or not _YEAR_MIN <= int(text[:4]) <= _YEAR_MAX:
                raise ValueError(shape)
            return datetime(
                int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), tzinfo=VIETNAM
            )
        except ValueError as cause:
            raise InvalidField(self.at(key), shape, found=text, finding=FindingCode.DATE_UNREADABLE) from cause

    def day(self, key: str) -> date:
        """A day written yyyy-mm-dd."""
        text = self.text(key)
        try:
            if not _ISO_DAY.fullmatch(text) or not _YEAR_MIN <= int(text[:4]) <= _YEAR_MAX:
                raise ValueError(text)
            return date.fromisoformat(text)
        except ValueError as cause:
            expected = "yyyy-mm-dd is expected"
            raise InvalidField(self.at(key), expected, found=text, finding=FindingCode.DATE_UNREADABLE) from cause

    def object(self, key: str) -> "Fields":
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise InvalidField(self.at(key), "an object is expected", found=value)
        return Fields(value, self.at(key))

    def objects(self, key: str) -> "Iterator[Fields]":
        for position, element in enumerate(self._list(key)):
            path = f"{self.at(key)}[{position}]"
            if not isinstance(element, dict):
                raise InvalidField(path, "an object is expected", found=element)
            yield Fields(element, path)

    def _list(self, key: str) -> list[Any]:
        value = self.values.get(key)
        if not isinstance(value, list):
            raise InvalidField(self.at(key), "a list is expected", found=value)
        return value

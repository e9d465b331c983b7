"""Schemas that several resources share; the other schemas are next to their handlers."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Generic, NotRequired, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from billing.visits.domain.finding import FindingCode

Item = TypeVar("Item")


def enum_schema(values: Iterable[str]) -> Any:
    """The schema of a text with these values."""
    return Field(json_schema_extra={"enum": [str(value) for value in values]})


EXACTLY = ConfigDict(extra="forbid")


class Document(BaseModel):
    """A document that `model_validate` builds from the attributes of a value; its fields are those attributes."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


def _text_of(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, UUID) else value


Text = Annotated[str, BeforeValidator(_text_of)]
"""An id, a time or a day in ISO 8601, or a number with decimals, as text."""


@with_config(EXACTLY)
class PageDocument(TypedDict, Generic[Item]):
    """A page of a list. `next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


@with_config(EXACTLY)
class SharesDocument(TypedDict):
    """The shares in whole đồng; they sum to `total`. `private` is the guarantee of a private insurer."""

    patient: int
    insurer: int
    other: int
    private: int
    total: int


class FindingDocument(TypedDict):
    """A finding about the input, with its place, in the field names of the data standard."""

    code: Annotated[str, enum_schema(FindingCode)]
    file: str
    hoso: int | None
    MA_LK: str
    table: str
    STT: int | None
    field: str
    found: str
    expected: str


class PriceDocument(TypedDict):
    """A price: amounts as text with two decimals in the field names of the data standard, shares in whole đồng.

    The fields of the year's co-payment are present where the visit states a co-payment history, those of a private
    insurer where there is one. `rule_refs`, of the visit and of each line, are indexes into `explanations`: rule,
    operands, sentence, citation, period and status. `breakdown` of a line is the breakdown of each of its amounts. It
    is empty where the amounts are those of the HIS.
    """

    MA_LK: str
    base_salary: int
    threshold_15pct: str
    route_factor_pct: int
    lines: list[dict[str, Any]]
    totals: dict[str, str]
    patient_pays: int
    copay_threshold_year: NotRequired[str]
    copay_accumulated_after: NotRequired[str]
    private_insurer_pays: NotRequired[int]
    patient_pays_after_private: NotRequired[int]
    shares: SharesDocument
    guarantor: str
    rule_refs: list[int]
    explanations: list[dict[str, Any]]


@with_config(EXACTLY)
class FieldErrorDocument(TypedDict):
    """One rejected field with the reason."""

    field: str
    detail: str


@with_config(EXACTLY)
class ProblemDocument(TypedDict):
    """A problem (RFC 9457). `code` is stable; `instance` identifies this occurrence, also in the log."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: NotRequired[list[FieldErrorDocument]]
    findings: NotRequired[list[FindingDocument]]
    payments: NotRequired[list[str]]
    version: NotRequired[int]
    blockers: NotRequired[list[dict[str, str]]]

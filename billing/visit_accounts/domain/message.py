"""A message of another system about an open visit, and its outcome in the integration inbox.

Source: docs/visit-accounts.md, Versions and messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from billing.core.errors import BillingError, InvalidValue, NotFound, Refused
from billing.core.ids import FacilityId
from billing.visit_accounts.domain.charge import ChargesRejected

MessageId = NewType("MessageId", UUID)

PERSONAL_FIELDS = frozenset({"patient", "cards", "private_insurance"})
"""Fields of a header whose values are personal: a difference names them without their values."""

_DETAIL_LENGTH_MAX = 2000
_FIELD_LENGTH_MAX = 200


class Channel(StrEnum):
    """How a message arrived."""

    HTTP = "http"
    FOLDER = "folder"


class MessageKind(StrEnum):
    """What a message is about."""

    VISIT = "visit"
    CHARGE = "charge"
    CHARGES = "charges"
    FILE = "file"


class MessageOutcome(StrEnum):
    """What became of a message. `unchanged`: its version is known with equal content."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class MessageUnreadable(InvalidValue):
    """The bytes of a message are no JSON object."""

    code = "message_unreadable"


class UnknownMessage(NotFound):
    """The inbox has no such message."""

    code = "unknown_message"


class NotRetryable(Refused):
    """Only a rejected message is retried, once with success; a file is dropped again."""

    code = "not_retryable"


class AlreadyProcessed(Refused):
    """This row of a file was processed before."""

    code = "already_processed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as received. `document` is its text; `retry_of` names the rejected message that it repeats.

    `source` names a row of a dropped file, "" otherwise: no two messages have one source.
    """

    channel: Channel
    kind: MessageKind
    facility_code: str
    ma_lk: str
    document: str
    received_at: datetime
    line: str = ""
    retry_of: MessageId | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """The result of a message. `difference`: what it changed, or the lines that are refused."""

    outcome: MessageOutcome
    facility_id: FacilityId | None
    sender_version: int | None = None
    error_code: str = ""
    detail: str = ""
    field: str = ""
    difference: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class FilledGap:
    """The missing versions of a line, or of the header (""), before and after a late version arrived."""

    line: str
    before: tuple[int, ...]
    after: tuple[int, ...]


def refused(
    refusal: BillingError,
    *,
    facility_id: FacilityId | None = None,
    sender_version: int | None = None,
    filled: Sequence[FilledGap] = (),
) -> Processed:
    """The result of a message that is refused. `filled`: the gaps that its stale versions filled."""
    difference: list[Mapping[str, Any]] = [
        {"line": gap.line, **change} if gap.line else change
        for gap in filled
        for change in missing_difference(gap.before, gap.after)
    ]
    if isinstance(refusal, ChargesRejected):
        difference += [
            {"line": each.line, "error_code": each.code, "detail": each.detail, "field": each.field}
            for each in refusal.refusals
        ]
    return Processed(
        outcome=MessageOutcome.REJECTED,
        facility_id=facility_id,
        sender_version=sender_version,
        error_code=refusal.code,
        detail=refusal.detail[:_DETAIL_LENGTH_MAX],
        field=(refusal.field or "")[:_FIELD_LENGTH_MAX],
        difference=difference,
    )


def missing_difference(before: Sequence[int], after: Sequence[int]) -> list[dict[str, Any]]:
    """The change of the versions that were skipped and have not arrived; empty where nothing changes."""
    return [] if before == after else [{"field": "missing_versions", "before": list(before), "after": list(after)}]


def header_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of a header that differ; personal values are left out."""
    changes = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            shown = {} if name in PERSONAL_FIELDS else {"before": old, "after": new}
            changes.append({"field": name, **shown})
    return changes

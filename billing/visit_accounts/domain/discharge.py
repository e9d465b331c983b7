"""Discharge clearance: what must be finished before the final bill of a visit. Source: docs/visit-accounts.md.

Each kind of blocker is one row of `BLOCKER_KINDS` (`discharge_kinds.py`): its rule, who may override it, and its texts.
An override covers a blocker as it was: of the same kind, about the same subject in the same version.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from billing.core.actor import Role
from billing.core.errors import NotFound, Refused
from billing.core.ids import PersonId, VisitId
from billing.core.money import NOTHING, Dong
from billing.visit_accounts.domain.bed_days import Bed, Stay
from billing.visit_accounts.domain.charge import ChargeStage, ChargeState


class BlockerKind(StrEnum):
    """What is unfinished."""

    PAID_NOT_PERFORMED = "paid_not_performed"
    ORDERED_NOT_PERFORMED = "ordered_not_performed"
    PERFORMED_NOT_PRICED = "performed_not_priced"
    DRUG_REQUESTED = "drug_requested"
    DRUG_ISSUED = "drug_issued"
    DRUG_RETURNING = "drug_returning"
    SAMPLE_NOT_SENT = "sample_not_sent"
    CHARGE_VERSION_GAP = "charge_version_gap"
    HEADER_VERSION_GAP = "header_version_gap"
    QR_WAITING = "qr_waiting"
    DEPOSIT_REQUEST_OPEN = "deposit_request_open"
    GUARANTEE_UNCONFIRMED = "guarantee_unconfirmed"
    BED_DAY_MISSING = "bed_day_missing"
    BED_DAY_ON_LEAVE = "bed_day_on_leave"
    BED_DAY_DOUBLED = "bed_day_doubled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeLine:
    """A line of the visit. `collected` is the amount of the paid requests that name it; `version` is the sender's."""

    line: str
    department: str
    version: int
    state: ChargeState
    stage: ChargeStage
    is_priced: bool
    ordered_at: datetime
    performed_at: datetime | None
    changed_at: datetime
    gap_since: datetime | None
    collected: Dong = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """A request, intent or guarantee that waits, or a header with a gap. `reference` is its id, or the visit's."""

    reference: str
    since: datetime
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeFacts:
    """Everything that may block the final bill of one visit. `stay` is None where no bed is to be expected."""

    visit_id: VisitId
    department: str
    lines: Sequence[DischargeLine]
    intents: Sequence[OpenItem] = ()
    requests: Sequence[OpenItem] = ()
    guarantees: Sequence[OpenItem] = ()
    header_gap: OpenItem | None = None
    beds: Sequence[Bed] = ()
    stay: Stay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a rule found. `line` is the charge line, or the id of the request, intent or guarantee, or the bed day."""

    line: str
    since: datetime
    department: str = ""
    version: int = 0


Rule = Callable[[DischargeFacts], Iterable[Subject]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockerRow:
    """A kind of blocker: its rule, the role that may override it, its name and the way out, each by language."""

    kind: BlockerKind
    rule: Rule
    may_override: Role
    title: Mapping[str, str]
    way_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person's decision that a visit is billed although a blocker, as it was, is there."""

    id: UUID
    kind: str
    line: str
    version: int
    reason: str
    overridden_by: PersonId
    overridden_at: datetime

    @property
    def key(self) -> tuple[str, str, int]:
        """What the override covers: a kind of blocker, its subject, and the version of the subject."""
        return (self.kind, self.line, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something unfinished, and whether a person let the visit be billed all the same."""

    row: BlockerRow
    department: str
    line: str
    since: datetime
    version: int
    is_overridden: bool

    @property
    def kind(self) -> BlockerKind:
        return self.row.kind

    @property
    def key(self) -> tuple[str, str, int]:
        """The key of an override that covers this blocker."""
        return (self.row.kind.value, self.line, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeClearance:
    """Whether the final bill of a visit may be made: every blocker is gone or overridden."""

    visit_id: VisitId
    blockers: tuple[Blocker, ...]
    overrides: tuple[Override, ...] = ()

    @property
    def is_clear(self) -> bool:
        return not self.blocking

    @property
    def blocking(self) -> tuple[Blocker, ...]:
        return tuple(blocker for blocker in self.blockers if not blocker.is_overridden)


class DischargeBlocked(Refused):
    """The final bill waits for what is unfinished; `blockers` lists it."""

    code = "discharge_blocked"

    def __init__(self, blockers: Sequence[Blocker]) -> None:
        shown = "; ".join(f"{blocker.row.title['en']}: {blocker.line}" for blocker in blockers[:_SHOWN_MAX])
        more = f"; and {len(blockers) - _SHOWN_MAX} more" if len(blockers) > _SHOWN_MAX else ""
        super().__init__(f"the visit cannot be billed yet: {shown}{more}; see its discharge clearance")
        self.blockers = tuple(blockers)


_SHOWN_MAX = 5


class BlockerNotFound(NotFound):
    """Nothing of this kind, or about this line, blocks the visit now."""

    code = "blocker_not_found"


class BlockerOverridden(Refused):
    """Another person has overridden the blocker already."""

    code = "blocker_overridden"


def clear_discharge(
    facts: DischargeFacts, rows: Iterable[BlockerRow], overrides: Iterable[Override]
) -> DischargeClearance:
    """Every blocker of a visit, in the order of the table of kinds."""
    made = tuple(overrides)
    covered = {override.key for override in made}
    blockers = [
        Blocker(
            row=row,
            department=subject.department or facts.department,
            line=subject.line,
            since=subject.since,
            version=subject.version,
            is_overridden=(row.kind.value, subject.line, subject.version) in covered,
        )
        for row in rows
        for subject in row.rule(facts)
    ]
    return DischargeClearance(visit_id=facts.visit_id, blockers=tuple(blockers), overrides=made)


def read_quantity(text: str) -> Decimal:
    """The number of days of a bed line; a line without one is one day."""
    return Decimal(text) if text else Decimal(1)

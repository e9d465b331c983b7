"""A charge of an open visit: its order states, the versions of its sender, and its price.

Order states: ordered → cleared → started → performed, or cancelled. A sender reports ordered, started, performed or
cancelled; clearance is computed here. To cancel a started or performed order is the decision of a person.
Source: docs/design.md §2; docs/visit-accounts.md, Versions and messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from billing.core.errors import NotFound, Refused
from billing.core.ids import FacilityId, VisitId
from billing.visit_accounts.domain.account import StaleVersion, VersionConflict
from billing.visit_accounts.domain.version_gap import VersionGap


class ChargeKind(StrEnum):
    """What is charged."""

    SERVICE = "service"
    DRUG = "drug"
    SUPPLY = "supply"
    BED = "bed"


class ChargeState(StrEnum):
    """The progress of an order."""

    ORDERED = "ordered"
    CLEARED = "cleared"
    STARTED = "started"
    PERFORMED = "performed"
    CANCELLED = "cancelled"


class ReportedState(StrEnum):
    """The states that a sender reports."""

    ORDERED = "ordered"
    STARTED = "started"
    PERFORMED = "performed"
    CANCELLED = "cancelled"


class ChargeStage(StrEnum):
    """The logistic progress of a drug or a sample."""

    NONE = ""
    REQUESTED = "requested"
    ISSUED = "issued"
    RETURNING = "returning"
    RECEIVED = "received"
    SAMPLE_DUE = "sample_due"


class UnknownCharge(NotFound):
    """The visit has no charge of this line."""

    code = "unknown_charge"


class WrongStateOrder(Refused):
    """An order does not return to an earlier state."""

    code = "wrong_state_order"


class OrderStarted(Refused):
    """A started order is cancelled by the decision of a person, not by a message."""

    code = "order_started"


class OrderPerformed(Refused):
    """A performed order is cancelled by the decision of a person, not by a message."""

    code = "order_performed"


class OrderCancelled(Refused):
    """A cancelled order does not change any more; a new order has a new line."""

    code = "order_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAmounts:
    """The price of one line, two decimals. `patient` is the patient's share by law."""

    hospital: Decimal
    patient: Decimal
    insurer: Decimal
    other: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedCharge:
    """A charge as its sender states it. `document` is the charge item without its STT."""

    line: str
    version: int
    order_number: str
    kind: ChargeKind
    state: ReportedState
    stage: ChargeStage
    is_elective: bool
    is_emergency: bool
    department: str
    stt: int | None
    document: Mapping[str, Any]
    content_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One service, drug, supply or bed day of an open visit, as stored. `document` has no STT: `stt` is the number."""

    visit_id: VisitId
    line: str
    facility_id: FacilityId
    order_number: str
    version: int
    kind: ChargeKind
    state: ChargeState
    stage: ChargeStage
    is_elective: bool
    is_emergency: bool
    department: str
    stt: int
    document: Mapping[str, Any]
    content_hash: bytes
    ordered_at: datetime
    changed_at: datetime
    gap_since: datetime | None = None
    missing_versions: tuple[int, ...] = ()
    hospital_amount: Decimal | None = None
    patient_amount: Decimal | None = None
    insurer_amount: Decimal | None = None
    other_amount: Decimal | None = None
    cleared_at: datetime | None = None
    started_at: datetime | None = None
    performed_at: datetime | None = None
    cancelled_at: datetime | None = None

    @property
    def gap(self) -> VersionGap:
        return VersionGap(self.gap_since, self.missing_versions)

    @property
    def name(self) -> str:
        """The name of the service or drug; the id of the line where the hospital's system sent none."""
        return str(self.document.get("name") or self.line)

    @property
    def is_cancelled(self) -> bool:
        return self.state is ChargeState.CANCELLED

    def with_state(self, state: ChargeState, *, at: datetime) -> Self:
        """The charge in a new state, with its time."""
        if state is self.state:
            return self
        times: dict[str, datetime] = {} if state is ChargeState.ORDERED else {f"{state.value}_at": at}
        return replace(self, state=state, changed_at=at, **times)  # type: ignore[arg-type]  # a mapping of names

    def with_amounts(self, amounts: LineAmounts | None) -> Self:
        """The charge at its price; None where it has none."""
        if amounts is None:
            return replace(self, hospital_amount=None, patient_amount=None, insurer_amount=None, other_amount=None)
        return replace(
            self,
            hospital_amount=amounts.hospital,
            patient_amount=amounts.patient,
            insurer_amount=amounts.insurer,
            other_amount=amounts.other,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a new charge is stored: visit, facility, the number that its line receives, and when it was ordered."""

    visit_id: VisitId
    facility_id: FacilityId
    stt: int
    ordered_at: datetime


def is_repeated(known: Charge, submitted: SubmittedCharge) -> bool:
    """Whether this version is known with equal content. Raises StaleVersion, VersionConflict."""
    if submitted.version > known.version:
        return False
    since = known.changed_at.isoformat(timespec="seconds")
    if submitted.version < known.version:
        raise StaleVersion(
            f"line {known.line} has version {known.version} since {since}; {submitted.version} is older",
            version=known.version,
        )
    if submitted.content_hash != known.content_hash:
        raise VersionConflict(
            f"line {known.line} has version {known.version} with other content since {since}", version=known.version
        )
    return True


def fill_gap(known: Charge, version: int) -> Charge:
    """The charge after a skipped version arrived late: its content is old, but it is missing no more."""
    return _with_gap(known, known.gap.without(version))


def _with_gap(known: Charge, gap: VersionGap) -> Charge:
    return replace(known, missing_versions=gap.missing, gap_since=gap.since)


def new_charge(submitted: SubmittedCharge, place: Place, *, at: datetime) -> Charge:
    """The charge of the first message about a line, whatever its version is."""
    ordered = Charge(
        visit_id=place.visit_id,
        line=submitted.line,
        facility_id=place.facility_id,
        order_number=submitted.order_number,
        version=submitted.version,
        kind=submitted.kind,
        state=ChargeState.ORDERED,
        stage=submitted.stage,
        is_elective=submitted.is_elective,
        is_emergency=submitted.is_emergency,
        department=submitted.department,
        stt=place.stt,
        document=submitted.document,
        content_hash=submitted.content_hash,
        ordered_at=place.ordered_at,
        changed_at=at,
    )
    return ordered.with_state(ChargeState(submitted.state.value), at=at)


def update_charge(known: Charge, submitted: SubmittedCharge, *, at: datetime) -> Charge:
    """The charge after a newer message. Raises WrongStateOrder, OrderStarted, OrderPerformed, OrderCancelled."""
    state = next_state(known, submitted.state)
    changed = replace(
        _with_gap(known, known.gap.after(known.version, submitted.version, at=at)),
        order_number=submitted.order_number,
        version=submitted.version,
        kind=submitted.kind,
        stage=submitted.stage,
        is_elective=submitted.is_elective,
        is_emergency=submitted.is_emergency,
        department=submitted.department,
        stt=known.stt if submitted.stt is None else submitted.stt,
        document=submitted.document,
        content_hash=submitted.content_hash,
        changed_at=at,
    )
    return changed.with_state(state, at=at)


_RANKS: Mapping[ChargeState, int] = {
    ChargeState.ORDERED: 0,
    ChargeState.CLEARED: 1,
    ChargeState.STARTED: 2,
    ChargeState.PERFORMED: 3,
}


def next_state(known: Charge, reported: ReportedState) -> ChargeState:
    """The state of a known charge after a report: a cleared order that is reported as ordered remains cleared.

    Raises WrongStateOrder, OrderStarted, OrderPerformed, OrderCancelled.
    """
    if known.state is ChargeState.CANCELLED and reported is ReportedState.CANCELLED:
        return known.state
    if known.state is ChargeState.CANCELLED:
        when = "" if known.cancelled_at is None else f" since {known.cancelled_at.isoformat(timespec='seconds')}"
        raise OrderCancelled(f"line {known.line} is cancelled{when}; a new order has a new line", field="state")
    if reported is ReportedState.CANCELLED:
        if known.state is ChargeState.PERFORMED:
            raise OrderPerformed(_decision(known, known.performed_at), field="state")
        if known.state is ChargeState.STARTED:
            raise OrderStarted(_decision(known, known.started_at), field="state")
        return ChargeState.CANCELLED
    state = ChargeState(reported.value)
    if known.state is ChargeState.CLEARED and state is ChargeState.ORDERED:
        return known.state
    if _RANKS[state] < _RANKS[known.state]:
        raise WrongStateOrder(f"line {known.line} is {known.state}; it does not return to {state}", field="state")
    return state


def _decision(known: Charge, since: datetime | None) -> str:
    when = "" if since is None else f" since {since.isoformat(timespec='seconds')}"
    return f"line {known.line} is {known.state}{when}; a person cancels it with a reason (…/cancel)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """The decision to cancel an order that was started or performed."""

    line: str
    from_state: ChargeState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeChange:
    """The price of a line changed after money was collected for it."""

    line: str
    collected: int
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, slots=True)
class ChargeRefusal:
    """Why one charge of a message is refused."""

    position: int
    line: str
    code: str
    detail: str
    field: str


class ChargesRejected(Refused):
    """Charges of a batch are refused; nothing of the batch was stored. `refusals` name the lines."""

    code = "charges_rejected"

    def __init__(self, refusals: tuple[ChargeRefusal, ...]) -> None:
        named = "; ".join(f"line {each.line}: {each.detail}" for each in refusals[:20])
        super().__init__(f"{len(refusals)} charges are refused, nothing was stored. {named}", field="charges")
        self.refusals = refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitContent:
    """What a visit is priced from: the header of the sender and its charges by line."""

    header: Mapping[str, Any]
    charges: Mapping[str, Charge] = field(default_factory=dict)

"""What a message changes of an account: computed before the price from rows read, and again from locked rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from billing.core.errors import BillingError, Refused
from billing.core.ids import PatientId
from billing.visit_accounts.domain.account import (
    AppointmentNotUsable,
    StaleVersion,
    VersionConflict,
    VisitAccount,
)
from billing.visit_accounts.domain.charge import (
    Cancellation,
    Charge,
    ChargeRefusal,
    ChargesRejected,
    ChargeState,
    Place,
    SubmittedCharge,
    UnknownCharge,
    VisitContent,
    is_repeated,
    new_charge,
    update_charge,
)
from billing.visit_accounts.domain.message import header_difference, missing_difference
from billing.visit_accounts.domain.version_gap import VersionGap

_COMPARED = ("order_number", "kind", "state", "stage", "is_elective", "is_emergency", "department", "stt")


class SttTaken(Refused):
    """Another line of the table has this STT."""

    code = "stt_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An account with its content, as read."""

    account: VisitAccount
    content: VisitContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The account after a change. `changed` are the lines that are written; none and an equal header: unchanged."""

    account: VisitAccount
    content: VisitContent
    is_unchanged: bool
    changed: frozenset[str] = frozenset()
    difference: Sequence[Mapping[str, Any]] = ()
    cancellation: Cancellation | None = None


def unchanged(known: Known) -> Plan:
    """The plan of a message that repeats what is known."""
    return Plan(account=known.account, content=known.content, is_unchanged=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """The facts of a header that the account stores."""

    ma_lk: str
    sender_version: int
    document: Mapping[str, Any]
    is_inpatient: bool
    is_emergency: bool
    is_provisional: bool
    department: str


def plan_header(known: Known, facts: HeaderFacts, *, at: datetime, takes_over: bool = False) -> Plan:
    """The account after a newer header; with `takes_over` it is the account of the appointment of this visit.

    A skipped version is accepted and missing until it arrives; the header of an appointment has versions of its own.

    Raises StaleVersion, VersionConflict, VisitClosed, AppointmentNotUsable.
    """
    account = known.account
    if takes_over:
        if account.ended_at is not None or any(not each.is_cancelled for each in known.content.charges.values()):
            raise AppointmentNotUsable(
                f"{account.ma_lk} is closed or has charges: it is no appointment", field="appointment"
            )
    elif facts.sender_version < account.sender_version:
        raise StaleVersion(
            f"visit {account.ma_lk} has version {account.sender_version}; {facts.sender_version} is older",
            version=account.sender_version,
        )
    elif facts.sender_version == account.sender_version:
        if known.content.header == facts.document:
            return unchanged(known)
        raise VersionConflict(
            f"visit {account.ma_lk} has version {account.sender_version} with other content",
            version=account.sender_version,
        )
    account.require_open()
    gap = VersionGap() if takes_over else account.gap.after(account.sender_version, facts.sender_version, at=at)
    changed = replace(
        account.with_gap(gap),
        ma_lk=facts.ma_lk,
        version=account.version + 1,
        sender_version=facts.sender_version,
        is_inpatient=facts.is_inpatient,
        is_emergency=facts.is_emergency,
        is_provisional=facts.is_provisional,
        department=facts.department,
    )
    renamed = [{"field": "MA_LK", "before": account.ma_lk, "after": facts.ma_lk}] if takes_over else []
    gap_change = missing_difference(account.missing_versions, changed.missing_versions)
    return Plan(
        account=changed,
        content=replace(known.content, header=facts.document),
        is_unchanged=False,
        difference=[*renamed, *gap_change, *header_difference(known.content.header, facts.document)],
    )


def with_patient(plan: Plan, patient_id: PatientId) -> Plan:
    """The plan with the account of another patient."""
    return replace(plan, account=replace(plan.account, patient_id=patient_id))


@dataclass(frozen=True, slots=True)
class ReadCharge:
    """A charge of a message at its position in it: read, or refused as unreadable."""

    position: int
    line: str
    charge: SubmittedCharge | None = None
    ordered_at: datetime | None = None
    refusal: BillingError | None = None


def plan_charges(known: Known, read: Sequence[ReadCharge], *, is_batch: bool, at: datetime) -> Plan:
    """The account after charges: all of them, or a refusal that names each failing line.

    Raises ChargesRejected for a batch, the refusal of the charge itself for one; VisitClosed.
    """
    charges = dict(known.content.charges)
    changed: set[str] = set()
    refusals: list[tuple[ReadCharge, BillingError]] = []
    for each in read:
        try:
            if each.refusal is not None or each.charge is None:
                raise each.refusal or AssertionError("a charge is read or refused")
            after = _apply(charges, each.charge, known.account, ordered_at=each.ordered_at or at, at=at)
        except BillingError as refusal:
            refusals.append((each, refusal))
            continue
        if after is not None:
            charges[each.line] = after
            changed.add(each.line)
    if refusals and not is_batch:
        raise refusals[0][1]
    if refusals:
        raise ChargesRejected(tuple(_refusal(each, refusal) for each, refusal in refusals))
    if not changed:
        return unchanged(known)
    known.account.require_open()
    return Plan(
        account=replace(known.account, version=known.account.version + 1),
        content=replace(known.content, charges=charges),
        is_unchanged=False,
        changed=frozenset(changed),
        difference=[
            change for line in sorted(changed) for change in _difference(known.content.charges.get(line), charges[line])
        ],
    )


def plan_cancellation(known: Known, line: str, reason: str, *, at: datetime) -> Plan:
    """The account after a person cancelled a charge. Raises UnknownCharge, VisitClosed."""
    charge = known.content.charges.get(line)
    if charge is None:
        raise UnknownCharge(f"visit {known.account.ma_lk} has no charge of line {line}", field="line")
    if charge.is_cancelled:
        return unchanged(known)
    known.account.require_open()
    after = charge.with_state(ChargeState.CANCELLED, at=at)
    return Plan(
        account=replace(known.account, version=known.account.version + 1),
        content=replace(known.content, charges={**known.content.charges, line: after}),
        is_unchanged=False,
        changed=frozenset({line}),
        difference=_difference(charge, after),
        cancellation=Cancellation(line=line, from_state=charge.state, reason=reason),
    )


def _apply(
    charges: Mapping[str, Charge],
    submitted: SubmittedCharge,
    account: VisitAccount,
    *,
    ordered_at: datetime,
    at: datetime,
) -> Charge | None:
    """The charge after a submission; None where it repeats what is known."""
    known = charges.get(submitted.line)
    if known is not None and is_repeated(known, submitted):
        return None
    table = submitted.document["table"]
    others = {
        each.stt: each.line
        for each in charges.values()
        if each.line != submitted.line and each.document["table"] == table
    }
    if submitted.stt is not None and submitted.stt in others:
        raise SttTaken(f"STT {submitted.stt} of {table} is that of line {others[submitted.stt]}", field="item.stt")
    if known is not None:
        after = update_charge(known, submitted, at=at)
        return after if after.stt not in others else replace(after, stt=max(others) + 1)
    stt = submitted.stt or max(others, default=0) + 1
    place = Place(visit_id=account.visit_id, facility_id=account.facility_id, stt=stt, ordered_at=ordered_at)
    return new_charge(submitted, place, at=at)


def _refusal(read: ReadCharge, refusal: BillingError) -> ChargeRefusal:
    return ChargeRefusal(
        read.position, read.line, refusal.code, refusal.detail, refusal.field or f"charges[{read.position}]"
    )


def _difference(before: Charge | None, after: Charge) -> list[dict[str, Any]]:
    """What changed of a line: its order facts and the fields of its charge item."""
    if before is None:
        return [{"line": after.line, "field": "state", "before": None, "after": after.state.value}]
    changes: list[dict[str, Any]] = []
    for each in missing_difference(before.missing_versions, after.missing_versions):
        changes.append({"line": after.line, **each})
    for name in _COMPARED:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changes.append({"line": after.line, "field": name, "before": old, "after": new})
    for name in sorted(before.document.keys() | after.document.keys()):
        old, new = before.document.get(name), after.document.get(name)
        if old != new:
            changes.append({"line": after.line, "field": f"item.{name}", "before": old, "after": new})
    return changes

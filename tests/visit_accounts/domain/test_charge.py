"""Versions, gaps and order states of a charge."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.core.ids import FacilityId, VisitId
from billing.visit_accounts.domain.account import StaleVersion, VersionConflict
from billing.visit_accounts.domain.charge import (
    Charge,
    ChargeKind,
    ChargeStage,
    ChargeState,
    OrderCancelled,
    OrderPerformed,
    OrderStarted,
    Place,
    ReportedState,
    SubmittedCharge,
    WrongStateOrder,
    fill_gap,
    is_repeated,
    new_charge,
    next_state,
    update_charge,
)
from billing.visit_accounts.domain.version_gap import MISSING_MAX

AT = datetime(2026, 11, 2, 8, tzinfo=UTC)
PLACE = Place(visit_id=VisitId(UUID(int=1)), facility_id=FacilityId(UUID(int=2)), stt=1, ordered_at=AT)


def submitted(
    version: int = 1, *, state: ReportedState = ReportedState.ORDERED, content: bytes = b"a"
) -> SubmittedCharge:
    return SubmittedCharge(
        line="L1",
        version=version,
        order_number="XN-1",
        kind=ChargeKind.SERVICE,
        state=state,
        stage=ChargeStage.NONE,
        is_elective=False,
        is_emergency=False,
        department="",
        stt=None,
        document={"table": "XML3"},
        content_hash=content,
    )


def known(version: int = 1, *, state: ChargeState = ChargeState.ORDERED) -> Charge:
    return new_charge(submitted(version), PLACE, at=AT).with_state(state, at=AT)


def test_a_version_is_newer_repeated_stale_or_in_conflict() -> None:
    assert not is_repeated(known(2), submitted(3))
    assert is_repeated(known(2), submitted(2))
    with pytest.raises(StaleVersion) as stale:
        is_repeated(known(2), submitted(1))
    assert stale.value.version == 2
    with pytest.raises(VersionConflict):
        is_repeated(known(2), submitted(2, content=b"b"))


def test_skipped_versions_are_missing_until_each_has_arrived() -> None:
    later = AT + timedelta(hours=1)
    charge = update_charge(known(1), submitted(4), at=later)
    assert (charge.missing_versions, charge.gap_since) == ((2, 3), later)

    charge = update_charge(fill_gap(charge, 3), submitted(5), at=later + timedelta(hours=1))
    assert (charge.missing_versions, charge.gap_since) == ((2,), later)
    assert fill_gap(charge, 2).gap_since is None


def test_the_first_version_of_a_line_may_be_any_and_few_versions_are_awaited() -> None:
    assert known(20261102).gap_since is None
    assert len(update_charge(known(1), submitted(10**12), at=AT).missing_versions) == MISSING_MAX


@pytest.mark.parametrize(
    ("state", "reported", "expected"),
    [
        (ChargeState.ORDERED, ReportedState.STARTED, ChargeState.STARTED),
        (ChargeState.CLEARED, ReportedState.ORDERED, ChargeState.CLEARED),
        (ChargeState.CLEARED, ReportedState.CANCELLED, ChargeState.CANCELLED),
        (ChargeState.STARTED, ReportedState.PERFORMED, ChargeState.PERFORMED),
        (ChargeState.PERFORMED, ReportedState.PERFORMED, ChargeState.PERFORMED),
        (ChargeState.CANCELLED, ReportedState.CANCELLED, ChargeState.CANCELLED),
        (ChargeState.STARTED, ReportedState.ORDERED, WrongStateOrder),
        (ChargeState.PERFORMED, ReportedState.STARTED, WrongStateOrder),
        (ChargeState.STARTED, ReportedState.CANCELLED, OrderStarted),
        (ChargeState.PERFORMED, ReportedState.CANCELLED, OrderPerformed),
        (ChargeState.CANCELLED, ReportedState.STARTED, OrderCancelled),
    ],
)
def test_next_state_of_an_order(
    state: ChargeState, reported: ReportedState, expected: ChargeState | type[Exception]
) -> None:
    charge = known(state=state)
    if isinstance(expected, ChargeState):
        assert next_state(charge, reported) is expected
    else:
        with pytest.raises(expected):
            next_state(charge, reported)


def test_a_state_has_its_time() -> None:
    later = AT + timedelta(hours=1)
    charge = update_charge(known(), submitted(2, state=ReportedState.PERFORMED), at=later)

    assert (charge.performed_at, charge.started_at) == (later, None)
    assert replace(charge, state=ChargeState.ORDERED).is_cancelled is False

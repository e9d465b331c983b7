"""Every kind of discharge blocker: that it blocks, and that its way out opens. No false blocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from billing.core.clock import VIETNAM
from billing.core.ids import PersonId, VisitId
from billing.core.money import Dong
from billing.organizations.domain.rights import RIGHTS, Right
from billing.visit_accounts.domain.bed_days import Bed, Stay
from billing.visit_accounts.domain.charge import ChargeStage, ChargeState
from billing.visit_accounts.domain.discharge import (
    BlockerKind,
    DischargeBlocked,
    DischargeFacts,
    DischargeLine,
    OpenItem,
    Override,
    clear_discharge,
)
from billing.visit_accounts.domain.discharge_kinds import BLOCKER_KINDS

NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)
ADMITTED = datetime(2026, 11, 2, 9, tzinfo=VIETNAM)
ITEM = OpenItem(reference="01932f6e-8c5a-7b1d-9f3e-2a4b6c8d0e1f", since=NOW)
FACTS = DischargeFacts(visit_id=VisitId(UUID(int=1)), department="K01", lines=())


def line(**changes: Any) -> DischargeLine:
    fields: dict[str, Any] = {
        "line": "L1",
        "department": "K02",
        "version": 1,
        "state": ChargeState.PERFORMED,
        "stage": ChargeStage.NONE,
        "is_priced": True,
        "ordered_at": NOW,
        "performed_at": NOW,
        "changed_at": NOW,
        "gap_since": None,
        **changes,
    }
    return DischargeLine(**fields)


def lines(*found: DischargeLine) -> DischargeFacts:
    return replace(FACTS, lines=found)


def bed(day: int, **changes: Any) -> Bed:
    fields: dict[str, Any] = {
        "line": f"B{day}",
        "version": 1,
        "department": "K02",
        "stt": day,
        "on": date(2026, 11, day),
        "quantity": Decimal(1),
        "group": "15",
        "scope": "1",
        "code": "K02.1907",
        "recorded_at": ADMITTED + timedelta(days=day),
        **changes,
    }
    return Bed(**fields)


def stay(beds: Sequence[Bed], *, days: int = 3, leave_days: Sequence[int] = ()) -> DischargeFacts:
    ends_at = ADMITTED + timedelta(days=days)
    leave = frozenset(date(2026, 11, day) for day in leave_days)
    return replace(FACTS, beds=beds, stay=Stay(admitted_at=ADMITTED, ends_at=ends_at, leave_days=leave))


def kinds(facts: DischargeFacts) -> list[str]:
    return [blocker.kind.value for blocker in clear_discharge(facts, BLOCKER_KINDS, ()).blockers]


PAID = {"collected": Dong(100_000)}
HALF = Decimal("0.5")
THREE = [bed(2), bed(3), bed(4)]
BLOCKS: list[tuple[str, DischargeFacts]] = [
    ("paid_not_performed", lines(line(state=ChargeState.CLEARED, **PAID))),
    ("paid_not_performed", lines(line(state=ChargeState.STARTED, **PAID))),
    ("ordered_not_performed", lines(line(state=ChargeState.ORDERED))),
    ("ordered_not_performed", lines(line(state=ChargeState.CLEARED))),
    ("performed_not_priced", lines(line(is_priced=False))),
    ("drug_requested", lines(line(state=ChargeState.ORDERED, stage=ChargeStage.REQUESTED))),
    ("drug_requested", lines(line(state=ChargeState.ORDERED, stage=ChargeStage.REQUESTED, **PAID))),
    ("drug_issued", lines(line(state=ChargeState.STARTED, stage=ChargeStage.ISSUED))),
    ("drug_returning", lines(line(stage=ChargeStage.RETURNING))),
    ("drug_returning", lines(line(state=ChargeState.CANCELLED, stage=ChargeStage.RETURNING))),
    ("sample_not_sent", lines(line(state=ChargeState.CLEARED, stage=ChargeStage.SAMPLE_DUE))),
    ("charge_version_gap", lines(line(gap_since=NOW))),
    ("header_version_gap", replace(FACTS, header_gap=ITEM)),
    ("qr_waiting", replace(FACTS, intents=[ITEM])),
    ("deposit_request_open", replace(FACTS, requests=[ITEM])),
    ("guarantee_unconfirmed", replace(FACTS, guarantees=[ITEM])),
    ("bed_day_missing", stay(THREE[:2])),
    ("bed_day_missing", stay([bed(2, quantity=Decimal(2))])),
    ("bed_day_on_leave", stay(THREE, leave_days=[3])),
    ("bed_day_doubled", stay([*THREE, bed(3, line="B3b")])),
    ("bed_day_doubled", stay([bed(2, quantity=Decimal(5))])),
]
WAYS_OUT: list[tuple[str, DischargeFacts]] = [
    ("performed", lines(line(**PAID))),
    ("cancelled, the money is returned", lines(line(state=ChargeState.CANCELLED, **PAID))),
    ("a drug that was received", lines(line(state=ChargeState.CLEARED, stage=ChargeStage.RECEIVED, **PAID))),
    ("priced", lines(line(is_priced=True))),
    ("cancelled without a price", lines(line(state=ChargeState.CANCELLED, is_priced=False))),
    ("the drug was confirmed", lines(line(stage=ChargeStage.RECEIVED))),
    ("the request for a drug was cancelled", lines(line(state=ChargeState.CANCELLED, stage=ChargeStage.REQUESTED))),
    ("the drug came back", lines(line(state=ChargeState.CANCELLED))),
    ("the sample was sent", lines(line(state=ChargeState.STARTED))),
    ("the order of the sample was cancelled", lines(line(state=ChargeState.CANCELLED, stage=ChargeStage.SAMPLE_DUE))),
    ("the missing version came", lines(line(gap_since=None))),
    ("no code waits, nothing is requested, no guarantee is open", FACTS),
    ("an order that nobody paid was cancelled", lines(line(state=ChargeState.CANCELLED))),
    ("an order that nobody paid was started", lines(line(state=ChargeState.STARTED))),
    ("every day has a bed", stay(THREE)),
    ("the day of discharge has a bed too", stay([*THREE, bed(5)])),
    ("beds counted from the second day", stay([bed(3), bed(4), bed(5)])),
    ("one line of all days", stay([bed(2, quantity=Decimal(3))])),
    ("a day of leave", stay([bed(2), bed(4)], leave_days=[3])),
    ("a day in two departments", stay([bed(2), bed(3, quantity=HALF), bed(3, line="B3b", quantity=HALF), bed(4)])),
    ("day treatment before admission", stay([bed(2, line="D2", group="14"), *THREE])),
    ("a surcharge for a bed on demand", stay([*THREE, bed(3, line="S3", scope="2", code="YC01")])),
    ("three hours in the ward", replace(FACTS, stay=Stay(admitted_at=ADMITTED, ends_at=ADMITTED + timedelta(hours=3)))),
    ("an outpatient", replace(FACTS, stay=None)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "facts"), BLOCKS, ids=[kind for kind, _ in BLOCKS])
def test_unfinished_subject_blocks_once(kind: str, facts: DischargeFacts) -> None:
    assert kinds(facts) == [kind]


@pytest.mark.parametrize("facts", [facts for _, facts in WAYS_OUT], ids=[name for name, _ in WAYS_OUT])
def test_finished_subject_does_not_block(facts: DischargeFacts) -> None:
    assert kinds(facts) == []


def test_every_kind_has_a_row_with_texts_and_a_test() -> None:
    assert [row.kind for row in BLOCKER_KINDS] == list(BlockerKind)
    assert {kind for kind, _ in BLOCKS} == {kind.value for kind in BlockerKind}
    for row in BLOCKER_KINDS:
        assert row.title.keys() == row.way_out.keys() == {"vi", "en"}
        assert {row.may_override} == RIGHTS[Right.OVERRIDE_DISCHARGE]


def test_missing_days_are_named() -> None:
    found = clear_discharge(stay([bed(3)]), BLOCKER_KINDS, ()).blockers

    assert [blocker.line for blocker in found] == ["2026-11-02", "2026-11-04"]
    assert {blocker.department for blocker in found} == {"K01"}


def override(kind: str, subject: str, version: int = 1) -> Override:
    return Override(
        id=UUID(int=2),
        kind=kind,
        line=subject,
        version=version,
        reason="bác sĩ xác nhận",
        overridden_by=PersonId(UUID(int=3)),
        overridden_at=NOW,
    )


def test_override_covers_the_blocker_as_it_was() -> None:
    made = override("drug_issued", "L1")
    issued = line(stage=ChargeStage.ISSUED)

    def is_clear(*found: DischargeLine) -> bool:
        return clear_discharge(lines(*found), BLOCKER_KINDS, [made]).is_clear

    assert is_clear(issued)
    assert not is_clear(replace(issued, version=2))
    assert not is_clear(issued, replace(issued, line="L2"))
    assert not is_clear(replace(issued, stage=ChargeStage.RETURNING))


def test_refusal_lists_what_blocks() -> None:
    found = clear_discharge(lines(*(line(line=f"L{n}", is_priced=False) for n in range(7))), BLOCKER_KINDS, ())

    refused = DischargeBlocked(found.blocking)

    assert "Performed but not priced: L0; " in refused.detail
    assert "and 2 more" in refused.detail
    assert len(refused.blockers) == 7

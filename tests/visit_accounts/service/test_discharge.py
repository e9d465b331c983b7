"""Discharge clearance against PostgreSQL: each kind is read from its rows, and leaves with them; overrides."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import VisitId
from billing.db.database import Database
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.account import VisitClosed
from billing.visit_accounts.domain.discharge import BlockerKind, BlockerNotFound, BlockerOverridden, DischargeBlocked
from billing.visit_accounts.service.discharge import require_discharge_clearance
from billing.visit_accounts.service.discharge_clearance import NewOverride, find_discharge_clearance, override_blocker
from tests.builders import DemoHospital, build_context
from tests.conftest import DatabaseAddress
from tests.persons import actors
from tests.visit_accounts.open_visits import ORGANIZATION, OpenVisit, open_visit


@pytest.fixture
async def context(hospital: DemoHospital, app_database: Database) -> PaymentContext:
    return build_context(app_database)


@pytest.fixture
async def visit(context: PaymentContext) -> OpenVisit:
    return await open_visit(context, is_inpatient=True)


@pytest.fixture
async def head(context: PaymentContext, database: DatabaseAddress) -> Actor:
    (found,) = await actors(database, context, ("head", "Trần Thị Bình"))
    return found


async def blockers(visit: OpenVisit) -> list[tuple[str, str]]:
    found = await find_discharge_clearance(visit.context, ORGANIZATION, visit.id)
    return [(blocker.kind.value, blocker.line) for blocker in found.blockers if not blocker.is_overridden]


async def require(visit: OpenVisit) -> None:
    async with visit.context.database.transaction(ORGANIZATION) as tx:
        await require_discharge_clearance(tx, visit.id, now=visit.context.clock())


async def pay_a_line(visit: OpenVisit) -> str:
    await visit.add()
    await visit.collect(L1=100_000)
    return "L1"


async def order_a_line(visit: OpenVisit) -> str:
    await visit.add()
    return "L1"


async def take_back(visit: OpenVisit, line: str) -> None:
    await visit.change(line, stage="")
    await visit.cancel(line)


async def start(visit: OpenVisit, line: str) -> None:
    await visit.change(line, stage="", state="started", started_at=visit.context.clock())


async def perform_without_a_price(visit: OpenVisit) -> str:
    await visit.add(state="performed", patient=None)
    return "L1"


def stage(name: str, kind: str = "drug") -> Callable[[OpenVisit], Awaitable[str]]:
    async def add(visit: OpenVisit) -> str:
        await visit.add(kind=kind, stage=name)
        return "L1"

    return add


async def skip_a_header_version(visit: OpenVisit) -> str:
    await visit.account(gap_since=visit.context.clock(), missing_versions=[2])
    return str(visit.id)


async def skip_a_version(visit: OpenVisit) -> str:
    await visit.add(state="performed", gap_since=visit.context.clock())
    return "L1"


async def open_code(visit: OpenVisit) -> str:
    await visit.intent(is_standing=True)
    await visit.intent(expires_at=visit.context.clock() - timedelta(minutes=1))
    return str(await visit.intent())


async def request_money(visit: OpenVisit) -> str:
    await visit.add(state="performed")
    return str(await visit.request(L1=100_000))


async def request_guarantee(visit: OpenVisit) -> str:
    guarantee_id = visit.context.ids.new()
    await visit.execute(
        "INSERT INTO guarantee (organization_id, id, visit_id, payer, reference, limit_amount, position, state, "
        "version, created_at, changed_at) VALUES (1, $1, $2, 'Bảo Việt', 'BV-1', 1000000, 1, 'requested', 1, $3, $3)",
        guarantee_id, visit.id, visit.context.clock(),
    )  # fmt: skip
    return str(guarantee_id)


async def leave_a_day_without_a_bed(visit: OpenVisit) -> str:
    await visit.header(MA_LOAI_KCB="03", NGAY_VAO="202611020800", NGAY_RA="202611051000")
    await visit.bed("B1", "20261102")
    await visit.bed("B2", "20261104")
    return "2026-11-03"


async def charge_a_bed_on_leave(visit: OpenVisit) -> str:
    leave = ["2026-11-03"]
    await visit.header(MA_LOAI_KCB="03", NGAY_VAO="202611020800", NGAY_RA="202611051000", leave_days=leave)
    for line, day in (("B1", "20261102"), ("B2", "20261103"), ("B3", "20261104")):
        await visit.bed(line, day)
    return "B2"


async def charge_a_bed_twice(visit: OpenVisit) -> str:
    await visit.header(MA_LOAI_KCB="03", NGAY_VAO="202611020800", NGAY_RA="202611041000")
    for line, day in (("B1", "20261102"), ("B2", "20261103"), ("B3", "20261103")):
        await visit.bed(line, day)
    return "B3"


async def end(visit: OpenVisit, table: str, state: str) -> None:
    await visit.execute(f"UPDATE {table} SET state = '{state}' WHERE organization_id = 1")


CASES: list[tuple[str, Callable[[OpenVisit], Awaitable[str]], Callable[[OpenVisit], Awaitable[object]]]] = [
    ("paid_not_performed", pay_a_line, lambda visit: visit.perform("L1")),
    ("paid_not_performed", pay_a_line, lambda visit: visit.cancel("L1")),
    ("performed_not_priced", perform_without_a_price, lambda visit: visit.change("L1", patient_amount=5)),
    ("drug_requested", stage("requested"), lambda visit: visit.change("L1", stage="received")),
    ("drug_issued", stage("issued"), lambda visit: visit.change("L1", stage="received")),
    ("drug_returning", stage("returning"), lambda visit: take_back(visit, "L1")),
    ("sample_not_sent", stage("sample_due", "service"), lambda visit: start(visit, "L1")),
    ("ordered_not_performed", order_a_line, lambda visit: visit.perform("L1")),
    ("ordered_not_performed", order_a_line, lambda visit: visit.cancel("L1")),
    ("charge_version_gap", skip_a_version, lambda visit: visit.change("L1", gap_since=None)),
    ("header_version_gap", skip_a_header_version, lambda visit: visit.account(gap_since=None, missing_versions=[])),
    ("qr_waiting", open_code, lambda visit: visit.execute(
        "UPDATE intent SET state = 'cancelled' WHERE organization_id = 1 AND NOT is_standing")),
    ("deposit_request_open", request_money, lambda visit: end(visit, "deposit_request", "withdrawn")),
    ("guarantee_unconfirmed", request_guarantee, lambda visit: end(visit, "guarantee", "rejected")),
    ("bed_day_missing", leave_a_day_without_a_bed, lambda visit: visit.bed("B9", "20261103")),
    ("bed_day_missing", leave_a_day_without_a_bed, lambda visit: visit.header(
        MA_LOAI_KCB="03", NGAY_VAO="202611020800", NGAY_RA="202611051000", leave_days=["2026-11-03"])),
    ("bed_day_on_leave", charge_a_bed_on_leave, lambda visit: visit.cancel("B2")),
    ("bed_day_doubled", charge_a_bed_twice, lambda visit: visit.cancel("B3")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "block", "way_out"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
async def test_blocker_is_found_and_its_way_out_opens(
    visit: OpenVisit,
    kind: str,
    block: Callable[[OpenVisit], Awaitable[str]],
    way_out: Callable[[OpenVisit], Awaitable[object]],
) -> None:
    await visit.header(MA_LOAI_KCB="01", NGAY_VAO="202611020800")
    await require(visit)
    subject = await block(visit)

    assert await blockers(visit) == [(kind, subject)]
    with pytest.raises(DischargeBlocked) as refused:
        await require(visit)
    assert [(each.kind.value, each.line) for each in refused.value.blockers] == [(kind, subject)]

    await way_out(visit)
    assert await blockers(visit) == []
    await require(visit)


def test_every_kind_is_read_from_its_rows() -> None:
    assert {kind for kind, _, _ in CASES} == {kind.value for kind in BlockerKind}


async def test_inpatient_without_a_header_of_care_needs_beds(visit: OpenVisit) -> None:
    await visit.account(is_inpatient=True)
    assert await blockers(visit) == []  # admitted just now

    await visit.header(NGAY_VAO="202611010800", NGAY_RA="202611031000")
    assert await blockers(visit) == [("bed_day_missing", "2026-11-01"), ("bed_day_missing", "2026-11-02")]


async def test_code_of_an_invoice_of_the_visit_blocks(visit: OpenVisit) -> None:
    invoice_id, intent_id = visit.context.ids.new(), await visit.intent(is_standing=True)
    await visit.end_intent(intent_id)
    await visit.execute(
        "INSERT INTO visit_version (organization_id, visit_id, version, content_hash, source, recorded_at) "
        "VALUES (1, $1, 1, $2, 'json', $3)",
        visit.id, bytes(32), visit.context.clock(),
    )  # fmt: skip
    await visit.execute(
        "INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version, patient_share, "
        "other_share, insurer_share, owed, issued_at) VALUES (1, $1, $2, 1, 'N1', 'issued', 1, 5, 0, 0, 5, $3)",
        invoice_id, visit.id, visit.context.clock(),
    )  # fmt: skip
    code = visit.context.ids.new()
    await visit.execute(
        "INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, "
        "created_at) SELECT 1, $1, id, 'ABCDEFGHJ', 'created', 1, 5, $2 FROM provider_account "
        "WHERE organization_id = 1 LIMIT 1",
        code, visit.context.clock(),
    )  # fmt: skip
    await visit.execute(
        "INSERT INTO intent_invoice (organization_id, intent_id, position, invoice_id) VALUES (1, $1, 1, $2)",
        code, invoice_id,
    )  # fmt: skip

    assert await blockers(visit) == [("qr_waiting", str(code))]


async def override(visit: OpenVisit, kind: str, actor: Actor, line: str = "", reason: str = "bác sĩ xác nhận") -> None:
    new = NewOverride(kind=BlockerKind(kind), line=line, reason=reason)
    await override_blocker(visit.context, ORGANIZATION, visit.id, new, actor=actor)


async def test_override_lets_the_visit_be_billed_and_is_kept(visit: OpenVisit, head: Actor) -> None:
    await visit.add("L1", kind="drug", stage="issued")
    await visit.add("L2", kind="drug", stage="issued")
    await override(visit, "drug_issued", head, "L1")

    assert await blockers(visit) == [("drug_issued", "L2")]
    await override(visit, "drug_issued", head)
    await require(visit)
    found = await find_discharge_clearance(visit.context, ORGANIZATION, visit.id)
    assert [(each.line, each.reason, each.overridden_by) for each in found.overrides] == [
        ("L1", "bác sĩ xác nhận", head.person),
        ("L2", "bác sĩ xác nhận", head.person),
    ]
    noted = "SELECT count(*) FROM audit WHERE action = 'drug_issued_overridden' AND acting_for = $1"
    assert await visit.value(noted, head.person) == 2


async def test_blocker_that_comes_later_blocks_again(visit: OpenVisit, head: Actor) -> None:
    await visit.add("L1", kind="drug", stage="issued")
    await override(visit, "drug_issued", head)
    await visit.change("L1", version=2)
    await visit.add("L2", kind="drug", stage="issued")

    assert await blockers(visit) == [("drug_issued", "L1"), ("drug_issued", "L2")]


async def test_override_without_blocker_reason_or_person_is_rejected(visit: OpenVisit, head: Actor) -> None:
    with pytest.raises(BlockerNotFound):
        await override(visit, "drug_issued", head)
    await visit.add("L1", kind="drug", stage="issued")
    with pytest.raises(BlockerNotFound):
        await override(visit, "drug_issued", head, "L2")
    with pytest.raises(InvalidValue):
        await override(visit, "drug_issued", head, reason="  ")
    with pytest.raises(PersonNeeded):
        await override(visit, "drug_issued", Actor.system())
    await override(visit, "drug_issued", head)
    with pytest.raises(BlockerOverridden, match=str(head.person)):
        await override(visit, "drug_issued", head)


async def test_closed_or_unknown_visit_is_not_overridden(visit: OpenVisit, head: Actor) -> None:
    await visit.add("L1", kind="drug", stage="issued")
    await visit.close()
    with pytest.raises(VisitClosed):
        await override(visit, "drug_issued", head)
    with pytest.raises(NotFound):
        await find_discharge_clearance(visit.context, ORGANIZATION, VisitId(uuid4()))


async def test_overrides_and_policies_are_never_changed(
    visit: OpenVisit, head: Actor, database: DatabaseAddress
) -> None:
    await visit.add("L1", kind="drug", stage="issued")
    await override(visit, "drug_issued", head)

    owner = await asyncpg.connect(database.owner_url)
    for table in ("discharge_override", "clearance_policy"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(f"DELETE FROM {table}")
    await owner.close()

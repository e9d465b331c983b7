"""Guarantees past their last day: the worker expires them, and orders they covered wait again."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import VisitId
from billing.core.money import Dong
from billing.db.connection_errors import DatabaseBusy
from billing.db.context import Context
from billing.db.database import Database, Transaction
from billing.visit_accounts.domain.guarantee import GuaranteeState
from billing.visit_accounts.service import guarantees
from billing.visit_accounts.service.clearing import ClearingResult, update_clearance
from billing.visit_accounts.service.final_bills import close_visit, reopen_visit
from billing.visit_accounts.service.guarantees import (
    NewGuarantee,
    confirm_guarantee,
    expire_guarantees_once,
    read_guarantee,
    request_guarantee,
)
from tests.builders import DemoHospital, build_context
from tests.visit_accounts.accounts import open_visit as open_account
from tests.visit_accounts.cashiers import CashDesk
from tests.visit_accounts.charged import charged_visit
from tests.visit_accounts.open_visits import ORGANIZATION, OpenVisit, open_visit
from tests.worker.webhook_env import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def visit(hospital: DemoHospital, app_database: Database, clock: ManualClock) -> OpenVisit:
    return await open_visit(build_context(app_database, clock=clock))


async def request(visit: OpenVisit, reference: str, *, days: int | None) -> UUID:
    """A guarantee that is valid for `days` more days; None: without an end."""
    until = None if days is None else business_date(visit.context.clock()) + timedelta(days=days)
    new = NewGuarantee(payer="Bảo hiểm Tư", reference=reference, limit=Dong(500_000), valid_until=until)
    return await request_guarantee(visit.context, ORGANIZATION, visit.id, new, actor=Actor.system())


async def confirm(visit: OpenVisit, guarantee_id: UUID) -> None:
    await confirm_guarantee(visit.context, ORGANIZATION, guarantee_id, Dong(500_000), actor=Actor.system())


async def state(visit: OpenVisit, guarantee_id: UUID) -> GuaranteeState:
    return (await read_guarantee(visit.context, ORGANIZATION, guarantee_id)).state


async def expire(visit: OpenVisit) -> int:
    return await expire_guarantees_once(visit.context, ORGANIZATION)


async def test_guarantee_expires_once_after_its_last_day(visit: OpenVisit, clock: ManualClock) -> None:
    requested, confirmed = await request(visit, "BL-1", days=1), await request(visit, "BL-2", days=1)
    later, endless = await request(visit, "BL-3", days=2), await request(visit, "BL-4", days=None)
    await confirm(visit, confirmed)
    clock.turn(days=1)
    assert await expire(visit) == 0, "valid on its last day"

    clock.turn(days=1)
    assert (await expire(visit), await expire(visit)) == (2, 0)

    states = [await state(visit, one) for one in (requested, confirmed, later, endless)]
    assert states == ["expired", "expired", "requested", "requested"]
    audited = "SELECT count(*) FROM audit WHERE action = 'guarantee_expired' AND actor_kind = 'system'"
    assert await visit.value(audited) == 2
    announced = "SELECT count(*) FROM outbox WHERE topic = 'guarantee.updated' AND payload->>'state' = 'expired'"
    assert await visit.value(announced) == 2


async def test_visit_that_fails_does_not_stop_the_others(
    visit: OpenVisit, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await open_visit(visit.context, "LK0002")
    first, second = await request(visit, "BL-1", days=0), await request(other, "BL-2", days=0)
    clock.turn(days=1)

    async def fail(tx: Transaction, context: Context, visit_id: VisitId) -> ClearingResult:
        if visit_id == visit.id:
            raise DatabaseBusy("another transaction holds the lock")
        return await update_clearance(tx, context, visit_id)

    with monkeypatch.context() as patch:
        patch.setattr(guarantees, "update_clearance", fail)
        with pytest.raises(DatabaseBusy):
            await expire(visit)
    assert [await state(visit, one) for one in (first, second)] == ["requested", "expired"]
    assert (await expire(visit), await state(visit, first)) == (1, "expired")


async def test_guarantee_of_a_closed_visit_stays(visit: OpenVisit, clock: ManualClock) -> None:
    guarantee_id = await request(visit, "BL-1", days=0)
    await confirm(visit, guarantee_id)
    await visit.close()
    clock.turn(days=1)

    assert await expire(visit) == 0
    assert await state(visit, guarantee_id) == "confirmed"


async def test_stored_clearance_follows_the_guarantee(visit: OpenVisit, clock: ManualClock) -> None:
    await visit.add("L1", patient=100_000)
    guarantee_id = await request(visit, "BL-1", days=0)
    await confirm(visit, guarantee_id)
    assert await line_state(visit) == "cleared"
    clock.turn(days=1)
    await expire(visit)

    assert await line_state(visit) == "ordered"
    topics = "SELECT array_agg(topic ORDER BY id) FROM outbox WHERE topic LIKE 'charge.%'"
    assert await visit.value(topics) == ["charge.cleared", "charge.withdrawn"]


async def line_state(visit: OpenVisit) -> str:
    found: str = await visit.value("SELECT state FROM charge_item WHERE line = 'L1'")
    return found


async def test_guarantee_that_a_final_bill_counted_stays(desk: CashDesk) -> None:
    context, actor = desk.context, Actor.system()
    charged = await charged_visit(await open_account(context), desk.desk_id, await desk.open())
    visit_id = charged.open.visit_id
    new = NewGuarantee(
        payer="Bảo hiểm Tư", reference="BL-1", limit=Dong(136_000), valid_until=business_date(context.clock())
    )
    guarantee_id = await request_guarantee(context, ORGANIZATION, visit_id, new, actor=actor)
    await confirm_guarantee(context, ORGANIZATION, guarantee_id, Dong(136_000), actor=actor)
    await close_visit(context, ORGANIZATION, visit_id, actor=desk.cashier)
    await reopen_visit(context, ORGANIZATION, visit_id, reason="thêm thuốc", actor=desk.head)
    later = replace(context, clock=lambda: context.clock() + timedelta(days=2))

    assert await expire_guarantees_once(later, ORGANIZATION) == 0
    assert (await read_guarantee(context, ORGANIZATION, guarantee_id)).state == "confirmed"


async def test_guarantee_that_the_final_bill_finds_expired_is_announced(desk: CashDesk) -> None:
    context, actor = desk.context, Actor.system()
    charged = await charged_visit(await open_account(context), desk.desk_id, await desk.open())
    visit_id = charged.open.visit_id
    today = business_date(context.clock())
    new = NewGuarantee(payer="Bảo hiểm Tư", reference="BL-1", limit=Dong(136_000), valid_until=today)
    guarantee_id = await request_guarantee(context, ORGANIZATION, visit_id, new, actor=actor)
    await confirm_guarantee(context, ORGANIZATION, guarantee_id, Dong(136_000), actor=actor)
    await charged.pay(136_000)
    later = replace(context, clock=lambda: context.clock() + timedelta(days=1))

    await close_visit(later, ORGANIZATION, visit_id, actor=desk.cashier)

    assert (await read_guarantee(context, ORGANIZATION, guarantee_id)).state == "expired"
    async with context.database.transaction(ORGANIZATION) as tx:
        announced = await tx.fetchval(
            "SELECT count(*) FROM outbox WHERE topic = 'guarantee.updated' AND payload->>'state' = 'expired'"
        )
        audited = await tx.fetchval("SELECT count(*) FROM audit WHERE action = 'guarantee_expired'")
    assert (announced, audited) == (1, 1)

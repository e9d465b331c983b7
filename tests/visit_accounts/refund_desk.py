"""The desk, the provider and the clock of the tests of refunds, and what a cashier does with a refund."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from billing.core.ids import PaymentId, RefundId
from billing.core.money import Dong
from billing.db.database import Database
from billing.ops.approval_kinds import approve_subject
from billing.organizations.service.approvals import ApprovalKind
from billing.payments.domain.refund import (
    RefundWay,
)
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import (
    request_refund,
)
from providers.contract import Movement, Notice
from tests.builders import ACCOUNT_NAME, DemoHospital, build_context, set_refund_limit
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk, as_owner, open_desk
from tests.visit_accounts.refunds import (
    RefundLog,
    with_refunds,
)

BANK = "SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> RefundLog:
    return RefundLog()


@pytest.fixture
async def flow(hospital: DemoHospital, app_database: Database, log: RefundLog, clock: Clock) -> PaymentFlow:
    context = build_context(app_database, clock=clock, build_provider=with_refunds(log))
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return PaymentFlow(context, hospital, account)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[CashDesk]:
    """The desk of an organization where up to 100 000 đồng need no second person."""
    await as_owner(database, set_refund_limit(100_000))
    desk = await open_desk(database, flow.context)
    yield desk
    await assert_books_are_right(flow.context.database)


async def position(desk: CashDesk, payment_id: PaymentId) -> tuple[int, int, int]:
    """Credit, reserved and refunded of a payment."""
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        row = await tx.fetchrow(
            "SELECT credit, refund_reserved, refunded FROM payment_position"
            " WHERE organization_id = 1 AND payment_id = $1",
            payment_id,
        )
    assert row is not None
    return tuple(row)


async def take_cash(desk: CashDesk, visit: OpenVisit, amount: int) -> None:
    part = CollectedPart(method=PartMethod.CASH, amount=Dong(amount))
    collection = Collection(visit_id=visit.visit_id, parts=[part], amount=Dong(amount))
    await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier)


async def request_of_visit(desk: CashDesk, visit: OpenVisit, amount: int) -> RefundId:
    new = NewRefund(amount=Dong(amount), way=RefundWay.CASH, reason="Hoàn ứng", visit_id=visit.visit_id)
    return await request_refund(desk.context, ORGANIZATION, new, actor=desk.cashier)


async def approve(desk: CashDesk, refund_id: RefundId) -> None:
    await approve_subject(desk.context, ORGANIZATION, ApprovalKind.REFUND, refund_id, actor=desk.head)


def refunded(flow: PaymentFlow, name: str, amount: int, payment: str = "T1") -> Notice:
    """The provider's notice of a refund of a payment."""
    return flow.notice(
        name, "", amount=amount, movement=Movement.REFUNDED, reverses=frozenset({f"transaction:{payment}"})
    )

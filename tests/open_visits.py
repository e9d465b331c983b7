"""An open visit with its deposit and a desk with an open shift, for tests of visit accounts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.ids import DepositId, PatientId, PaymentId, ShiftId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import drawer_account
from billing.ledger.store.journal import read_trial_balance
from billing.payments.domain.deposit import Deposit
from billing.payments.service.allocation import CounterTarget, receive_counter_payment
from billing.payments.store.counter_payments import CounterPayment, PaymentMethod
from billing.payments.store.deposits import add_deposit, lock_deposit_of_visit
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import visit_document
from tests.flow import PaymentFlow

_VISIT_ACCOUNT = """
    WITH patient_row AS (
        INSERT INTO patient (organization_id, id, is_unknown, created_at) VALUES ($1, $2, false, $4)
        RETURNING organization_id, id
    )
    INSERT INTO visit_account (organization_id, visit_id, facility_id, ma_lk, patient_id, state, version,
        sender_version, is_inpatient, opened_at)
    SELECT $1, visit.id, visit.facility_id, visit.ma_lk, patient_row.id, 'open', 1, 1, false, $4
    FROM visit, patient_row WHERE visit.organization_id = $1 AND visit.id = $3
"""

_DESK = """
    INSERT INTO desk (organization_id, id, facility_id, name)
    SELECT $1, $2, id, 'Quầy 1' FROM facility WHERE organization_id = $1 LIMIT 1
"""

_SHIFT = """
    INSERT INTO shift (organization_id, id, desk_id, cashier_id, state, version, expected_float, opening_float,
        opened_at)
    SELECT $1, $2, $3, id, 'open', 1, 0, 0, $4 FROM person WHERE organization_id = $1 LIMIT 1
"""

_SHIFT_EVENT = """
    INSERT INTO shift_event (organization_id, id, shift_id, kind, amount, actor_kind, recorded_at)
    VALUES ($1, $2, $3, 'collection', $4, 'system', $5)
"""


@dataclass(frozen=True, slots=True)
class OpenVisit:
    """A visit with an account, an empty deposit and a desk with an open shift."""

    flow: PaymentFlow
    visit_id: VisitId
    desk_id: UUID
    shift_id: ShiftId

    async def pay(self, tx: Transaction, amount: int) -> PaymentId:
        """Take cash for the deposit."""
        context = self.flow.context
        deposit = await self.deposit(tx)
        payment = CounterPayment(
            id=PaymentId(context.ids.new()),
            method=PaymentMethod.CASH,
            amount=Dong(amount),
            shift_id=self.shift_id,
            reference="",
            occurred_at=context.clock(),
            allocations=(),
        )
        target = CounterTarget(amount=Dong(amount), deposit=deposit)
        await receive_counter_payment(
            tx, context, payment, [target], debit=drawer_account(self.desk_id), actor=Actor.system()
        )
        await tx.execute(_SHIFT_EVENT, tx.organization_id, context.ids.new(), self.shift_id, amount, context.clock())
        return payment.id

    async def deposit(self, tx: Transaction) -> Deposit:
        found = await lock_deposit_of_visit(tx, self.visit_id)
        assert found is not None
        return found

    async def balances(self) -> dict[str, int]:
        """The balances of the accounts that are not 0, by role."""
        async with self.flow.context.database.transaction(self.flow.hospital.organization_id) as tx:
            rows = await read_trial_balance(tx, on=datetime.now(UTC).date())
        return {row.role: row.balance for row in rows if row.balance}


async def open_visit(flow: PaymentFlow, owner_url: str) -> OpenVisit:
    """Record a visit, open its account and deposit, and open a shift at a desk."""
    organization_id = flow.hospital.organization_id
    recorded = await record_visit(flow.context, organization_id, visit_document(ma_lk="LK0001"), actor=Actor.system())
    assert recorded is not None
    new, now = flow.context.ids.new, flow.context.clock()
    desk_id, shift_id = new(), ShiftId(new())
    owner = await asyncpg.connect(owner_url)
    await owner.execute(f"SET vienphi.organization = '{organization_id}'")
    await owner.execute(_DESK, organization_id, desk_id)
    await owner.close()
    async with flow.context.database.transaction(organization_id) as tx:
        await tx.execute(_VISIT_ACCOUNT, organization_id, PatientId(new()), recorded.id, now)
        await add_deposit(tx, DepositId(new()), recorded.id, at=now)
        await tx.execute(_SHIFT, organization_id, shift_id, desk_id, now)
    return OpenVisit(flow, recorded.id, desk_id, shift_id)

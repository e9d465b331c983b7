"""An open visit with ordered lines and an empty deposit, for the tests of deposits and their requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from billing.core.actor import Actor
from billing.core.ids import DepositId, DepositRequestId, OrganizationId, PatientId, VisitId
from billing.core.money import NOTHING, Dong
from billing.db.database import Transaction
from billing.payments.domain.deposit import Deposit, DepositRequest, RequestKind, RequestState
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import add_deposit, add_request, lock_deposit_of_visit, lock_requests
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import visit_document

ORGANIZATION = OrganizationId(1)

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

_CHARGE = """
    INSERT INTO charge_item (organization_id, visit_id, line, facility_id, order_number, version, kind, state, stt,
        document, patient_amount, hospital_amount, insurer_amount, other_amount, ordered_at, changed_at)
    SELECT $1, $2, $3, facility_id, $4, 1, 'service', 'ordered', $5, '{"table": "XML3"}', $6, $6, 0, 0, $7, $7
    FROM visit_account WHERE organization_id = $1 AND visit_id = $2
"""


@dataclass(frozen=True, slots=True)
class VisitWithDeposit:
    """An open visit. `lines` maps each ordered line to its patient amount."""

    context: PaymentContext
    visit_id: VisitId
    ma_lk: str
    lines: Mapping[str, int]

    async def deposit(self, tx: Transaction) -> Deposit:
        found = await lock_deposit_of_visit(tx, self.visit_id)
        assert found is not None
        return found

    async def request(self, tx: Transaction, lines: Sequence[str] = (), *, amount: int | None = None) -> DepositRequest:
        """Add a request of lines, or of an amount."""
        context = self.context
        amounts = {line: Dong(self.lines[line]) for line in lines}
        requested = Dong(sum(amounts.values()) if amount is None else amount)
        request = DepositRequest(
            id=DepositRequestId(context.ids.new()),
            deposit_id=(await self.deposit(tx)).id,
            kind=RequestKind.ORDER_LINES if lines else RequestKind.ADVANCE,
            state=RequestState.REQUESTED,
            version=1,
            amount=requested,
            proposed_amount=NOTHING,
            requested_at=context.clock(),
        )
        await add_request(tx, request, visit_id=self.visit_id, lines=amounts, requested_by=None)
        return request

    async def locked_request(self, tx: Transaction, request: DepositRequest) -> DepositRequest:
        return (await lock_requests(tx, [request.id]))[request.id]

    async def states(self, tx: Transaction) -> dict[str, str]:
        """The state of each line."""
        rows = await tx.fetch(
            "SELECT line, state FROM charge_item WHERE organization_id = $1 AND visit_id = $2",
            tx.organization_id,
            self.visit_id,
        )
        return {row["line"]: row["state"] for row in rows}


async def open_visit(
    context: PaymentContext, ma_lk: str = "LK0001", *, lines: Mapping[str, int] | None = None
) -> VisitWithDeposit:
    """Record a visit, open its account and its deposit, and order its lines."""
    recorded = await record_visit(context, ORGANIZATION, visit_document(ma_lk=ma_lk), actor=Actor.system())
    assert recorded is not None
    new, now = context.ids.new, context.clock()
    lines = {"A": 60_000, "B": 40_000} if lines is None else lines
    async with context.database.transaction(ORGANIZATION) as tx:
        await tx.execute(_VISIT_ACCOUNT, ORGANIZATION, PatientId(new()), recorded.id, now)
        await add_deposit(tx, DepositId(new()), recorded.id, at=now)
        for stt, (line, amount) in enumerate(lines.items(), start=1):
            await tx.execute(_CHARGE, ORGANIZATION, recorded.id, line, f"{ma_lk}-{line}", stt, amount, now)
    return VisitWithDeposit(context, recorded.id, ma_lk, lines)


async def read_messages(tx: Transaction, *topics: str) -> list[tuple[str, dict[str, Any]]]:
    """Topic and payload of the messages of some topics, in order."""
    rows = await tx.fetch(
        "SELECT topic, payload FROM outbox WHERE organization_id = $1 AND topic = ANY ($2::text[]) ORDER BY id",
        tx.organization_id,
        list(topics),
    )
    return [(row["topic"], row["payload"]) for row in rows]

"""An open visit with its deposit and a request for it, as the sender's messages would make them."""

from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.ids import DepositId, DepositRequestId, OrganizationId, VisitId
from billing.core.money import Dong
from billing.core.reference_code import reference_code
from billing.organizations.store.organizations import read_prefixes
from billing.payments.domain.deposit import Deposit, DepositRequest, RequestKind, RequestState
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import add_deposit, add_request, lock_requests, read_deposit_of_visit
from billing.visit_accounts.service.record_visits import record_visit
from tests.builders import visit_document

ORGANIZATION = OrganizationId(1)

_ADD_PATIENT = """
    INSERT INTO patient (organization_id, id, is_unknown, created_at) VALUES (1, $1, false, $2)
"""

_ADD_ACCOUNT = """
    INSERT INTO visit_account (organization_id, visit_id, facility_id, ma_lk, patient_id, state, version,
        sender_version, is_inpatient, opened_at)
    SELECT 1, id, facility_id, ma_lk, $2, 'open', 1, 1, false, $3 FROM visit WHERE id = $1
"""

_ADD_INTENT = """
    INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, created_at,
        deposit_id, deposit_request_id)
    SELECT 1, $1, id, $2, 'created', 1, $3, $4, $5, $6 FROM provider_account WHERE organization_id = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVisit:
    """A visit with an account."""

    context: PaymentContext
    visit_id: VisitId
    deposit_id: DepositId

    async def request(self, amount: int) -> DepositRequestId:
        """Request an amount for the deposit."""
        request = DepositRequest(
            id=DepositRequestId(self.context.ids.new()),
            deposit_id=self.deposit_id,
            kind=RequestKind.ADVANCE,
            state=RequestState.REQUESTED,
            version=1,
            amount=Dong(amount),
            proposed_amount=Dong(amount),
            requested_at=self.context.clock(),
        )
        async with self.context.database.transaction(ORGANIZATION) as tx:
            await add_request(tx, request, visit_id=self.visit_id, lines={}, requested_by=None)
        return request.id

    async def code(self, request_id: DepositRequestId, amount: int) -> str:
        """The reference code of a new intent for a request."""
        async with self.context.database.transaction(ORGANIZATION) as tx:
            [prefix, *_] = await read_prefixes(tx)
            code = reference_code(prefix, 12_345)
            now, intent_id = self.context.clock(), self.context.ids.new()
            await tx.execute(_ADD_INTENT, intent_id, code, amount, now, self.deposit_id, request_id)
        return code

    async def deposit(self) -> Deposit:
        """The deposit as stored."""
        async with self.context.database.transaction(ORGANIZATION) as tx:
            found = await read_deposit_of_visit(tx, self.visit_id)
        assert found is not None
        return found

    async def request_as_stored(self, request_id: DepositRequestId) -> DepositRequest:
        """A request as stored."""
        async with self.context.database.transaction(ORGANIZATION) as tx:
            return (await lock_requests(tx, [request_id]))[request_id]


async def open_visit(context: PaymentContext, ma_lk: str = "LK0001") -> OpenVisit:
    """Open the account of a visit of the demo hospital."""
    recorded = await record_visit(context, ORGANIZATION, visit_document(ma_lk=ma_lk), actor=Actor.system())
    assert recorded is not None
    deposit_id, patient_id = DepositId(context.ids.new()), context.ids.new()
    async with context.database.transaction(ORGANIZATION) as tx:
        await tx.execute(_ADD_PATIENT, patient_id, context.clock())
        await tx.execute(_ADD_ACCOUNT, recorded.id, patient_id, context.clock())
        await add_deposit(tx, deposit_id, recorded.id, at=context.clock())
    return OpenVisit(context=context, visit_id=recorded.id, deposit_id=deposit_id)

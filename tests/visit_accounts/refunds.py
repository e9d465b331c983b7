"""A provider that returns money, and payments to return, for the tests of refunds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

import httpx

from billing.core.actor import Actor
from billing.core.ids import PaymentId, RefundId
from billing.core.money import Dong
from billing.organizations.service.provider_accounts import BuildProvider, BuiltProvider
from billing.organizations.store.organizations import ProviderAccountRow
from billing.payments.domain.refund import BankDestination, Refund, RefundState, RefundWay
from billing.payments.service.context import PaymentContext
from billing.payments.store.refunds import read_refund
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import request_refund
from providers.contract import OperationResult, Outcome, RefundRequest, Refunds
from providers.sandbox.adapter import Sandbox
from tests.builders import build_sandbox
from tests.flow import PaymentFlow
from tests.visit_accounts.cashiers import ORGANIZATION

DESTINATION = BankDestination(bank_bin="970436", account_number="0011223344", holder="NGUYEN VAN AN", is_stated=True)


@dataclass
class RefundLog:
    """The calls to the provider, and its next answers; an exception is raised in place of an answer."""

    sent: list[RefundRequest] = field(default_factory=list)
    queried: list[RefundRequest] = field(default_factory=list)
    answers: list[OperationResult | BaseException] = field(default_factory=list)

    def next(self) -> OperationResult:
        answer = self.answers.pop(0) if self.answers else answered(Outcome.SUCCEEDED)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class RefundingSandbox(Sandbox, Refunds):
    """The sandbox bank with refunds."""

    partial_refunds: ClassVar[bool] = True
    log: RefundLog

    async def refund(self, request: RefundRequest) -> OperationResult:
        self.log.sent.append(request)
        return self.log.next()

    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        self.log.queried.append(request)
        return self.log.next()


def answered(outcome: Outcome, provider_reference: str = "") -> OperationResult:
    return OperationResult(outcome=outcome, provider_status=outcome.value, provider_reference=provider_reference)


def with_refunds(log: RefundLog) -> BuildProvider:
    def build(row: ProviderAccountRow) -> BuiltProvider:
        built = build_sandbox(row)
        assert isinstance(built.provider, Sandbox)
        provider = RefundingSandbox(built.provider._settings, httpx.AsyncClient())
        provider.log = log
        return replace(built, provider=provider)

    return build


async def over_pay(flow: PaymentFlow, *, owed: int = 136_000, extra: int = 50_000, name: str = "T1") -> PaymentId:
    """A payment of a bill with more than it owes: the rest is credit."""
    started = await flow.start_intent(f"LK-{name}")
    await flow.deliver(flow.notice(name, started.code, amount=owed + extra))
    async with flow.context.database.transaction(ORGANIZATION) as tx:
        found = await tx.fetchval("SELECT id FROM payment WHERE organization_id = 1 AND provider_reference = $1", name)
    return PaymentId(found)


async def request_of(
    context: PaymentContext, payment_id: PaymentId, amount: int, way: RefundWay, *, actor: Actor, **changes: object
) -> RefundId:
    new = NewRefund(amount=Dong(amount), way=way, reason="Nộp thừa tiền", payment_id=payment_id, **changes)  # type: ignore[arg-type]
    return await request_refund(context, ORGANIZATION, new, actor=actor)


async def refund_of(context: PaymentContext, refund_id: RefundId) -> Refund:
    async with context.database.transaction(ORGANIZATION) as tx:
        found = await read_refund(tx, refund_id)
    assert found is not None
    return found


async def states_of(context: PaymentContext, refund_ids: Sequence[RefundId]) -> list[RefundState]:
    return [(await refund_of(context, each)).state for each in refund_ids]

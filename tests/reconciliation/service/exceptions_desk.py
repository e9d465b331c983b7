"""Exceptions with money, and the persons of finance who decide them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.ids import OrganizationId, PaymentId
from billing.core.money import Dong
from billing.payments.domain.exception import ExceptionReason
from billing.payments.service.intake import Intake
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.decide_exceptions import decide_exception, revert_decision
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.exceptions import ExceptionDetails, find_exception
from tests.builders import ACCOUNT_NAME
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.persons import actors

ORGANIZATION = OrganizationId(1)

_SECOND_CONTRACT = """
    INSERT INTO provider_account (organization_id, id, name, provider, bank_account_id, settings, secret_name)
    SELECT organization_id, $1, 'second', provider, bank_account_id, settings, secret_name FROM provider_account
"""

UNKNOWN_PAID = 200_000
"""The money of a transfer without a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionDesk:
    """Two persons of finance, and what they decide."""

    flow: PaymentFlow
    first: Actor
    second: Actor

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        async with self.flow.context.database.transaction(ORGANIZATION) as tx:
            return list(await tx.fetch(query, *arguments))

    async def exception_of(self, reason: ExceptionReason) -> tuple[UUID, PaymentId]:
        """The only exception of a reason, with its payment."""
        [row] = await self.rows("SELECT id, payment_id FROM exception_case WHERE reason = $1", reason.value)
        return row["id"], PaymentId(row["payment_id"])

    async def receive_without_code(self, transaction: str = "T1", amount: int = UNKNOWN_PAID) -> tuple[UUID, PaymentId]:
        """Money without a code: its exception and its payment."""
        await self.flow.deliver(self.flow.notice(transaction, "NGUYEN VAN A NOP TIEN", amount=amount))
        [row] = await self.rows(
            "SELECT one.id, payment_id FROM exception_case AS one JOIN payment ON payment.id = payment_id "
            "WHERE provider_reference = $1",
            transaction,
        )
        return row["id"], PaymentId(row["payment_id"])

    async def receive_twice(self, amount: int = UNKNOWN_PAID, *, reference: str = "") -> tuple[UUID, PaymentId]:
        """Money that two channels of one bank account report: the exception of the held payment, and the payment.

        `reference` is the bank reference that the first channel names.
        """
        for transaction, name, bank in (("A1", ACCOUNT_NAME, reference), ("B1", "second", "")):
            keys = frozenset({f"transaction:{transaction}", *([f"bank:{bank}"] if bank else [])})
            notice = self.flow.notice(transaction, "VIEN PHI", amount=amount, movement_keys=keys, bank_reference=bank)
            account = await self.flow.context.accounts.find(ORGANIZATION, name)
            async with Intake(self.flow.context) as intake:
                await intake.submit(self.flow.delivery(notice, account=account))
        return await self.exception_of(ExceptionReason.PROBABLE_DUPLICATE)

    async def decide(
        self, exception_id: UUID, action: DecisionAction, *, version: int = 1, actor: Actor | None = None, **fields: Any
    ) -> UUID:
        fields.setdefault("reason", "đã đối chiếu")
        new = NewDecision(action=action, version=version, **fields)
        return await decide_exception(self.flow.context, ORGANIZATION, exception_id, new, actor=actor or self.first)

    async def assign(
        self, exception_id: UUID, *, amount: int = UNKNOWN_PAID, transaction: str = "T1", **fields: Any
    ) -> UUID:
        fields.setdefault("bank_reference", f"FT-{transaction}")
        return await self.decide(exception_id, DecisionAction.ASSIGN, amount=Dong(amount), **fields)

    async def revert(self, exception_id: UUID, *, version: int, actor: Actor | None = None) -> UUID:
        return await revert_decision(
            self.flow.context, ORGANIZATION, exception_id, version=version, reason="gán nhầm", actor=actor or self.first
        )

    async def find(self, exception_id: UUID) -> ExceptionDetails:
        return await find_exception(self.flow.context, ORGANIZATION, exception_id)

    async def position(self, payment_id: PaymentId) -> dict[str, int]:
        """The parts of a payment that are not 0."""
        [row] = await self.rows(
            "SELECT on_invoices, on_deposits, on_guarantees, credit, unallocated, refund_reserved, refunded "
            "FROM payment_position WHERE payment_id = $1",
            payment_id,
        )
        return {name: amount for name, amount in dict(row).items() if amount}


async def add_second_channel(flow: PaymentFlow, database: DatabaseAddress) -> None:
    """A further provider account of the same bank account."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    second_id = flow.context.ids.new()
    await owner.execute(_SECOND_CONTRACT, second_id)
    await owner.execute(
        "INSERT INTO ledger_account (organization_id, id, role, subject, kind, normal_side) "
        "SELECT organization_id, $1, role, $2, kind, normal_side FROM ledger_account WHERE role = 'clearing'",
        flow.context.ids.new(),
        str(second_id),
    )
    await owner.close()


async def open_exception_desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    first, second = await actors(database, flow.context, ("ke-toan-mot", "Vũ Thị Đối"), ("ke-toan-hai", "Đỗ Văn Soát"))
    return ExceptionDesk(flow=flow, first=first, second=second)

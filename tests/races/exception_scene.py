"""An exception of money without a code, and what two persons of finance may do with it at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from billing.core.ids import PaymentId
from billing.core.money import Dong
from billing.payments.domain.exception import ExceptionState
from billing.payments.domain.refund import RefundWay
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.decide_exceptions import decide_exception, revert_decision
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.exceptions import assign_exceptions, comment_exception, find_exception
from tests.flow import PaymentFlow
from tests.races.race import Act
from tests.visit_accounts.accounts import OpenVisit, open_visit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk

EXCEPTION_ACTS = ("assign", "assign to other", "refund", "no action", "give owner", "comment", "revert")

EXCEPTION_EXPLAINED = frozenset({"exception_changed"})
"""The refusal of a loser: it states who was first and when."""

_DECIDING = ("assign", "assign to other", "refund", "no action")
_PAID = 50_000
_NUMBERS = count(1)


@dataclass(slots=True)
class ExceptionScene:
    """An exception of 50 000 đồng and two open visits. `is_closed`: a decision closed it, which may be reverted."""

    flow: PaymentFlow
    desk: CashDesk
    is_closed: bool
    number: int = field(default_factory=lambda: next(_NUMBERS))
    exception_id: UUID = field(init=False)
    payment_id: PaymentId = field(init=False)
    visits: list[OpenVisit] = field(default_factory=list)

    @property
    def acts(self) -> Mapping[str, Act]:
        return {
            "assign": self._assign,
            "assign to other": self._assign_to_other,
            "refund": self._refund,
            "no action": self._no_action,
            "give owner": self._give_owner,
            "comment": self._comment,
            "revert": self._revert,
        }

    async def set_up(self) -> None:
        """Do what happened before."""
        context = self.flow.context
        transaction = f"RACE-X-{self.number}"
        await self.flow.deliver(self.flow.notice(transaction, "NGUYEN VAN A", amount=_PAID))
        async with context.database.transaction(ORGANIZATION) as tx:
            row = await tx.fetchrow(
                "SELECT one.id, payment_id FROM exception_case AS one JOIN payment ON payment.id = payment_id "
                "WHERE provider_reference = $1",
                transaction,
            )
        assert row is not None
        self.exception_id, self.payment_id = row["id"], PaymentId(row["payment_id"])
        self.visits = [await open_visit(context, f"LK-X-{self.number}-{each}") for each in (1, 2)]
        if self.is_closed:
            await self._decide(DecisionAction.NO_ACTION, version=1)

    async def check(self, winners: Sequence[str]) -> None:
        """One decision stands, with its money; a reversal opened the exception again."""
        decided = [name for name in winners if name in _DECIDING]
        assert len(decided) <= 1, f"{winners} decided one exception"
        assert winners.count("revert") <= 1, "one decision was reverted twice"
        assert not (decided and "revert" in winners) or not self.is_closed, winners
        async with self.flow.context.database.transaction(ORGANIZATION) as tx:
            row = await tx.fetchrow(
                "SELECT unallocated, on_deposits, refund_reserved FROM payment_position WHERE payment_id = $1",
                self.payment_id,
            )
        assert row is not None
        found = await find_exception(self.flow.context, ORGANIZATION, self.exception_id)
        reverted = len(winners) == 2 and "revert" in winners and not self.is_closed
        standing = [] if reverted else decided
        assert row["on_deposits"] == (_PAID if standing and standing[0].startswith("assign") else 0), winners
        assert row["refund_reserved"] == (_PAID if standing == ["refund"] else 0), winners
        assert row["unallocated"] == _PAID - row["on_deposits"] - row["refund_reserved"], winners
        is_closed = bool(standing) or (self.is_closed and "revert" not in winners)
        assert found.exception.state is (ExceptionState.CLOSED if is_closed else ExceptionState.OPEN), winners
        assert len(found.comments) == winners.count("comment")

    async def finish(self) -> None:
        """Nothing of a round is in the way of the next one."""

    @property
    def _version(self) -> int:
        return 2 if self.is_closed else 1

    async def _decide(self, action: DecisionAction, *, version: int | None = None, **fields: Any) -> None:
        version = self._version if version is None else version
        new = NewDecision(action=action, reason="đã đối chiếu", version=version, **fields)
        await decide_exception(self.flow.context, ORGANIZATION, self.exception_id, new, actor=self.desk.head)

    async def _assign(self) -> None:
        await self._assign_to(self.visits[0])

    async def _assign_to_other(self) -> None:
        await self._assign_to(self.visits[1])

    async def _assign_to(self, visit: OpenVisit) -> None:
        reference = f"FT-RACE-X-{self.number}"
        await self._decide(DecisionAction.ASSIGN, visit_id=visit.visit_id, amount=Dong(_PAID), bank_reference=reference)

    async def _refund(self) -> None:
        await self._decide(DecisionAction.REFUND, way=RefundWay.CASH)

    async def _no_action(self) -> None:
        await self._decide(DecisionAction.NO_ACTION)

    async def _give_owner(self) -> None:
        owner_id = self.desk.treasurer.person
        assert owner_id is not None
        await assign_exceptions(
            self.flow.context, ORGANIZATION, [self.exception_id], owner_id=owner_id, actor=self.desk.treasurer
        )

    async def _comment(self) -> None:
        await comment_exception(
            self.flow.context, ORGANIZATION, self.exception_id, text="đang gọi", actor=self.desk.cashier
        )

    async def _revert(self) -> None:
        await revert_decision(
            self.flow.context,
            ORGANIZATION,
            self.exception_id,
            version=self._version,
            reason="nhầm",
            actor=self.desk.treasurer,
        )

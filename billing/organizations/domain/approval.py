"""A proposal of one person that another person decides: its kinds, its states, and the right to decide each kind.

A new kind is also added to `ops/approval_kinds.py` (effect) and to the CHECK and the guard of the table `approval`.

Source: docs/design.md §3.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from billing.core.actor import Role
from billing.core.errors import Refused
from billing.core.ids import PersonId
from billing.organizations.domain.rights import Right, roles_with


class ApprovalKind(StrEnum):
    """What is proposed. The subject is the price list, setting or policy, the provider account, the dead letter, the
    exemption, the debt, the guarantee, the refund, the ledger account, the exception, or the organization.
    """

    TARIFF = "tariff"
    FACILITY_PRICING = "facility_pricing"
    FACILITY_POLICY = "facility_policy"
    ACCOUNT_CHANGE = "account_change"
    DEAD_LETTER_CLOSING = "dead_letter_closing"
    EXEMPTION = "exemption"
    WRITE_OFF = "write_off"
    REFUND = "refund"
    CHART = "chart"
    REFUND_LIMIT = "refund_limit"
    OPENING_BALANCES = "opening_balances"
    EXCEPTION_DIFFERENCE = "exception_difference"
    GUARANTEE_WRITE_OFF = "guarantee_write_off"
    PROVIDER_CONTRACT = "provider_contract"
    MATCH_RULES = "match_rules"


class ApprovalState(StrEnum):
    """Where a proposal stands. It is decided once; a rejection by its own proposer is a withdrawal."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


def right_of(kind: ApprovalKind) -> Right:
    """The right to decide proposals of a kind. The rights of the kinds are named after them."""
    return Right(f"approve_{kind}")


class AlreadyDecided(Refused):
    """The proposal was approved, rejected or withdrawn before."""

    code = "already_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One proposal and its decision. `payload` is what the second person reads; persons are given by id and by name."""

    id: UUID
    kind: ApprovalKind
    subject_id: UUID
    payload: Mapping[str, object]
    state: ApprovalState
    proposed_by: PersonId
    proposer: str
    proposed_at: datetime
    decided_by: PersonId | None = None
    decider: str | None = None
    decided_at: datetime | None = None

    def require_proposed(self) -> None:
        """Raises AlreadyDecided."""
        if self.state is not ApprovalState.PROPOSED:
            raise AlreadyDecided(f"this proposal was {self.state} before", field="approval_id")


def kinds_of(roles: frozenset[Role]) -> frozenset[ApprovalKind]:
    """The kinds of proposals that a person with these roles reads: those it decides, or all of them."""
    if roles & roles_with(Right.READ_ALL_APPROVALS):
        return frozenset(ApprovalKind)
    return frozenset(kind for kind in ApprovalKind if roles & roles_with(right_of(kind)))

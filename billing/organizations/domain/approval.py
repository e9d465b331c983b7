"""A proposal of one person that another person decides: its kinds, its states, and the roles that decide each kind.

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


class ApprovalKind(StrEnum):
    """What is proposed. The subject is the price list, setting or policy, the provider account, or the dead letter."""

    TARIFF = "tariff"
    FACILITY_PRICING = "facility_pricing"
    FACILITY_POLICY = "facility_policy"
    ACCOUNT_CHANGE = "account_change"
    DEAD_LETTER_CLOSING = "dead_letter_closing"


class ApprovalState(StrEnum):
    """Where a proposal stands. It is decided once; a rejection by its own proposer is a withdrawal."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


_FINANCE = frozenset({Role.FINANCE})
APPROVAL_ROLES: Mapping[ApprovalKind, frozenset[Role]] = {
    ApprovalKind.TARIFF: _FINANCE,
    ApprovalKind.FACILITY_PRICING: _FINANCE,
    ApprovalKind.FACILITY_POLICY: _FINANCE,
    ApprovalKind.ACCOUNT_CHANGE: frozenset({Role.FINANCE, Role.ADMINISTRATOR}),
    ApprovalKind.DEAD_LETTER_CLOSING: _FINANCE,
}
"""The roles that read and decide proposals of a kind; one of them is enough."""


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
    """The kinds of proposals that a person with these roles reads and decides."""
    return frozenset(kind for kind, permitted in APPROVAL_ROLES.items() if permitted & roles)

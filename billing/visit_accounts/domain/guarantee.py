"""Guarantees of payers, exemptions and debts: who bears a part of what the patient owes for a visit.

Source: docs/design.md §2; docs/reference/hospital-money.md, C-002, C-007; docs/visit-accounts.md, Final bill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import PersonId, VisitId
from billing.core.money import NOTHING, Dong
from billing.invoices.domain.correction import CorrectionKind, Reduction


class GuaranteeState(StrEnum):
    """The answer of the payer. Only a confirmed guarantee lowers what the patient owes."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class GuaranteeDecided(Refused):
    """The guarantee is not in a state that allows this."""

    code = "guarantee_decided"


class GuaranteeExpired(Refused):
    """The guarantee is confirmed on its last day of validity at the latest."""

    code = "guarantee_expired"


class GuaranteeExists(Refused):
    """The payer has an active guarantee of this reference for the visit."""

    code = "guarantee_exists"


class AmountAboveLimit(InvalidValue):
    """A payer confirms at most the limit of the guarantee."""

    code = "amount_above_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """An undertaking of a payer to pay for the patient, in đồng; payers pay in the order of `position`."""

    id: UUID
    visit_id: VisitId
    payer: str
    reference: str
    limit_amount: Dong
    position: int
    state: GuaranteeState
    version: int
    created_at: datetime
    changed_at: datetime
    created_by: PersonId | None = None
    changed_by: PersonId | None = None
    valid_until: date | None = None
    confirmed_amount: Dong = NOTHING
    reason: str = ""

    def confirm(self, amount: Dong, *, today: date) -> Self:
        """Raises GuaranteeDecided, GuaranteeExpired, AmountAboveLimit."""
        self._require(GuaranteeState.REQUESTED)
        if not self.is_valid_on(today):
            raise GuaranteeExpired(f"the guarantee was valid until {self.valid_until}")
        if not 0 < amount <= self.limit_amount:
            raise AmountAboveLimit(f"a payer confirms 1 to {self.limit_amount} đồng", field="amount")
        return replace(self, state=GuaranteeState.CONFIRMED, confirmed_amount=amount, version=self.version + 1)

    def end(self, state: GuaranteeState, *, reason: str = "") -> Self:
        """The guarantee rejected (only a requested one), withdrawn or expired. Raises GuaranteeDecided."""
        allowed = [GuaranteeState.REQUESTED]
        if state is not GuaranteeState.REJECTED:
            allowed.append(GuaranteeState.CONFIRMED)
        self._require(*allowed)
        return replace(self, state=state, reason=reason, version=self.version + 1)

    def is_valid_on(self, day: date) -> bool:
        return self.valid_until is None or day <= self.valid_until

    def _require(self, *states: GuaranteeState) -> None:
        if self.state not in states:
            since = self.changed_at.isoformat(timespec="seconds")
            raise GuaranteeDecided(f"the guarantee is {self.state} since {since}")


class ExemptionState(StrEnum):
    """An exemption counts when another person has approved it."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """An amount, in đồng, that a fund bears instead of the patient."""

    id: UUID
    visit_id: VisitId
    fund: str
    amount: Dong
    reason: str
    state: ExemptionState
    created_at: datetime


class DebtState(StrEnum):
    """A debt is agreed before the final bill. It is paid when the invoices of the visit owe nothing."""

    AGREED = "agreed"
    WITHDRAWN = "withdrawn"
    WRITTEN_OFF = "written_off"


class DebtExists(Refused):
    """A debt is agreed for this visit."""

    code = "debt_exists"


class DebtDecided(Refused):
    """The debt was withdrawn or written off."""

    code = "debt_decided"


class DebtNeeded(Refused):
    """The visit was closed with this debt."""

    code = "debt_needed"


class NothingOwed(Refused):
    """The invoices of the visit owe nothing."""

    code = "nothing_owed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """An agreement that what is owed at the final bill is paid until a day. `written_off` in đồng."""

    id: UUID
    visit_id: VisitId
    due_on: date
    reason: str
    state: DebtState
    created_at: datetime
    created_by: PersonId | None = None
    written_off: Dong = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class BearersOfShare:
    """All guarantees, exemptions and debts of a visit."""

    guarantees: Sequence[Guarantee] = ()
    exemptions: Sequence[Exemption] = ()
    debts: Sequence[Debt] = ()

    @property
    def has_agreed_debt(self) -> bool:
        return any(debt.state is DebtState.AGREED for debt in self.debts)

    def expired(self, today: date, billed: frozenset[UUID]) -> list[Guarantee]:
        """The guarantees that expire now; one that a former final bill counted does not expire."""
        waiting = (GuaranteeState.REQUESTED, GuaranteeState.CONFIRMED)
        return [
            one
            for one in self.guarantees
            if one.state in waiting and not one.is_valid_on(today) and one.id not in billed
        ]

    def reductions(self, today: date, billed: frozenset[UUID] = frozenset()) -> list[Reduction]:
        """What lowers the patient share, in order: payers, funds, write-offs; with amount 0 what no longer counts.

        The payers come first, so that no fund pays what a payer has guaranteed. `billed` are the ids that former final
        bills counted.
        """
        expired = {one.id for one in self.expired(today, billed)}
        guarantees = [
            Reduction(
                kind=CorrectionKind.GUARANTEE,
                id=one.id,
                amount=one.confirmed_amount
                if one.state is GuaranteeState.CONFIRMED and one.id not in expired
                else NOTHING,
            )
            for one in sorted(self.guarantees, key=lambda one: one.position)
        ]
        exemptions = [
            Reduction(
                kind=CorrectionKind.EXEMPTION,
                id=one.id,
                fund=one.fund,
                amount=one.amount if one.state is ExemptionState.APPROVED else NOTHING,
            )
            for one in sorted(self.exemptions, key=lambda one: one.id)
        ]
        debts = [
            Reduction(kind=CorrectionKind.WRITE_OFF, id=one.id, amount=one.written_off)
            for one in sorted(self.debts, key=lambda one: one.id)
        ]
        return [*guarantees, *exemptions, *debts]

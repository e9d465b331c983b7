"""Counts of the cash of a shift before it ends: blind, and kept also where the cashier counts again.

draft → counted → checked. `shift.py` has the shift itself. Source: docs/ux.md, Shift closing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import PersonId, ReceiptId, ShiftId
from billing.core.money import Dong
from billing.visit_accounts.domain.shift import CashCount


class CountState(StrEnum):
    """The progress of a count."""

    DRAFT = "draft"
    COUNTED = "counted"
    CHECKED = "checked"


class CountNeeded(Refused):
    """The cash of the shift was not counted, or the receipts that are not cash were not ticked."""

    code = "count_needed"


class CashMovedSinceCount(Refused):
    """Cash came in or went out after the difference was shown: count again."""

    code = "cash_moved_since_count"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftCount:
    """One count of the drawer of an open shift, in đồng. `missing_receipts` were not ticked."""

    id: UUID
    shift_id: ShiftId
    state: CountState
    counted: Mapping[str, int]
    counted_cash: Dong
    saved_by: PersonId
    saved_at: datetime
    missing_receipts: Sequence[ReceiptId] = ()
    counted_at: datetime | None = None
    checked_at: datetime | None = None

    def save(self, count: CashCount, *, by: PersonId, at: datetime) -> Self:
        """The draft with the notes counted so far."""
        assert self.state is CountState.DRAFT, "only a draft is saved again"
        return replace(self, counted=count.notes, counted_cash=count.cash, saved_by=by, saved_at=at)

    def finish(self, *, at: datetime) -> Self:
        """The count as final: the expected cash may be shown after it."""
        assert self.state is CountState.DRAFT, "a draft is finished"
        return replace(self, state=CountState.COUNTED, counted_at=at)

    def check(self, ticked: Sequence[ReceiptId], *, receipts: Sequence[ReceiptId], at: datetime) -> Self:
        """The count after the receipts that are not cash were ticked; those that were not are missing.

        Raises CountNeeded for a draft, InvalidValue for a receipt that is not of the shift.
        """
        if self.state is CountState.DRAFT:
            raise CountNeeded("count the cash first")
        if not set(ticked) <= set(receipts):
            raise InvalidValue("a ticked receipt is not of this shift", field="receipts")
        missing = tuple(each for each in receipts if each not in set(ticked))
        return replace(self, state=CountState.CHECKED, missing_receipts=missing, checked_at=at)

    def require_checked(self) -> None:
        """Raises CountNeeded."""
        if self.state is not CountState.CHECKED:
            raise CountNeeded("count the cash and tick the receipts that are not cash first")

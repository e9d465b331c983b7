"""The account of a visit: its state, its amounts, and why a message about it is refused.

Source: docs/design.md §2; docs/visit-accounts.md, Versions and messages.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self, TypeVar

from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import FacilityId, PatientId, VisitId
from billing.core.money import NOTHING, Dong, Shares
from billing.visit_accounts.domain.version_gap import VersionGap

Found = TypeVar("Found")


class AccountState(StrEnum):
    """An account closes with the final bill of its visit and opens again with a reopening."""

    OPEN = "open"
    CLOSED = "closed"


class UnknownFacility(NotFound):
    """The facility code is of no facility of the organization."""

    code = "unknown_facility"


class UnknownVisit(NotFound):
    """The facility has sent no header of this visit."""

    code = "unknown_visit"


class VisitClosed(Refused):
    """The visit has its final bill: a change needs a reopening."""

    code = "visit_closed"


class StaleVersion(Refused):
    """A newer version is known. `version` is the newest."""

    code = "stale_version"

    def __init__(self, detail: str, *, version: int) -> None:
        super().__init__(detail, field="version")
        self.version = version


class VersionConflict(Refused):
    """The version is known with other content."""

    code = "version_conflict"

    def __init__(self, detail: str, *, version: int) -> None:
        super().__init__(detail, field="version")
        self.version = version


class AppointmentNotUsable(InvalidValue):
    """The visit named as the appointment is unknown, closed, has charges, or is of another patient."""

    code = "appointment_not_usable"


def require_account(found: Found | None) -> Found:
    """The account of a visit, or what was read of it. Raises NotFound where the visit has none."""
    if found is None:
        raise NotFound("no such visit, or it was reported without an account", field="visit_id")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitAccount:
    """The account of one visit. Amounts are the price of all charges that are not cancelled, in whole đồng.

    `sender_version` is the newest version of the header from the sender, `version` our own counter of changes.
    `missing_versions` of the header were skipped and have not arrived; `gap_since` is None without any.
    `is_provisional`: papers are awaited; the visit is priced without them until they are there. `ended_by` is the name
    of the person who made the final bill of a closed visit.
    """

    visit_id: VisitId
    facility_id: FacilityId
    facility_code: str
    ma_lk: str
    patient_id: PatientId
    state: AccountState
    version: int
    sender_version: int
    is_inpatient: bool
    is_emergency: bool
    is_provisional: bool
    department: str
    opened_at: datetime
    hospital_amount: Dong = NOTHING
    patient_share: Dong = NOTHING
    insurer_share: Dong = NOTHING
    other_share: Dong = NOTHING
    private_share: Dong = NOTHING
    price_error: str = ""
    priced_at: datetime | None = None
    ended_at: datetime | None = None
    gap_since: datetime | None = None
    missing_versions: tuple[int, ...] = ()
    ended_by: str = ""

    @property
    def shares(self) -> Shares:
        return Shares(
            patient=self.patient_share, other=self.other_share, insurer=self.insurer_share, private=self.private_share
        )

    @property
    def gap(self) -> VersionGap:
        return VersionGap(self.gap_since, self.missing_versions)

    def with_gap(self, gap: VersionGap) -> Self:
        """The account with other missing versions of its header."""
        return replace(self, gap_since=gap.since, missing_versions=gap.missing)

    @property
    def ending(self) -> str:
        """When the visit was closed and by whom, as the end of a sentence."""
        since = "" if self.ended_at is None else f" since {self.ended_at.isoformat(timespec='seconds')}"
        return since + (f" by {self.ended_by}" if self.ended_by else "")

    def require_open(self) -> None:
        """Raises VisitClosed, which states when it was closed and by whom."""
        if self.state is AccountState.CLOSED:
            raise VisitClosed(
                f"visit {self.ma_lk} is closed{self.ending}; a reopening is needed for changes", field="ma_lk"
            )

    def with_price(self, shares: Shares, *, at: datetime, error: str = "") -> Self:
        """The account at a new price; `error` states why some lines have no price."""
        return replace(
            self,
            hospital_amount=shares.total,
            patient_share=shares.patient,
            insurer_share=shares.insurer,
            other_share=shares.other,
            private_share=shares.private,
            price_error=error,
            priced_at=at,
        )

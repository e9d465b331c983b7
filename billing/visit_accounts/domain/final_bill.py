"""The final bill of a visit: what the patient still pays, or gets back. Source: docs/visit-accounts.md, Final bill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.errors import Refused, Unavailable
from billing.core.ids import InvoiceId, PersonId, VisitId
from billing.core.money import NOTHING, Dong, Shares
from billing.invoices.domain.correction import CorrectionKind, Reduction, limit_write_offs


class MoneyOwed(Refused):
    """The patient owes money, and no debt is agreed. `amount` in đồng."""

    code = "money_owed"

    def __init__(self, amount: int) -> None:
        super().__init__(f"{amount} đồng are to be collected first, or agreed as a debt")
        self.amount = amount


class VisitNotClosed(Refused):
    """The visit is open: a reopening is not needed."""

    code = "visit_not_closed"


class ReopeningNeeded(Refused):
    """The visit has its final bill: it is reopened, changed and closed again, which makes a correction."""

    code = "reopening_needed"


class VisitBusy(Unavailable):
    """The visit changed each time while its price was computed; nothing was written."""

    code = "visit_busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillAmounts:
    """The account of a visit, in đồng.

    patient share − guaranteed − exempted − written off − paid − deposit − credit = to collect or, negative, to return.
    """

    shares: Shares
    guaranteed: Dong
    exempted: Dong
    written_off: Dong
    paid: Dong
    deposit: Dong
    credit: Dong

    @property
    def rest(self) -> int:
        borne = self.guaranteed + self.exempted + self.written_off
        return self.shares.patient - borne - self.paid - self.deposit - self.credit

    @property
    def to_collect(self) -> Dong:
        return Dong(max(0, self.rest))

    @property
    def to_return(self) -> Dong:
        return Dong(max(0, -self.rest))


def bill_amounts(
    shares: Shares, reductions: Sequence[Reduction], *, paid: Dong, deposit: Dong = NOTHING, credit: Dong = NOTHING
) -> BillAmounts:
    """The account of a visit at these shares, reduced in the order of the reductions."""
    limited = limit_write_offs(shares.patient, reductions, covered=paid + deposit + credit)
    return BillAmounts(
        shares=shares,
        guaranteed=borne_by(limited, CorrectionKind.GUARANTEE),
        exempted=borne_by(limited, CorrectionKind.EXEMPTION),
        written_off=borne_by(limited, CorrectionKind.WRITE_OFF),
        paid=paid,
        deposit=deposit,
        credit=credit,
    )


def borne_by(reductions: Sequence[Reduction], kind: CorrectionKind) -> Dong:
    """The sum of the reductions of a kind."""
    return Dong(sum(one.amount for one in reductions if one.kind is kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalBill:
    """One closing of a visit account, in đồng. `released` is the surplus that became credit of the patient."""

    id: UUID
    visit_id: VisitId
    number: int
    account_version: int
    visit_version: int
    invoice_id: InvoiceId | None
    shares: Shares
    guaranteed: Dong
    exempted: Dong
    written_off: Dong
    paid: Dong
    owed: Dong
    released: Dong
    recorded_at: datetime
    closed_by: PersonId | None = None
    closed_by_name: str = ""
    reopened_at: datetime | None = None
    reopening_reason: str = ""
    reopened_by_name: str = ""

    @property
    def reopening(self) -> str:
        """When the visit was opened again and by whom, as the end of a sentence."""
        if self.reopened_at is None:
            return ""
        by = f" by {self.reopened_by_name}" if self.reopened_by_name else ""
        return f"; it was reopened at {self.reopened_at.isoformat(timespec='seconds')}{by}"

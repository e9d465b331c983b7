"""What a payment page lists: the invoices with the cost of their visits, and the payments received."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from billing.core.money import Dong, half_up_dong, total
from billing.coverage.domain.price_result import AppliedRule


class SurplusChoice(StrEnum):
    """What the payer wishes to become of money that was paid too much: kept for the patient, or returned."""

    KEEP = "keep"
    RETURN = "return"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBill:
    """One invoice on the page, shares in whole đồng. `birth` begins with the year, where it is known.

    `copay` and `self_pay` are the two parts of the patient's share before rounding. `reasons` apply to the whole visit.
    """

    number: str
    visit_number: str
    patient: str
    birth: str
    patient_share: Dong
    other_share: Dong
    insurer_share: Dong
    private_share: Dong
    copay: Decimal
    self_pay: Decimal
    reasons: tuple[AppliedRule, ...]

    @property
    def is_whole_visit(self) -> bool:
        """Whether the parts add up to the share; a further invoice of a visit requests only the difference."""
        return half_up_dong(total([self.copay, self.self_pay])) == self.patient_share + self.private_share


@dataclass(frozen=True, slots=True, kw_only=True)
class PageDeposit:
    """The visit whose deposit a page collects."""

    visit_number: str
    patient: str
    birth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePayment:
    """Money received under the code: whole đồng, time at the bank, the bank's reference or else the provider's."""

    amount: Dong
    occurred_at: datetime
    bank_reference: str

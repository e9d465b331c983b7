"""What a payment page lists: the invoices with the cost of their visits, and the payments received."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from billing.core.clock import business_date
from billing.core.money import Dong, half_up_dong, total
from billing.coverage.domain.price_result import AppliedRule
from billing.payments.domain.refund import RefundState, RefundWay

CHOICE_CHANGES_MAX = 20
"""How often a payer changes the choice: each change is a row of the audit, and the page is anonymous."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReturn:
    """A refund of money that was received under the code, in đồng; `ended_at` is when it was done or ended."""

    amount: Dong
    way: RefundWay
    state: RefundState
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSurplus:
    """The stored choice of a payer. Finance has accepted or declined a return once, and the choice stays."""

    choice: SurplusChoice
    changes: int
    is_accepted: bool
    is_declined: bool

    @property
    def is_decided(self) -> bool:
        """Whether finance has acted on it."""
        return self.is_accepted or self.is_declined


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSurplus:
    """What is in excess under the code now, in đồng, and what its payer may wish.

    `last_day` is the last day of the facility's term, None where it states none. `may_choose`: the payer states now
    whether the excess is kept or returned; finance has not acted on an earlier wish.
    """

    amount: Dong
    chosen: ChosenSurplus | None
    last_day: date | None
    is_lapsed: bool
    may_choose: bool

    @property
    def is_return_wished(self) -> bool:
        """Whether a request to return the excess waits for finance."""
        return self.chosen is not None and self.chosen.choice is SurplusChoice.RETURN and not self.chosen.is_decided


def last_day_of_choice(received_at: datetime | None, return_days: int | None) -> date | None:
    """The last day on which the payer chooses; None without a term, or before money came."""
    if received_at is None or return_days is None:
        return None
    return business_date(received_at) + timedelta(days=return_days)


def surplus_of(
    amount: Dong, chosen: ChosenSurplus | None, *, last_day: date | None, today: date, is_whole: bool
) -> PageSurplus:
    """What the payer of an excess may wish today. `is_whole`: nothing more is due, and the visit is not closed.

    A request that waits is not ended by the term: only a payer without a request loses the choice.
    """
    is_lapsed = last_day is not None and today > last_day
    is_free = chosen is None or (not chosen.is_decided and chosen.changes < CHOICE_CHANGES_MAX)
    return PageSurplus(
        amount=amount,
        chosen=chosen,
        last_day=last_day,
        is_lapsed=is_lapsed,
        may_choose=amount > 0 and is_whole and is_free and not is_lapsed,
    )

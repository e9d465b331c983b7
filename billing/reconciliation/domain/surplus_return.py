"""A payer's request to return what was paid too much, which finance accepts as refunds or declines.

Source: docs/ux.md, Patient page; docs/visit-accounts.md, Refunds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.checkout.domain.page_content import last_day_of_choice
from billing.core.errors import Refused
from billing.core.ids import IntentId, PaymentId, VisitId
from billing.core.money import NOTHING, Dong

ACCEPT_REASON = "Người nộp yêu cầu trả tiền thừa trên trang thanh toán"
"""The reason of the refunds, where the person who accepts states no other one."""


class ReturnNotWaiting(Refused):
    """The payer has withdrawn the request, or another person has decided it; nothing is returned twice."""

    code = "return_not_waiting"


class ReturnAmountChanged(Refused):
    """What is in excess under the code is not what the person has seen; nothing is returned."""

    code = "return_amount_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusReturn:
    """A request that waits, with what is in excess now, in đồng. The visit is that of the deposit or first invoice."""

    intent_id: IntentId
    reference_code: str
    amount: Dong
    chosen_at: datetime
    last_received_at: datetime | None
    return_days: int | None
    visit_id: VisitId | None
    ma_lk: str
    patient: str

    @property
    def last_day(self) -> date | None:
        """The last day of the facility's term, None where it states none."""
        return last_day_of_choice(self.last_received_at, self.return_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusPayment:
    """A payment under a code, with what of it is free to be returned, in đồng."""

    payment_id: PaymentId
    free: Dong


def split_surplus(surplus: Dong, payments: Sequence[SurplusPayment]) -> list[SurplusPayment]:
    """What of each payment goes back, in their order: the newest first, which made the excess. Less if less is free."""
    parts, rest = [], surplus
    for payment in payments:
        taken = Dong(min(rest, payment.free))
        if taken > NOTHING:
            parts.append(SurplusPayment(payment_id=payment.payment_id, free=taken))
            rest = Dong(rest - taken)
    return parts

"""What a deposit request collects: the patient amounts of ordered lines, or an advance proposed from the cost to date.

The request itself is `payments/domain/deposit.py`. Source: docs/visit-accounts.md; docs/design.md §2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DepositId, DepositRequestId, PersonId, VisitId
from billing.core.money import NOTHING, ZERO, Dong, half_up_dong
from billing.payments.domain.deposit import DepositRequest, RequestKind, RequestState
from billing.visit_accounts.domain.charge import Charge, UnknownCharge


class LineCancelled(Refused):
    """A cancelled order is not collected for."""

    code = "line_cancelled"


class LineNotPriced(Refused):
    """The line has no price yet."""

    code = "line_not_priced"


class LineAlreadyRequested(Refused):
    """An open or paid deposit request collects for this line."""

    code = "line_already_requested"


class NothingToRequest(InvalidValue):
    """The patient amount of the lines, or the proposal, is 0."""

    code = "nothing_to_request"


class DepositRequestNotOpen(Refused):
    """The request is paid, withdrawn or superseded."""

    code = "deposit_request_not_open"


class RequestNotReplaceable(Refused):
    """The request to supersede is of another kind or of another visit, or money was received for its lines."""

    code = "deposit_request_not_replaceable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLine:
    """A line of a request with its patient amount when it was requested, in đồng."""

    line: str
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRequest:
    """The open or paid request that collects for a line."""

    line: str
    request_id: DepositRequestId
    state: RequestState
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRequest:
    """A deposit request with its visit, in đồng."""

    id: DepositRequestId
    deposit_id: DepositId
    visit_id: VisitId
    ma_lk: str
    kind: RequestKind
    state: RequestState
    version: int
    amount: Dong
    proposed_amount: Dong
    received: Dong
    requested_at: datetime
    requested_by: PersonId | None
    superseded_by: DepositRequestId | None

    @property
    def remaining(self) -> Dong:
        """The amount that is still requested."""
        is_open = self.state in (RequestState.REQUESTED, RequestState.PARTLY)
        return Dong(max(0, self.amount - self.received)) if is_open else NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetails(ListedRequest):
    """A deposit request with the lines that it collects for."""

    lines: tuple[RequestedLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositProposal:
    """An advance proposed from the cost to date, in đồng: the patient's share that nothing covers yet.

    `held` is in the deposit, `paid` is on the invoices of the visit or credit of the patient, `requested` is the rest
    of open requests, `borne_by_others` the part of guarantees, exemptions and write-offs. `threshold` is the amount
    above the cost that the deposit of an inpatient has.
    """

    cost_to_date: Dong
    patient_share: Dong
    held: Dong
    paid: Dong
    requested: Dong
    borne_by_others: Dong
    threshold: Dong

    @property
    def amount(self) -> Dong:
        covered = self.borne_by_others + self.held + self.paid + self.requested
        return Dong(max(0, self.patient_share + self.threshold - covered))


def line_amounts(charges: Mapping[str, Charge], lines: Sequence[str]) -> dict[str, Dong]:
    """The patient amounts of ticked lines in whole đồng, in the order of the lines.

    They sum to the rounded sum of the patient amounts, as the share of an invoice does: each line is the rounded
    running sum less that of the lines before it. Raises UnknownCharge, LineCancelled, LineNotPriced, NothingToRequest.
    Source: rule B-080; docs/design.md §4.
    """
    amounts: dict[str, Dong] = {}
    exact, before = ZERO, NOTHING
    for line in lines:
        charge = charges.get(line)
        if charge is None:
            raise UnknownCharge(f"the visit has no line {line}", field="lines")
        if charge.is_cancelled:
            raise LineCancelled(f"line {line} is cancelled since {_time(charge.changed_at)}", field="lines")
        if charge.patient_amount is None:
            raise LineNotPriced(f"line {line} has no price; see the price error of the visit", field="lines")
        exact += charge.patient_amount
        rounded = half_up_dong(exact)
        amounts[line], before = Dong(rounded - before), rounded
    if before == 0:
        raise NothingToRequest("the patient pays nothing for these lines", field="lines")
    return amounts


def check_not_requested(requests: Sequence[LineRequest], *, superseded: DepositRequestId | None) -> None:
    """Raises LineAlreadyRequested for the first line that another open or paid request collects for."""
    for other in requests:
        if other.request_id != superseded:
            raise LineAlreadyRequested(
                f"line {other.line} is {'paid' if other.state is RequestState.PAID else 'requested'} by request "
                f"{other.request_id} of {_time(other.requested_at)}",
                field="lines",
            )


def supersede(request: DepositRequest | None, *, deposit_id: DepositId, kind: RequestKind) -> DepositRequest:
    """The open request in its superseded state. Raises RequestNotReplaceable, DepositRequestNotOpen."""
    if request is None or request.deposit_id != deposit_id or request.kind is not kind:
        raise RequestNotReplaceable("only a request of the same kind of this visit is superseded", field="supersedes")
    check_open(request)
    if request.kind is RequestKind.ORDER_LINES and request.received:
        raise RequestNotReplaceable(
            f"{request.received} đồng were received for the lines of request {request.id}; collect its rest, or "
            "withdraw it",
            field="supersedes",
        )
    return request.with_state(RequestState.SUPERSEDED)


def check_open(request: DepositRequest) -> None:
    """Raises DepositRequestNotOpen for a request that is paid, withdrawn or superseded."""
    if request.state not in (RequestState.REQUESTED, RequestState.PARTLY):
        raise DepositRequestNotOpen(f"request {request.id} is {request.state.value}", field="deposit_request_id")


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")

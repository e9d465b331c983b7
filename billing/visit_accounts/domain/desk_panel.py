"""The pay panel of the desk: which state it has, and how much is to be collected now. Pure.

Source: docs/ux.md, Cashier, States and actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.checkout.domain.intent_details import IntentAmounts
from billing.core.ids import DepositRequestId, DeskId, IntentId, InvoiceId, PaymentId
from billing.core.money import NOTHING, Dong
from billing.core.reference_code import ReferenceCode
from billing.payments.domain.amount_due import PatientState
from billing.payments.domain.deposit import RequestKind, RequestState
from billing.payments.domain.intent import IntentState
from billing.visit_accounts.domain.shift import round_cash


class PanelState(StrEnum):
    """The state of the pay panel.

    UNPAID: lines are ticked. WAITING: a code waits for the bank. CHECKING: the provider has not answered reliably.
    SHORT: less came under the code. PART: a part of a collection with several methods has come. OVER: more came.
    PAID: all has come, its receipt is issued next. NOTHING: nothing is to be collected. CLOSED: the final bill is paid.
    """

    UNPAID = "unpaid"
    WAITING = "waiting"
    CHECKING = "checking"
    SHORT = "short"
    PART = "part"
    OVER = "over"
    PAID = "paid"
    NOTHING = "nothing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRequest:
    """A deposit request of the visit with the lines that it names, in đồng."""

    id: DepositRequestId
    kind: RequestKind
    state: RequestState
    amount: Dong
    received: Dong
    requested_at: datetime
    lines: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.state in (RequestState.REQUESTED, RequestState.PARTLY)

    @property
    def remaining(self) -> Dong:
        return Dong(max(0, self.amount - self.received)) if self.is_open else NOTHING

    @property
    def over(self) -> Dong:
        """What came above the requested amount; it stays in the deposit."""
        return Dong(max(0, self.received - self.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskInvoice:
    """An issued invoice of a closed visit, in đồng."""

    id: InvoiceId
    number: str
    owed: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCode(IntentAmounts):
    """A payment code of the visit. `desk_id` is the desk that shows it, `put_away_at` when it was put away there."""

    id: IntentId
    reference_code: ReferenceCode
    version: int
    request_id: DepositRequestId | None
    invoice_id: InvoiceId | None
    has_instruction: bool
    desk_id: DeskId | None = None
    put_away_at: datetime | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether money is awaited under the code."""
        return self.due.state in _WAITING

    @property
    def is_checking(self) -> bool:
        """Whether it is not known if the provider has started the payment."""
        return self.state is IntentState.UNKNOWN or (self.state is IntentState.CREATED and not self.has_instruction)


_WAITING = frozenset(
    {
        PatientState.PREPARING,
        PatientState.WAITING,
        PatientState.CHECKING,
        PatientState.SHORT,
        PatientState.EXPIRED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedMoney:
    """Provider money of the visit that is on no receipt yet, in đồng."""

    payment_id: PaymentId
    intent_id: IntentId | None
    request_id: DepositRequestId | None
    invoice_id: InvoiceId | None
    amount: Dong
    occurred_at: datetime
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelFacts:
    """What the state of the panel follows from. `ticked` is what the ticked lines sum to, `lines` names them.

    `free_deposit` may pay them. `wants_other_method`: the cashier takes money at the desk while a code waits.
    """

    is_closed: bool
    lines: tuple[str, ...]
    ticked: Dong
    free_deposit: Dong
    requests: Sequence[DeskRequest]
    invoices: Sequence[DeskInvoice]
    codes: Sequence[DeskCode]
    arrived: Sequence[ArrivedMoney]
    rounding_step: int = 1
    wants_other_method: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PayPanel:
    """The pay panel, in đồng.

    `gross` − `from_deposit` − `received` = `due`. `rounding` is what cash rounding adds to `due`. `arrived` are the
    payments that the receipt lists. `request_id` or `invoice_id` is the target; without one the ticked lines are.
    """

    state: PanelState
    gross: Dong = NOTHING
    from_deposit: Dong = NOTHING
    received: Dong = NOTHING
    due: Dong = NOTHING
    over: Dong = NOTHING
    rounding: int = 0
    lines: tuple[str, ...] = ()
    request_id: DepositRequestId | None = None
    invoice_id: InvoiceId | None = None
    code: DeskCode | None = None
    arrived: tuple[ArrivedMoney, ...] = ()

    @property
    def cash_due(self) -> Dong:
        """What is to be given in cash."""
        return Dong(self.due + self.rounding)

    @property
    def takes_money(self) -> bool:
        """Whether the cashier may collect at the desk now."""
        return self.state in (PanelState.UNPAID, PanelState.SHORT, PanelState.PART)


def choose_panel(facts: PanelFacts) -> PayPanel:
    """The panel of a visit: money that has come or is awaited first, then the ticked lines."""
    if facts.is_closed:
        return _of_invoices(facts)
    focus = _focus(facts)
    if focus is not None:
        return _of_request(facts, focus)
    if facts.ticked > 0:
        from_deposit = Dong(min(facts.free_deposit, facts.ticked))
        due = Dong(facts.ticked - from_deposit)
        return PayPanel(
            state=PanelState.UNPAID,
            gross=facts.ticked,
            from_deposit=from_deposit,
            due=due,
            rounding=_rounding(due, facts),
            lines=facts.lines,
        )
    unnamed = tuple(each for each in facts.arrived if each.request_id is None)
    if unnamed:
        amount = Dong(sum(each.amount for each in unnamed))
        return PayPanel(state=PanelState.PAID, gross=amount, received=amount, arrived=unnamed)
    return PayPanel(state=PanelState.NOTHING)


def _focus(facts: PanelFacts) -> DeskRequest | None:
    """The newest request for which money has come without a receipt, came in part, or is awaited under a code."""
    arrived = {each.request_id for each in facts.arrived}
    waiting = {code.request_id for code in facts.codes if code.is_waiting and code.put_away_at is None}
    found = [
        request
        for request in facts.requests
        if request.id in arrived or (request.is_open and (request.received > 0 or request.id in waiting))
    ]
    return max(found, key=lambda request: (request.requested_at, request.id), default=None)


def _of_request(facts: PanelFacts, request: DeskRequest) -> PayPanel:
    arrived = tuple(each for each in facts.arrived if each.request_id == request.id)
    code = _newest_code(facts, request)
    received = Dong(sum(each.amount for each in arrived))
    due = request.remaining
    state = _state_of_request(request, code, has_money=bool(arrived), wants_other_method=facts.wants_other_method)
    return PayPanel(
        state=state,
        gross=request.amount,
        from_deposit=Dong(max(0, request.received - received)),
        received=received,
        due=due,
        over=request.over,
        rounding=_rounding(due, facts),
        lines=request.lines,
        request_id=request.id,
        code=code,
        arrived=arrived,
    )


def _state_of_request(
    request: DeskRequest, code: DeskCode | None, *, has_money: bool, wants_other_method: bool
) -> PanelState:
    if not request.is_open:
        return PanelState.OVER if request.over else PanelState.PAID
    if code is None:
        return PanelState.PART if has_money else PanelState.UNPAID
    if code.received > 0:
        return PanelState.SHORT
    if wants_other_method:
        return PanelState.PART if has_money else PanelState.UNPAID
    return PanelState.CHECKING if code.is_checking else PanelState.WAITING


def _of_invoices(facts: PanelFacts) -> PayPanel:
    """The panel of a closed visit: the oldest invoice that owes, else money that has come for one."""
    owing = next((invoice for invoice in facts.invoices if invoice.owed > 0), None)
    if owing is None:
        arrived = tuple(each for each in facts.arrived if each.invoice_id is not None)
        first = arrived[:1]
        of_one = tuple(each for each in arrived if first and each.invoice_id == first[0].invoice_id)
        if not of_one:
            return PayPanel(state=PanelState.CLOSED)
        amount = Dong(sum(each.amount for each in of_one))
        return PayPanel(
            state=PanelState.PAID, gross=amount, received=amount, invoice_id=of_one[0].invoice_id, arrived=of_one
        )
    arrived = tuple(each for each in facts.arrived if each.invoice_id == owing.id)
    received = Dong(sum(each.amount for each in arrived))
    waiting = [
        code for code in facts.codes if code.invoice_id == owing.id and code.is_waiting and code.put_away_at is None
    ]
    code = max(waiting, key=lambda each: each.created_at, default=None)
    state = PanelState.PART if arrived else PanelState.UNPAID
    if code is not None and code.received > 0:
        state = PanelState.SHORT
    elif code is not None and not facts.wants_other_method:
        state = PanelState.CHECKING if code.is_checking else PanelState.WAITING
    return PayPanel(
        state=state,
        gross=Dong(owing.owed + received),
        received=received,
        due=owing.owed,
        rounding=_rounding(owing.owed, facts),
        invoice_id=owing.id,
        code=code,
        arrived=arrived,
    )


def _newest_code(facts: PanelFacts, request: DeskRequest) -> DeskCode | None:
    waiting = [
        code for code in facts.codes if code.request_id == request.id and code.is_waiting and code.put_away_at is None
    ]
    return max(waiting, key=lambda code: (code.created_at, code.id), default=None)


def _rounding(due: Dong, facts: PanelFacts) -> int:
    return round_cash(due, step=facts.rounding_step) if due else 0

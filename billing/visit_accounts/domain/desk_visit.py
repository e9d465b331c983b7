"""A visit as the cashier's desk shows it: patient, order slips with their lines, and what is to be collected now.

Pure: it is built from what `service/desk_visits.py` read. `domain/desk_panel.py` states which state the pay panel has.
Source: docs/ux.md, Cashier.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from billing.core.clock import VIETNAM, business_date
from billing.core.ids import DepositRequestId
from billing.core.money import NOTHING, ZERO, Dong, half_up_dong, total
from billing.coverage.domain.breakdown import BreakdownStep, breakdown
from billing.coverage.domain.price_result import AppliedRule, PricedLine
from billing.visit_accounts.domain.charge import Charge, ChargeState
from billing.visit_accounts.domain.clearance import ChargeFacts, ClearanceReason, LineClearance, VisitFacts
from billing.visit_accounts.domain.desk_panel import DeskRequest
from billing.visits.domain.visit import Table

CARD_WARNING_DAYS = 10
"""A card that ends within so many days is shown with a warning."""


class PatientWarning(StrEnum):
    """A warning about a patient that the desk shows before money is taken."""

    PROVISIONAL = "provisional"
    CARD_ENDS = "card_ends"
    CARD_ENDED = "card_ended"
    OWES = "owes"
    PRICE_ERROR = "price_error"
    VERSION_GAP = "version_gap"


class LineStatus(StrEnum):
    """Whether a line is to be collected: free to tick, in an open request, paid, secured, or of another day."""

    DUE = "due"
    REQUESTED = "requested"
    PARTLY = "partly"
    PAID = "paid"
    SECURED = "secured"
    LATER = "later"
    FREE = "free"
    NOT_PRICED = "not_priced"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPatient:
    """The patient strip. `card` is masked; `benefit` is the percentage, None without one price level."""

    name: str
    birth: str
    sex: str
    age: int | None
    ma_lk: str
    card: str
    card_valid_to: date | None
    benefit: Decimal | None
    category: str
    is_inpatient: bool
    is_emergency: bool

    @property
    def birth_year(self) -> str:
        return self.birth[:4]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLine:
    """A charge with the share of each payer, two decimals; None where it has no price.

    `steps` are the arithmetic of its amounts. `self_pay` and `copay` are None, and there are no steps and reasons,
    where the stored amounts are not those of the price as of now. `request_id` is the open or paid request that names
    the line.
    """

    line: str
    name: str
    quantity: str
    status: LineStatus
    is_ticked: bool
    hospital: Decimal | None
    insurer: Decimal | None
    other: Decimal | None
    patient: Decimal | None
    copay: Decimal | None = None
    self_pay: Decimal | None = None
    request_id: DepositRequestId | None = None
    reasons: Sequence[AppliedRule] = ()
    steps: Sequence[BreakdownStep] = ()

    @property
    def is_tickable(self) -> bool:
        return self.status in (LineStatus.DUE, LineStatus.REQUESTED, LineStatus.SECURED, LineStatus.LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSlip:
    """The lines of one order number, as they are ticked together."""

    order_number: str
    ordered_at: datetime
    department: str
    lines: Sequence[DeskLine]

    @property
    def patient(self) -> Decimal:
        """What the patient pays for the lines of the slip that have a price."""
        return total(line.patient or ZERO for line in self.lines)

    @property
    def is_ticked(self) -> bool:
        tickable = [line for line in self.lines if line.is_tickable]
        return bool(tickable) and all(line.is_ticked for line in tickable)

    @property
    def is_tickable(self) -> bool:
        return any(line.is_tickable for line in self.lines)

    @property
    def status(self) -> LineStatus:
        """The status of its lines; that of a line that is still to be collected comes first."""
        order = list(_PRECEDENCE)
        return min((line.status for line in self.lines), key=order.index)


_PRECEDENCE = (
    LineStatus.DUE,
    LineStatus.PARTLY,
    LineStatus.REQUESTED,
    LineStatus.NOT_PRICED,
    LineStatus.LATER,
    LineStatus.SECURED,
    LineStatus.PAID,
    LineStatus.FREE,
    LineStatus.CANCELLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskTotals:
    """The sums of all lines that are not cancelled, two decimals; `ticked` is what the ticked lines sum to, in đồng."""

    hospital: Decimal
    insurer: Decimal
    copay: Decimal
    self_pay: Decimal
    other: Decimal
    ticked: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipFacts:
    """What the lines of slips are shown from; `facts` is None for a closed visit, `priced` has the price as of now."""

    facts: VisitFacts | None
    clearances: Sequence[LineClearance]
    requests: Sequence[DeskRequest]
    priced: Mapping[tuple[Table, int], PricedLine]
    today: date


def build_slips(charges: Sequence[Charge], known: SlipFacts, *, ticked: Collection[str] | None) -> list[OrderSlip]:
    """The order slips of a visit in the order in which they were ordered; `ticked` None ticks what is due now."""
    reasons = {each.line: each.reason for each in known.clearances}
    of_line = {each.line: each for each in (known.facts.lines if known.facts is not None else ())}
    naming = {line: request for request in known.requests for line in request.lines}
    groups: dict[str, list[Charge]] = {}
    for charge in charges:
        groups.setdefault(charge.order_number, []).append(charge)
    slips = []
    for number, members in groups.items():
        lines = []
        for charge in members:
            request = naming.get(charge.line)
            status = line_status(charge, of_line.get(charge.line), reasons.get(charge.line), request, today=known.today)
            default = status in (LineStatus.DUE, LineStatus.REQUESTED)
            lines.append(
                _line(
                    charge,
                    known.priced.get((Table(charge.document["table"]), charge.stt))
                    if "table" in charge.document
                    else None,
                    status=status,
                    is_ticked=default if ticked is None else charge.line in ticked,
                    request=request,
                )
            )
        slips.append(
            OrderSlip(
                order_number=number,
                ordered_at=min(charge.ordered_at for charge in members),
                department=members[0].department,
                lines=lines,
            )
        )
    return sorted(slips, key=lambda slip: (slip.ordered_at, slip.order_number))


def line_status(
    charge: Charge,
    facts: ChargeFacts | None,
    reason: ClearanceReason | None,
    request: DeskRequest | None,
    *,
    today: date,
) -> LineStatus:
    """Whether a line is to be collected now; the first status that applies."""
    is_paid = facts is not None and facts.collected > 0 and not facts.is_request_open
    is_waiting = charge.state in (ChargeState.ORDERED, ChargeState.CLEARED)
    found = {
        LineStatus.CANCELLED: charge.is_cancelled,
        LineStatus.PAID: is_paid,
        LineStatus.PARTLY: request is not None and request.is_open and request.received > 0,
        LineStatus.REQUESTED: request is not None and request.is_open,
        LineStatus.NOT_PRICED: charge.patient_amount is None,
        LineStatus.FREE: charge.patient_amount is not None and half_up_dong(charge.patient_amount) == 0,
        LineStatus.SECURED: reason is ClearanceReason.COVERED_BY_DEPOSIT,
        LineStatus.LATER: is_waiting and _performed_on(charge) > today,
    }
    return next((status for status, is_it in found.items() if is_it), LineStatus.DUE)


def free_deposit(facts: VisitFacts | None, *, held: Dong, requests: Collection[DeskRequest]) -> Dong:
    """What of a deposit may pay ticked lines: the rest after lines that are paid, started or performed.

    Money of an open request stays with its lines. `requests` are the open and paid ones.
    """
    if facts is None:
        return NOTHING
    living = [line for line in facts.lines if line.state is not ChargeState.CANCELLED]
    used = sum(
        line.committed for line in living if line.is_paid or line.state in (ChargeState.STARTED, ChargeState.PERFORMED)
    )
    partly = sum(each.received for each in requests if each.is_open and each.lines)
    left = facts.available - used - partly
    return Dong(max(0, min(held, left)))


def mask_card(code: str) -> str:
    """An insurance card with its middle digits hidden: `GD 4 17 •••••• 2291`; a short number keeps its last four."""
    if len(code) == 15:
        return f"{code[:2]} {code[2]} {code[3:5]} •••••• {code[-4:]}"
    return f"•••••• {code[-4:]}" if code else ""


def age_on(birth: str, day: date) -> int | None:
    """The age of a person born on `birth` (yyyymmdd or yyyy, zeros where unknown); None where the year is not known."""
    digits = birth[:8]
    if not digits[:4].isdigit() or digits[:4] == "0000":
        return None
    years = day.year - int(digits[:4])
    if len(digits) == 8 and digits[4:].isdigit() and digits[4:] > f"{day:%m%d}":
        years -= 1
    return years


def card_warning(valid_to: date | None, *, today: date) -> PatientWarning | None:
    """Whether a card has ended or ends soon."""
    if valid_to is None:
        return None
    if valid_to < today:
        return PatientWarning.CARD_ENDED
    return PatientWarning.CARD_ENDS if (valid_to - today).days <= CARD_WARNING_DAYS else None


def sum_slips(slips: Sequence[OrderSlip], *, ticked: Dong) -> DeskTotals:
    """The sums of the lines that are not cancelled."""
    lines = [line for slip in slips for line in slip.lines if line.status is not LineStatus.CANCELLED]
    return DeskTotals(
        hospital=total(line.hospital or ZERO for line in lines),
        insurer=total(line.insurer or ZERO for line in lines),
        copay=total(line.copay or ZERO for line in lines),
        self_pay=total(_self_pay(line) for line in lines),
        other=total(line.other or ZERO for line in lines),
        ticked=ticked,
    )


def running_dong(amounts: Sequence[Decimal]) -> Dong:
    """The rounded sum of line amounts, as a request for these lines has it (rule B-080)."""
    return half_up_dong(total(amounts)) if amounts else NOTHING


def _self_pay(line: DeskLine) -> Decimal:
    return (line.patient or ZERO) if line.self_pay is None else line.self_pay


def _line(
    charge: Charge,
    priced: PricedLine | None,
    *,
    status: LineStatus,
    is_ticked: bool,
    request: DeskRequest | None,
) -> DeskLine:
    stored = charge.patient_amount
    is_current = priced is not None and stored is not None and priced.self_pay + priced.copay == stored
    tickable = status in (LineStatus.DUE, LineStatus.REQUESTED, LineStatus.SECURED, LineStatus.LATER)
    return DeskLine(
        line=charge.line,
        name=charge.name,
        quantity=str(charge.document.get("SO_LUONG", "")),
        status=status,
        is_ticked=is_ticked and tickable,
        hospital=charge.hospital_amount,
        insurer=charge.insurer_amount,
        other=charge.other_amount,
        patient=stored,
        copay=priced.copay if priced is not None and is_current else None,
        self_pay=priced.self_pay if priced is not None and is_current else None,
        request_id=None if request is None else request.id,
        reasons=priced.reasons if priced is not None and is_current else (),
        steps=breakdown(priced) if priced is not None and is_current else (),
    )


def _performed_on(charge: Charge) -> date:
    """The day for which a line is ordered: that of its performance where the sender states one."""
    written = str(charge.document.get("NGAY_TH_YL") or "")[:8]
    try:
        return datetime.strptime(written, "%Y%m%d").replace(tzinfo=VIETNAM).date()
    except ValueError:
        return business_date(charge.ordered_at)

"""The desk's page as rows of text: amounts, reasons and warnings, formatted by the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.claims.domain.claim import ClaimCheck, Severity
from billing.core.money import Dong
from billing.core.text import shorten_name
from billing.coverage.domain.breakdown import format_step
from billing.coverage.domain.explain import Language, category_name, explain, fact_names, percent_text
from billing.coverage.domain.price_result import AppliedRule
from billing.coverage.domain.what_if import WhatIf
from billing.visit_accounts.domain.desk_visit import DeskLine, LineStatus, OrderSlip
from billing.visit_accounts.service.desk_visits import DeskView
from billing.visit_accounts.service.queue_tickets import DeskQueue
from billing.visit_accounts.store.desk_queue import QueuedVisit
from billing.visit_accounts.store.desk_screens import WaitingCode
from billing.visits.domain.finding import FindingCode
from billing.web.screens.texts import ScreenLanguage, translate

AGED = 80
CHILD = 6
"""Priority in the queue, as the mock-ups show it: from 80 years on, and children under six."""

_NOTES = (10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
_SUGGESTIONS_MAX = 3
_STEPS = {
    "T_BHTT": "desk.insurer",
    "T_BNCCT": "desk.copay",
    "T_BNTT": "desk.self_pay",
    "T_NGUONKHAC": "desk.other",
}
"""The text of each amount whose arithmetic is shown."""
_LATE_MINUTES = 10
_ROUTES_MAX = 4
_RISKS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A line of a slip as texts; `reasons` are sentences, `citations` their sources with the period."""

    line: str
    name: str
    quantity: str
    hospital: str
    insurer: str
    patient: str
    status: LineStatus
    is_ticked: bool
    is_tickable: bool
    reasons: Sequence[str]
    citations: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipRow:
    """An order slip as texts. `number` is its place, by which Alt and a digit tick it."""

    number: int
    order_number: str
    ordered_at: datetime
    department: str
    patient: str
    status: LineStatus
    is_ticked: bool
    is_tickable: bool
    lines: Sequence[LineRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsRow:
    """The sums below the lines as texts."""

    hospital: str
    insurer: str
    copay: str
    self_pay: str
    other: str
    ticked: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A row of the queue; `priority` is empty, aged, child or emergency, `ticket` the number, empty without one."""

    visit: QueuedVisit
    minutes: int
    priority: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """A code that waits in the background. `is_arrived`: its receipt can be issued; `is_short`: a part has come."""

    code: WaitingCode
    visit: str
    name: str
    waited: str
    is_late: bool
    is_arrived: bool
    is_short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """A care route with the patient share under it; `facts` are the papers that it needs."""

    code: str
    name: str
    is_stated: bool
    patient: Dong
    difference: int
    facts: str


def amount_text(amount: Decimal | int | None) -> str:
    """An amount with its decimals only where it has some: `10.120`, `10.120,50`; empty for None."""
    if amount is None:
        return ""
    digits = f"{Decimal(amount):,.2f}".translate(str.maketrans(",.", ".,"))
    return digits.removesuffix(",00")


def slip_rows(view: DeskView, language: ScreenLanguage) -> list[SlipRow]:
    """The order slips of a visit in their order."""
    return [_slip(slip, number, Language(language.value)) for number, slip in enumerate(view.slips, start=1)]


def totals_row(view: DeskView) -> TotalsRow:
    """The sums of the lines that are not cancelled."""
    totals = view.totals
    return TotalsRow(
        hospital=amount_text(totals.hospital),
        insurer=amount_text(totals.insurer),
        copay=amount_text(totals.copay),
        self_pay=amount_text(totals.self_pay),
        other=amount_text(totals.other),
        ticked=view.panel.gross if view.panel.request_id is not None else totals.ticked,
    )


def benefit_text(view: DeskView, language: ScreenLanguage) -> str:
    """The benefit level, `80 %`; empty where the lines have several or none."""
    benefit = view.patient.benefit
    return "" if benefit is None else percent_text(benefit, Language(language.value))


def category_text(view: DeskView, language: ScreenLanguage) -> str:
    """The code and the name of the patient category: `1.3 Có phiếu chuyển`."""
    code = view.patient.category
    return f"{code} {category_name(code, Language(language.value))}".strip()


def queue_rows(queue: Sequence[QueuedVisit], calling: DeskQueue, *, now: datetime) -> list[QueueRow]:
    """The queue with how long each has waited, and the ticket of each who took one."""
    tickets = [*calling.waiting, *([] if calling.at_desk is None else [calling.at_desk])]
    shown = {ticket.visit_id: ticket.shown for ticket in tickets}
    return [
        QueueRow(
            visit=visit,
            minutes=max(0, int((now - visit.waiting_since).total_seconds() // 60)),
            priority=_priority(visit, now.year),
            ticket=shown.get(visit.visit_id, ""),
        )
        for visit in queue
    ]


def waiting_rows(codes: Sequence[WaitingCode], *, now: datetime) -> list[WaitingRow]:
    """The codes that wait at a desk, with a name that others may read."""
    rows = []
    for code in codes:
        seconds = max(0, int((now - code.opened_at).total_seconds()))
        rows.append(
            WaitingRow(
                code=code,
                visit=str(code.visit_id),
                name=shorten_name(code.name),
                waited=f"{seconds // 60:02}:{seconds % 60:02}",
                is_late=seconds >= _LATE_MINUTES * 60,
                is_arrived=code.has_receipt_due,
                is_short=code.received > 0 and code.owed > 0,
            )
        )
    return rows


def suggested_cash(due: Dong) -> list[int]:
    """Amounts that people give for an amount due: it rounded up to notes."""
    found = sorted({-(-due // note) * note for note in _NOTES} - {due})
    return found[:_SUGGESTIONS_MAX]


def reason_rows(reasons: Sequence[AppliedRule], language: ScreenLanguage) -> list[tuple[str, str]]:
    """Each applied rule as its sentence, and its citation with the period."""
    rows = []
    for reason in reasons:
        explained = explain(reason, Language(language.value))
        source = " · ".join(part for part in (explained.citation, explained.period) if part)
        rows.append((explained.sentence, source))
    return rows


def what_if_rows(routes: WhatIf, *, stated: Dong | None, language: Language) -> list[RouteRow]:
    """The stated route and those with another patient share, one for each share, at most four."""
    rows: list[RouteRow] = []
    shares: set[Dong] = set()
    for each in sorted(routes.routes, key=lambda route: route.code != routes.stated):
        if each.priced is None or each.priced.patient_share in shares or len(rows) == _ROUTES_MAX:
            continue
        share = each.priced.patient_share
        shares.add(share)
        rows.append(
            RouteRow(
                code=each.code,
                name=category_name(each.code, language),
                is_stated=each.code == routes.stated,
                patient=share,
                difference=0 if stated is None else share - stated,
                facts=", ".join(fact_names(fact, language) for fact in each.facts),
            )
        )
    return rows


def risk_rows(
    checks: Sequence[ClaimCheck], document: Mapping[str, object], language: Language
) -> list[tuple[str, str]]:
    """The name of each line that a claim check finds fault with, and why; at most three. Fields that the hospital's
    system has not sent yet are no risk of a line.
    """
    lines = document.get("lines")
    assert isinstance(lines, list), "a visit document has lines"
    names = {(str(line["table"]), line["stt"]): str(line.get("name", "")) for line in lines}
    return [
        (names.get((one.finding.table, one.finding.stt), ""), explain(one.reason, language).sentence)
        for check in checks
        for one in check.findings
        if one.finding.stt is not None
        and one.severity is not Severity.INFORMATION
        and one.finding.code is not FindingCode.FIELD_MISSING
    ][:_RISKS_MAX]


def _slip(slip: OrderSlip, number: int, language: Language) -> SlipRow:
    return SlipRow(
        number=number,
        order_number=slip.order_number,
        ordered_at=slip.ordered_at,
        department=slip.department,
        patient=amount_text(slip.patient),
        status=slip.status,
        is_ticked=slip.is_ticked,
        is_tickable=slip.is_tickable,
        lines=[_line(line, language) for line in slip.lines],
    )


def _line(line: DeskLine, language: Language) -> LineRow:
    rows = reason_rows(line.reasons, ScreenLanguage(language.value))
    steps = [
        f"{translate(ScreenLanguage(language.value), _STEPS[step.field])}: {format_step(step, language)}"
        for step in line.steps
        if step.field in _STEPS and step.amount
    ]
    return LineRow(
        line=line.line,
        name=line.name,
        quantity=line.quantity,
        hospital=amount_text(line.hospital),
        insurer=amount_text(line.insurer),
        patient=amount_text(line.patient),
        status=line.status,
        is_ticked=line.is_ticked,
        is_tickable=line.is_tickable,
        reasons=[*steps, *(sentence for sentence, _ in rows)],
        citations=list(dict.fromkeys(source for _, source in rows if source)),
    )


def _priority(visit: QueuedVisit, year: int) -> str:
    if visit.is_emergency:
        return "emergency"
    born = visit.birth_year
    if not born.isdigit() or born == "0000":
        return ""
    age = year - int(born)
    if age >= AGED:
        return "aged"
    return "child" if age < CHILD else ""

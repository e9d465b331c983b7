"""One entry of camt.053 as statement lines: a line for each detail with an amount, and one for the charges."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from xml.etree.ElementTree import Element

from billing.core.clock import VIETNAM
from billing.core.money import DONG_MAX, Dong
from billing.reconciliation.domain.statement import (
    TEXT_LENGTH_MAX,
    Counterparty,
    LineKind,
    Place,
    StatementLine,
    StatementUnreadable,
)
from billing.reconciliation.formats.cell_values import YEAR_MAX, YEAR_MIN, read_text
from billing.reconciliation.formats.references import read_reference, with_reference

DETAILS_MAX = 50_000
"""Details of one entry: they are in memory together."""

_AMOUNT = re.compile(r"(\d{1,15})(?:\.(\d{1,5}))?", re.ASCII)
_SIGNS = {"CRDT": 1, "DBIT": -1}
_BOOKED = "BOOK"


def read_entry(entry: Element, number: int) -> Iterator[StatementLine]:
    """The lines of an entry, which sum to its amount; none for an entry that is not booked or has the amount 0.

    `number` counts the entries of the statement from 1. Raises StatementUnreadable.
    """
    place = Place(number, None, "Ntry")
    status = child_text(entry, "Sts", "Cd") or child_text(entry, "Sts")
    if status != _BOOKED:
        if status is None:
            raise StatementUnreadable("the entry has no status (Sts)", place)
        return
    amount = read_signed(entry, place)
    if amount == 0:
        return
    details = [each for block in children(entry, "NtryDtls") for each in children(block, "TxDtls")]
    if len(details) > DETAILS_MAX:
        raise StatementUnreadable(f"the entry has more than {DETAILS_MAX:,} details", place)
    parts = _parts(details, 1 if amount > 0 else -1, place)
    if parts is None:
        text = _text_of(entry, details)
        yield _line(entry, details, amount=amount, kind=LineKind.MOVEMENT, text=text, place=place)
        return
    for detail, part in zip(details, parts, strict=True):
        if part:
            yield _line(
                entry, [detail], amount=part, kind=LineKind.MOVEMENT, text=_text_of(entry, [detail]), place=place
            )
    rest = amount - sum(parts)
    if rest:
        yield _line(entry, details, amount=rest, kind=LineKind.FEE, text=_text_of(entry, details), place=place)


def _parts(details: Sequence[Element], sign: int, place: Place) -> list[int] | None:
    """The signed amounts of the details; None unless every detail states one in đồng."""
    found = []
    for detail in details:
        stated = child(detail, "AmtDtls", "TxAmt", "Amt")
        if stated is None:
            stated = child(detail, "Amt")
        if stated is None or stated.get("Ccy") != "VND":
            return None
        direction = child_text(detail, "CdtDbtInd")
        found.append(_dong(stated, place) * (_SIGNS.get(direction, sign) if direction else sign))
    return found or None


def _line(
    entry: Element, details: Sequence[Element], *, amount: int, kind: LineKind, text: str, place: Place
) -> StatementLine:
    booked = read_day_element(child(entry, "BookgDt"), place)
    value = read_day_element(child(entry, "ValDt"), place)
    day = booked or value
    if day is None:
        raise StatementUnreadable("the entry states no booking day", place)
    reference = read_reference(child_text(entry, "AcctSvcrRef"))
    if reference is None and len(details) == 1:
        reference = read_reference(child_text(details[0], "Refs", "AcctSvcrRef"))
    return StatementLine(
        row=place.row or 0,
        sheet=None,
        booked_on=day[0],
        value_on=None if value is None else value[0],
        occurred_at=day[1],
        amount=Dong(amount),
        balance=None,
        text=text,
        bank_reference=reference,
        counterparty=_counterparty(details[0], amount) if len(details) == 1 else None,
        kind=kind,
    )


def _text_of(entry: Element, details: Sequence[Element]) -> str:
    """The end-to-end ids and remittance texts of details, otherwise the additional information of the entry."""
    parts: list[str] = []
    for detail in details:
        texts = [each.text or "" for block in children(detail, "RmtInf") for each in children(block, "Ustrd")]
        written = with_reference(read_reference(child_text(detail, "Refs", "EndToEndId")), read_text(" ".join(texts)))
        if written and written not in parts:
            parts.append(written)
        if sum(map(len, parts)) > TEXT_LENGTH_MAX:
            break
    text = " ".join(parts) or read_text(
        child_text(entry, "AddtlNtryInf") or (child_text(details[0], "AddtlTxInf") if details else None)
    )
    return text[:TEXT_LENGTH_MAX]


def _counterparty(detail: Element, amount: int) -> Counterparty | None:
    """The payer of money in, the payee of money out."""
    role = "Dbtr" if amount > 0 else "Cdtr"
    parties, agents = child(detail, "RltdPties"), child(detail, "RltdAgts")
    name = account = bank = None
    if parties is not None:
        name = child_text(parties, role, "Nm") or child_text(parties, role, "Pty", "Nm")
        account = child_text(parties, f"{role}Acct", "Id", "IBAN") or child_text(
            parties, f"{role}Acct", "Id", "Othr", "Id"
        )
    if agents is not None:
        agent = child(agents, f"{role}Agt", "FinInstnId")
        if agent is not None:
            bank = child_text(agent, "Nm") or child_text(agent, "BICFI") or child_text(agent, "BIC")
    if name is None and account is None and bank is None:
        return None
    return Counterparty(name=read_text(name) or None, account=read_text(account) or None, bank=read_text(bank) or None)


def read_signed(element: Element, place: Place) -> int:
    """The amount of an entry or a balance, negative for a debit. Raises StatementUnreadable."""
    stated = child(element, "Amt")
    direction = child_text(element, "CdtDbtInd")
    if stated is None or direction not in _SIGNS:
        raise StatementUnreadable("an amount or its direction (Amt, CdtDbtInd) is missing", place)
    if stated.get("Ccy") != "VND":
        raise StatementUnreadable("only amounts in VND are read", place)
    return _dong(stated, place) * _SIGNS[direction]


def _dong(stated: Element, place: Place) -> int:
    found = _AMOUNT.fullmatch((stated.text or "").strip())
    if found is None or (found[2] or "").strip("0"):
        raise StatementUnreadable("the amount is no whole number of đồng", place)
    amount = int(found[1])
    if amount > DONG_MAX:
        raise StatementUnreadable(f"the amount is above {DONG_MAX} đồng", place)
    return amount


def read_day_element(element: Element | None, place: Place) -> tuple[date, datetime | None] | None:
    """The day of a date element, in Vietnam, and its time if it has one. Raises StatementUnreadable."""
    if element is None:
        return None
    day, timestamp = child_text(element, "Dt"), child_text(element, "DtTm")
    try:
        if day:
            return _checked(date.fromisoformat(day[:10]), place), None
        if not timestamp:
            return None
        occurred_at = datetime.fromisoformat(timestamp)
        if occurred_at.tzinfo is None:
            occurred_at = occurred_at.replace(tzinfo=VIETNAM)
        return _checked(occurred_at.astimezone(VIETNAM).date(), place), occurred_at
    except (ValueError, OverflowError) as error:
        raise StatementUnreadable("a day does not exist", place) from error


def _checked(day: date, place: Place) -> date:
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise StatementUnreadable(f"a day is before {YEAR_MIN} or after {YEAR_MAX}", place)
    return day


def children(element: Element, name: str) -> list[Element]:
    """The children of a name; the reader has removed the namespaces."""
    return element.findall(name)


def child(element: Element, *path: str) -> Element | None:
    """The first element at a path of names, None if there is none."""
    current: Element | None = element
    for name in path:
        current = None if current is None else current.find(name)
    return current


def child_text(element: Element, *path: str) -> str | None:
    """The text of the first element at a path, without spaces at its ends; None if it is empty or absent."""
    found = child(element, *path)
    return ((found.text or "").strip() or None) if found is not None else None

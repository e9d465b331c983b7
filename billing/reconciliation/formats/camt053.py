"""Statements in camt.053, one entry at a time, whatever the size of the file.

The amount of the entry is the truth: details split it, and the difference between the entry and its details is a line
for charges. Only booked entries count. Document types and entities are refused.
Source: ISO 20022 camt.053.001, Bank To Customer Statement; docs/reference/providers.md, section 10.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers import expat

from billing.reconciliation.domain.statement import Place, StatementUnreadable
from billing.reconciliation.formats.camt053_entry import (
    child,
    child_text,
    read_day_element,
    read_entry,
    read_signed,
)
from billing.reconciliation.formats.open_statement import (
    CURRENCY,
    OpenStatement,
    ReadOptions,
    StatementFile,
    StatementItem,
)

PROFILE = "camt053"
_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d\d\}Document|Document")
_OPENING, _CLOSING = ("OPBD", "PRCD"), "CLBD"
_PROLOG_PIECE = 4096
_NAMES_MAX = 1_000
_ACCOUNT = re.compile(r"[0-9A-Z]{5,34}", re.ASCII)


def read_camt053(stream: BinaryIO, options: ReadOptions, file: StatementFile) -> Iterator[StatementItem]:
    """The statements of a file. Raises StatementUnreadable with the number of the entry in its statement."""
    _refuse_document_type(stream)
    try:
        yield from _Reader(options, file).read(stream)
    except ParseError as error:
        line = error.position[0]
        raise StatementUnreadable(f"line {line} is no plain XML; the file is cut or damaged", Place()) from error
    except (LookupError, ValueError) as error:
        raise StatementUnreadable("the file is in an encoding that XML does not know") from error


def _refuse_document_type(stream: BinaryIO) -> None:
    """Refuse a document type, and with it every entity: it can only stand before the first element.

    The check is made before the parser of the standard library reads the file. defusedxml makes it in handlers in
    Python, which run for every element: reading 20,000 entries took twice as long.
    """
    parser = expat.ParserCreate()
    names: list[str] = []
    types: list[str] = []
    parser.StartElementHandler = lambda name, attributes: names.append(name)
    parser.StartDoctypeDeclHandler = lambda name, *identifiers: types.append(name)
    try:
        while not names and (piece := stream.read(_PROLOG_PIECE)):
            parser.Parse(piece, False)
    except (expat.ExpatError, LookupError, ValueError):
        pass  # the reader of the file reports it, with the line
    finally:
        stream.seek(0)
    if types:
        raise StatementUnreadable("the file has a document type or entities; banks send none")


class _LocalNames(dict[str, str]):
    """The name of an element without its namespace, by the name with it; filled as names occur, up to a bound."""

    def __missing__(self, tag: str) -> str:
        name = tag.rpartition("}")[2]
        if len(self) < _NAMES_MAX:
            self[tag] = name
        return name


class _Reader:
    """Reads one statement after another. Elements are dropped as soon as their values are stored."""

    def __init__(self, options: ReadOptions, file: StatementFile) -> None:
        self._options = options
        self._file = file
        self._open: OpenStatement | None = None
        self._entries = 0
        self._balances: dict[str, tuple[int, date]] = {}

    def read(self, stream: BinaryIO) -> Iterator[StatementItem]:
        statement: Element | None = None
        depth = 0
        any_statement = False
        names = _LocalNames()
        for event, element in iterparse(stream, events=("start", "end")):  # noqa: S314 - has no document type
            name = names[element.tag]
            if event == "start":
                depth += 1
                if depth == 1 and not _NAMESPACE.fullmatch(str(element.tag)):
                    raise StatementUnreadable("the document is no statement camt.053")
                if name == "Stmt" and depth == 3:
                    statement, any_statement = element, True
                    self._balances, self._open, self._entries = {}, None, 0
                continue
            depth -= 1
            element.tag = name
            if statement is None or depth > 3:
                continue
            if name == "Bal":
                self._store_balance(element)
            elif name == "Ntry":
                yield from self._entry(statement, element)
                statement.remove(element)
            elif name == "Stmt":
                yield from self._end(statement)
                statement.clear()
                statement = None
        if not any_statement:
            raise StatementUnreadable("the document has no statement (Stmt)")

    def _store_balance(self, element: Element) -> None:
        kind = child_text(element, "Tp", "CdOrPrtry", "Cd")
        stated = child(element, "Amt")
        if stated is None or kind not in (*_OPENING, _CLOSING):
            return
        day = read_day_element(child(element, "Dt"), Place(column="Bal"))
        if day is None:
            raise StatementUnreadable("a balance states no day", Place(column="Bal"))
        balance = read_signed(element, Place(column="Bal")), day[0]
        if self._balances.setdefault(kind, balance) != balance:
            raise StatementUnreadable(f"the statement states two balances {kind}", Place(column="Bal"))

    def _entry(self, statement: Element, element: Element) -> Iterator[StatementItem]:
        current = self._open
        if current is None:
            current = self._begin(statement)
            yield current.head
        self._entries += 1
        for line in read_entry(element, self._entries):
            yield current.add(line)

    def _begin(self, statement: Element) -> OpenStatement:
        """The statement after its head. The balances are in đồng: `read_signed` refuses others."""
        account = child_text(statement, "Acct", "Id", "IBAN") or child_text(statement, "Acct", "Id", "Othr", "Id")
        if not account or not _ACCOUNT.fullmatch(account):
            raise StatementUnreadable("the statement has no account number", Place(column="Acct"))
        self._options.check_account(account, Place(column="Acct"))
        if child_text(statement, "Acct", "Ccy") not in (None, CURRENCY):
            raise StatementUnreadable("only accounts in VND are read", Place(column="Acct"))
        opening = next((self._balances[kind] for kind in _OPENING if kind in self._balances), None)
        if opening is None:
            raise StatementUnreadable("the statement has no opening balance (OPBD)", Place(column="Bal"))
        self._open = self._file.open(
            profile=PROFILE,
            account=account,
            sequence=child_text(statement, "ElctrncSeqNb") or child_text(statement, "Id"),
        )
        self._open.open_with(opening[0])
        return self._open

    def _end(self, statement: Element) -> Iterator[StatementItem]:
        current = self._open
        if current is None:
            current = self._begin(statement)
            yield current.head
        closing = self._balances.get(_CLOSING)
        if closing is None:
            raise StatementUnreadable("the statement has no closing balance (CLBD)", Place(column="Bal"))
        last = Place(self._entries, None, "Ntry")
        if closing[0] != current.balance:
            raise StatementUnreadable(
                "the booked entries do not lead from the opening to the closing balance; an entry is missing", last
            )
        stated = child_text(statement, "TxsSummry", "TtlNtries", "NbOfNtries")
        if stated is not None and stated.lstrip("0") != str(self._entries or ""):
            raise StatementUnreadable("the statement has another number of entries than it states", last)
        yield self._file.close(current, closing=closing[0], days=[*_period(statement), closing[1]])
        self._open = None


def _period(statement: Element) -> list[date]:
    found = []
    for name in ("FrDtTm", "ToDtTm"):
        text = child_text(statement, "FrToDt", name)
        if text is not None and re.match(r"\d{4}-\d{2}-\d{2}", text):
            try:
                found.append(date.fromisoformat(text[:10]))
            except ValueError as error:
                raise StatementUnreadable("the period has a day that does not exist", Place(column=name)) from error
    return found

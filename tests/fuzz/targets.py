"""The readers that meet bytes of the outside world, each with what must hold of its answer whatever the bytes."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from billing.core.errors import InvalidValue, NotSupported
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.formats.worked_case_json import FACILITY_OF_CASES
from billing.coverage.service.quote_file import quote_file, quote_json
from billing.reconciliation.domain.file_import import SettlementRefused
from billing.reconciliation.domain.statement import Statement, StatementLine, StatementUnreadable, line_key
from billing.reconciliation.formats.read_statements import read_statements
from billing.reconciliation.formats.settlement_spool import SettlementSpool
from billing.visits.domain.visit import Patient, Visit
from billing.visits.formats.citizen_card_qr import read_citizen_card
from billing.visits.formats.insurance_card_qr import read_insurance_card
from billing.visits.formats.strict_json import read_object
from billing.visits.formats.visit_document import canonical, write_patient, write_visit
from billing.visits.formats.xml130 import read_claim_file
from providers.bank_collection.settlement import read_lines
from providers.contract import SettlementLine
from providers.csv_report import read_report
from providers.sandbox.settlement_report import REPORT
from tests.fuzz.seeds import (
    BANK_FILE_KEY,
    BANK_FILES,
    CASES,
    CITIZEN_CARDS,
    CLAIM_FILES,
    INSURANCE_CARDS,
    REPORTS,
    SMALL_CLAIM_FILES,
    STATEMENT_WORKBOOKS,
    STATEMENTS,
)

PARAMETERS = load_parameters()


@dataclass(frozen=True, slots=True)
class Target:
    """A reader: valid inputs to start from, and the check of an answer to any bytes, which fails by an exception."""

    seeds: Sequence[bytes]
    check: Callable[[bytes], None]


def check_claim_file(content: bytes) -> None:
    """Visits that can be stored, priced and reported, or a finding that rejects the file and states the reason."""
    claim = read_claim_file(content)
    assert claim.visits or any(finding.refuses for finding in claim.findings)
    for read in claim.visits:
        assert_can_be_kept(read.visit)
    check_quote(content)


def check_quote(content: bytes) -> None:
    """Whatever the file, an answer that can be written as JSON."""
    quote = quote_file(content, file="f", parameters=PARAMETERS, policy=Policy())
    assert quote.visits or any(finding.refuses for finding in quote.findings) or quote.read_count
    json.dumps(quote_json(quote), allow_nan=False).encode()


def check_case_file(content: bytes) -> None:
    check_quote(content)
    check_visit_json(content)


def check_visit_json(content: bytes) -> None:
    """The first visit of a case file, submitted alone: a visit that can be stored, or a named rejection."""
    try:
        document = read_object(content)
        given = document.get("input")
        if isinstance(given, dict) and isinstance(given.get("visits"), list) and given["visits"]:
            first = given["visits"][0]
            if isinstance(first, dict):
                document = {"cards": given.get("cards"), **first}
        visit = read_visit(document, default_facility=FACILITY_OF_CASES)
    except (InvalidValue, NotSupported):
        return
    assert_can_be_kept(visit)


def check_citizen_card(content: bytes) -> None:
    try:
        card = read_citizen_card(content)
    except InvalidValue:
        return
    assert len(card.citizen_number) == 12
    assert_text(card.name, card.address, card.old_number, card.birth)


def check_insurance_card(content: bytes) -> None:
    try:
        card = read_insurance_card(content)
    except InvalidValue:
        return
    assert len(card.code) in {10, 12, 15}
    assert_text(card.name, card.address, card.parent, card.issued_at, card.management_number, card.check)


def check_statement(content: bytes) -> None:
    """Complete statements whose lines lead from opening to closing balance and have keys, or a named rejection."""
    lines: list[StatementLine] = []
    try:
        for item in read_statements(io.BytesIO(content)):
            if isinstance(item, StatementLine):
                lines.append(item)
            elif isinstance(item, Statement):
                assert item.line_count == len(lines)
                assert item.opening + sum(line.amount for line in lines) == item.closing
                assert len({line_key(item.bank_account_number, line) for line in lines}) == len(lines)
                assert item.from_day <= item.to_day
                lines.clear()
    except StatementUnreadable:
        return
    assert not lines


def check_report(content: bytes) -> None:
    """Settlement lines with keys of their own, as the database takes them, or a named rejection."""
    _check_settlement(read_report(io.BytesIO(content), REPORT))


def check_bank_file(content: bytes) -> None:
    """As `check_report`, with the checksums computed again: a wrong one alone refuses nearly every changed file."""
    signed = b"\n".join(_signed(line) if number else line for number, line in enumerate(content.split(b"\n")))
    for each in (content, signed):
        _check_settlement(read_lines(io.BytesIO(each), BANK_FILE_KEY.decode()))


def _signed(line: bytes) -> bytes:
    fields = line.split(b"|")[:-1]
    return b"|".join(
        [*fields, hashlib.md5(b"".join(fields) + BANK_FILE_KEY, usedforsecurity=False).hexdigest().encode()]
    )


def _check_settlement(lines: Iterator[SettlementLine]) -> None:
    spool = SettlementSpool(io.BytesIO())
    try:
        read = spool.read(lines)
    except SettlementRefused:
        return
    found = [line for chunk in spool.chunks() for line in chunk]
    assert read.line_count == len(found) == len({line.key for line in found})
    for line in found:
        assert 0 < line.amount < 2**63 > line.fee >= 0
        assert_text(line.transaction, line.reference, line.bank_reference)


def assert_can_be_kept(visit: Visit) -> None:
    """What is taken in is written as a document and read again when the invoice is issued: the same visit."""
    document = json.loads(canonical(write_visit(visit)), parse_float=Decimal)
    assert read_visit(document) == replace(visit, patient=Patient(), stated=None)
    assert_text(canonical(write_patient(visit.patient)))
    timestamps = [visit.admitted_at, visit.discharged_at, *(item.ordered_at for item in visit.items)]
    assert all(1900 <= timestamp.year <= 2100 for timestamp in timestamps if timestamp is not None)
    assert all(max(item.number, item.group) < 2**31 for item in visit.items)
    assert sum(item.quantity * item.hospital_price for item in visit.items) < 10**15


def assert_text(*texts: str) -> None:
    """What PostgreSQL takes as text."""
    for text in texts:
        assert "\x00" not in text
        text.encode()


TARGETS: Mapping[str, Target] = {
    "claim-file": Target((*SMALL_CLAIM_FILES, *SMALL_CLAIM_FILES, *CLAIM_FILES), check_claim_file),
    "case-file": Target(CASES, check_case_file),
    "citizen-card": Target(CITIZEN_CARDS, check_citizen_card),
    "insurance-card": Target(INSURANCE_CARDS, check_insurance_card),
    "statement": Target(STATEMENTS, check_statement),
    "statement-workbook": Target(STATEMENT_WORKBOOKS, check_statement),
    "settlement": Target(REPORTS, check_report),
    "bank-file": Target(BANK_FILES, check_bank_file),
}

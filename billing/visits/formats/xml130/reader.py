"""Read claim files: bytes in, visits and findings out, never an exception for the content.

Order: outer document → HOSO → table blocks → rows → visit. A refused HOSO does not stop the others.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import Visit
from billing.visits.formats.xml130.document import (
    DtdForbidden,
    Element,
    LimitExceeded,
    Limits,
    NotWellFormed,
    decode,
    parse,
    root_name,
)
from billing.visits.formats.xml130.envelope import Block, Signature, open_envelope
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.table_names import TABLE_OF_ROOT, XML1
from billing.visits.formats.xml130.tables import Row, rows_of
from billing.visits.formats.xml130.visits import key_of, read_visit

DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ReadVisit:
    """One visit that was read; `hoso` is its position in its file, counted from 1.

    A visit joined from bare table files belongs to the file of its XML1. `rows` are its source rows, which contain the
    fields of a claim that no price uses.
    """

    hoso: int
    visit: Visit
    file: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimFile:
    """The visits of a file. A refused visit is missing from `visits` and named by a finding whose `refuses` is true.

    A signature is detected, not verified: that needs the bytes as received, which the caller stores.
    """

    visits: tuple[ReadVisit, ...]
    findings: tuple[Finding, ...]
    signature: Signature


def is_bare_table(content: bytes) -> bool:
    """Whether a file is one table without an envelope, to be read with the others of its set; by its root alone."""
    return root_name(content) in TABLE_OF_ROOT


def read_claim_file(content: bytes, *, file: str = "", limits: Limits = DEFAULT_LIMITS) -> ClaimFile:
    """Read one claim file of the data standard of Decision 130/QĐ-BYT and its amendments.

    `file` is its name in findings. Never raises for the content; where nothing can be read, `visits` is empty and at
    least one finding states the reason. Source: docs/reference/xml130.md, section "Variants seen in the wild".
    """
    return read_claim_set([(file, content)], limits=limits)


def read_claim_set(files: Iterable[tuple[str, bytes]], *, limits: Limits = DEFAULT_LIMITS) -> ClaimFile:
    """Read several files (name, content) as one set: bare table files in it are joined by MA_LK.

    Files in an envelope are read separately. Bare tables are not joined if a file of the set cannot be read, since it
    might hold their lines; `file-unreadable` names each of them. The set is signed if any of its files is.
    """
    visits: list[ReadVisit] = []
    findings: list[Finding] = []
    bare: list[tuple[FindingLog, tuple[Row, ...]]] = []
    signature = Signature.UNSIGNED
    is_whole = True
    for file, content in files:
        log = FindingLog(file)
        root = _open(content, log, limits)
        if root is not None:
            envelope = open_envelope(root, log)
            if envelope.signature is Signature.NOT_VERIFIED:
                signature = envelope.signature
            if envelope.bare_table is not None:
                bare.append((log, rows_of(envelope.bare_table, len(bare), log, limits)))
            elif not envelope.visits and not log.refuses:
                log.add(FindingCode.XML1_MISSING, found="no HOSO", expected="HOSO with XML1")
            read = _read_visits(file, envelope.visits, envelope.facility, limits)
            visits.extend(read.visits)
            log.findings.extend(read.findings)
        is_whole = is_whole and not any(finding.refuses and finding.hoso is None for finding in log.findings)
        findings.extend(log.findings)
    joined = _read_bare_tables(bare) if is_whole else _leave_bare_tables(bare)
    return ClaimFile((*visits, *joined.visits), (*findings, *joined.findings), signature)


def _open(content: bytes, log: FindingLog, limits: Limits) -> Element | None:
    """The outer document; None, with a finding about the whole file, if it cannot be parsed."""
    if len(content) > limits.file_bytes:
        expected = f"at most {limits.file_bytes} bytes"
        log.add(FindingCode.FILE_TOO_LARGE, found=f"{len(content)} bytes", expected=expected)
        return None
    try:
        return parse(decode(content), limits)
    except UnicodeDecodeError as fault:
        found = f"byte {fault.start} is not {fault.encoding}"
        line = fault.object[: fault.start].decode(fault.encoding).count("\n") + 1
        log.add(_code_of_fault(content), found=found, expected="UTF-8 or UTF-16", line=line)
    except DtdForbidden:
        log.add(FindingCode.DTD_FORBIDDEN, found="DOCTYPE", expected="no DTD")
    except LimitExceeded:
        expected = f"at most {limits.elements} elements, {limits.depth} deep"
        log.add(FindingCode.FILE_TOO_LARGE, expected=expected)
    except NotWellFormed as fault:
        log.add(_code_of_fault(content), found=fault.reason, expected="well-formed XML", line=fault.line)
    return None


def _code_of_fault(content: bytes) -> FindingCode:
    """The finding code of unparseable content: without any markup it is not XML, otherwise XML with a fault."""
    return FindingCode.TABLE_NOT_WELLFORMED if b"<" in content else FindingCode.FILE_NOT_WELLFORMED


def _read_visits(file: str, hosos: Sequence[Sequence[Block]], facility: str, limits: Limits) -> ClaimFile:
    visits: list[ReadVisit] = []
    findings: list[Finding] = []
    seen: set[str] = set()
    for hoso, blocks in enumerate(hosos, start=1):
        log = FindingLog(file, hoso)
        _note_empty_summary(blocks, log)
        rows = [row for number, block in enumerate(blocks) for row in rows_of(block, number, log, limits)]
        visit = _read_one(rows, facility, log, seen)
        if visit is not None:
            visits.append(ReadVisit(hoso, visit, file, tuple(rows)))
        findings.extend(log.named(key_of(rows)))
    return ClaimFile(tuple(visits), tuple(findings), Signature.UNSIGNED)


def _note_empty_summary(blocks: Sequence[Block], log: FindingLog) -> None:
    """List an empty XML1 next to another XML1; the one with content is used."""
    contents = [bool(block.elements or block.content.strip()) for block in blocks if block.tag == XML1]
    if any(contents) and not all(contents):
        found = f"{len(contents) - sum(contents)} of {len(contents)} empty"
        log.at_table(XML1).add(FindingCode.TABLE_DUPLICATE, field="NOIDUNGFILE", found=found, expected="one XML1")


def _read_bare_tables(tables: Sequence[tuple[FindingLog, tuple[Row, ...]]]) -> ClaimFile:
    """Visits of bare table files: the rows of all of them, one visit for each MA_LK in order of appearance.

    A visit belongs to the file of its XML1; where there is none, a finding is logged for each file with its lines.
    """
    by_key: dict[str, list[tuple[str, Row]]] = {}
    for log, rows in tables:
        for row in rows:
            by_key.setdefault(row.text("MA_LK"), []).append((log.file, row))
    counts: Counter[str] = Counter()
    visits: list[ReadVisit] = []
    findings: list[Finding] = []
    if tables and not by_key:
        log = FindingLog(tables[0][0].file)
        log.at_table(XML1).add(FindingCode.XML1_MISSING, expected=XML1)
        findings.extend(log.findings)
    for key, own in by_key.items():
        summaries = [file for file, row in own if row.table == XML1]
        for file in summaries[:1] or dict.fromkeys(file for file, _ in own):
            counts[file] += 1
            log = FindingLog(file, counts[file])
            visit = _read_one([row for _, row in own], "", log, set())
            if visit is not None and not _is_missing_lines(visit, log):
                visits.append(ReadVisit(counts[file], visit, file, tuple(row for _, row in own)))
            findings.extend(log.named(key))
    return ClaimFile(tuple(visits), tuple(findings), Signature.UNSIGNED)


def _is_missing_lines(visit: Visit, log: FindingLog) -> bool:
    """Whether a bare XML1 states costs but has no lines: its file arrived alone, and a price of 0 would be wrong."""
    has_costs = visit.stated is not None and any(amount for amount in astuple(visit.stated) if amount)
    if visit.items or not has_costs:
        return False
    found, expected = "no XML2 or XML3 belongs to it", "the table files of this MA_LK in one set"
    log.at_table(XML1).add(FindingCode.VALUE_INVALID, field="MA_LK", found=found, expected=expected)
    return True


def _leave_bare_tables(tables: Sequence[tuple[FindingLog, tuple[Row, ...]]]) -> ClaimFile:
    findings: list[Finding] = []
    for log in (log for log, _ in tables if not log.refuses):
        left = FindingLog(log.file)
        left.add(FindingCode.FILE_UNREADABLE, found="another file of the set", expected="every file of the set")
        findings.extend(left.findings)
    return ClaimFile((), tuple(findings), Signature.UNSIGNED)


def _read_one(rows: Sequence[Row], facility: str, log: FindingLog, seen: set[str]) -> Visit | None:
    """Read one visit unless a finding refuses it; a MA_LK is accepted once per file, since it is never reused."""
    visit = read_visit(rows, facility, log)
    if visit is not None and visit.ma_lk in seen:
        expected = "a MA_LK once in a file"
        log.at_table(XML1).add(FindingCode.TABLE_DUPLICATE, field="MA_LK", found=visit.ma_lk, expected=expected)
    if visit is None or log.refuses:
        return None
    seen.add(visit.ma_lk)
    return visit

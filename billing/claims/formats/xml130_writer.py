"""Write a claim file: XML1, XML2 and XML3 of one visit in the envelope GIAMDINHHS.

Unsigned: CHUKYDONVI is empty, since the facility signs with its own certificate in another system (B-102). Fields that
we do not store are copied from the supplied rows of the visit, and are empty where there are none.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from billing.claims.formats.xml130_line_fields import ClaimNotWritable, line_fields
from billing.claims.formats.xml130_summary_fields import summary_fields
from billing.core.clock import VIETNAM
from billing.coverage.domain.price_result import PricedLine
from billing.visits.domain.visit import Visit
from billing.visits.formats.xml130.charge_items import read_stt
from billing.visits.formats.xml130.formats import write_day, write_text
from billing.visits.formats.xml130.layout import ELEMENTS, FIELDS
from billing.visits.formats.xml130.reader import read_claim_file
from billing.visits.formats.xml130.table_names import LINE_OF_TABLE, XML1, XML2, XML3
from billing.visits.formats.xml130.tables import Row

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedClaim:
    """The content of a claim file: a visit with its cards and patient, and its lines as billed.

    `supplied` are the rows of the claim file that supplied the visit, none for another source. `made_on` is the day of
    writing.
    """

    visit: Visit
    lines: Sequence[PricedLine]
    supplied: Sequence[Row] = ()
    made_on: date


def write_claim_file(claim: PricedClaim) -> bytes:
    """The claim file of one visit. It is read back before it is returned: an unreadable file is refused.

    Raises ClaimNotWritable naming the value that does not fit the tables.
    Source: Decision 130/QĐ-BYT as amended by 4750/QĐ-BYT and 3176/QĐ-BYT; envelope: docs/reference/xml130.md, section
    5.
    """
    visit = claim.visit
    supplied = {(row.table, read_stt(row) if row.table in LINE_OF_TABLE else None): row for row in claim.supplied}
    last_day = claim.made_on if visit.discharged_at is None else visit.discharged_at.astimezone(VIETNAM).date()
    rows: dict[str, list[Mapping[str, str]]] = {XML1: [], XML2: [], XML3: []}
    rows[XML1].append(summary_fields(visit, claim.lines, supplied.get((XML1, None))))
    for line in claim.lines:
        table = line.item.table.value
        rows[table].append(line_fields(visit.ma_lk, line, supplied.get((table, line.item.number)), on=last_day))
    blocks = "".join(_block(table, own) for table, own in rows.items() if own)
    content = _in_envelope(blocks, facility=visit.facility_code, made_on=claim.made_on)
    _check(content, claim)
    return content


def _block(table: str, rows: Sequence[Mapping[str, str]]) -> str:
    """One FILEHOSO: the table as base64 of UTF-8."""
    *ancestors, row_name = ELEMENTS[table]
    text = "".join(_element(row_name, "\n" + _row(FIELDS[table], row)) for row in rows)
    for name in reversed(ancestors):
        text = _element(name, "\n" + text)
    packed = base64.b64encode((_DECLARATION + text).encode()).decode()
    return _element("FILEHOSO", "\n" + _element("LOAIHOSO", table) + _element("NOIDUNGFILE", packed))


def _row(fields: Sequence[str], values: Mapping[str, str]) -> str:
    assert values.keys() <= set(fields), f"not of this table: {values.keys() - set(fields)}"
    return "".join(_element(name, write_text(values.get(name, ""))) for name in fields)


def _in_envelope(blocks: str, *, facility: str, made_on: date) -> bytes:
    unit = _element("THONGTINDONVI", "\n" + _element("MACSKCB", write_text(facility)))
    visits = _element("DANHSACHHOSO", "\n" + _element("HOSO", "\n" + blocks))
    head = _element("NGAYLAP", write_day(made_on)) + _element("SOLUONGHOSO", "1")
    inside = unit + _element("THONGTINHOSO", "\n" + head + visits) + "<CHUKYDONVI/>\n"
    return (_DECLARATION + _element("GIAMDINHHS", "\n" + inside)).encode()


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>\n"


def _check(content: bytes, claim: PricedClaim) -> None:
    """Read the file back: one visit of this key with these lines; otherwise refuse with the finding."""
    back = read_claim_file(content)
    refusing = next((finding for finding in back.findings if finding.refuses), None)
    if refusing is not None:
        place = refusing.table if refusing.stt is None else f"{refusing.table} line {refusing.stt}"
        detail = f"{place}: {refusing.field or 'the table'} is {refusing.code.value}; expected {refusing.expected}"
        raise ClaimNotWritable(detail, field=refusing.field or None)
    (read,) = back.visits
    if read.visit.ma_lk != claim.visit.ma_lk:
        raise ClaimNotWritable("MA_LK holds characters no XML document may hold", field="MA_LK")
    assert {item.key for item in read.visit.items} == {line.item.key for line in claim.lines}, "every line is written"

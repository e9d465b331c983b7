"""camt.053: the amount of the entry is the truth; only booked entries count; the balances must connect."""

from datetime import UTC, date, datetime

import pytest

from billing.reconciliation.domain.statement import Counterparty, LineKind, StatementUnreadable
from tests.reconciliation.formats.reading import read

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"


def balance(kind: str, amount: int, day: str = "2026-01-02") -> str:
    direction = "CRDT" if amount >= 0 else "DBIT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='VND'>{abs(amount)}</Amt>"
        f"<CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount: str, *, direction: str = "CRDT", status: str = "<Sts>BOOK</Sts>", details: str = "") -> str:
    return (
        f"<Ntry><Amt Ccy='VND'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{status}"
        f"<BookgDt><Dt>2026-01-02</Dt></BookgDt><ValDt><Dt>2026-01-03</Dt></ValDt>"
        f"<AcctSvcrRef>FT1</AcctSvcrRef>{details and f'<NtryDtls>{details}</NtryDtls>'}</Ntry>"
    )


def detail(amount: str | None, text: str, *, reference: str = "NOTPROVIDED", currency: str = "VND") -> str:
    stated = "" if amount is None else f"<AmtDtls><TxAmt><Amt Ccy='{currency}'>{amount}</Amt></TxAmt></AmtDtls>"
    return (
        f"<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>{stated}"
        "<RltdPties><Dbtr><Nm>Nguyễn Văn Thử</Nm></Dbtr>"
        "<DbtrAcct><Id><Othr><Id>0099</Id></Othr></Id></DbtrAcct></RltdPties>"
        "<RltdAgts><DbtrAgt><FinInstnId><BIC>TESTVNVX</BIC></FinInstnId></DbtrAgt></RltdAgts>"
        f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>"
    )


def statement(entries: str, *, opening: int = 0, closing: int = 0, number: int = 2, more: str = "") -> str:
    return (
        f"<Stmt><Id>S1</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><Acct><Id><Othr><Id>0000000000017</Id></Othr></Id>"
        f"<Ccy>VND</Ccy></Acct>{balance('OPBD', opening)}{balance('CLBD', closing)}{more}{entries}</Stmt>"
    )


def document(*statements: str, namespace: str = NAMESPACE, prolog: str = "") -> bytes:
    body = "".join(statements)
    return (
        f"<?xml version='1.0' encoding='UTF-8'?>{prolog}<Document xmlns='{namespace}'><BkToCstmrStmt>"
        f"<GrpHdr><MsgId>M1</MsgId></GrpHdr>{body}</BkToCstmrStmt></Document>"
    ).encode()


def refusal(content: bytes) -> str:
    with pytest.raises(StatementUnreadable) as refused:
        read(content)
    return refused.value.detail


def test_entry_has_its_days_reference_text_and_counterparty() -> None:
    one = entry("350000.00", details=detail(None, "vien phi", reference="HPB7K2QF9XA"))

    [found] = read(document(statement(one, closing=350_000)))

    [line] = found.lines
    assert (line.amount, line.booked_on, line.value_on) == (350_000, date(2026, 1, 2), date(2026, 1, 3))
    assert (line.bank_reference, line.text) == ("FT1", "HPB7K2QF9XA vien phi")
    assert line.counterparty == Counterparty(name="Nguyễn Văn Thử", account="0099", bank="TESTVNVX")
    assert (found.whole.sequence, found.whole.opening, found.whole.closing) == ("2", 0, 350_000)


@pytest.mark.parametrize(("direction", "sign"), [("CRDT", 1), ("DBIT", -1)])
def test_difference_of_entry_and_detail_is_a_charge_line(direction: str, sign: int) -> None:
    one = entry("1526", direction=direction, details=detail("1500", "a"))

    [found] = read(document(statement(one, opening=5_000, closing=5_000 + sign * 1_526)))

    assert [(line.kind, line.amount, line.row) for line in found.lines] == [
        (LineKind.MOVEMENT, sign * 1_500, 1),
        (LineKind.FEE, sign * 26, 1),
    ]


def test_charge_that_was_withheld_from_money_in() -> None:
    [found] = read(document(statement(entry("974", details=detail("1000", "a")), closing=974)))

    assert found.amounts == [1_000, -26]


def test_each_detail_has_its_own_amount_and_text() -> None:
    details = detail("1000", "một", reference="SAME") + detail("500", "hai", reference="SAME")

    [found] = read(document(statement(entry("1500", details=details), closing=1_500)))

    assert [(line.amount, line.text) for line in found.lines] == [(1_000, "SAME một"), (500, "SAME hai")]


@pytest.mark.parametrize(
    "details", [detail(None, "một") + detail(None, "hai"), detail("1", "một", currency="USD") + detail("2", "hai")]
)
def test_details_without_amounts_in_dong_are_one_line(details: str) -> None:
    [found] = read(document(statement(entry("1500", details=details), closing=1_500)))

    assert [(line.amount, line.text, line.counterparty) for line in found.lines] == [(1_500, "một hai", None)]


def test_only_booked_entries_count() -> None:
    entries = entry("5", status="<Sts>PDNG</Sts>") + entry("7", status="<Sts><Cd>BOOK</Cd></Sts>")

    [found] = read(document(statement(entries, closing=7)))

    assert found.amounts == [7]


def test_time_of_an_entry_has_its_zone_and_its_day_in_vietnam() -> None:
    one = entry("7").replace("<BookgDt><Dt>2026-01-02</Dt>", "<BookgDt><DtTm>2026-01-02T18:30:00Z</DtTm>")

    [line] = read(document(statement(one, closing=7)))[0].lines

    assert line.occurred_at == datetime(2026, 1, 2, 18, 30, tzinfo=UTC)
    assert line.booked_on == date(2026, 1, 3)


def test_statements_that_overlap_count_equal_lines_again() -> None:
    morning = statement(entry("7"), opening=0, closing=7, number=1)
    day = statement(entry("7") + entry("7"), opening=0, closing=14, number=2)
    evening = statement(entry("7"), opening=14, closing=21, number=3)

    found = read(document(morning, day, evening))

    assert [[line.ordinal for line in each.lines] for each in found] == [[1], [1, 2], [3]]


def test_statement_without_entries() -> None:
    [found] = read(document(statement("", opening=5, closing=5), namespace=NAMESPACE.replace(".02", ".08")))

    assert (found.lines, found.whole.from_day, found.whole.closing) == ([], date(2026, 1, 2), 5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (document(statement(entry("7"), closing=8)), "row 1, column “Ntry”: the booked entries do not lead"),
        (document(statement(entry("7") + entry("x"), closing=8)), "row 2, column “Ntry”: the amount is no whole"),
        (document(statement(entry("7.50"), closing=8)), "row 1, column “Ntry”: the amount is no whole"),
        (document(statement(entry("7", direction="?"), closing=7)), "row 1, column “Ntry”: an amount or its direction"),
        (document(statement(entry("7", status=""), closing=7)), "row 1, column “Ntry”: the entry has no status"),
        (
            document(statement(entry("7"), closing=7).replace("2026-01-02", "2026-02-30")),
            "column “Bal”: a day does not",
        ),
        (
            document(statement(entry("7"), closing=7).replace("OPBD", "XPCD")),
            "column “Bal”: the statement has no opening",
        ),
        (
            document(statement(entry("7"), closing=7).replace("CLBD", "XPCD")),
            "column “Bal”: the statement has no closing",
        ),
        (document(statement(entry("7"), closing=7).replace("VND", "USD")), "column “Bal”: only amounts in VND"),
        (
            document(
                statement(
                    entry("7"),
                    closing=7,
                    more="<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>",
                )
            ),
            "row 1, column “Ntry”: the statement has another number of entries",
        ),
        (document(), "the document has no statement"),
        (document(namespace="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"), "the document is no statement"),
        (document(statement(entry("7"), closing=7))[:-20], "line 1 is no plain XML"),
    ],
)
def test_fault_is_refused_with_its_place(content: bytes, reason: str) -> None:
    assert refusal(content).startswith(reason)


@pytest.mark.parametrize(
    "prolog",
    [
        "<!DOCTYPE Document>",
        "<!DOCTYPE Document [<!ENTITY a 'x'>]>",
        "<!DOCTYPE Document [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
    ],
)
def test_document_type_and_entities_are_refused(prolog: str) -> None:
    assert "document type or entities" in refusal(document(statement(entry("7"), closing=7), prolog=prolog))


def test_file_cut_at_any_byte_is_refused() -> None:
    content = document(statement(entry("7", details=detail("7", "một")), closing=7))

    for length in range(len(content) - 1):
        with pytest.raises(StatementUnreadable):
            read(content[:length])

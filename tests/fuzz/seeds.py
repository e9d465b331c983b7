"""What fuzzing starts from: valid inputs of each reader, and bytes that have hurt readers before."""

import json
from pathlib import Path

from tests.reconciliation.formats.bank_samples import SAMPLES
from tests.reconciliation.formats.statement_files import as_csv, as_html, as_xls, as_xlsx
from tests.visits.formats.test_card_qr import CHILD, CITIZEN, OLD_CARD
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    hoso,
    raw_block,
    visit_blocks,
    xml1,
    xml2,
    xml3,
    xml4,
)

TESTS = Path(__file__).parents[1]

CLAIM_FILES = tuple(
    path.read_bytes()
    for path in sorted([*(TESTS / "cases" / "xml130").glob("*.xml"), *(TESTS.parent / "examples").glob("*.xml")])
)
SMALL_CLAIM_FILES = (
    claim_file(hoso(*visit_blocks("A"), block("XML4", xml4("A"))), hoso(*visit_blocks("B"))),
    claim_file(hoso(raw_block("XML1", xml1()), raw_block("XML2", xml2()), raw_block("XML3", xml3()))),
    xml1().encode(),
)
CASES = tuple(path.read_bytes() for path in sorted((TESTS / "cases" / "bhyt").glob("*.json")))
CITIZEN_CARDS = (CITIZEN.encode(), f"{CITIZEN}|||".encode())
INSURANCE_CARDS = (OLD_CARD.encode(), CHILD.encode())
STATEMENTS = (
    *(as_csv(sample(), "utf-8") for sample in SAMPLES.values()),
    *(as_html(SAMPLES[name](), "utf-8") for name in ("agribank", "vietcombank_simple")),
    *(
        (vector["input"].get("text") or vector["input"]["xml"]).encode()
        for vector in json.loads((TESTS / "vectors" / "statements.json").read_text("utf-8"))["vectors"]
    ),
)
STATEMENT_WORKBOOKS = tuple(writer(SAMPLES["bidv"]()) for writer in (as_xls, as_xlsx))
_REPORT_HEAD = "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"
REPORTS = (
    (
        f"\ufeff{_REPORT_HEAD}SB1,HPB7K2QF9XA,SUCCEEDED,136000,1500,FT00000000001,2026-11-02 08:15:30,2026-11-03\r\n"
        "SB1,,SUCCEEDED,136000,1500,FT00000000001,2026-11-02 08:15:30,2026-11-03\r\n"
        'SB2,"HP, 2",REFUNDED,4000,0,,2026-11-02 09:00:00,\r\nSB3,,REVERSED,7000,0,NONREF,,\r\nSB4,,FAILED,1,0,,,\r\n'
    ).encode(),
    _REPORT_HEAD.encode(),
)
BANK_FILE_KEY = b"FAKE_RECON_KEY"
BANK_FILES = tuple(
    vector["input"]["text"].encode()
    for vector in json.loads((TESTS / "vectors" / "bank_collection.json").read_text("utf-8"))["vectors"]
    if vector["id"] == "recon-in-file"
)

HURTFUL = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xfe\xff\x00<",
    b"\xef\xbb\xbf",
    b"1E999999",
    b"1E99999999999999999999",
    b"-1E-99999999999999999999",
    b"1E-999999999999999999",
    b"-1E-999999",
    b"9" * 5000,
    b"NaN",
    b"Infinity",
    b"0.1e1",
    b"1,234",
    b"-0",
    "٣".encode(),
    b"000101010000",
    b"999912312359",
    b"20260229",
    b"</TONG_HOP>",
    b"<![CDATA[",
    b"]]>",
    b"&lol;",
    b"&#0;",
    b"&#x110000;",
    b'<!DOCTYPE a [<!ENTITY b "x">]>',
    b"<a>" * 200,
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"[" * 3000,
    b'{"a":' * 1000,
    b"\\ud800",
    b"\\u0000",
    b"|$",
    b"|" * 40,
    b"%",
    b"\x1b[2J",
    "́".encode() * 50,
)
"""Inserted whole somewhere: notations, marks and depths that a reader may stumble over."""

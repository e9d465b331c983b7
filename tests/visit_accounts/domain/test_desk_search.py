"""What a text of the scan box is read as: only digits and dates of a scan are trusted."""

import pytest

from billing.visit_accounts.domain.desk_search import ScanKind, read_scan

CITIZEN = "001058000001|012345678|Nguyễn Văn An|12031958|Nam|Số 1, Hòa Giang|01012022"


@pytest.mark.parametrize(
    ("written", "kind", "citizen", "insurance"),
    [
        (CITIZEN, ScanKind.CITIZEN_CARD, "001058000001", ""),
        # Telex turned the name and the address into other letters: the digits are intact.
        (
            "001058000001|012345678|Nguyêễnn Văan An|12031958|Nam|Sôố1|01012022",
            ScanKind.CITIZEN_CARD,
            "001058000001",
            "",
        ),
        ("001058000001", ScanKind.CITIZEN_NUMBER, "001058000001", ""),
        ("DN4791234567890", ScanKind.INSURANCE_NUMBER, "", "1234567890"),
        # The two letters DD of a card became one letter.
        ("đ4791234567890|4e67|12/03/1958|1|", ScanKind.INSURANCE_CARD, "", "1234567890"),
        ("1234567890", ScanKind.INSURANCE_NUMBER, "", "1234567890"),
        (
            "1234567890|4e67757965|12/03/1958|1|abc|01 - 001|01/01/2026|31/12/2026|x|$",
            ScanKind.INSURANCE_CARD,
            "",
            "1234567890",
        ),
        ("LK26-104288", ScanKind.TEXT, "", ""),
        ("", ScanKind.TEXT, "", ""),
        ("|||", ScanKind.TEXT, "", ""),
    ],
)
def test_numbers_are_read_from_a_scan(written: str, kind: ScanKind, citizen: str, insurance: str) -> None:
    scan = read_scan(written)

    assert (scan.kind, scan.citizen_number, scan.insurance_number) == (kind, citizen, insurance)


@pytest.mark.parametrize("written", ["PT2026-000123", "pt2026-000123", "PT2026000123", " PT 2026-000123 "])
def test_a_receipt_number_is_read_as_printed(written: str) -> None:
    assert read_scan(written).receipt == ("PT", 2026, 123)


def test_a_long_text_is_cut() -> None:
    assert len(read_scan("x" * 5000).text) == 1000

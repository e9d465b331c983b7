"""The normal form of bank references: the database and the domain compute one and the same."""

import re
import unicodedata
from pathlib import Path
from random import Random

import asyncpg
import pytest

from billing.payments.domain.reference_links import normal_reference
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.builders import MatchingFlow

SEED = 20_261_130
# Assigned in the oldest version of Unicode at hand: newer servers and interpreters agree about these for good.
CHARACTERS = [each for each in map(chr, range(1, 0x20000)) if unicodedata.ucd_3_2_0.category(each) not in ("Cn", "Cs")]


def references() -> list[str]:
    """Every character inside of a reference, and random pairs of characters with marks and blanks."""
    random = Random(SEED)
    marks = [each for each in CHARACTERS if unicodedata.combining(each)]
    pairs = [
        "".join(random.choice(part) for part in (CHARACTERS[:0x250], (*" \t\u3000", *marks[:40]), marks[:40], "aAiI1"))
        for _ in range(5_000)
    ]
    return [f"Ft{each}1" for each in CHARACTERS] + pairs


async def test_database_and_domain_have_one_normal_form(flow: PaymentFlow) -> None:
    texts = references()

    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        rows = await tx.fetch(
            "SELECT text, vienphi_normal_reference(text) AS normal FROM unnest($1::text[]) AS given (text)", texts
        )

    assert len(rows) > 60_000
    assert [(row["text"], row["normal"]) for row in rows if row["normal"] != normal_reference(row["text"])] == []


def test_form_of_a_form_is_the_same() -> None:
    assert [each for each in references() if normal_reference(normal_reference(each)) != normal_reference(each)] == []


_OWN_FORM = re.compile(
    r"(?:upper|lower)\([^()]*reference|\bbank_reference (?:=|<>) (?:\w+\.)?bank_reference\b"
    r"|bank_reference(?:\.strip\(\))? [!=]= [\w.]*bank_reference"
)


def test_bank_references_are_compared_in_the_normal_form_alone() -> None:
    """`compact` is another comparison: a person's question finds more than it names."""
    root = Path(__file__).parents[3] / "billing"

    found = [
        f"{path.relative_to(root)}: {own[0]}"
        for path in root.rglob("*.py")
        for own in _OWN_FORM.finditer(path.read_text("utf-8"))
    ]

    assert found == []


async def test_lines_that_were_imported_before_have_their_normal_reference(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    own = MatchingFlow(flow)
    await own.statement(own.line(1, "A", "FT1"), own.line(2, "B", "ft 2"), own.line(3, "C"))
    stored = "SELECT amount, normal_reference FROM statement_line ORDER BY amount"
    expected = [(1, None), (2, "FT2"), (3, None)]
    new = [tuple(row) for row in await own.fetch(stored)]
    [backfill] = (Path(__file__).parents[3] / "migrations").glob("*_normal_references_of_lines.sql")

    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("SET vienphi.organization = '1'; UPDATE statement_line SET normal_reference = NULL")
    await connection.execute(f"RESET vienphi.organization; {backfill.read_text('utf-8')}")
    await connection.close()

    assert new == expected
    assert [tuple(row) for row in await own.fetch(stored)] == expected


@pytest.mark.parametrize(
    ("stated", "name", "is_named"),
    [
        ("HOAN TIEN FT123456 VCB", "FT123456", True),
        ("HOAN TIEN FT 1234-56 VCB", "ft123456", True),
        ("HOAN TIEN FT123456 VCB", "FT 123 456", True),
        ("HOAN TIEN FT1234567", "FT123456", False),
        ("XFT123456", "FT123456", False),
        ("NOP 1 2", "12", False),
        ("2019", "1", False),
        ("NOP 12", "12", True),
    ],
)
async def test_text_states_a_name_however_blanks_divide_it(
    flow: PaymentFlow, stated: str, name: str, is_named: bool
) -> None:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        assert await tx.fetchval("SELECT vienphi_names($1, $2)", stated, name) is is_named


@pytest.mark.parametrize("text", ["FT1Đ", "ft 1đ", " FT\t1 Đ ", "ＦＴ１Đ", "ft\u00a01đ", "F\u2003T1Đ", "FT①đ"])
def test_blanks_case_and_width_make_no_other_reference(text: str) -> None:
    assert normal_reference(text) == "FT1Đ"

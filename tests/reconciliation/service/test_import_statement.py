"""Statements imported into a real database: once, again, overlapping, refused, and of several accounts."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.reference_code import reference_code
from billing.reconciliation.domain.file_import import (
    BankAccountUnknown,
    ImportUnderWay,
    LinesNotDistinct,
    StatementRestated,
)
from billing.reconciliation.domain.statement import StatementUnreadable
from billing.reconciliation.domain.statement_chain import BreakKind
from billing.reconciliation.service.import_statement import (
    ImportProgress,
    ImportResult,
    StatementFile,
    import_statement,
    preview_import,
)
from tests.builders import add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.statement_file import DAY, Line, many_lines, statement_csv, statement_file

NEXT = DAY + timedelta(days=1)


async def run(flow: PaymentFlow, content: bytes, *, is_intraday: bool = False) -> ImportResult:
    return await import_statement(
        flow.context,
        flow.hospital.organization_id,
        statement_file(content, is_intraday=is_intraday),
        actor=Actor.system(),
    )


async def rows(flow: PaymentFlow, query: str) -> list[Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        return [tuple(row) for row in await tx.fetch(query)]


async def amounts(flow: PaymentFlow) -> list[int]:
    """The amounts of every line that counts."""
    return [row[0] for row in await rows(flow, "SELECT amount FROM active_statement_line ORDER BY booked_on, id")]


async def test_lines_count_once_the_import_is_active(flow: PaymentFlow) -> None:
    content = statement_csv(
        Line(amount=350_000, text="Nguyễn Văn Thử chuyển tiền", reference="FT1"), Line(amount=-50_000, reference="FT2")
    )

    result = await run(flow, content)

    assert (result.lines, result.new_lines, result.is_repeat, result.breaks) == (2, 2, False, ())
    assert await amounts(flow) == [350_000, -50_000]
    assert await rows(flow, "SELECT state, lines, new_lines, profile, file_name FROM reconciliation_import") == [
        ("active", 2, 2, "generic", "statement.csv")
    ]
    assert await rows(flow, "SELECT opening, closing, lines, from_day, to_day FROM bank_statement") == [
        (0, 300_000, 2, DAY, DAY)
    ]
    stored = await rows(
        flow,
        """SELECT text.text, line.bank_reference, line.balance, line.kind FROM statement_line AS line
        JOIN statement_line_text AS text ON text.line_id = line.id ORDER BY line.id""",
    )
    assert stored == [
        ("Nguyễn Văn Thử chuyển tiền", "FT1", 350_000, "movement"),
        ("NOP TIEN", "FT2", 300_000, "movement"),
    ]
    assert await rows(flow, "SELECT action FROM audit WHERE subject_kind = 'reconciliation_import'") == [
        ("statement_imported",)
    ]


async def test_same_file_again_changes_nothing(flow: PaymentFlow) -> None:
    content = statement_csv(Line(amount=1), Line(amount=2))
    first = await run(flow, content)

    again = await run(flow, content)

    assert (again.import_id, again.is_repeat) == (first.import_id, True)
    assert await amounts(flow) == [1, 2]
    assert await rows(flow, "SELECT count(*) FROM reconciliation_import") == [(1,)]


async def test_overlapping_file_adds_its_new_lines_only(flow: PaymentFlow) -> None:
    first = [Line(amount=100, reference="A"), Line(amount=200, reference="B", day=NEXT)]
    await run(flow, statement_csv(*first))

    result = await run(flow, statement_csv(first[1], Line(amount=300, reference="C", day=NEXT), opening=100))

    assert (result.lines, result.new_lines) == (2, 1)
    assert [each.kind for each in result.breaks] == [BreakKind.OVERLAP]
    assert await amounts(flow) == [100, 200, 300]


async def test_two_equal_lines_of_a_day_are_two(flow: PaymentFlow) -> None:
    content = statement_csv(Line(amount=5), Line(amount=5))

    await run(flow, content)
    repeated = await run(flow, content.replace("Mô tả".encode(), "Nội dung".encode()))

    assert (repeated.lines, repeated.new_lines) == (2, 0)
    assert await amounts(flow) == [5, 5]


async def test_equal_lines_count_on_in_the_next_file_of_the_day(flow: PaymentFlow) -> None:
    """Morning and evening of one day in two files; then the whole day in a third one."""
    await run(flow, statement_csv(Line(amount=5), Line(amount=5)))

    evening = await run(flow, statement_csv(Line(amount=5), Line(amount=7), opening=10))
    day = await run(flow, statement_csv(*[Line(amount=5)] * 3, Line(amount=7)))

    assert (evening.lines, evening.new_lines) == (2, 2)
    assert (day.lines, day.new_lines) == (4, 0)
    assert sorted(await amounts(flow)) == [5, 5, 5, 7]


async def test_next_file_of_the_day_in_another_edition_is_recognised(flow: PaymentFlow) -> None:
    await run(flow, statement_csv(Line(amount=5)))
    evening = statement_csv(Line(amount=5), Line(amount=7), opening=5)
    await run(flow, evening)

    again = await run(flow, evening.replace("Mô tả".encode(), "Nội dung".encode()))

    assert (again.lines, again.new_lines) == (2, 0)
    assert sorted(await amounts(flow)) == [5, 5, 7]


async def test_balance_that_returns_during_a_day_repeats_no_line(flow: PaymentFlow) -> None:
    """0 → 5 → 0 in two files: the edition of the first begins with the balance that the second ended with."""
    morning = statement_csv(Line(amount=5))
    await run(flow, morning)
    await run(flow, statement_csv(Line(amount=-5), opening=5))

    again = await run(flow, morning.replace("Mô tả".encode(), "Nội dung".encode()))
    day = await run(flow, statement_csv(Line(amount=5), Line(amount=-5), Line(amount=9)))

    assert (again.new_lines, day.new_lines) == (0, 1)
    assert sorted(await amounts(flow)) == [-5, 5, 9]


async def test_file_of_the_evening_before_that_of_the_morning_loses_no_equal_line(flow: PaymentFlow) -> None:
    await run(flow, statement_csv(Line(amount=5), opening=5))

    with pytest.raises(LinesNotDistinct):
        await run(flow, statement_csv(Line(amount=5)))
    day = await run(flow, statement_csv(Line(amount=5), Line(amount=5)))

    assert day.new_lines == 1
    assert await amounts(flow) == [5, 5]
    assert await rows(flow, "SELECT count(*) FROM statement_line") == [(2,)]


async def test_statement_in_another_kind_of_file_is_refused_and_a_longer_one_is_imported(flow: PaymentFlow) -> None:
    await run(flow, statement_csv(Line(amount=5, text="CK tu 0011"), Line(amount=9, text="PHI")))
    other = statement_csv(Line(amount=5, text="CHUYEN KHOAN TU 0011"), Line(amount=9, text="PHI"))

    with pytest.raises(StatementRestated):
        await run(flow, other)
    refused = await amounts(flow)
    day = await run(flow, statement_csv(Line(amount=5, text="CK tu 0011"), Line(amount=9, text="PHI"), Line(amount=7)))

    assert refused == [5, 9]
    assert day.new_lines == 1
    assert await rows(flow, "SELECT count(*) FROM statement_line") == [(3,)]


async def test_file_of_the_evening_before_that_of_the_morning(flow: PaymentFlow) -> None:
    await run(flow, statement_csv(Line(amount=5), opening=7))

    morning = await run(flow, statement_csv(Line(amount=7)))

    assert (morning.new_lines, morning.breaks) == (1, ())


async def test_gap_between_statements_is_returned(flow: PaymentFlow) -> None:
    await run(flow, statement_csv(Line(amount=5)))

    gap = await run(flow, statement_csv(Line(amount=5, day=NEXT), opening=9))

    [found] = gap.breaks
    assert (found.kind, found.difference) == (BreakKind.GAP, 4)


@pytest.mark.parametrize("lines", [1, 2_500])
async def test_refused_file_leaves_a_record_and_no_line(flow: PaymentFlow, lines: int) -> None:
    """The last row of the file is wrong; with 2,500 lines more than a chunk is right before it."""
    content = statement_csv(*many_lines(lines)) + b"03/11/2026;;;1.5;7;WRONG\n"

    with pytest.raises(StatementUnreadable) as refusal:
        await run(flow, content)

    assert f"row {lines + 4}" in refusal.value.detail
    assert await rows(flow, "SELECT state, refusal, lines FROM reconciliation_import") == [
        ("refused", refusal.value.detail, 0)
    ]
    for table in ("bank_statement", "statement_line", "statement_line_text", "repeated_line"):
        assert await rows(flow, f"SELECT count(*) FROM {table}") == [(0,)]


async def test_statement_of_an_unknown_account_is_refused_by_its_number(flow: PaymentFlow) -> None:
    with pytest.raises(BankAccountUnknown, match="0999000001"):
        await run(flow, statement_csv(Line(amount=5), account="0999000001"))

    assert await rows(flow, "SELECT state FROM reconciliation_import") == [("refused",)]


async def test_statement_of_another_organization_is_of_an_unknown_account(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="01002")
    content = statement_csv(Line(amount=5), account="0110000002")

    with pytest.raises(BankAccountUnknown):
        await run(flow, content)
    result = await import_statement(flow.context, other.organization_id, statement_file(content), actor=Actor.system())

    assert result.new_lines == 1
    assert await rows(flow, "SELECT count(*) FROM statement_line") == [(0,)]


async def test_account_may_be_named_by_its_provider_account(flow: PaymentFlow) -> None:
    content = statement_csv(Line(amount=5)).partition(b"\n")[2]
    organization_id, actor = flow.hospital.organization_id, Actor.system()
    file = StatementFile(stream=BytesIO(content), file_name="a.csv", account_of="sandbox")

    result = await import_statement(flow.context, organization_id, file, actor=actor)

    assert result.new_lines == 1
    with pytest.raises(NotFound):
        await import_statement(flow.context, organization_id, replace(file, account_of="unknown"), actor=actor)


async def test_second_import_at_once_is_rejected(flow: PaymentFlow) -> None:
    content = statement_csv(*many_lines(3_000))

    results = await asyncio.gather(run(flow, content), run(flow, content), return_exceptions=True)

    assert sorted(type(each) for each in results if isinstance(each, BaseException)) == [ImportUnderWay]
    assert len(await amounts(flow)) == 3_000
    assert (await run(flow, content)).is_repeat


async def test_dry_run_writes_nothing(flow: PaymentFlow) -> None:
    first = Line(amount=5)
    await run(flow, statement_csv(first))
    content = statement_csv(Line(amount=5), Line(amount=9), opening=7)
    organization_id = flow.hospital.organization_id

    preview = await preview_import(flow.context, organization_id, statement_file(content))

    # The first line has the key of the stored one: the file does not continue the stored statement.
    assert (preview.import_id, preview.lines, preview.new_lines) == (None, 2, 1)
    assert [each.kind for each in preview.breaks] == [BreakKind.OVERLAP]
    assert await rows(flow, "SELECT count(*) FROM reconciliation_import") == [(1,)]
    with pytest.raises(StatementUnreadable):
        await preview_import(flow.context, organization_id, statement_file(content[:-1]))


async def test_progress_reaches_the_number_of_lines(flow: PaymentFlow) -> None:
    seen: list[ImportProgress] = []

    await import_statement(
        flow.context,
        flow.hospital.organization_id,
        statement_file(statement_csv(*many_lines(5_000))),
        actor=Actor.system(),
        on_progress=seen.append,
    )

    assert seen[0] == ImportProgress(2_000, 0, None)
    assert [each.stored for each in seen if each.lines is not None] == [2_000, 4_000, 5_000]


async def test_lines_of_an_unfinished_day_are_tentative_until_a_complete_statement(flow: PaymentFlow) -> None:
    morning = statement_csv(Line(amount=5), Line(amount=6))
    await run(flow, morning, is_intraday=True)
    assert await rows(flow, "SELECT DISTINCT is_tentative FROM active_statement_line") == [(True,)]

    result = await run(flow, statement_csv(Line(amount=5), Line(amount=7)))

    assert (result.new_lines, result.confirmed, result.breaks) == (1, 1, ())
    assert await rows(flow, "SELECT amount FROM active_statement_line WHERE is_tentative") == [(6,)]


async def test_file_of_an_unfinished_day_may_be_declared_complete(flow: PaymentFlow) -> None:
    morning = statement_csv(Line(amount=5))
    await run(flow, morning, is_intraday=True)

    complete = await run(flow, morning)

    assert (complete.is_repeat, complete.new_lines, complete.confirmed) == (False, 0, 1)
    assert (await run(flow, morning)).is_repeat
    assert (await run(flow, morning, is_intraday=True)).is_repeat


async def test_app_role_may_not_change_lines_of_an_active_import(flow: PaymentFlow) -> None:
    await run(flow, statement_csv(Line(amount=5)))
    denied = (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)

    for statement in (
        "UPDATE statement_line SET amount = 6",
        "UPDATE statement_line SET codes = '{}'",
        "DELETE FROM statement_line",
        "DELETE FROM bank_statement",
        "UPDATE reconciliation_import SET state = 'discarded'",
    ):
        with pytest.raises(denied):
            async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
                await tx.execute(statement)

    assert await amounts(flow) == [5]


async def test_codes_that_were_never_issued_are_dropped(flow: PaymentFlow) -> None:
    code = (await flow.start_intent()).code
    cut = f"{code[:4]} {code[4:]}"
    other = reference_code(code[:2], 5)

    await run(
        flow,
        statement_csv(
            Line(amount=1, text=f"{code} VIEN PHI"),
            Line(amount=2, text=f"VIEN PHI {cut}"),
            Line(amount=3, text=f"VIEN PHI {other}"),
            Line(amount=4, text=f"VIEN PHI {other} {cut}"),
        ),
    )

    assert await rows(flow, "SELECT codes, is_rejoined FROM statement_line ORDER BY amount") == [
        ([code], False),
        ([code], True),
        ([], False),
        ([code], True),
    ]


async def test_virtual_account_of_the_provider_accounts_is_stored(flow: PaymentFlow, database: DatabaseAddress) -> None:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(
        """SET vienphi.organization = '1';
        UPDATE provider_account SET settings = settings || '{"virtual_account_prefixes": ["VQRQ"]}'"""
    )
    await owner.close()

    await run(flow, statement_csv(Line(amount=1, text="CT DEN VQRQ0000123456"), Line(amount=2, text="CT DEN 0099")))

    assert await rows(flow, "SELECT virtual_account FROM statement_line ORDER BY amount") == [
        ("VQRQ0000123456",),
        ("",),
    ]

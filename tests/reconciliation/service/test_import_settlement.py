"""Settlement files imported into a real database, through the reader of the sandbox."""

import asyncio
from datetime import date
from io import BytesIO
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.reconciliation.domain.file_import import ImportUnderWay, SettlementRefused
from billing.reconciliation.service.import_settlement import SettlementResult, import_settlement, preview_settlement
from tests.builders import ACCOUNT_NAME, add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow

HEAD = "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"
DAY = "2026-11-02"


def line(transaction: str, amount: int, *, status: str = "SUCCEEDED", fee: int = 0, paid_out_on: str = DAY) -> str:
    return f"{transaction},,{status},{amount},{fee},FT{transaction},{DAY} 08:00:00,{paid_out_on}\r\n"


async def run(flow: PaymentFlow, *lines: str, account: str = ACCOUNT_NAME) -> SettlementResult:
    return await import_settlement(
        flow.context,
        flow.hospital.organization_id,
        BytesIO((HEAD + "".join(lines)).encode()),
        account_name=account,
        file_name="report.csv",
        actor=Actor.system(),
    )


async def rows(flow: PaymentFlow, query: str) -> list[Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        return [tuple(row) for row in await tx.fetch(query)]


LINES = "SELECT transaction, movement, amount, fee, paid_out_on FROM active_settlement_line ORDER BY row, id"


async def test_lines_and_payouts_count_once_the_import_is_active(flow: PaymentFlow) -> None:
    result = await run(
        flow,
        line("A", 100_000, fee=1_100),
        line("B", 40_000, status="REFUNDED"),
        line("C", 7_000, paid_out_on=""),
    )

    assert (result.lines, result.new_lines, result.payouts, result.amount, result.fee) == (3, 3, 1, 67_000, 1_100)
    assert await rows(flow, LINES) == [
        ("A", "received", 100_000, 1_100, date(2026, 11, 2)),
        ("B", "refunded", 40_000, 0, date(2026, 11, 2)),
        ("C", "received", 7_000, 0, None),
    ]
    assert await rows(flow, "SELECT paid_out_on FROM payout") == [(date(2026, 11, 2),)]
    assert await rows(flow, "SELECT kind, state, lines, new_lines FROM reconciliation_import") == [
        ("settlement", "active", 3, 3)
    ]


async def test_same_file_again_changes_nothing(flow: PaymentFlow) -> None:
    first = await run(flow, line("A", 1))

    again = await run(flow, line("A", 1))

    assert (again.import_id, again.is_repeat) == (first.import_id, True)
    assert len(await rows(flow, LINES)) == 1


async def test_later_report_adds_its_new_lines_and_the_payout_day_of_old_ones(flow: PaymentFlow) -> None:
    await run(flow, line("A", 1, paid_out_on=""), line("B", 2, paid_out_on="2026-11-03"))

    result = await run(flow, line("A", 1), line("B", 2), line("C", 3))

    assert (result.lines, result.new_lines, result.dated) == (3, 1, 1)
    assert await rows(flow, "SELECT transaction, paid_out_on FROM active_settlement_line ORDER BY transaction") == [
        ("A", date(2026, 11, 2)),
        ("B", date(2026, 11, 3)),  # the day that is stored stays
        ("C", date(2026, 11, 2)),
    ]


async def test_equal_lines_of_a_report_are_several(flow: PaymentFlow) -> None:
    assert (await run(flow, line("A", 1), line("A", 1))).new_lines == 2
    assert (await run(flow, line("A", 1), line("A", 1), line("A", 1))).new_lines == 1


async def test_refused_file_leaves_a_record_and_no_line(flow: PaymentFlow) -> None:
    with pytest.raises(SettlementRefused, match="line 3"):
        await run(flow, line("A", 1), "B,,SUCCEEDED,1.5,0,,,\r\n")

    assert await rows(flow, LINES) == []
    [(state, refusal)] = await rows(flow, "SELECT state, refusal FROM reconciliation_import")
    assert (state, "line 3" in refusal) == ("refused", True)
    assert (await run(flow, line("A", 1))).new_lines == 1


async def test_line_of_nothing_is_refused(flow: PaymentFlow) -> None:
    with pytest.raises(SettlementRefused, match="line 2"):
        await run(flow, line("A", 0))


async def test_account_must_be_of_the_organization(flow: PaymentFlow, database: DatabaseAddress) -> None:
    await add_demo_hospital(database.owner_url, organization=2, facility_code="01002")

    with pytest.raises(NotFound):
        await run(flow, line("A", 1), account="unknown")
    await run(flow, line("A", 1))

    async with flow.context.database.transaction(type(flow.hospital.organization_id)(2), read_only=True) as tx:
        assert await tx.fetchval("SELECT count(*) FROM settlement_line") == 0


async def test_second_import_at_once_is_rejected(flow: PaymentFlow) -> None:
    lines = [line(f"T{number}", 1 + number) for number in range(3_000)]

    results = await asyncio.gather(run(flow, *lines), run(flow, *lines), return_exceptions=True)

    assert [type(each) for each in results if isinstance(each, BaseException)] == [ImportUnderWay]
    assert len(await rows(flow, LINES)) == 3_000
    assert await rows(flow, "SELECT count(*) FROM payout") == [(1,)]


async def test_preview_writes_nothing(flow: PaymentFlow) -> None:
    content = BytesIO((HEAD + line("A", 5, fee=1)).encode())

    preview = await preview_settlement(flow.context, flow.hospital.organization_id, content, account_name=ACCOUNT_NAME)

    assert (preview.import_id, preview.lines, preview.amount, preview.fee) == (None, 1, 5, 1)
    assert await rows(flow, "SELECT count(*) FROM reconciliation_import") == [(0,)]


async def test_app_role_may_not_change_lines_of_an_active_import(flow: PaymentFlow) -> None:
    await run(flow, line("A", 5))

    for statement in (
        "UPDATE settlement_line SET amount = 6",
        "UPDATE settlement_line SET paid_out_on = '2026-11-09'",
        "DELETE FROM settlement_line",
        "DELETE FROM payout",
    ):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
            async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
                await tx.execute(statement)


async def test_report_without_lines_is_imported(flow: PaymentFlow) -> None:
    result = await run(flow)

    assert (result.lines, result.payouts) == (0, 0)
    assert await rows(flow, "SELECT state, lines FROM reconciliation_import") == [("active", 0)]

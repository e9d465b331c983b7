"""A round of the worker: every row is worked on, also after one that failed, and the failure is reported."""

from uuid import UUID

import pytest

from billing.db.connection_errors import DatabaseBusy, DatabaseUnavailable
from billing.db.rounds import run_each, run_together

ROWS = [UUID(int=number) for number in range(1, 5)]


async def test_results_are_summed() -> None:
    async def work(row_id: UUID) -> int:
        return row_id.int

    assert await run_each("test", ROWS, work) == 10


async def test_rows_after_one_that_failed_are_worked_on(capsys: pytest.CaptureFixture[str]) -> None:
    worked: list[int] = []

    async def work(row_id: UUID) -> int:
        if row_id.int in (1, 3):
            raise DatabaseBusy(f"row {row_id.int}")
        worked.append(row_id.int)
        return 1

    with pytest.raises(DatabaseBusy, match="row 1"):
        await run_each("test", ROWS, work)

    assert worked == [2, 4]
    lines = [line for line in capsys.readouterr().out.splitlines() if "round_row_failed" in line]
    assert [str(ROWS[place]) in line for place, line in zip((0, 2), lines, strict=True)] == [True, True]


async def test_round_without_a_database_ends_at_once() -> None:
    worked: list[int] = []

    async def work(row_id: UUID) -> int:
        worked.append(row_id.int)
        raise DatabaseUnavailable("no server answers")

    with pytest.raises(DatabaseUnavailable):
        await run_each("test", ROWS, work)

    assert worked == [1]


async def test_parts_next_to_one_that_failed_are_finished_and_each_failure_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worked: list[int] = []

    async def work(row_id: UUID) -> int:
        if row_id.int in (1, 3):
            raise DatabaseBusy(f"row {row_id.int}")
        worked.append(row_id.int)
        return row_id.int

    with pytest.raises(DatabaseBusy, match="row 1"):
        await run_together("test", (work(each) for each in ROWS))

    assert worked == [2, 4]
    lines = [line for line in capsys.readouterr().out.splitlines() if "round_part_failed" in line]
    assert len(lines) == 2
    assert await run_together("test", (work(each) for each in ROWS[1::2])) == [2, 4]

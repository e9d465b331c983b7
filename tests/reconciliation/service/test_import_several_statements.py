"""Files of several statements: two accounts, parts of one day, statements repeated in a file, and the wrong order."""

from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.db.context import Ids, utc_now
from billing.reconciliation.domain.file_import import BankAccountUnknown, LinesNotDistinct
from billing.reconciliation.service.import_statement import ImportResult, import_statement
from tests.builders import BANK_BIN
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.statement_file import ACCOUNT, statement_file

SECOND_ACCOUNT = "0110000099"


def message(*amounts: int, opening: int, account: str = ACCOUNT, number: int = 1) -> str:
    """One statement of one day in MT940; equal amounts are equal lines."""
    entries = "".join(
        f":61:2601020102{'C' if amount > 0 else 'D'}{abs(amount)},NTRFNONREF\n:86:NOP TIEN\n" for amount in amounts
    )
    return (
        "{1:F01TESTVNVXAXXX0000000000}{2:I940TESTVNVXXXXXN}{4:\n"
        f":20:STMT\n:25:{account}\n:28C:{number}/1\n:60F:C260102VND{opening},\n{entries}"
        f":62F:C260102VND{opening + sum(amounts)},\n-}}\n"
    )


async def run(flow: PaymentFlow, *messages: str) -> ImportResult:
    file = statement_file("".join(messages).encode(), name="statement.sta")
    return await import_statement(flow.context, flow.hospital.organization_id, file, actor=Actor.system())


async def rows(flow: PaymentFlow, query: str) -> list[Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        return [tuple(row) for row in await tx.fetch(query)]


async def amounts(flow: PaymentFlow) -> list[int]:
    return [row[0] for row in await rows(flow, "SELECT amount FROM active_statement_line ORDER BY amount")]


async def add_second_account(database: DatabaseAddress) -> None:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SET vienphi.organization = '1'")
    await owner.execute(
        "INSERT INTO bank_account_owner (bank_bin, account_number, organization_id) VALUES ($1, $2, 1)",
        BANK_BIN,
        SECOND_ACCOUNT,
    )
    await owner.execute(
        """INSERT INTO bank_account (organization_id, id, bank_bin, account_number, holder)
        VALUES (1, $1, $2, $3, 'BENH VIEN 1')""",
        Ids(utc_now).new(),
        BANK_BIN,
        SECOND_ACCOUNT,
    )
    await owner.close()


async def test_file_of_two_accounts_is_imported_to_both_or_refused_whole(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    file = message(5, 5, opening=100), message(5, opening=200, account=SECOND_ACCOUNT)

    with pytest.raises(BankAccountUnknown, match=SECOND_ACCOUNT):
        await run(flow, *file)
    assert await rows(flow, "SELECT count(*) FROM statement_line") == [(0,)]
    await add_second_account(database)
    result = await run(flow, *file)

    assert (result.new_lines, result.breaks) == (3, ())
    assert await rows(
        flow,
        """SELECT bank.account_number, count(*) FROM active_statement_line AS line
        JOIN bank_account AS bank ON bank.id = line.bank_account_id GROUP BY 1 ORDER BY 1""",
    ) == [(ACCOUNT, 2), (SECOND_ACCOUNT, 1)]


async def test_parts_of_a_day_in_one_file_keep_their_equal_lines(flow: PaymentFlow) -> None:
    parts = await run(flow, message(5, opening=100), message(5, 7, opening=105, number=2))
    day = await run(flow, message(5, 5, 7, opening=100, number=9))

    assert (parts.new_lines, parts.breaks, day.new_lines) == (3, (), 0)
    assert await amounts(flow) == [5, 5, 7]


async def test_parts_of_a_day_count_on_from_an_earlier_file(flow: PaymentFlow) -> None:
    await run(flow, message(5, opening=100))
    parts = message(5, opening=105, number=2), message(5, opening=110, number=3)

    later = await run(flow, *parts)
    again = await run(flow, *(part.replace("STMT", "COPY") for part in parts))
    day = await run(flow, message(5, 5, 5, opening=100, number=9))

    assert (later.new_lines, again.new_lines, day.new_lines) == (2, 0, 0)
    assert await amounts(flow) == [5, 5, 5]


async def test_statement_that_repeats_another_of_its_file_adds_its_new_lines_only(flow: PaymentFlow) -> None:
    result = await run(flow, message(5, 5, opening=100), message(5, 5, 7, opening=100, number=2))

    assert (result.lines, result.new_lines) == (5, 3)
    assert await amounts(flow) == [5, 5, 7]
    assert await rows(flow, "SELECT count(*) FROM repeated_line") == [(2,)]


async def test_parts_of_a_day_in_the_wrong_order_lose_no_equal_line(flow: PaymentFlow) -> None:
    with pytest.raises(LinesNotDistinct):
        await run(flow, message(5, opening=105, number=2), message(5, opening=100))

    assert await rows(flow, "SELECT state FROM reconciliation_import") == [("refused",)]
    assert await rows(flow, "SELECT count(*) FROM statement_line") == [(0,)]

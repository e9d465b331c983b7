"""A fuzzed corpus of statements through the import: each is read right, or refused with its place and nothing written.

Movements are random, with equal lines; each test changes the files in one way. A seed that fails is in the message.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from io import BytesIO
from random import Random

import pytest

from billing.core.actor import Actor
from billing.core.errors import BillingError
from billing.db.context import Ids, utc_now
from billing.db.database import Database
from billing.organizations.service.setup import NewBankAccount, Setup
from billing.reconciliation.domain.file_import import BankAccountUnknown
from billing.reconciliation.domain.statement import StatementUnreadable
from billing.reconciliation.service.import_statement import StatementFile, import_statement
from tests.builders import BANK_BIN
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.formats.statement_files import Sheet, as_csv, as_html, as_xls, as_xlsx

SEEDS = range(6)
OWN, SECOND, FOREIGN = "0110000001", "0110000099", "0110777777"
_TEXTS = (
    "Nguyễn Văn Thử chuyển tiền viện phí",
    "HOAN TRA",
    "Phí quản lý tài khoản",
    "CT tu 0099 toi 0110",
    "Lãi tiền gửi",
)
_HEADS = ["Ngày giao dịch", "Số tham chiếu", "Ghi nợ", "Ghi có", "Số dư", "Mô tả"]
_FIRST_ROW = 3  # of the movements in a sheet, counted from 0
_TABLES = ("statement_line", "statement_line_text", "bank_statement", "repeated_line")

Stored = list[tuple[str, date, int, str, str]]


@dataclass(frozen=True, slots=True)
class Movement:
    day: date
    reference: str
    amount: int
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """A statement of the corpus: its account, its movements in the order in which they occurred, and its sheet."""

    account: str
    opening: int
    movements: Sequence[Movement]

    @property
    def stored(self) -> Stored:
        """The lines as they are to be stored."""
        return [(self.account, each.day, each.amount, each.reference, each.text) for each in self.movements]

    @property
    def sheet(self) -> Sheet:
        balance = self.opening
        rows: list[list[str | int | float | date | None]] = []
        for each in self.movements:
            balance += each.amount
            debit, credit = (f"{-each.amount:,}", "") if each.amount < 0 else ("", f"{each.amount:,}")
            rows.append([f"{each.day:%d/%m/%Y}", each.reference, debit, credit, f"{balance:,}", each.text])
        return Sheet(
            [
                ["Số tài khoản", self.account],
                ["Số dư đầu kỳ", f"{self.opening:,}"],
                list(_HEADS),
                *rows,
                ["Số dư cuối kỳ", f"{balance:,}"],
            ],
            name=f"TK {self.account}",
        )


def statement(seed: int, account: str = OWN) -> Written:
    """Up to thirty movements of a week of its own; some are equal in everything."""
    random = Random(f"{account} {seed}")
    first_day = date(2025, 1, 6) + timedelta(days=7 * seed)
    days = sorted(random.randrange(7) for _ in range(random.randrange(4, 30)))
    movements: list[Movement] = []
    for number, day in enumerate(days):
        movement = Movement(
            day=first_day + timedelta(days=day),
            reference=random.choice(["", f"FT{seed:03d}{number:06d}", f"5212.{number % 3:05d}"]),
            amount=random.choice([1, 1, 1, -1]) * random.choice([1, 1_000, 136_000, random.randrange(1, 10**9)]),
            text=random.choice(_TEXTS),
        )
        movements.append(movement)
        if random.randrange(5) == 0:
            movements.append(movement)
    return Written(account, random.choice([0, 10_000_000, -500_000, random.randrange(10**12)]), movements)


async def run(flow: PaymentFlow, content: bytes) -> None:
    await import_statement(
        flow.context,
        flow.hospital.organization_id,
        StatementFile(stream=BytesIO(content), file_name="statement"),
        actor=Actor.system(),
    )


async def stored(flow: PaymentFlow) -> Stored:
    """Every line that counts, by day and in the order of the file."""
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        rows = await tx.fetch(
            """
            SELECT account.account_number, line.booked_on, line.amount, line.bank_reference, text.text
            FROM active_statement_line AS line
            JOIN bank_account AS account ON account.id = line.bank_account_id
            JOIN statement_line_text AS text ON text.line_id = line.id
            ORDER BY account.account_number, line.booked_on, line.id
            """
        )
    return [tuple(row) for row in rows]


async def refusals(flow: PaymentFlow) -> list[str]:
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        rows = await tx.fetch("SELECT refusal FROM reconciliation_import WHERE state <> 'active' ORDER BY id")
    return [row["refusal"] for row in rows]


async def counts(flow: PaymentFlow) -> list[int]:
    """The rows of every table of lines, of any import."""
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        return [await tx.fetchval(f"SELECT count(*) FROM {table}") for table in _TABLES]


async def require_refused(flow: PaymentFlow, content: bytes, error: type[BillingError], seed: int) -> None:
    """The file is refused: a record with the reason, and no row of it anywhere."""
    before, recorded = await counts(flow), len(await refusals(flow))

    with pytest.raises(error) as refused:
        await run(flow, content)

    assert await counts(flow) == before, f"seed {seed}"
    listed = await refusals(flow)
    assert listed[recorded:] == [refused.value.detail], f"seed {seed}"


def swapped(sheet: Sheet) -> Sheet:
    head = ["Ghi có" if cell == "Ghi nợ" else "Ghi nợ" if cell == "Ghi có" else cell for cell in sheet.rows[2]]
    return replace(sheet, rows=[*sheet.rows[:2], head, *sheet.rows[3:]])


def reversed_rows(sheet: Sheet) -> Sheet:
    return replace(sheet, rows=[*sheet.rows[:_FIRST_ROW], *sheet.rows[_FIRST_ROW:-1][::-1], sheet.rows[-1]])


def merged(sheet: Sheet) -> Sheet:
    """The day of a group of rows in one merged cell; the further cells are empty."""
    rows = [list(row) for row in sheet.rows]
    ranges: list[tuple[int, int, int]] = []
    first = _FIRST_ROW
    for number in range(_FIRST_ROW + 1, len(rows)):
        if number == len(rows) - 1 or sheet.rows[number][0] != sheet.rows[first][0]:
            if number - 1 > first:
                ranges.append((first, number - 1, 0))
            first = number
        else:
            rows[number][0] = ""
    return replace(sheet, rows=rows, merged=ranges)


EDITIONS: dict[str, Callable[[Sheet], bytes]] = {
    "xlsx": as_xlsx,
    "xls": as_xls,
    "html": as_html,
    "csv": as_csv,
    "csv utf-16": lambda sheet: as_csv(sheet, "utf-16", "\t"),
    "csv cp1258": lambda sheet: as_csv(sheet, "cp1258", ";"),
    "html cp1258": lambda sheet: as_html(sheet, "cp1258"),
    "hidden sheet": lambda sheet: as_xlsx(Sheet([["Xem trang ẩn"]], name="Bìa"), replace(sheet, is_hidden=True)),
    "hidden sheet of xls": lambda sheet: as_xls(Sheet([["Bìa"]], name="Bìa"), replace(sheet, is_hidden=True)),
    "merged days": lambda sheet: as_xlsx(merged(sheet)),
    "merged days of xls": lambda sheet: as_xls(merged(sheet)),
    "merged days of html": lambda sheet: as_html(merged(sheet)),
    "reversed": lambda sheet: as_xlsx(reversed_rows(sheet)),
    "reversed csv": lambda sheet: as_csv(reversed_rows(sheet)),
    "swapped headings": lambda sheet: as_xls(swapped(sheet)),
    "swapped headings, reversed": lambda sheet: as_csv(reversed_rows(swapped(sheet)), "cp1258", ";"),
}


@pytest.mark.parametrize("edition", EDITIONS)
async def test_every_edition_is_stored_as_the_movements_occurred(flow: PaymentFlow, edition: str) -> None:
    expected: Stored = []
    for seed in SEEDS:
        written = statement(seed)
        expected += written.stored

        await run(flow, EDITIONS[edition](written.sheet))

        assert await stored(flow) == expected, f"seed {seed}"
    assert await refusals(flow) == []


async def test_edition_after_edition_adds_no_line(flow: PaymentFlow) -> None:
    written = statement(3)

    for write in EDITIONS.values():
        await run(flow, write(written.sheet))

        assert await stored(flow) == written.stored


@pytest.fixture
async def second_account(flow: PaymentFlow, database: DatabaseAddress) -> None:
    owner = await Database.open(database.owner_url)
    await Setup(owner, utc_now, Ids(utc_now)).add_provider_account(
        flow.hospital.organization_id,
        name="second",
        provider="sandbox",
        bank_account=NewBankAccount(bank_bin=BANK_BIN, account_number=SECOND, holder="BENH VIEN 1"),
        settings={
            **flow.hospital.settings.model_dump(mode="json", exclude={"secret"}, exclude_defaults=True),
            "account_number": SECOND,
        },
        secret_name="sandbox",
    )
    await owner.close()


@pytest.mark.usefixtures("second_account")
async def test_second_account_is_stored_with_its_own_lines(flow: PaymentFlow) -> None:
    expected: Stored = []
    for seed in SEEDS:
        own, second = statement(seed), statement(seed, SECOND)
        expected += [*own.stored, *second.stored]

        await run(flow, as_xlsx(own.sheet, replace(second.sheet, is_hidden=seed % 2 == 0)))

        assert sorted(await stored(flow)) == sorted(expected), f"seed {seed}"


@pytest.mark.parametrize("order", [(OWN, FOREIGN), (FOREIGN, OWN)])
async def test_unknown_second_account_refuses_the_whole_file(flow: PaymentFlow, order: tuple[str, str]) -> None:
    await run(flow, as_csv(statement(0).sheet))
    for seed in SEEDS[1:]:
        content = as_xlsx(*(statement(seed, account).sheet for account in order))

        await require_refused(flow, content, BankAccountUnknown, seed)
    assert await stored(flow) == statement(0).stored


@pytest.mark.parametrize("edition", ["xlsx", "xls", "html", "csv", "csv utf-16"])
async def test_cut_file_is_refused_whole_or_ends_at_a_row(flow: PaymentFlow, edition: str) -> None:
    """A table without end marks that ends at the end of a row is a shorter statement; the next one shows the gap."""
    expected: Stored = []
    for seed in SEEDS:
        written = statement(seed)
        content = EDITIONS[edition](written.sheet)
        cut = content[: Random(seed).randrange(len(content) // 3, len(content) - 1)]
        before, recorded = await counts(flow), len(await refusals(flow))
        with suppress(StatementUnreadable):
            await run(flow, cut)
        if len(await refusals(flow)) > recorded:
            assert await counts(flow) == before, f"seed {seed}"
            continue
        assert edition.startswith("csv"), f"seed {seed}: only rows of CSV end by themselves"
        found = await stored(flow)
        assert found[: len(expected)] == expected
        assert found[len(expected) :] == written.stored[: len(found) - len(expected)], f"seed {seed}"
        expected = found


@pytest.mark.parametrize("edition", ["xlsx", "csv", "html"])
@pytest.mark.parametrize("column", [2, 3, 4])
async def test_changed_amount_is_refused_with_its_place(flow: PaymentFlow, edition: str, column: int) -> None:
    await run(flow, as_csv(statement(0).sheet))
    for seed in SEEDS[1:]:
        sheet = statement(seed).sheet
        rows = [list(row) for row in sheet.rows]
        place = next(at for at in range(_FIRST_ROW, len(rows) - 1) if rows[at][column] or at == len(rows) - 2)
        rows[place][column] = f"{7_777_777_777 + seed:,}"

        await require_refused(flow, EDITIONS[edition](replace(sheet, rows=rows)), StatementUnreadable, seed)

        await run(flow, EDITIONS[edition](sheet))
    assert len(await refusals(flow)) == len(SEEDS) - 1

"""Stored bank statements and their lines.

A line that an active import states already is not stored again: `repeated_line` names its row. Imports are in
`imports.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.file_import import ImportId
from billing.reconciliation.domain.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStatement:
    """One statement of a file with its bank account. `continues` is the statement from which equal lines count on."""

    id: UUID
    bank_account_id: UUID
    statement: Statement
    continues: UUID | None


class NewLine(NamedTuple):
    """One line of a statement, in the order of its columns.

    `key` is hexadecimal. `codes` are the reference codes of its text, with a space between them.
    """

    id: UUID
    bank_account_id: UUID
    key: str
    booked_on: date
    occurred_at: datetime | None
    amount: int
    balance: int | None
    kind: str
    bank_reference: str
    virtual_account: str
    codes: str
    is_rejoined: bool
    row: int
    sheet: str
    position: int
    text: str
    counterparty_name: str
    counterparty_account: str
    counterparty_bank: str


_COLUMNS = NewLine._fields.index("text")
"""The columns of `statement_line`; those of `statement_line_text` follow."""


_ADD_STATEMENTS = """
    INSERT INTO bank_statement (organization_id, import_id, id, bank_account_id, position, sequence, from_day, to_day,
        opening, closing, lines, continues)
    SELECT $1, $2, given.*
    FROM unnest($3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::date[], $8::date[], $9::bigint[], $10::bigint[],
        $11::bigint[], $12::uuid[]) AS given
"""


async def add_statements(tx: Transaction, import_id: ImportId, statements: Sequence[NewStatement]) -> None:
    """Add the statements of a staged import; all that another of them continues are added at once."""
    rows = [
        (
            each.id,
            each.bank_account_id,
            each.statement.position,
            each.statement.sequence,
            each.statement.from_day,
            each.statement.to_day,
            each.statement.opening,
            each.statement.closing,
            each.statement.line_count,
            each.continues,
        )
        for each in statements
    ]
    await tx.execute(_ADD_STATEMENTS, tx.organization_id, import_id, *columns(rows, 10))


_ADD_LINES = """
    INSERT INTO statement_line (organization_id, import_id, is_tentative, id, bank_account_id, key, booked_on,
        occurred_at, amount, balance, kind, bank_reference, virtual_account, codes, is_rejoined, row, sheet, position)
    SELECT $1, $2, $3, line.id, line.bank_account_id, line.key, line.booked_on, line.occurred_at, line.amount,
        line.balance, line.kind, line.bank_reference, line.virtual_account, string_to_array(line.codes, ' '),
        line.is_rejoined, line.row, line.sheet, line.position
    FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::date[], $8::timestamptz[], $9::bigint[], $10::bigint[],
        $11::text[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::bigint[], $17::text[], $18::int[])
        AS line (id, bank_account_id, key, booked_on, occurred_at, amount, balance, kind, bank_reference,
            virtual_account, codes, is_rejoined, row, sheet, position)
    ON CONFLICT (organization_id, bank_account_id, key) DO NOTHING
"""

_WHICH_ADDED = "SELECT id FROM statement_line WHERE organization_id = $1 AND id = ANY($2::uuid[])"

_ADD_TEXTS = """
    INSERT INTO statement_line_text (organization_id, line_id, text, counterparty_name, counterparty_account,
        counterparty_bank)
    SELECT $1, given.*
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS given
"""

_ADD_REPEATED = """
    INSERT INTO repeated_line (organization_id, import_id, position, line_id)
    SELECT $1, $2, given.position, line.id
    FROM unnest($3::uuid[], $4::uuid[], $5::int[]) AS given (bank_account_id, key, position)
    JOIN statement_line AS line ON line.organization_id = $1 AND line.bank_account_id = given.bank_account_id
        AND line.key = given.key
    ON CONFLICT DO NOTHING
"""


async def add_lines(
    tx: Transaction, import_id: ImportId, lines: Sequence[NewLine], *, is_tentative: bool
) -> tuple[int, int]:
    """Store lines with distinct keys; returns how many are new and how many an earlier file stated."""
    given = [list(column) for column in zip(*lines, strict=True)]
    tag = await tx.execute(_ADD_LINES, tx.organization_id, import_id, is_tentative, *given[:_COLUMNS])
    new = lines
    repeated = 0
    if int(tag.rpartition(" ")[2]) < len(lines):  # rare: nearly every line of a file is new
        ids = {row["id"] for row in await tx.fetch(_WHICH_ADDED, tx.organization_id, given[0])}
        new = [each for each in lines if each.id in ids]
        known = [(each.bank_account_id, each.key, each.position) for each in lines if each.id not in ids]
        tag = await tx.execute(_ADD_REPEATED, tx.organization_id, import_id, *columns(known, 3))
        repeated = int(tag.rpartition(" ")[2])
        given = [list(column) for column in zip(*new, strict=True)] if new else [[]] * len(given)
    await tx.execute(_ADD_TEXTS, tx.organization_id, given[0], *given[_COLUMNS:])
    return len(new), repeated


_COUNT_KNOWN = """
    SELECT count(*) FROM unnest($2::uuid[], $3::uuid[]) AS given (bank_account_id, key)
    JOIN active_statement_line AS line ON line.organization_id = $1
        AND line.bank_account_id = given.bank_account_id AND line.key = given.key
"""


async def count_known(tx: Transaction, lines: Sequence[NewLine]) -> int:
    """How many of these lines an active import states."""
    known = [(each.bank_account_id, each.key) for each in lines]
    found: int = await tx.fetchval(_COUNT_KNOWN, tx.organization_id, *columns(known, 2))
    return found


_CONFIRM = """
    UPDATE statement_line AS line SET is_tentative = false
    FROM repeated_line AS repeated
    WHERE repeated.organization_id = $1 AND repeated.import_id = $2
        AND line.organization_id = $1 AND line.id = repeated.line_id AND line.is_tentative
"""


async def confirm_tentative(tx: Transaction, import_id: ImportId) -> int:
    """The tentative lines that a complete statement repeats are tentative no longer; returns how many."""
    return int((await tx.execute(_CONFIRM, tx.organization_id, import_id)).rpartition(" ")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStatement:
    """One statement of an active import."""

    id: UUID
    sequence: str | None
    from_day: date
    to_day: date
    opening: Dong
    closing: Dong
    lines: int
    continues: UUID | None
    profile: str


_TOUCHING = """
    SELECT statement.id, statement.sequence, statement.from_day, statement.to_day, statement.opening,
        statement.closing, statement.lines, statement.continues, import.profile
    FROM bank_statement AS statement
    JOIN reconciliation_import AS import
        ON import.organization_id = $1 AND import.id = statement.import_id AND import.state = 'active'
    WHERE statement.organization_id = $1 AND statement.bank_account_id = $2
        AND (statement.to_day = $3 AND statement.closing = $4 OR statement.from_day = $3 AND statement.opening = $4)
    ORDER BY import.id DESC, statement.position
"""


async def read_touching(tx: Transaction, bank_account_id: UUID, day: date, opening: Dong) -> list[StoredStatement]:
    """Active statements that end on a day with a balance, or begin on it with the same balance; the newest first."""
    rows = await tx.fetch(_TOUCHING, tx.organization_id, bank_account_id, day, opening)
    return [read_row(StoredStatement, row) for row in rows]


# The lines of a statement on one day, and those of the statements that it continues on that day.
_KEYS = """
    WITH RECURSIVE continued AS (
        SELECT id, import_id, position, bank_account_id, from_day, continues FROM bank_statement
        WHERE organization_id = $1 AND id = $2
        UNION
        SELECT earlier.id, earlier.import_id, earlier.position, earlier.bank_account_id, earlier.from_day,
            earlier.continues
        FROM continued
        JOIN bank_statement AS earlier ON earlier.organization_id = $1 AND earlier.id = continued.continues
        WHERE continued.from_day = $3
    )
    SELECT line.key FROM continued
    JOIN statement_line AS line ON line.organization_id = $1 AND line.bank_account_id = continued.bank_account_id
        AND line.booked_on = $3 AND line.import_id = continued.import_id AND line.position = continued.position
    UNION
    SELECT line.key FROM continued
    JOIN repeated_line AS repeated ON repeated.organization_id = $1 AND repeated.import_id = continued.import_id
        AND repeated.position = continued.position
    JOIN statement_line AS line ON line.organization_id = $1 AND line.id = repeated.line_id AND line.booked_on = $3
"""


async def read_keys_until(tx: Transaction, statement_id: UUID, day: date) -> set[UUID]:
    """The keys of the lines of a day up to the end of a statement."""
    return {row["key"] for row in await tx.fetch(_KEYS, tx.organization_id, statement_id, day)}


_CHAIN = """
    WITH complete AS (
        SELECT DISTINCT ON (statement.from_day, statement.to_day, statement.opening, statement.closing,
                statement.lines) statement.*, import.profile
        FROM bank_statement AS statement
        JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = statement.import_id
            AND import.state = 'active' AND NOT import.is_intraday
        WHERE statement.organization_id = $1 AND statement.bank_account_id = $2
        ORDER BY statement.from_day, statement.to_day, statement.opening, statement.closing, statement.lines,
            statement.import_id
    )
    SELECT complete.position, complete.profile, bank.account_number AS bank_account_number, 'VND' AS currency,
        complete.from_day, complete.to_day, complete.opening, complete.closing, complete.lines AS line_count,
        complete.sequence
    FROM complete
    JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id = $2
    WHERE ($3::date IS NULL OR complete.to_day >= $3 OR complete.to_day = (
            SELECT max(earlier.to_day) FROM complete AS earlier WHERE earlier.to_day < $3))
        AND ($4::date IS NULL OR complete.from_day <= $4 OR complete.from_day = (
            SELECT min(later.from_day) FROM complete AS later WHERE later.from_day > $4))
    ORDER BY complete.import_id, complete.position
"""


async def read_chain(
    tx: Transaction, bank_account_id: UUID, *, from_day: date | None = None, to_day: date | None = None
) -> list[Statement]:
    """The complete statements of a bank account that touch a period, with the nearest before and after it.

    A statement that several files state is one. The position is that in its file.
    """
    rows = await tx.fetch(_CHAIN, tx.organization_id, bank_account_id, from_day, to_day)
    return [read_row(Statement, row) for row in rows]


_STATEMENT_ID = """
    SELECT statement.id FROM bank_statement AS statement
    JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = statement.import_id
        AND import.state = 'active' AND NOT import.is_intraday
    WHERE statement.organization_id = $1 AND statement.bank_account_id = $2 AND statement.from_day = $3
        AND statement.to_day = $4 AND statement.opening = $5 AND statement.closing = $6 AND statement.lines = $7
    ORDER BY statement.id LIMIT 1
"""


async def find_statement_id(tx: Transaction, bank_account_id: UUID, statement: Statement) -> UUID:
    """The id of a statement of a chain: that of the first file where several state it."""
    found: UUID = await tx.fetchval(
        _STATEMENT_ID,
        tx.organization_id,
        bank_account_id,
        statement.from_day,
        statement.to_day,
        statement.opening,
        statement.closing,
        statement.line_count,
    )
    return found


# A statement that ends where another of the same day begins, and has lines in common with it. Of both, one was numbered
# without the other. A statement that begins where the other begins states its lines rightly.
_COLLISION = """
    WITH member AS (
        SELECT line.import_id, line.position, line.id, line.booked_on FROM statement_line AS line
        WHERE line.organization_id = $1 AND line.id IN (
            SELECT line_id FROM repeated_line WHERE organization_id = $1 AND import_id = $2)
        UNION ALL
        SELECT repeated.import_id, repeated.position, line.id, line.booked_on FROM repeated_line AS repeated
        JOIN statement_line AS line ON line.organization_id = $1 AND line.id = repeated.line_id
        WHERE repeated.organization_id = $1 AND repeated.line_id IN (
            SELECT line_id FROM repeated_line WHERE organization_id = $1 AND import_id = $2)
    )
    SELECT statement.position
    FROM bank_statement AS statement
    JOIN bank_statement AS next ON next.organization_id = $1 AND next.bank_account_id = statement.bank_account_id
        AND next.from_day = statement.to_day AND next.opening = statement.closing AND next.id <> statement.id
        AND NOT (next.from_day = statement.from_day AND next.opening = statement.opening)
    JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = next.import_id
        AND (import.state = 'active' OR import.id = $2)
    WHERE statement.organization_id = $1 AND statement.import_id = $2
        AND EXISTS (SELECT FROM member AS own JOIN member AS other ON other.id = own.id
            WHERE own.import_id = $2 AND own.position = statement.position AND own.booked_on = statement.to_day
                AND other.import_id = next.import_id AND other.position = next.position)
    ORDER BY statement.position LIMIT 1
"""


async def find_collision(tx: Transaction, import_id: ImportId) -> int | None:
    """The position of a staged statement that shares lines with a statement that follows it on the same day."""
    found: int | None = await tx.fetchval(_COLLISION, tx.organization_id, import_id)
    return found

"""The rows of a day certificate, and the stored content of the certificates of closed days."""

import zlib
from datetime import date

from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.day_certificate import (
    CertifiedItem,
    CertifiedLine,
    CertifiedStatement,
    SourceFile,
)

_SOURCES = """
    SELECT import.id AS import_id, import.kind, encode(import.file_hash, 'hex') AS file_sha256, import.lines
    FROM reconciliation_import AS import
    WHERE import.organization_id = $1 AND import.state = 'active' AND NOT import.is_intraday AND (
        EXISTS (SELECT FROM bank_statement AS statement
            WHERE statement.organization_id = $1 AND statement.import_id = import.id
                AND $2 BETWEEN statement.from_day AND statement.to_day)
        OR import.kind = 'settlement' AND EXISTS (SELECT FROM settlement_line AS line
            WHERE line.organization_id = $1 AND line.import_id = import.id
                AND coalesce((line.occurred_at AT TIME ZONE interval '7 hours')::date, line.paid_out_on) = $2))
    ORDER BY import.id
"""


async def read_sources(tx: Transaction, day: date) -> list[SourceFile]:
    """The imported files that state a day."""
    return [read_row(SourceFile, row) for row in await tx.fetch(_SOURCES, tx.organization_id, day)]


_STATEMENTS = """
    SELECT statement.import_id, statement.bank_account_id, statement.from_day, statement.to_day, statement.opening,
        statement.closing, statement.lines
    FROM bank_statement AS statement
    JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = statement.import_id
        AND import.state = 'active' AND NOT import.is_intraday
    WHERE statement.organization_id = $1 AND $2 BETWEEN statement.from_day AND statement.to_day
    ORDER BY statement.bank_account_id, statement.import_id, statement.position
"""


async def read_statements(tx: Transaction, day: date) -> list[CertifiedStatement]:
    """The statements that cover a day."""
    return [read_row(CertifiedStatement, row) for row in await tx.fetch(_STATEMENTS, tx.organization_id, day)]


_LINES = """
    SELECT line.id, line.bank_account_id, line.key, line.amount
    FROM bank_account AS bank
    JOIN active_statement_line AS line ON line.organization_id = $1 AND line.bank_account_id = bank.id
        AND line.booked_on = $2 AND NOT line.is_tentative
    WHERE bank.organization_id = $1
    ORDER BY line.bank_account_id, line.id
"""


async def read_lines(tx: Transaction, day: date) -> list[CertifiedLine]:
    """The statement lines of a day."""
    return [read_row(CertifiedLine, row) for row in await tx.fetch(_LINES, tx.organization_id, day)]


_MATCHED = """
    WITH of_day AS (
        SELECT item.match_id AS id
        FROM bank_account AS bank
        JOIN statement_line AS line ON line.organization_id = $1 AND line.bank_account_id = bank.id
            AND line.booked_on = $2
        JOIN match_item AS item ON item.organization_id = $1 AND item.item_kind = 'statement_line'
            AND item.item_id = line.id AND item.is_live
        WHERE bank.organization_id = $1
        UNION
        SELECT match.id FROM journal_entry AS entry
        JOIN match ON match.organization_id = $1 AND match.entry_id = entry.id AND match.state = 'live'
        WHERE entry.organization_id = $1 AND entry.accounting_date = $2
    )
    SELECT match.id AS match_id, match.rule, match.difference, item.item_kind, item.item_id, item.amount
    FROM of_day
    JOIN match ON match.organization_id = $1 AND match.id = of_day.id
    JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = match.id
    ORDER BY match.id, item.item_kind, item.item_id
"""


async def read_matched(tx: Transaction, day: date) -> list[CertifiedItem]:
    """The items of the live matches of a day, those of one match together."""
    return [read_row(CertifiedItem, row) for row in await tx.fetch(_MATCHED, tx.organization_id, day)]


_ADD = """
    INSERT INTO day_certificate (organization_id, day, content, content_hash) VALUES ($1, $2, $3, $4)
"""


async def add_certificate(tx: Transaction, day: date, content: bytes, content_hash: bytes) -> None:
    """Store the content of the certificate of a day that is closed in this transaction."""
    await tx.execute(_ADD, tx.organization_id, day, zlib.compress(content), content_hash)


_CONTENT = """
    SELECT content FROM day_certificate WHERE organization_id = $1 AND day = $2
"""


async def read_content(tx: Transaction, day: date) -> bytes | None:
    """The content of the certificate of a day; None if the day closed before there were certificates, or is open."""
    stored: bytes | None = await tx.fetchval(_CONTENT, tx.organization_id, day)
    return None if stored is None else zlib.decompress(stored)

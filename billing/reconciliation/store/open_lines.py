"""Statement lines without a live match: read in chunks by import, or by what they have in common."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from billing.core.list_slice import ListSlice
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row, read_rows
from billing.payments.domain.reference_links import normal_reference
from billing.reconciliation.domain.match_rules import OpenLine
from billing.reconciliation.store.line_references import LINES_OF_REFERENCE


class OpenChunk(NamedTuple):
    """The next open lines by id. `plain_ids` are lines of received money under a plain reference, `other_ids` the
    other lines with a reference; `first_day` is the earliest booking day.
    """

    lines: int
    last_id: UUID
    first_day: date
    plain_ids: Sequence[UUID]
    other_ids: Sequence[UUID]


# A plain reference: see `has_plain_reference`.
_CHUNK_HEAD = """
    -- The ids of a chunk.
    SELECT count(*) AS lines, (array_agg(line.id))[count(*)] AS last_id, min(line.booked_on) AS first_day,
        coalesce(array_agg(line.id) FILTER (WHERE line.is_plain), '{}') AS plain_ids,
        coalesce(array_agg(line.id) FILTER (WHERE NOT line.is_plain AND line.bank_reference <> ''), '{}') AS other_ids
    FROM (
        SELECT line.id, line.booked_on, line.bank_reference,
            line.amount > 0 AND line.bank_reference ~ '[1-9]' AS is_plain
        FROM active_statement_line AS line
        WHERE line.organization_id = $1 AND line.id > $2 AND line.kind = 'movement'
            AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
                AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
                AND linked.item_id > $2)  -- a merge of both begins at the chunk, not at the first match
"""
_CHUNK_TAIL = """
        ORDER BY line.id LIMIT $4
    ) AS line
"""
_CHUNK_OF_IMPORT = _CHUNK_HEAD + "AND line.import_id = $3" + _CHUNK_TAIL
_CHUNK_SINCE = _CHUNK_HEAD + "AND line.booked_on >= $3" + _CHUNK_TAIL


async def read_open_chunk(
    tx: Transaction, *, import_id: UUID | None, from_day: date, after: UUID, at_most: int
) -> OpenChunk | None:
    """The next open lines of an import, or of all imports since a day; None if there is none."""
    if import_id is None:
        row = await tx.fetchrow(_CHUNK_SINCE, tx.organization_id, after, from_day, at_most)
    else:
        row = await tx.fetchrow(_CHUNK_OF_IMPORT, tx.organization_id, after, import_id, at_most)
    return None if row is None or row["lines"] == 0 else read_row(OpenChunk, row)


# Bank charges are not matched with items of the ledger: a rule of their own books them (exceptions).
_LINES_OF_IMPORT = """
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM statement_line AS line
    WHERE line.organization_id = $1 AND line.import_id = $2 AND line.id > $3 AND line.kind = 'movement'
        AND EXISTS (SELECT FROM reconciliation_import AS import WHERE import.organization_id = $1
            AND import.id = $2 AND import.state = 'active')
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
            AND linked.item_id > $3)
    ORDER BY line.id LIMIT $4
"""


async def read_lines_of_import(tx: Transaction, import_id: UUID, *, after: UUID, at_most: int) -> list[OpenLine]:
    """The next open lines of an active import, by id."""
    rows = await tx.fetch(_LINES_OF_IMPORT, tx.organization_id, import_id, after, at_most)
    return read_rows(OpenLine, rows)


_OPEN_LINES = """
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM active_statement_line AS line
    WHERE line.organization_id = $1 AND line.id > $2 AND line.booked_on >= $3 AND line.kind = 'movement'
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
            AND linked.item_id > $2)
    ORDER BY line.id LIMIT $4
"""


async def read_open_lines(tx: Transaction, *, from_day: date, after: UUID, at_most: int) -> list[OpenLine]:
    """The next open lines of all imports since a day, by id."""
    rows = await tx.fetch(_OPEN_LINES, tx.organization_id, after, from_day, at_most)
    return read_rows(OpenLine, rows)


# LATERAL with OFFSET 0: a join would read every match for a few lines.
_NAMED_LINES = """
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM active_statement_line AS line
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
        OFFSET 0
    ) AS own ON true
    WHERE line.organization_id = $1 AND line.id = ANY ($2::uuid[]) AND line.kind = 'movement'
        AND own.is_matched IS NULL
"""


async def read_open_lines_of_ids(tx: Transaction, line_ids: Sequence[UUID]) -> list[OpenLine]:
    """The lines among these that are open."""
    return read_rows(OpenLine, await tx.fetch(_NAMED_LINES, tx.organization_id, list(line_ids)))


_OPEN_NEAR = """
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM active_statement_line AS line
    WHERE line.organization_id = $1 AND line.bank_account_id = $2
        AND line.booked_on BETWEEN $3::date - $7::int AND $3::date + $7::int
        AND sign(line.amount) = sign($4::bigint) AND line.id <> $5 AND line.kind = 'movement' AND NOT line.is_tentative
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live)
    ORDER BY abs(line.booked_on - $3::date), line.id LIMIT $6
"""


async def read_further_open_lines(
    tx: Transaction, line: OpenLine, *, within: timedelta, at_most: int
) -> list[OpenLine]:
    """Further open lines of the account and direction of a line, those of its day first."""
    rows = await tx.fetch(
        _OPEN_NEAR,
        tx.organization_id,
        line.bank_account_id,
        line.booked_on,
        line.amount,
        line.id,
        at_most,
        within.days,
    )
    return read_rows(OpenLine, rows)


# Every line that has a reference of the given lines competes with them, also outside of their import.
# LATERAL and the comparison as text: see `line_matches.py`.
_RIVALS = """
    -- The open lines of each reference.
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM (SELECT DISTINCT bank_account_id, reference FROM unnest($2::uuid[], $3::text[])
        AS given (bank_account_id, reference)) AS given
    CROSS JOIN LATERAL (
"""
_ARE_OPEN_RIVALS = """
    ) AS line
    CROSS JOIN LATERAL (
        SELECT FROM reconciliation_import AS import
        WHERE import.organization_id = $1 AND import.id = line.import_id AND import.state = 'active'
        OFFSET 0
    ) AS import
    LEFT JOIN LATERAL (
        SELECT true AS is_matched FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live
        OFFSET 0
    ) AS own ON true
    WHERE own.is_matched IS NULL AND line.kind = 'movement'
"""
_RIVALS_BY_REFERENCE = f"{_RIVALS}{LINES_OF_REFERENCE}{_ARE_OPEN_RIVALS}"


async def read_lines_with_references(tx: Transaction, lines: Sequence[OpenLine]) -> list[OpenLine]:
    """The open lines that have a bank reference of these lines, however it is written; these lines included."""
    named = [(line.bank_account_id, normal_reference(line.bank_reference)) for line in lines if line.bank_reference]
    rows = await tx.fetch(_RIVALS_BY_REFERENCE, tx.organization_id, *columns(named, 2))
    return read_rows(OpenLine, rows)


_LIST_OPEN = """
    SELECT line.id, line.bank_account_id, line.key, line.booked_on, line.amount, line.bank_reference,
        line.virtual_account, line.codes, line.is_tentative
    FROM active_statement_line AS line
    WHERE line.organization_id = $1 AND ($2::uuid IS NULL OR line.id < $2) AND ($3::uuid IS NULL OR line.id >= $3)
        AND ($5::uuid IS NULL OR line.bank_account_id = $5) AND line.kind = 'movement'
        AND NOT EXISTS (SELECT FROM match_item AS linked WHERE linked.organization_id = $1
            AND linked.item_kind = 'statement_line' AND linked.item_id = line.id AND linked.is_live)
    ORDER BY line.id DESC LIMIT $4
"""


async def list_open_lines(tx: Transaction, part: ListSlice, *, bank_account_id: UUID | None) -> list[OpenLine]:
    """Open lines of a slice of the list, the newest first; None filters nothing."""
    rows = await tx.fetch(_LIST_OPEN, tx.organization_id, part.before, part.first, part.limit, bank_account_id)
    return read_rows(OpenLine, rows)

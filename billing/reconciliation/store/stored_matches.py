"""Stored matches: listed, locked and ended, and the pairs that a person reverted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import EntryId, PersonId
from billing.core.list_slice import ListSlice
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.match_rules import PERSONS_RULES, Candidate, ItemKind, MatchRule, MatchState


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMatch:
    """A match as stored. `booked_on` and `bank_account_id` are those of its statement line, None without one.

    Of several lines, which are of one account, `line_id` is the first, `booked_on` the last day and `line_amount` the
    sum.
    `is_on_closed_day`: the day of its entry is closed.
    """

    id: UUID
    rule: MatchRule
    rule_set: int
    run_id: UUID
    state: MatchState
    difference: int
    fee: int
    entry_id: UUID | None
    clearing_subject: UUID | None
    matched_at: datetime
    ended_at: datetime | None
    ended_by: UUID | None
    ended_reason: str
    reason: str
    line_id: UUID | None
    bank_account_id: UUID | None
    booked_on: date | None
    line_amount: int | None
    is_on_closed_day: bool


_LOCK = """
    SELECT id FROM match WHERE organization_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE
"""

_READ = """
    SELECT match.id, match.rule, match.rule_set, match.run_id, match.state, match.difference, match.fee,
        match.entry_id, match.clearing_subject, match.matched_at, match.ended_at, match.ended_by, match.ended_reason,
        match.reason, line.line_id, line.bank_account_id, line.booked_on, line.line_amount,
        coalesce(day.state = 'closed', false) AS is_on_closed_day
    FROM match
    LEFT JOIN LATERAL (
        SELECT (array_agg(line.id ORDER BY line.id))[1] AS line_id, line.bank_account_id,
            max(line.booked_on) AS booked_on, sum(line.amount)::bigint AS line_amount
        FROM match_item AS own
        JOIN statement_line AS line ON line.organization_id = $1 AND line.id = own.item_id
        WHERE own.organization_id = $1 AND own.match_id = match.id AND own.item_kind = 'statement_line'
        GROUP BY line.bank_account_id
    ) AS line ON true
    LEFT JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = match.entry_id
    LEFT JOIN business_day AS day ON day.organization_id = $1 AND day.day = entry.accounting_date
    WHERE match.organization_id = $1 AND match.id = ANY ($2::uuid[])
    ORDER BY match.id
"""


async def lock_matches(tx: Transaction, match_ids: Sequence[UUID]) -> list[StoredMatch]:
    """Lock matches in the order of their ids, and read them."""
    await tx.fetch(_LOCK, tx.organization_id, list(match_ids))
    return await read_matches(tx, match_ids)


async def read_matches(tx: Transaction, match_ids: Sequence[UUID]) -> list[StoredMatch]:
    """Matches by id."""
    return [read_row(StoredMatch, row) for row in await tx.fetch(_READ, tx.organization_id, list(match_ids))]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedItem:
    """An item of a match."""

    match_id: UUID
    item_kind: ItemKind
    item_id: UUID
    amount: int


_ITEMS = """
    SELECT match_id, item_kind, item_id, amount FROM match_item
    WHERE organization_id = $1 AND match_id = ANY ($2::uuid[]) ORDER BY match_id, item_kind, item_id
"""


async def read_items(tx: Transaction, match_ids: Sequence[UUID]) -> list[MatchedItem]:
    """The items of matches."""
    return [read_row(MatchedItem, row) for row in await tx.fetch(_ITEMS, tx.organization_id, list(match_ids))]


_LIST = """
    SELECT id FROM match
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
        AND ($5::text IS NULL OR state = $5) AND ($6::text IS NULL OR rule = $6)
        AND ($7::uuid IS NULL OR id IN (SELECT match_id FROM match_item WHERE organization_id = $1 AND item_id = $7))
    ORDER BY id DESC LIMIT $4
"""


async def list_match_ids(
    tx: Transaction, part: ListSlice, *, state: MatchState | None, rule: MatchRule | None, item_id: UUID | None
) -> list[UUID]:
    """Matches of a slice of the list, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _LIST,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        None if state is None else state.value,
        None if rule is None else rule.value,
        item_id,
    )
    return [row["id"] for row in rows]


_AUTOMATIC = """
    SELECT match.id FROM match
    JOIN match_item AS own ON own.organization_id = $1 AND own.match_id = match.id AND own.item_kind = 'statement_line'
    JOIN statement_line AS line ON line.organization_id = $1 AND line.id = own.item_id
        AND line.booked_on BETWEEN $2 AND $3
    LEFT JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = match.entry_id
    LEFT JOIN business_day AS day ON day.organization_id = $1 AND day.day = entry.accounting_date
    WHERE match.organization_id = $1 AND match.state = 'live' AND match.rule <> ALL ($6::text[]) AND match.run_id <> $4
        AND day.state IS DISTINCT FROM 'closed'
    ORDER BY match.id LIMIT $5
"""


async def read_automatic_matches(
    tx: Transaction, *, from_day: date, to_day: date, run_id: UUID, at_most: int
) -> list[UUID]:
    """Live matches of lines of a period that no person made and no closed day holds, without those of one run."""
    rules = [rule.value for rule in PERSONS_RULES]
    rows = await tx.fetch(_AUTOMATIC, tx.organization_id, from_day, to_day, run_id, at_most, rules)
    return [row["id"] for row in rows]


_HAS_REVERTED = """
    SELECT EXISTS (SELECT FROM match WHERE organization_id = $1 AND state = 'reverted')
"""

# A person who reverts a match with a statement line states that the line is another movement: the report stays right.
_REVERTED_PAIRS = """
    SELECT pair.line_id, pair.item_id
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS pair (line_id, line_kind, item_kind, item_id)
    WHERE EXISTS (
        SELECT FROM match_item AS line
        JOIN match ON match.organization_id = $1 AND match.id = line.match_id AND match.state = 'reverted'
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = line.match_id
            AND item.item_kind = pair.item_kind AND item.item_id = pair.item_id
        WHERE line.organization_id = $1 AND line.item_kind = pair.line_kind AND line.item_id = pair.line_id
            AND NOT line.is_live
            AND (pair.line_kind = 'statement_line' OR NOT EXISTS (SELECT FROM match_item AS other
                WHERE other.organization_id = $1 AND other.match_id = line.match_id
                    AND other.item_kind = 'statement_line')))
"""


async def without_reverted(
    tx: Transaction, candidates: Sequence[Candidate], *, line_kind: ItemKind = ItemKind.STATEMENT_LINE
) -> list[Candidate]:
    """The candidates that no person has reverted; `line_kind` is the kind of their lines."""
    if not candidates or not await tx.fetchval(_HAS_REVERTED, tx.organization_id):
        return list(candidates)
    pairs = [(each.line_id, line_kind.value, each.item_kind.value, each.item_id) for each in candidates]
    rows = await tx.fetch(_REVERTED_PAIRS, tx.organization_id, *columns(pairs, 4))
    reverted = {(row["line_id"], row["item_id"]) for row in rows}
    return [each for each in candidates if (each.line_id, each.item_id) not in reverted]


_LOCK_WAITING = """
    SELECT match.id FROM match
    WHERE match.organization_id = $1 AND match.state = 'live' AND match.entry_id IS NULL AND match.id IN (
        SELECT own.match_id
        FROM unnest($2::text[], $3::uuid[]) AS wanted (item_kind, item_id)
        JOIN match_item AS own ON own.organization_id = $1 AND own.item_kind = wanted.item_kind
            AND own.item_id = wanted.item_id AND own.is_live)
        AND NOT EXISTS (SELECT FROM match_item AS other WHERE other.organization_id = $1 AND other.match_id = match.id
            AND other.item_kind = 'statement_line')
    ORDER BY match.id FOR UPDATE OF match
"""


async def lock_waiting_matches(tx: Transaction, items: Sequence[tuple[ItemKind, UUID]]) -> list[UUID]:
    """Lock the live matches of items that have no statement line yet: their reports confirm them."""
    rows = await tx.fetch(_LOCK_WAITING, tx.organization_id, *columns([(kind.value, each) for kind, each in items], 2))
    return [row["id"] for row in rows]


_END = """
    WITH ended AS (
        UPDATE match SET state = $3, ended_at = $4, ended_by = $5, ended_reason = $6, ending_entry_id = given.entry_id
        FROM unnest($2::uuid[], $7::uuid[]) AS given (id, entry_id)
        WHERE match.organization_id = $1 AND match.id = given.id AND match.state = 'live'
        RETURNING match.id
    ), freed AS (
        UPDATE match_item SET is_live = false
        WHERE organization_id = $1 AND match_id IN (SELECT id FROM ended)
    )
    SELECT count(*) FROM ended
"""


async def end_matches(
    tx: Transaction,
    ended: Sequence[tuple[UUID, EntryId | None]],
    state: MatchState,
    *,
    at: datetime,
    by: PersonId | None,
    reason: str,
) -> int:
    """End live matches, each with the entry that takes its sweep back; their items are open again."""
    ids, entries = columns(list(ended), 2)
    count: int = await tx.fetchval(_END, tx.organization_id, ids, state.value, at, by, reason, entries)
    return count

"""Matches and their items: written by a run or a person, ended once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import EntryId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.match_rules import ItemKind, MatchRule


class NewMatch(NamedTuple):
    """A match to write. `entry_id` and `clearing_subject` are None until a confirmed statement line has posted it."""

    id: UUID
    rule: MatchRule
    difference: int = 0
    fee: int = 0
    entry_id: EntryId | None = None
    clearing_subject: UUID | None = None
    reason: str = ""


class NewItem(NamedTuple):
    """One item of a match; `amount` has the sign of the bank account."""

    match_id: UUID
    kind: ItemKind
    item_id: UUID
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStamp:
    """What every match of a run carries."""

    run_id: UUID
    rule_set: int
    actor: Actor
    at: datetime


_ADD = """
    INSERT INTO match (organization_id, id, rule, rule_set, run_id, state, difference, fee, entry_id, clearing_subject,
        actor_kind, actor_id, acting_for, matched_at, reason)
    SELECT $1, id, rule, $2, $3, 'live', difference, fee, entry_id, clearing_subject, $4, $5, $6, $7, reason
    FROM unnest($8::uuid[], $9::text[], $10::bigint[], $11::bigint[], $12::uuid[], $13::uuid[], $14::text[])
        AS new (id, rule, difference, fee, entry_id, clearing_subject, reason)
"""


async def add_matches(tx: Transaction, matches: Sequence[NewMatch], stamp: RunStamp) -> None:
    """Write live matches; their items follow."""
    rows = [
        (
            each.id,
            each.rule.value,
            each.difference,
            each.fee,
            each.entry_id,
            each.clearing_subject,
            each.reason,
        )
        for each in matches
    ]
    await tx.execute(
        _ADD,
        tx.organization_id,
        stamp.rule_set,
        stamp.run_id,
        stamp.actor.kind.value,
        stamp.actor.id,
        stamp.actor.person,
        stamp.at,
        *columns(rows, 7),
    )


_POST = """
    UPDATE match SET difference = posted.difference, fee = posted.fee, entry_id = posted.entry_id,
        clearing_subject = posted.clearing_subject
    FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::uuid[])
        AS posted (id, difference, fee, entry_id, clearing_subject)
    WHERE match.organization_id = $1 AND match.id = posted.id AND match.state = 'live' AND match.entry_id IS NULL
"""


async def post_matches(tx: Transaction, matches: Sequence[NewMatch]) -> int:
    """Record the entries of live matches whose statement line has come; returns how many were live and not posted."""
    rows = [(each.id, each.difference, each.fee, each.entry_id, each.clearing_subject) for each in matches]
    tag = await tx.execute(_POST, tx.organization_id, *columns(rows, 5))
    return int(tag.rsplit(" ", 1)[1])


_COUNT_LIVE = """
    SELECT count(*) FROM (
        SELECT FROM match WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND state = 'live' ORDER BY id FOR UPDATE
    ) AS locked
"""


async def count_locked_live(tx: Transaction, match_ids: Sequence[UUID]) -> int:
    """Lock matches that take a further item; returns how many are live."""
    count: int = await tx.fetchval(_COUNT_LIVE, tx.organization_id, list(match_ids))
    return count


_ADD_ITEMS = """
    INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount)
    SELECT $1, match_id, item_kind, item_id, amount
    FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::bigint[]) AS new (match_id, item_kind, item_id, amount)
"""


async def add_items(tx: Transaction, items: Sequence[NewItem]) -> None:
    """Add items to live matches. A unique index refuses an item that is in another live match."""
    rows = [(each.match_id, each.kind.value, each.item_id, each.amount) for each in items]
    await tx.execute(_ADD_ITEMS, tx.organization_id, *columns(rows, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpostedMatch:
    """A live match whose statement line was tentative and is confirmed now."""

    match_id: UUID
    line_id: UUID
    bank_account_id: UUID
    booked_on: date
    amount: int
    bank_reference: str
    item_kind: ItemKind
    item_id: UUID


# Also lines that an earlier file stated: a complete statement confirms tentative lines by repeating them.
_UNPOSTED = """
    SELECT DISTINCT ON (match.id) match.id AS match_id, line.id AS line_id, line.bank_account_id, line.booked_on,
        line.amount, line.bank_reference, other.item_kind, other.item_id
    FROM repeated_line AS repeated
    JOIN statement_line AS line ON line.organization_id = $1 AND line.id = repeated.line_id AND NOT line.is_tentative
    JOIN match_item AS own ON own.organization_id = $1 AND own.item_kind = 'statement_line' AND own.item_id = line.id
        AND own.is_live
    JOIN match ON match.organization_id = $1 AND match.id = own.match_id AND match.entry_id IS NULL
    JOIN match_item AS other ON other.organization_id = $1 AND other.match_id = match.id
        AND other.item_kind NOT IN ('statement_line', 'settlement_line')
    WHERE repeated.organization_id = $1 AND ($2::uuid IS NULL OR repeated.import_id = $2)
    ORDER BY match.id LIMIT $3
"""


async def read_unposted(tx: Transaction, import_id: UUID | None, *, at_most: int) -> list[UnpostedMatch]:
    """Live matches without an entry whose line a complete statement has confirmed."""
    rows = await tx.fetch(_UNPOSTED, tx.organization_id, import_id, at_most)
    return [read_row(UnpostedMatch, row) for row in rows]

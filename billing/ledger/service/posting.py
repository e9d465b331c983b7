"""Post one business event: its entry on the accounting date, and the balances it moves. A step.

Requires a transaction with `posting=True`: the day lock is held. The use case writes the audit row of the event
(`ledger/service/audit.py`). Callbacks write the same rows in batches
(`payments/store/bookings.py`). Source: docs/design.md §3.1, §4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import EntryId, LedgerAccountId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import CHART, AccountKey, Entry, EntryKind, Posting, accounting_date
from billing.ledger.service.context import LedgerContext
from billing.ledger.store.journal import open_day, read_days, write_entries
from billing.ledger.store.ledger_accounts import add_subject_account, read_ledger_accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An event to post. `effective_at` is its time, None for now.

    `item_id` becomes the id of the entry: it is the item that a bank statement will show, so that what the statement
    has not shown is known by item, or the entry that rows of this transaction name already.
    """

    kind: EntryKind
    postings: Sequence[Posting]
    effective_at: datetime | None = None
    item_id: UUID | None = None


async def post_entry(
    tx: Transaction,
    context: LedgerContext,
    kind: EntryKind,
    postings: Sequence[Posting],
    *,
    actor: Actor,
    effective_at: datetime | None = None,
    item_id: UUID | None = None,
) -> EntryId | None:
    """Write the entry of an event; returns its id, or None where nothing moves.

    The values are those of `NewEntry`. An account of a subject that is used for the first time is added. Raises
    NoOpenDay, BalanceBelowFloor.
    """
    new = NewEntry(kind=kind, postings=postings, effective_at=effective_at, item_id=item_id)
    [entry_id] = await post_entries(tx, context, [new], actor=actor)
    return entry_id


async def post_entries(
    tx: Transaction, context: LedgerContext, new: Sequence[NewEntry], *, actor: Actor
) -> list[EntryId | None]:
    """Write the entries of events together; returns the id of each, or None where nothing moves.

    Raises NoOpenDay, BalanceBelowFloor.
    """
    moving = [each for each in new if each.postings]
    if not moving:
        return [None for _ in new]
    now = context.clock()
    today = business_date(now)
    await open_day(tx, today, at=now)
    first_day = min(today, *(business_date(each.effective_at or now) for each in moving))
    days = await read_days(tx, first_day=first_day, last_day=today)
    keys = {key for each in moving for posting in each.postings for key in (posting.debit, posting.credit)}
    accounts = await _accounts(tx, context, keys)
    entries = {
        position: Entry(
            id=EntryId(each.item_id or context.ids.new()),
            kind=each.kind,
            effective_at=each.effective_at or now,
            recorded_at=now,
            accounting_date=accounting_date(
                occurred_on=business_date(each.effective_at or now), today=today, days=days
            ),
            actor=actor,
            postings=tuple(each.postings),
        )
        for position, each in enumerate(new)
        if each.postings
    }
    await write_entries(tx, list(entries.values()), accounts)
    return [entries[position].id if position in entries else None for position in range(len(new))]


async def _accounts(
    tx: Transaction, context: LedgerContext, keys: set[AccountKey]
) -> Mapping[AccountKey, LedgerAccountId]:
    """The accounts of an entry; those of subjects that are used for the first time are added.

    Added accounts are not cached: the transaction may still be rolled back.
    """
    known = await context.ledger_accounts(tx)
    if keys <= known.keys():
        return known
    stored = await read_ledger_accounts(tx)
    new = [key for key in sorted(keys - stored.keys()) if CHART[key.role].is_per_subject]
    if not new:
        return await context.ledger_accounts(tx, *keys)
    for key in new:
        account_id = LedgerAccountId(context.ids.new())
        await add_subject_account(tx, account_id, key, valid_from=business_date(context.clock()))
    return await read_ledger_accounts(tx)

"""Post the sweeps of matches, and take them back: one entry for each day and pair of accounts. A step.

Requires a transaction with `posting=True`. Source: docs/design.md §4, Accounts and Days.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import noon_of
from billing.core.ids import EntryId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.service.context import LedgerContext
from billing.ledger.service.posting import NewEntry, post_entries
from billing.reconciliation.domain.sweep import Sweep, SweepTotal, sweep_postings, total_postings


async def post_sweeps(
    tx: Transaction,
    context: LedgerContext,
    sweeps: Sequence[Sweep],
    *,
    actor: Actor,
    is_reversed: bool = False,
) -> list[EntryId | None]:
    """Post sweeps on the days of their lines, or the first open day after; returns the entry of each sweep.

    `is_reversed` takes them back. Raises NoOpenDay.
    """
    groups: dict[tuple[date, UUID, UUID], list[Sweep]] = {}
    for sweep in sweeps:
        groups.setdefault(sweep.group, []).append(sweep)
    kind = EntryKind.MATCH_REVERTED if is_reversed else EntryKind.BANK_LINES_MATCHED
    order = sorted(groups)
    entries = await post_entries(
        tx,
        context,
        [
            NewEntry(
                kind=kind,
                postings=sweep_postings(groups[group], is_reversed=is_reversed),
                effective_at=noon_of(group[0]),
            )
            for group in order
        ],
        actor=actor,
    )
    entry_of = dict(zip(order, entries, strict=True))
    return [entry_of[sweep.group] for sweep in sweeps]


async def post_totals(tx: Transaction, context: LedgerContext, totals: Sequence[SweepTotal], *, actor: Actor) -> None:
    """Post the sweeps of matches that name their entries already. Raises NoOpenDay."""
    order = sorted(totals)
    await post_entries(
        tx,
        context,
        [
            NewEntry(
                kind=EntryKind.BANK_LINES_MATCHED,
                postings=total_postings(total),
                effective_at=noon_of(total.booked_on),
                item_id=total.entry_id,
            )
            for total in order
        ],
        actor=actor,
    )

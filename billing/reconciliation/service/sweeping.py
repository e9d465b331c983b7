"""Post the sweeps of matches, and take them back: one entry for each day and pair of accounts. A step.

Requires a transaction with `posting=True`. Source: docs/design.md §4, Accounts and Days.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import EntryId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.service.context import LedgerContext
from billing.ledger.service.posting import NewEntry, post_entries
from billing.reconciliation.domain.sweep import Sweep, sweep_postings

_NOON = time(5, 0, tzinfo=UTC)  # 12:00 in Vietnam: a statement states days


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
                effective_at=datetime.combine(group[0], _NOON),
            )
            for group in order
        ],
        actor=actor,
    )
    entry_of = dict(zip(order, entries, strict=True))
    return [entry_of[sweep.group] for sweep in sweeps]

"""Runs of matching: over the lines of one import as soon as it is active, or over all open lines.

The rules are applied in one order, each over all lines before the next, in committed chunks. A run that is killed
leaves complete matches and is repeated: the result is the same. One run of an organization is under way at a time.
Source: docs/reconciliation.md, Matching.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.database import LockClass, Transaction
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import (
    CHUNK,
    Candidate,
    ItemKind,
    MatchingUnderWay,
    MatchRule,
    MatchState,
    OpenLine,
    RuleSet,
    choose,
)
from billing.reconciliation.service.bank_notices import BOOKED_AT_ONCE, book_confirmed_lines
from billing.reconciliation.service.matching import (
    MatchChanged,
    confirm_matches,
    current_rules,
    take_back,
    with_lines,
    write_decided,
    write_reported,
)
from billing.reconciliation.store.match_runs import (
    MatchRun,
    count_in_run,
    end_run,
    has_import,
    is_open_run_due,
    read_run,
    read_runs,
    read_unmatched_imports,
    start_run,
)
from billing.reconciliation.store.matches import RunStamp
from billing.reconciliation.store.matching_items import find_card_batch_lines, find_named_lines, find_payout_lines
from billing.reconciliation.store.matching_lines import find_by_code, find_by_reference, find_by_virtual_account
from billing.reconciliation.store.matching_settlements import (
    find_by_transaction,
    read_open_settlement_lines,
    read_settlement_lines_of_import,
)
from billing.reconciliation.store.open_lines import (
    read_lines_of_import,
    read_lines_with_codes,
    read_lines_with_references,
    read_open_lines,
    read_open_lines_of_ids,
)
from billing.reconciliation.store.stored_matches import (
    end_matches,
    lock_matches,
    read_automatic_matches,
    without_reverted,
)

OPEN_DAYS = timedelta(days=120)
"""How old an open line or item may be for a run over all open lines."""

IMPORTS_AT_ONCE = 20

OPEN_RUN_EACH = timedelta(minutes=10)
"""How often the worker matches all open lines, if payments have come since: a callback may be later than its line."""

_FIRST = UUID(int=0)
_ATTEMPTS = 3

_Lines = Callable[[Transaction, Sequence[OpenLine]], Awaitable[list[OpenLine]]]
_FindItems = Callable[..., Awaitable[list[Candidate]]]
_Find = Callable[[Transaction, Sequence[OpenLine], RuleSet], Awaitable[list[Candidate]]]


async def run_matching(
    context: PaymentContext,
    organization_id: OrganizationId,
    *,
    actor: Actor,
    import_id: UUID | None = None,
    rematched: tuple[date, date] | None = None,
) -> MatchRun:
    """Apply every rule to the lines of an import, or to all open lines; returns the completed run.

    `rematched` are the first and last day whose lines are matched again by the newest rule set: matches that no person
    made and no closed day holds are superseded first. Raises NotFound, MatchingUnderWay, NoOpenDay.
    """
    async with context.database.session_lock(LockClass.MATCHING, organization_id) as is_held:
        if not is_held:
            raise MatchingUnderWay("lines of this organization are matched now; repeat the request after it")
        run = _Run(context, organization_id, actor, import_id, rematched)
        await run.run()
    context.publish_change(organization_id)
    return await find_run(context, organization_id, run.id)


async def match_arrived_lines(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Match the imports that no run has covered, then open lines if payments have come since; returns how many runs.

    Does nothing while another process matches lines of the organization. Raises NoOpenDay.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        waiting = await read_unmatched_imports(tx, at_most=IMPORTS_AT_ONCE)
        is_due = await is_open_run_due(tx, before=context.clock() - OPEN_RUN_EACH)
    runs: list[UUID | None] = [*waiting, None] if is_due else [*waiting]
    try:
        for import_id in runs:
            await run_matching(context, organization_id, actor=Actor.system(), import_id=import_id)
    except MatchingUnderWay:
        return 0
    return len(runs)


async def find_run(context: PaymentContext, organization_id: OrganizationId, run_id: UUID) -> MatchRun:
    """One run. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        run = await read_run(tx, run_id)
    if run is None:
        raise NotFound("no such run", field="run_id")
    return run


async def list_runs(context: PaymentContext, organization_id: OrganizationId, part: ListSlice) -> list[MatchRun]:
    """Runs, the newest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_runs(tx, part)


@dataclass(slots=True)
class _Run:
    """One run while the lock is held."""

    context: PaymentContext
    organization_id: OrganizationId
    actor: Actor
    import_id: UUID | None
    rematched: tuple[date, date] | None = None
    id: UUID = _FIRST
    superseded: int = 0
    rules: RuleSet = field(default_factory=lambda: RuleSet(version=1))

    async def run(self) -> None:
        self.id = self.context.ids.new()
        now = self.context.clock()
        async with self._transaction() as tx:
            if self.import_id is not None and not await has_import(tx, self.import_id):
                raise NotFound("no such import", field="import_id")
            self.rules = await current_rules(tx, self.context)
            await start_run(
                tx, self.id, rule_set=self.rules.version, import_id=self.import_id, actor=self.actor, at=now
            )
        await self._supersede()
        await self._confirm()
        await self._match_lines(MatchRule.BANK_REFERENCE, read_lines_with_references, find_by_reference)
        await self._match_settlements()
        await self._match_items()
        await self._match_lines(MatchRule.REFERENCE_CODE, read_lines_with_codes, find_by_code)
        await self._match_lines(MatchRule.VIRTUAL_ACCOUNT, _themselves, find_by_virtual_account)
        if await self._book_lines():
            await self._match_settlements()  # reports of the payments that are known only now
        async with self._transaction() as tx:
            await end_run(tx, self.id, at=self.context.clock())

    async def _supersede(self) -> None:
        """End automatic matches of the period, with the entries that take their sweeps back."""
        if self.rematched is None:
            return
        first, last = self.rematched

        async def supersede(tx: Transaction) -> int:
            ids = await read_automatic_matches(tx, from_day=first, to_day=last, run_id=self.id, at_most=CHUNK)
            live = [match for match in await lock_matches(tx, ids) if match.state is MatchState.LIVE]
            ended = await take_back(tx, self.context, live, actor=self.actor)
            at = self.context.clock()
            count = await end_matches(
                tx, ended, MatchState.SUPERSEDED, at=at, by=None, reason=f"rule set {self.rules.version}"
            )
            await count_in_run(tx, self.id, superseded=count)
            self.superseded = count
            return 0

        self.superseded = 1
        while self.superseded:
            await self._write(supersede)

    async def _confirm(self) -> None:
        """Post confirmed lines. If a match ended instead, the run visits every open line, also of other imports."""
        is_left = True

        async def confirm(tx: Transaction) -> int:
            nonlocal is_left
            confirmed = await confirm_matches(
                tx, self.context, self.import_id, self._stamp(), tolerance=self.rules.tolerance, at_most=CHUNK
            )
            await count_in_run(tx, self.id, superseded=confirmed.ended)
            self.superseded = confirmed.ended
            is_left = confirmed.posted + confirmed.ended > 0
            return confirmed.posted

        has_ended = False
        while is_left:
            await self._write(confirm)
            has_ended = has_ended or self.superseded > 0
        if has_ended:
            self.import_id = None

    async def _match_lines(self, rule: MatchRule, read_rivals: _Lines, find: _Find) -> None:
        """Apply a rule to each chunk of open lines, together with all lines that compete for the same items."""
        async for lines in self._chunks():

            async def match(tx: Transaction, lines: Sequence[OpenLine] = lines) -> int:
                known = {line.id: line for line in await read_rivals(tx, lines)}
                candidates = await without_reverted(tx, await find(tx, list(known.values()), self.rules))
                decided = choose(candidates)
                return await write_decided(tx, self.context, with_lines(decided, known), rule, self._stamp())

            await self._write(match)

    async def _match_items(self) -> None:
        """Payouts, card batches, bank deposits and transfers of refunds: few, so the rules begin at the items."""
        from_day = business_date(self.context.clock()) - OPEN_DAYS
        for rule, find in (
            (MatchRule.PAYOUT, find_payout_lines),
            (MatchRule.CARD_BATCH, find_card_batch_lines),
            (MatchRule.NAMED, find_named_lines),
        ):

            async def match(tx: Transaction, rule: MatchRule = rule, find: _FindItems = find) -> int:
                decided = choose(await without_reverted(tx, await find(tx, self.rules, from_day=from_day)))
                lines = await read_open_lines_of_ids(tx, [each.line_id for each in decided])
                known = {line.id: line for line in lines}
                return await write_decided(tx, self.context, with_lines(decided, known), rule, self._stamp())

            await self._write(match)

    async def _match_settlements(self) -> None:
        after = _FIRST
        while True:
            async with self._transaction() as tx:
                line_ids = (
                    await read_open_settlement_lines(tx, after=after, at_most=CHUNK)
                    if self.import_id is None
                    else await read_settlement_lines_of_import(tx, self.import_id, after=after, at_most=CHUNK)
                )
            if not line_ids:
                return

            async def match(tx: Transaction, line_ids: Sequence[UUID] = line_ids) -> int:
                candidates = await find_by_transaction(tx, line_ids)
                decided = choose(await without_reverted(tx, candidates, line_kind=ItemKind.SETTLEMENT_LINE))
                return await write_reported(tx, self.context, decided, self._stamp())

            await self._write(match)
            after = line_ids[-1]

    async def _book_lines(self) -> int:
        """Book the confirmed lines under a code of ours that no callback reported, each with its match."""
        booked_lines = 0
        async for lines in self._chunks():
            ours = [line for line in lines if len(line.codes) == 1 and line.amount > 0 and not line.is_tentative]
            for start in range(0, len(ours), BOOKED_AT_ONCE):

                async def book(tx: Transaction, part: Sequence[OpenLine] = ours[start : start + BOOKED_AT_ONCE]) -> int:
                    booked = await book_confirmed_lines(tx, self.context, part, self.rules, self._stamp())
                    await count_in_run(tx, self.id, booked=booked)
                    return booked

                booked_lines += await self._write(book)
        return booked_lines

    async def _chunks(self) -> AsyncIterator[list[OpenLine]]:
        """Open lines in chunks; lines that an earlier chunk of this rule has matched are left out."""
        after = _FIRST
        while True:
            async with self._transaction() as tx:
                if self.import_id is None:
                    from_day = business_date(self.context.clock()) - OPEN_DAYS
                    lines = await read_open_lines(tx, from_day=from_day, after=after, at_most=CHUNK)
                else:
                    lines = await read_lines_of_import(tx, self.import_id, after=after, at_most=CHUNK)
            if not lines:
                return
            yield lines
            after = lines[-1].id

    async def _write(self, write: Callable[[Transaction], Awaitable[int]]) -> int:
        """Write one chunk; if a person changed a match of it meanwhile, read and write it again."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._transaction(posting=True) as tx:
                    matched = await write(tx)
                    if not await count_in_run(tx, self.id, matches=matched):
                        raise MatchingUnderWay("the lock of this run was lost, and another run has taken over")
                    return matched
            except (MatchChanged, asyncpg.UniqueViolationError):
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _stamp(self) -> RunStamp:
        return RunStamp(run_id=self.id, rule_set=self.rules.version, actor=self.actor, at=self.context.clock())

    def _transaction(self, *, posting: bool = False) -> AbstractAsyncContextManager[Transaction]:
        return self.context.database.transaction(self.organization_id, posting=posting)


async def _themselves(_tx: Transaction, lines: Sequence[OpenLine]) -> list[OpenLine]:
    return list(lines)

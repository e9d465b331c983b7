"""Runs of matching: over the lines of one import as soon as it is active, or over all open lines.

The rules are applied in one order, each over all lines before the next, in committed chunks. A run that is killed
leaves complete matches and is repeated: the result is the same. One run of an organization is under way at a time.
Source: docs/reconciliation.md, Matching.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.database import LockClass, Transaction
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.file_import import ImportKind
from billing.reconciliation.domain.match_rules import (
    CHUNK,
    Candidate,
    MatchingUnderWay,
    MatchRule,
    MatchState,
    OpenLine,
    RuleSet,
    choose,
)
from billing.reconciliation.service.bank_notices import BOOKED_AT_ONCE, book_confirmed_lines
from billing.reconciliation.service.matching import (
    ConcernedLines,
    MatchChanged,
    confirm_matches,
    current_rules,
    match_received,
    match_reported,
    take_back,
    with_lines,
    write_decided,
)
from billing.reconciliation.service.open_lines import OpenLines
from billing.reconciliation.store.contested_lines import find_contested, without_overruled
from billing.reconciliation.store.match_runs import (
    MatchRun,
    count_in_run,
    end_run,
    find_matched_import,
    is_open_run_due,
    read_run,
    read_runs,
    read_unmatched_imports,
    start_run,
)
from billing.reconciliation.store.matches import RunStamp
from billing.reconciliation.store.matching_items import find_card_batch_lines, find_named_lines, find_payout_lines
from billing.reconciliation.store.matching_lines import (
    find_by_reference,
    has_code,
    has_reference,
    has_virtual_account,
)
from billing.reconciliation.store.matching_settlements import ReportMatches
from billing.reconciliation.store.open_lines import read_lines_with_references, read_open_lines_of_ids
from billing.reconciliation.store.stored_matches import (
    end_matches,
    lock_matches,
    read_automatic_matches,
    without_reverted,
)

IMPORTS_AT_ONCE = 20

OPEN_RUN_EACH = timedelta(minutes=10)
"""How often the worker matches all open lines, if payments have come since: a callback may be later than its line."""

_FIRST = UUID(int=0)
_ATTEMPTS = 3

_FindItems = Callable[..., Awaitable[list[Candidate]]]


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
        run = await _Run(context, organization_id, actor, import_id, rematched).run()
    context.publish_change(organization_id)
    return run


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


@dataclass(frozen=True, slots=True)
class _Counts:
    """What one transaction of a run did."""

    matches: int = 0
    booked: int = 0
    superseded: int = 0


_NOTHING = _Counts()


@dataclass(slots=True)
class _Run:
    """One run while the lock is held. A rule without a line that it could match opens no transaction."""

    context: PaymentContext
    organization_id: OrganizationId
    actor: Actor
    import_id: UUID | None
    rematched: tuple[date, date] | None = None
    id: UUID = _FIRST
    rules: RuleSet = field(default_factory=lambda: RuleSet(version=1))
    may_confirm: bool = True
    is_statement: bool = False
    lines: OpenLines = field(init=False)

    def __post_init__(self) -> None:
        self.lines = OpenLines(self.context, self.organization_id, self.import_id)

    async def run(self) -> MatchRun:
        self.id = self.context.ids.new()
        await self._start()
        await self._supersede()
        await self._confirm()
        await self._match_references()
        await self._match_settlements()
        await self._match_items()
        await self._match_lines(MatchRule.REFERENCE_CODE, has_code)
        await self._match_lines(MatchRule.VIRTUAL_ACCOUNT, has_virtual_account)
        if await self._book_lines():
            await self._match_settlements()  # reports of the payments that are known only now
        async with self._transaction() as tx:
            ended = await end_run(tx, self.id, at=self.context.clock())
        if ended is None:
            raise MatchingUnderWay("the lock of this run was lost, and another run has taken over")
        return ended

    async def _start(self) -> None:
        async with self._transaction() as tx:
            matched = None if self.import_id is None else await find_matched_import(tx, self.import_id)
            if self.import_id is not None and matched is None:
                raise NotFound("no such import", field="import_id")
            self.rules = await current_rules(tx, self.context)
            await start_run(
                tx,
                self.id,
                rule_set=self.rules.version,
                import_id=self.import_id,
                actor=self.actor,
                at=self.context.clock(),
            )
            if matched is None:
                return
            self.may_confirm, self.is_statement = matched.may_confirm, matched.kind is ImportKind.STATEMENT
            await self.lines.read_few(tx)

    async def _supersede(self) -> None:
        """End automatic matches of the period, with the entries that take their sweeps back."""
        if self.rematched is None:
            return
        first, last = self.rematched

        async def supersede(tx: Transaction) -> _Counts:
            ids = await read_automatic_matches(tx, from_day=first, to_day=last, run_id=self.id, at_most=CHUNK)
            live = [match for match in await lock_matches(tx, ids) if match.state is MatchState.LIVE]
            ended = await take_back(tx, self.context, live, actor=self.actor)
            at, reason = self.context.clock(), f"rule set {self.rules.version}"
            return _Counts(
                superseded=await end_matches(tx, ended, MatchState.SUPERSEDED, at=at, by=None, reason=reason)
            )

        while await self._write(supersede) != _NOTHING:
            pass

    async def _confirm(self) -> None:
        """Post confirmed lines. If a match ended instead, the run visits every open line, also of other imports."""
        if not self.may_confirm:
            return

        async def confirm(tx: Transaction) -> _Counts:
            confirmed = await confirm_matches(
                tx, self.context, self.import_id, self._stamp(), tolerance=self.rules.tolerance, at_most=CHUNK
            )
            return _Counts(matches=confirmed.posted, superseded=confirmed.ended)

        has_ended = False
        while (done := await self._write(confirm)) != _NOTHING:
            has_ended = has_ended or done.superseded > 0
        if has_ended:
            self.import_id, self.is_statement = None, False
            self.lines.visit_all()

    async def _match_references(self) -> None:
        """Match by bank reference, each line with all lines that have its reference.

        The database matches received money. Money that left may complete a refund; and a reference without a digit may
        be a placeholder (`has_reference`).
        """
        async for chunk in self.lines.by_reference():
            async with self._transaction() as tx:
                others = await read_open_lines_of_ids(tx, chunk.other_ids) if chunk.other_ids else []
            others = [line for line in others if has_reference(line)]
            if chunk.plain_ids:
                await self._match_received(MatchRule.BANK_REFERENCE, chunk.plain_ids, chunk.first_day)
            if others:
                await self._match_read(others)

    async def _match_read(self, lines: Sequence[OpenLine]) -> None:
        """Match lines by bank reference with the candidates of `find_by_reference`."""

        async def match(tx: Transaction) -> _Counts:
            known = {line.id: line for line in await read_lines_with_references(tx, lines)}
            candidates = await without_reverted(tx, await find_by_reference(tx, list(known.values()), self.rules))
            return await self._decide(tx, candidates, known, MatchRule.BANK_REFERENCE)

        await self._write(match)

    async def _match_lines(self, rule: MatchRule, concerns: Callable[[OpenLine], bool]) -> None:
        """Apply a rule to the lines that it concerns, with all lines that compete for the same items, by chunks."""
        async for lines in self.lines.in_chunks():
            concerned = [line for line in lines if concerns(line)]
            if concerned:
                first_day = min(line.booked_on for line in concerned)
                await self._match_received(rule, [line.id for line in concerned], first_day)

    async def _match_received(self, rule: MatchRule, line_ids: Sequence[UUID], first_day: date) -> None:
        """Match lines of received money in the database."""
        concerned = ConcernedLines(rule, line_ids, first_day, wants_line_ids=self.lines.few is not None)

        async def match(tx: Transaction) -> _Counts:
            matched = await match_received(tx, self.context, concerned, rules=self.rules, stamp=self._stamp())
            self.lines.leave_out(matched.line_ids or ())
            return _Counts(matches=matched.matches)

        await self._write(match)

    async def _match_items(self) -> None:
        """Payouts, card batches, bank deposits and transfers of refunds: few, so the rules begin at the items."""
        for rule, find in (
            (MatchRule.PAYOUT, find_payout_lines),
            (MatchRule.CARD_BATCH, find_card_batch_lines),
            (MatchRule.NAMED, find_named_lines),
        ):
            if self.is_statement and self.lines.few == []:
                return

            async def match(tx: Transaction, rule: MatchRule = rule, find: _FindItems = find) -> _Counts:
                candidates = await without_reverted(tx, await find(tx, self.rules, from_day=self.lines.from_day))
                lines = await read_open_lines_of_ids(tx, [each.line_id for each in candidates]) if candidates else []
                contested = await find_contested(tx, [line.id for line in lines])
                lines = [line for line in lines if line.id not in contested]
                return await self._decide(tx, candidates, {line.id: line for line in lines}, rule)

            await self._write(match)

    async def _decide(
        self, tx: Transaction, candidates: Sequence[Candidate], lines: Mapping[UUID, OpenLine], rule: MatchRule
    ) -> _Counts:
        """Match the candidates that are decided; `lines` are those that the candidates name and that are open."""
        chosen = choose(await without_overruled(tx, candidates))
        decided = [each for each in chosen if each.line_id in lines]
        return self._matched(
            await write_decided(tx, self.context, with_lines(decided, lines), rule, self._stamp()), booked=0
        )

    def _matched(self, line_ids: Collection[UUID], *, booked: int) -> _Counts:
        self.lines.leave_out(line_ids)
        return _Counts(matches=len(line_ids), booked=booked)

    async def _match_settlements(self) -> None:
        after: UUID | None = None if self.is_statement else _FIRST  # a statement has no settlement lines
        while after is not None:
            read: list[ReportMatches] = []

            async def match(tx: Transaction, after: UUID = after, read: list[ReportMatches] = read) -> _Counts:
                read.append(await match_reported(tx, self.context, self.import_id, self._stamp(), after=after))
                return _Counts(matches=read[-1].matches)

            await self._write(match)
            after = read[-1].last_id if read[-1].lines == CHUNK else None

    async def _book_lines(self) -> int:
        """Book the confirmed lines under a code of ours that no callback reported, each with its match."""
        booked_lines = 0
        async for lines in self.lines.in_chunks():
            ours = [line for line in lines if has_code(line) and not line.is_tentative]
            for start in range(0, len(ours), BOOKED_AT_ONCE):

                async def book(
                    tx: Transaction, part: Sequence[OpenLine] = ours[start : start + BOOKED_AT_ONCE]
                ) -> _Counts:
                    booked = await book_confirmed_lines(tx, self.context, part, self.rules, self._stamp())
                    return self._matched(booked, booked=len(booked))

                booked_lines += (await self._write(book)).booked
        return booked_lines

    async def _write(self, write: Callable[[Transaction], Awaitable[_Counts]]) -> _Counts:
        """Write one chunk; if a person changed a match of it meanwhile, read and write it again."""
        for attempt in range(_ATTEMPTS):
            few = self.lines.few
            try:
                async with self._transaction(posting=True) as tx:
                    done = await write(tx)
                    if done != _NOTHING and not await count_in_run(
                        tx, self.id, matches=done.matches, booked=done.booked, superseded=done.superseded
                    ):
                        raise MatchingUnderWay("the lock of this run was lost, and another run has taken over")
                    return done
            except (MatchChanged, asyncpg.UniqueViolationError):
                self.lines.few = few
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _stamp(self) -> RunStamp:
        return RunStamp(run_id=self.id, rule_set=self.rules.version, actor=self.actor, at=self.context.clock())

    def _transaction(self, *, posting: bool = False) -> AbstractAsyncContextManager[Transaction]:
        return self.context.database.transaction(self.organization_id, posting=posting)

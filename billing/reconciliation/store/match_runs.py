"""Rule sets and runs of the matching."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import PersonId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.file_import import ImportKind
from billing.reconciliation.domain.match_rules import MatchRunState, RuleSet, rule_set_of

_NEWEST = """
    SELECT version, rules FROM match_rule_set WHERE organization_id = $1 ORDER BY version DESC LIMIT 1
"""


async def read_rule_set(tx: Transaction) -> RuleSet | None:
    """The newest rule set; None before the first."""
    row = await tx.fetchrow(_NEWEST, tx.organization_id)
    return None if row is None else rule_set_of(row["version"], row["rules"])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRuleSet:
    """One version of the rules; `created_by` proposed it, None for the first one, which has the defaults."""

    rules: RuleSet
    created_by: PersonId | None
    created_at: datetime


_ALL_RULES = """
    SELECT version, rules, created_by, created_at FROM match_rule_set WHERE organization_id = $1 ORDER BY version DESC
"""


async def read_rule_sets(tx: Transaction) -> list[StoredRuleSet]:
    """Every version of the rules, the newest first."""
    return [
        StoredRuleSet(
            rules=rule_set_of(row["version"], row["rules"]), created_by=row["created_by"], created_at=row["created_at"]
        )
        for row in await tx.fetch(_ALL_RULES, tx.organization_id)
    ]


_ADD_RULES = """
    INSERT INTO match_rule_set (organization_id, version, rules, created_by, created_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING RETURNING version
"""


async def add_rule_set(tx: Transaction, rules: RuleSet, *, by: PersonId | None, at: datetime) -> bool:
    """Store a version; False if another transaction stored it first."""
    added = await tx.fetchval(_ADD_RULES, tx.organization_id, rules.version, rules.as_json(), by, at)
    return added is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRun:
    """One run; `import_id` None: over all open lines. `booked` counts payments booked from lines of the bank."""

    id: UUID
    rule_set: int
    import_id: UUID | None
    state: MatchRunState
    matches: int
    booked: int
    superseded: int
    started_at: datetime
    ended_at: datetime | None


_ABANDON = """
    UPDATE match_run SET state = 'abandoned', ended_at = $2 WHERE organization_id = $1 AND state = 'running'
"""

_START = """
    INSERT INTO match_run (organization_id, id, rule_set, import_id, state, actor_kind, actor_id, acting_for,
        started_at)
    VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8)
"""


async def start_run(
    tx: Transaction, run_id: UUID, *, rule_set: int, import_id: UUID | None, actor: Actor, at: datetime
) -> None:
    """Begin a run, after the run that a killed process left is abandoned; the lock of runs must be held."""
    await tx.execute(_ABANDON, tx.organization_id, at)
    await tx.execute(
        _START, tx.organization_id, run_id, rule_set, import_id, actor.kind.value, actor.id, actor.person, at
    )


_COUNT = """
    UPDATE match_run SET matches = matches + $3, booked = booked + $4, superseded = superseded + $5
    WHERE organization_id = $1 AND id = $2 AND state = 'running' RETURNING id
"""


async def count_in_run(
    tx: Transaction, run_id: UUID, *, matches: int = 0, booked: int = 0, superseded: int = 0
) -> bool:
    """Add to the counts of a run and lock it until the transaction ends; False if another run has abandoned it."""
    counted = await tx.fetchval(_COUNT, tx.organization_id, run_id, matches, booked, superseded)
    return counted is not None


_END = """
    UPDATE match_run SET state = 'done', ended_at = $3 WHERE organization_id = $1 AND id = $2 AND state = 'running'
    RETURNING id, rule_set, import_id, state, matches, booked, superseded, started_at, ended_at
"""


async def end_run(tx: Transaction, run_id: UUID, *, at: datetime) -> MatchRun | None:
    """Complete a run; None if another run has abandoned it."""
    row = await tx.fetchrow(_END, tx.organization_id, run_id, at)
    return None if row is None else read_row(MatchRun, row)


_READ_RUNS = """
    SELECT id, rule_set, import_id, state, matches, booked, superseded, started_at, ended_at
    FROM match_run
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
    ORDER BY id DESC LIMIT $4
"""


async def read_runs(tx: Transaction, part: ListSlice) -> list[MatchRun]:
    """Runs of a slice of the list, the newest first."""
    rows = await tx.fetch(_READ_RUNS, tx.organization_id, part.before, part.first, part.limit)
    return [read_row(MatchRun, row) for row in rows]


_READ_RUN = """
    SELECT id, rule_set, import_id, state, matches, booked, superseded, started_at, ended_at
    FROM match_run WHERE organization_id = $1 AND id = $2
"""


async def read_run(tx: Transaction, run_id: UUID) -> MatchRun | None:
    """One run; None if there is none."""
    row = await tx.fetchrow(_READ_RUN, tx.organization_id, run_id)
    return None if row is None else read_row(MatchRun, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedImport:
    """An import of a run. `may_confirm`: it may repeat or overrule tentative lines of earlier files."""

    kind: ImportKind
    may_confirm: bool


_MATCHED_IMPORT = """
    SELECT import.kind, EXISTS (SELECT FROM repeated_line AS repeated
        WHERE repeated.organization_id = $1 AND repeated.import_id = import.id)
        OR EXISTS (SELECT FROM reconciliation_import AS intraday WHERE intraday.organization_id = $1
            AND intraday.kind = 'statement' AND intraday.is_intraday AND intraday.state = 'active') AS may_confirm
    FROM reconciliation_import AS import
    WHERE import.organization_id = $1 AND import.id = $2
"""


async def find_matched_import(tx: Transaction, import_id: UUID) -> MatchedImport | None:
    """An import of the organization; None if there is none."""
    row = await tx.fetchrow(_MATCHED_IMPORT, tx.organization_id, import_id)
    return None if row is None else read_row(MatchedImport, row)


_UNMATCHED_IMPORTS = """
    SELECT import.id FROM reconciliation_import AS import
    WHERE import.organization_id = $1 AND import.state = 'active' AND NOT EXISTS (
        SELECT FROM match_run AS run
        WHERE run.organization_id = $1 AND run.import_id = import.id AND run.state = 'done')
        AND NOT EXISTS (SELECT FROM match_run AS run WHERE run.organization_id = $1 AND run.import_id IS NULL
            AND run.state = 'done' AND run.started_at >= import.ended_at)
    ORDER BY import.id LIMIT $2
"""


async def read_unmatched_imports(tx: Transaction, *, at_most: int) -> Sequence[UUID]:
    """Active imports that no completed run has covered, the oldest first."""
    return [row["id"] for row in await tx.fetch(_UNMATCHED_IMPORTS, tx.organization_id, at_most)]


_IS_DUE = """
    SELECT EXISTS (SELECT FROM statement_line WHERE organization_id = $1)
        AND EXISTS (SELECT FROM payment WHERE organization_id = $1 AND id > coalesce(last.id,
            '00000000-0000-0000-0000-000000000000'))
        AND (last.started_at IS NULL OR last.started_at < $2)
    FROM (SELECT) AS one
    LEFT JOIN (
        SELECT id, started_at FROM match_run WHERE organization_id = $1 AND import_id IS NULL AND state = 'done'
        ORDER BY id DESC LIMIT 1
    ) AS last ON true
"""


async def is_open_run_due(tx: Transaction, *, before: datetime) -> bool:
    """Whether payments have come since the last run over all open lines, which began before a time.

    Ids contain their time, so a payment with a larger id than the run is younger.
    """
    due: bool = await tx.fetchval(_IS_DUE, tx.organization_id, before)
    return due

"""Imported files: one row for each, its state, and the emptying of imports that ended early.

Statements and their lines are in `statements.py`, settlement lines in `settlements.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import ProviderAccountId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.file_import import ImportedFile, ImportId, ImportKind, ImportState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImport:
    """A file before its lines are stored. `provider_account_id` is None for a statement."""

    id: ImportId
    kind: ImportKind
    provider_account_id: ProviderAccountId | None
    file_name: str
    file_hash: bytes
    is_intraday: bool
    started_at: datetime


_ADD = """
    INSERT INTO reconciliation_import (organization_id, id, kind, provider_account_id, file_name, file_hash,
        is_intraday, state, actor_kind, actor_id, acting_for, started_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'staging', $8, $9, $10, $11)
"""


async def add_import(tx: Transaction, new: NewImport, actor: Actor) -> None:
    """Add an import without lines; it counts for nothing until it is activated."""
    await tx.execute(
        _ADD,
        tx.organization_id,
        new.id,
        new.kind.value,
        new.provider_account_id,
        new.file_name,
        new.file_hash,
        new.is_intraday,
        actor.kind.value,
        actor.id,
        actor.person,
        new.started_at,
    )


_COUNT = """
    UPDATE reconciliation_import SET lines = lines + $3, new_lines = new_lines + $4, profile = $5
    WHERE organization_id = $1 AND id = $2 AND state = 'staging'
    RETURNING id
"""


async def count_lines(tx: Transaction, import_id: ImportId, *, lines: int, new_lines: int, profile: str) -> bool:
    """Add a chunk to the counts and lock the import until the transaction ends; False if it is not staging."""
    return await tx.fetchval(_COUNT, tx.organization_id, import_id, lines, new_lines, profile) is not None


_END = """
    UPDATE reconciliation_import SET state = $3, refusal = $4, ended_at = $5
    WHERE organization_id = $1 AND id = $2 AND state = 'staging'
    RETURNING id
"""


async def end_import(
    tx: Transaction, import_id: ImportId, state: ImportState, *, at: datetime, refusal: str = ""
) -> bool:
    """Activate, refuse or discard a staged import; False if it is not staging."""
    return await tx.fetchval(_END, tx.organization_id, import_id, state.value, refusal, at) is not None


_DISCARD_ALL = """
    UPDATE reconciliation_import SET state = 'discarded', ended_at = $2
    WHERE organization_id = $1 AND state = 'staging'
"""


async def discard_staged(tx: Transaction, *, at: datetime) -> None:
    """Discard what an import left that ended early. The caller holds the lock of imports."""
    await tx.execute(_DISCARD_ALL, tx.organization_id, at)


_FIND_ACTIVE = """
    SELECT id FROM reconciliation_import
    WHERE organization_id = $1 AND kind = $2 AND provider_account_id IS NOT DISTINCT FROM $3 AND file_hash = $4
        AND (kind <> 'statement' OR NOT is_intraday OR is_intraday = $5) AND state = 'active'
    ORDER BY id LIMIT 1
"""


async def find_active_import(
    tx: Transaction,
    kind: ImportKind,
    *,
    provider_account_id: ProviderAccountId | None,
    file_hash: bytes,
    is_intraday: bool = False,
) -> ImportId | None:
    """The active import of exactly this file. A file of an unfinished day may be imported again as complete."""
    found = await tx.fetchval(_FIND_ACTIVE, tx.organization_id, kind.value, provider_account_id, file_hash, is_intraday)
    return None if found is None else ImportId(found)


_IMPORTS = """
    SELECT import.id, import.kind, import.state, account.name AS account, import.file_name,
        encode(import.file_hash, 'hex') AS file_hash, import.profile, import.is_intraday, import.lines,
        import.new_lines, import.refusal, import.started_at, import.ended_at, person.name AS person
    FROM reconciliation_import AS import
    LEFT JOIN provider_account AS account
        ON account.organization_id = $1 AND account.id = import.provider_account_id
    LEFT JOIN person ON person.organization_id = $1 AND person.id = import.acting_for
    WHERE import.organization_id = $1
        AND ($2::uuid IS NULL OR import.id = $2)
        AND ($3::text IS NULL OR import.kind = $3)
        AND ($4::uuid IS NULL OR import.id < $4)
        AND ($5::uuid IS NULL OR import.id >= $5)
    ORDER BY import.id DESC LIMIT $6
"""


async def read_imports(
    tx: Transaction, part: ListSlice, *, import_id: ImportId | None = None, kind: ImportKind | None = None
) -> list[ImportedFile]:
    """Imports, the newest first, or the import of that id."""
    rows = await tx.fetch(
        _IMPORTS,
        tx.organization_id,
        import_id,
        None if kind is None else kind.value,
        part.before,
        part.first,
        part.limit,
    )
    return [read_row(ImportedFile, row) for row in rows]


# The few imports that ended without effect are looked up in the indexes of the lines.
_ENDED_WITH_ROWS = """
    SELECT id FROM reconciliation_import AS import
    WHERE organization_id = $1 AND state IN ('refused', 'discarded') AND (
        EXISTS (SELECT FROM repeated_line AS line WHERE line.organization_id = $1 AND line.import_id = import.id)
        OR EXISTS (SELECT FROM stated_payout_day AS stated
            WHERE stated.organization_id = $1 AND stated.import_id = import.id)
        OR EXISTS (SELECT FROM statement_line AS line WHERE line.organization_id = $1 AND line.import_id = import.id)
        OR EXISTS (SELECT FROM bank_statement AS statement
            WHERE statement.organization_id = $1 AND statement.import_id = import.id)
        OR EXISTS (SELECT FROM settlement_line AS line WHERE line.organization_id = $1 AND line.import_id = import.id))
    ORDER BY id
"""


async def find_ended_with_rows(tx: Transaction) -> list[ImportId]:
    """Refused and discarded imports that still have rows."""
    return [ImportId(row["id"]) for row in await tx.fetch(_ENDED_WITH_ROWS, tx.organization_id)]


_DELETE_REPEATED = """
    DELETE FROM repeated_line WHERE organization_id = $1 AND (import_id, position, line_id) IN (
        SELECT import_id, position, line_id FROM repeated_line WHERE organization_id = $1 AND import_id = $2 LIMIT $3)
"""

_DELETE_STATED_DAYS = """
    DELETE FROM stated_payout_day WHERE organization_id = $1 AND (import_id, line_id) IN (
        SELECT import_id, line_id FROM stated_payout_day WHERE organization_id = $1 AND import_id = $2 LIMIT $3)
"""

_DELETE_LINES = """
    WITH old AS (
        SELECT id FROM statement_line WHERE organization_id = $1 AND import_id = $2 LIMIT $3
    ), texts AS (
        DELETE FROM statement_line_text AS text USING old WHERE text.organization_id = $1 AND text.line_id = old.id
    )
    DELETE FROM statement_line AS line USING old WHERE line.organization_id = $1 AND line.id = old.id
"""

_DELETE_STATEMENTS = """
    DELETE FROM bank_statement WHERE organization_id = $1 AND import_id = $2
"""

_DELETE_SETTLEMENT_LINES = """
    DELETE FROM settlement_line WHERE organization_id = $1 AND id IN (
        SELECT id FROM settlement_line WHERE organization_id = $1 AND import_id = $2 LIMIT $3)
"""


async def delete_rows(tx: Transaction, import_id: UUID, *, at_most: int) -> int:
    """Delete rows of a refused or discarded import; returns how many, 0 once none is left."""
    for statement in (_DELETE_REPEATED, _DELETE_LINES, _DELETE_STATED_DAYS, _DELETE_SETTLEMENT_LINES):
        deleted = _count(await tx.execute(statement, tx.organization_id, import_id, at_most))
        if deleted:
            return deleted
    return _count(await tx.execute(_DELETE_STATEMENTS, tx.organization_id, import_id))


_BANK_ACCOUNTS = """
    SELECT bank.id, bank.account_number,
        ARRAY(SELECT account.name FROM provider_account AS account
            WHERE account.organization_id = $1 AND account.bank_account_id = bank.id ORDER BY account.name) AS names
    FROM bank_account AS bank
    WHERE bank.organization_id = $1 AND (bank.account_number = ANY ($2::text[]) OR bank.id = (
        SELECT bank_account_id FROM provider_account WHERE organization_id = $1 AND name = $3))
    ORDER BY bank.id
"""


@dataclass(frozen=True, slots=True)
class StatedAccount:
    """A bank account of the organization with the names of its provider accounts."""

    id: UUID
    account_number: str
    names: tuple[str, ...]


async def read_bank_accounts(
    tx: Transaction, numbers: Sequence[str], *, account_name: str | None
) -> list[StatedAccount]:
    """The bank accounts of these numbers, at any bank, and that of a provider account."""
    rows = await tx.fetch(_BANK_ACCOUNTS, tx.organization_id, list(numbers), account_name)
    return [read_row(StatedAccount, row) for row in rows]


# The settings name them `virtual_account_prefixes` (payOS), and `code_prefix` where each code has an account (banks).
_VIRTUAL_ACCOUNT_PREFIXES = """
    SELECT account.bank_account_id, named.prefix
    FROM provider_account AS account
    CROSS JOIN LATERAL (
        SELECT jsonb_array_elements_text(account.settings -> 'virtual_account_prefixes') AS prefix
        WHERE jsonb_typeof(account.settings -> 'virtual_account_prefixes') = 'array'
        UNION
        SELECT account.settings ->> 'code_prefix'
        WHERE account.provider = 'bank_collection'
            AND account.settings -> 'uses_virtual_accounts' IS DISTINCT FROM 'false'
    ) AS named
    WHERE account.organization_id = $1 AND account.bank_account_id = ANY ($2::uuid[]) AND named.prefix <> ''
    ORDER BY named.prefix
"""


async def read_virtual_account_prefixes(tx: Transaction, bank_accounts: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The beginnings of the virtual accounts of bank accounts, as their provider accounts state them."""
    found: dict[UUID, list[str]] = {}
    for row in await tx.fetch(_VIRTUAL_ACCOUNT_PREFIXES, tx.organization_id, list(bank_accounts)):
        found.setdefault(row["bank_account_id"], []).append(row["prefix"])
    return found


_BANK_ACCOUNT_IDS = """
    SELECT id FROM bank_account WHERE organization_id = $1 ORDER BY account_number, id
"""


async def read_bank_account_ids(tx: Transaction) -> list[UUID]:
    """The bank accounts of the organization, by number."""
    return [row["id"] for row in await tx.fetch(_BANK_ACCOUNT_IDS, tx.organization_id)]


_CODES_NOT_ISSUED = """
    SELECT given.code FROM unnest($2::text[]) AS given (code)
    WHERE NOT EXISTS (SELECT FROM intent WHERE intent.organization_id = $1 AND intent.reference_code = given.code)
        AND NOT EXISTS (SELECT FROM refund WHERE refund.organization_id = $1 AND refund.reference = given.code)
"""


async def find_codes_not_issued(tx: Transaction, codes: Iterable[str]) -> set[str]:
    """Which of these reference codes the organization never issued, to no intent and to no refund: mostly none."""
    return {row["code"] for row in await tx.fetch(_CODES_NOT_ISSUED, tx.organization_id, list(codes))}


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])

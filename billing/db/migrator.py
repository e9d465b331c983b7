"""Migrates a database to the state that its code needs: numbered plain SQL files, forward only, each once and whole.

One session lock allows any number of instances to start at once; one transaction for each file leaves nothing of a file
that fails; a checksum detects an edited file. Files that build indexes without a transaction: `concurrent_indexes.py`.
The files own the schema. Source: docs/design.md §10; docs/decisions/0002-migrations.md.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

import billing
from billing.core.errors import BillingError
from billing.db.cells import CELLS
from billing.db.concurrent_indexes import (
    IndexStatement,
    NotAnIndex,
    apply_index_statement,
    read_index_statements,
    runs_without_transaction,
)
from billing.db.connection_errors import ADDRESS_ERRORS, CONNECTION_ERRORS, cannot_connect
from billing.db.database import ReadTransaction
from billing.db.grants import grant_again, record_grants, require_grants, require_roles, unreadable_record

log = structlog.get_logger(__name__)

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_COMPATIBLE = re.compile(r"^-- compatible-from: (\d{4})$", re.MULTILINE)
_LOCK_KEY = 0x7669656E706869  # "vienphi" in ASCII; a one-number lock, distinct from the two-number locks of database.py
_LOCK_WAIT_S = 600
_LOCK_TRIED_EACH_S = 0.1
_TABLE_LOCK_WAIT_MS = 30_000
_INDEX_WAIT_MS = 600_000

_OWNER_NEEDED = "migrate as the role that owns the database and has CREATEROLE (docs/operations.md)"

_RECORD_EXISTS = "SELECT to_regclass('public.schema_migration') IS NOT NULL"

# The record is no secret; the app role reads it to decide whether it may serve.
_CREATE_RECORD = """
    CREATE TABLE public.schema_migration (
        number int PRIMARY KEY CHECK (number > 0),
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        compatible_from int,
        grants jsonb
    );
    GRANT SELECT ON public.schema_migration TO PUBLIC
"""

_READ_RECORD = "SELECT number, name, checksum, compatible_from FROM public.schema_migration ORDER BY number"

_ADD_RECORD = """
    INSERT INTO public.schema_migration (number, name, checksum, compatible_from) VALUES ($1, $2, $3, $4)
"""


# The rights on a database are neither in its dump nor in the copy of a template. A temporary table could shadow a table
# of the schema; only the database's owner may revoke this right, and migration 0001 does it first.
_SECURE_DATABASE = """
    DO $$ BEGIN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END $$
"""


class MigrationRefused(BillingError):
    """The files or the database are not in the expected state; nothing was changed."""

    code = "migration_refused"


class MigrationFilesInvalid(MigrationRefused):
    """The files are invalid: none, a malformed name, a missing or repeated number."""

    code = "migration_files_invalid"


class MigrationEdited(MigrationRefused):
    """A file that this database has applied was edited or renamed since."""

    code = "migration_edited"


class MigrationSkipped(MigrationRefused):
    """This database has applied later files and lacks the record of an earlier one."""

    code = "migration_skipped"


class DatabaseAhead(MigrationRefused):
    """This database was migrated by newer code, to a schema that is not stated to be compatible with this code."""

    code = "database_ahead"


class MigrationFailed(BillingError):
    """The database rejected a file; nothing of it remains, and the files before it are applied."""

    code = "migration_failed"


class MigrationUnderWay(BillingError):
    """Another instance has been migrating for long; nothing was changed by this one."""

    code = "migration_under_way"


class MigrationEndsTransaction(MigrationFailed):
    """A file ended its own transaction; examine the database before continuing."""

    code = "migration_ends_transaction"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. `checksum` is the SHA-256 of its bytes. `indexes` are its statements if it has no transaction.

    `compatible_from` is the compatibility number that the file states in a line `-- compatible-from: 0018`: code whose
    newest migration has this number, or a later one, works on the schema after the file too (expand, then contract).
    Without that line only code that has the file itself does.
    """

    number: int
    name: str
    checksum: str
    text: str
    compatible_from: int | None = None
    indexes: Sequence[IndexStatement] = ()


async def migrate(owner_url: str, *, directory: Path | None = None) -> list[str]:
    """Apply the missing files, as the owner; returns the names applied by this call, in order.

    Also revokes the right to create temporary tables from PUBLIC, at each call.

    May be called by many instances at once: one works, the others wait for it and find nothing to do. The address must
    reach the server itself or a pooler in session mode, as the lock belongs to the session.

    Raises a MigrationRefused before anything is changed, MigrationUnderWay, MigrationFailed, or DatabaseUnavailable.
    """
    migrations = read_migrations(directory or migrations_directory())
    async with _connected(owner_url) as connection:
        await _lock(connection)
        # A table locked by a long statement of the running service must not make it queue behind this migration without
        # limit.
        await connection.execute(f"SET lock_timeout = {_TABLE_LOCK_WAIT_MS}")
        if not await connection.fetchval(_RECORD_EXISTS):
            await connection.execute(_CREATE_RECORD)
        record = await connection.fetch(_READ_RECORD)
        if record:
            await require_roles(connection)
        missing = _compare(migrations, record)
        connection.add_log_listener(_log_warning)
        for migration in missing:
            await (_build if migration.indexes else _apply)(connection, migration)
        await connection.execute(_SECURE_DATABASE)
        await record_grants(connection, is_changed=bool(missing))
    return [migration.name for migration in missing]


async def restore_grants(owner_url: str) -> list[str]:
    """Grant the roles again, as the owner, the missing rights of the applied migrations; returns these, one on a line.

    Does nothing on a database without migrations. Raises RoleMissing, GrantsMissing, DatabaseUnavailable.
    """
    async with _connected(owner_url) as connection:
        if not await connection.fetchval(_RECORD_EXISTS) or not await connection.fetch(_READ_RECORD):
            return []
        await require_roles(connection)
        return [f"{each} to {each.grantee}" for each in await grant_again(connection)]


async def pending(url: str, *, directory: Path | None = None) -> list[str]:
    """The names that `migrate` would apply, readable by any role. Changes nothing.

    Raises a MigrationRefused as `migrate` does, GrantsMissing for the app role, or DatabaseUnavailable.
    """
    migrations = read_migrations(directory or migrations_directory())
    # It reads no row of an organization, so a move need not refuse it (`find_sessions_without_cells`).
    async with _connected(url, f"vienphi pending {CELLS}") as connection:
        try:
            record = await connection.fetch(_READ_RECORD) if await connection.fetchval(_RECORD_EXISTS) else []
        except asyncpg.InsufficientPrivilegeError as error:
            raise unreadable_record() from error
        if record:
            await require_grants(connection)
    return [migration.name for migration in _compare(migrations, record)]


async def pending_in(reader: ReadTransaction) -> list[str]:
    """As `pending`, on an open connection. Raises a MigrationRefused."""
    record = await reader.fetch(_READ_RECORD) if await reader.fetchval(_RECORD_EXISTS) else []
    return [migration.name for migration in _compare(read_migrations(migrations_directory()), record)]


def migrations_directory() -> Path:
    """The folder of the files: in the package (an installed wheel), else next to it (a checkout)."""
    package = Path(billing.__file__).resolve().parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if folder.is_dir():
            return folder
    raise MigrationFilesInvalid("there is no folder `migrations` in the package `billing` or next to it")


def read_migrations(directory: Path) -> list[Migration]:
    """The files of a folder in order. Raises MigrationFilesInvalid."""
    paths = sorted(directory.glob("*.sql"))
    if not paths:
        raise MigrationFilesInvalid(f"no migration in {directory}")
    migrations = []
    for expected, path in enumerate(paths, start=1):
        form = _FILE_NAME.fullmatch(path.name)
        if form is None:
            raise MigrationFilesInvalid(f"{path.name} is not named as 0001_some_words.sql")
        number = int(form.group(1))
        if number != expected:
            problem = f"number {number:04d} stands twice" if number < expected else f"number {expected:04d} is missing"
            raise MigrationFilesInvalid(f"{problem} before or at {path.name}")
        content = path.read_bytes()
        migrations.append(_read_migration(number, path.name, content))
    return migrations


def _read_migration(number: int, name: str, content: bytes) -> Migration:
    text = content.decode()
    stated = _COMPATIBLE.findall(text)
    if len(stated) > 1 or any(int(each) >= number for each in stated):
        raise MigrationFilesInvalid(f"{name} states a compatibility number that is not one, earlier than its own")
    compatible_from = int(stated[0]) if stated else None
    try:
        indexes = read_index_statements(text) if runs_without_transaction(text) else []
    except NotAnIndex as error:
        raise MigrationFilesInvalid(f"{name}: {error}") from error
    return Migration(number, name, hashlib.sha256(content).hexdigest(), text, compatible_from, tuple(indexes))


def _is_compatible(row: asyncpg.Record, newest: Migration) -> bool:
    """Whether this code, whose newest file is `newest`, works on the schema after an applied file."""
    if row["number"] <= newest.number:
        return True
    compatible_from: int | None = row["compatible_from"]
    return compatible_from is not None and compatible_from <= newest.number


def _compare(migrations: Sequence[Migration], record: Sequence[asyncpg.Record]) -> list[Migration]:
    """The files still to be applied, after checking that the applied ones are unchanged."""
    applied: dict[int, tuple[str, str]] = {row["number"]: (row["name"], row["checksum"]) for row in record}
    last_applied = max(applied, default=0)
    newest = migrations[-1]
    if not all(_is_compatible(row, newest) for row in record):
        raise DatabaseAhead(f"the database has {applied[last_applied][0]}, this code ends at {newest.name}")
    skipped = [migration.name for migration in migrations[:last_applied] if migration.number not in applied]
    if skipped:
        raise MigrationSkipped(f"never applied although later files are: {', '.join(skipped)}")
    edited = [
        applied[migration.number][0]
        for migration in migrations[:last_applied]
        if applied[migration.number] != (migration.name, migration.checksum)
    ]
    if edited:
        raise MigrationEdited(f"applied and edited since: {', '.join(edited)}; write a new file instead")
    return list(migrations[last_applied:])


async def _lock(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Take the lock of migrations for the session.

    It is tried again and again: a session that waits in the server has a snapshot, which a concurrent build of the
    instance that holds the lock would wait for. Raises MigrationUnderWay.
    """
    for _ in range(int(_LOCK_WAIT_S / _LOCK_TRIED_EACH_S)):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
            return
        await asyncio.sleep(_LOCK_TRIED_EACH_S)
    raise MigrationUnderWay(f"another instance has been migrating for {_LOCK_WAIT_S} s; start this one again after it")


async def _build(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    """Apply a file without a transaction, and record it once each of its statements is done."""
    # A build waits for transactions that began before it, and no statement of the service waits for it.
    await connection.execute(f"SET lock_timeout = {_INDEX_WAIT_MS}")
    for statement in migration.indexes:
        try:
            await apply_index_statement(connection, statement)
        except asyncpg.PostgresError as error:
            raise _failed(migration, error, offset=statement.offset) from error
    record = (migration.number, migration.name, migration.checksum, migration.compatible_from)
    await connection.execute(_ADD_RECORD, *record)
    await connection.execute(f"SET lock_timeout = {_TABLE_LOCK_WAIT_MS}")


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    await connection.execute("BEGIN")
    try:
        before = await connection.fetchval("SELECT pg_current_xact_id()::text")
        # A file of comments alone is an empty query, which the driver cannot answer.
        await connection.execute(f"{migration.text}\n;SELECT 1")
        if await connection.fetchval("SELECT pg_current_xact_id()::text") != before:
            raise MigrationEndsTransaction(f"{migration.name} holds a COMMIT or ROLLBACK of its own")
        record = (migration.number, migration.name, migration.checksum, migration.compatible_from)
        await connection.execute(_ADD_RECORD, *record)
        await connection.execute("COMMIT")
    except asyncpg.PostgresError as error:
        raise _failed(migration, error) from error
    finally:
        if not connection.is_closed() and connection.is_in_transaction():
            await connection.execute("ROLLBACK")


def _log_warning(_: object, message: asyncpg.PostgresLogMessage) -> None:
    """Log a warning about the data that a migration found, for a person to examine; it names ids only."""
    if getattr(message, "severity_en", None) == "WARNING":
        log.warning("migration_warned", detail=str(getattr(message, "message", message)))


def _failed(migration: Migration, error: asyncpg.PostgresError, *, offset: int = 0) -> MigrationFailed:
    """The failure of a file, with the line; `offset` is the first character of the statement."""
    position = getattr(error, "position", None)
    line = "" if position is None else f", line {migration.text.count(chr(10), 0, offset + int(position) - 1) + 1}"
    remedy = f"; {_OWNER_NEEDED}" if isinstance(error, asyncpg.InsufficientPrivilegeError) else ""
    return MigrationFailed(f"{migration.name}{line}: {error}{remedy}")


@asynccontextmanager
async def _connected(url: str, name: str = "vienphi migrate") -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    try:
        connection = await asyncpg.connect(
            url, timeout=10, server_settings={"application_name": name, "timezone": "UTC"}
        )
    except ADDRESS_ERRORS as error:
        raise cannot_connect(error) from None  # its message repeats parts of the address
    except CONNECTION_ERRORS as error:
        raise cannot_connect(error) from error
    try:
        yield connection
    finally:
        await connection.close()

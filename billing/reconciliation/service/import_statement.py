"""Imports a bank statement: read whole, staged in committed chunks, activated in one short transaction.

A file is read into a temporary file first, so that a fault at its end refuses it before a line is stored. A repeated
import finds the file by its hash and each line by its key. Settlement files: `import_settlement.py`.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from tempfile import TemporaryFile
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, Refused
from billing.core.ids import OrganizationId
from billing.db.context import Context, Ids
from billing.db.database import Transaction
from billing.reconciliation.domain.file_import import ImportId, ImportKind, LinesNotDistinct, StatementRestated
from billing.reconciliation.domain.statement import Statement
from billing.reconciliation.domain.statement_chain import ChainBreak
from billing.reconciliation.formats.statement_spool import SpooledLine, StatementSpool, hash_file
from billing.reconciliation.service.chain_breaks import find_breaks, find_stored
from billing.reconciliation.service.staging import (
    activate,
    count_chunk,
    give_up,
    lock_imports,
    refuse,
    remove_all_ended,
)
from billing.reconciliation.service.statement_reading import (
    ImportProgress,
    OnProgress,
    ReadStatements,
    StatementFile,
    StatementRules,
    build_lines,
    distinct_parts,
    drop_codes,
    find_accounts,
    read_rules,
    spool_file,
)
from billing.reconciliation.store.imports import NewImport, add_import, find_active_import
from billing.reconciliation.store.statements import (
    NewLine,
    add_lines,
    add_statements,
    confirm_tentative,
    count_known,
    find_collision,
)

__all__ = ["ImportProgress", "ImportResult", "PreviewLine", "StatementFile", "import_statement", "preview_import"]

PREVIEW_LINES = 8
"""Lines of a file that a preview shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One of the first lines of a file, as it would be stored; `codes` are the words that may be payment codes."""

    booked_on: date
    amount: int
    balance: int | None
    bank_reference: str
    text: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import did, or would do where `import_id` is None.

    `is_repeat`: the file was imported before, and nothing was written. `breaks` are the gaps and overlaps between its
    statements and the stored ones. `confirmed` counts tentative lines that are tentative no longer. `first_lines`
    are those of a preview; so are `restated`, the statements for which the import would be refused: they are stored,
    and the texts of this file differ.
    """

    import_id: ImportId | None
    is_repeat: bool = False
    lines: int = 0
    new_lines: int = 0
    confirmed: int = 0
    statements: tuple[Statement, ...] = ()
    breaks: tuple[ChainBreak, ...] = ()
    first_lines: tuple[PreviewLine, ...] = ()
    restated: tuple[Statement, ...] = ()


async def import_statement(
    context: Context,
    organization_id: OrganizationId,
    file: StatementFile,
    *,
    actor: Actor,
    on_progress: OnProgress | None = None,
) -> ImportResult:
    """Import a statement; the same file again changes nothing. A file that is refused is recorded without lines.

    Raises StatementUnreadable, BankAccountUnknown, BankAccountAmbiguous, LinesNotDistinct and StatementRestated where
    the file is refused; NotFound, ImportUnderWay and ImportDiscarded.
    """
    file_hash = await asyncio.to_thread(hash_file, file.stream)
    async with lock_imports(context, organization_id):
        async with context.database.transaction(organization_id) as tx:
            rules = await read_rules(tx, file)
            known = await find_active_import(
                tx, ImportKind.STATEMENT, provider_account_id=None, file_hash=file_hash, is_intraday=file.is_intraday
            )
        if known is not None:
            return ImportResult(import_id=known, is_repeat=True)
        new = NewImport(
            id=ImportId(context.ids.new()),
            kind=ImportKind.STATEMENT,
            provider_account_id=None,
            file_name=file.file_name,
            file_hash=file_hash,
            is_intraday=file.is_intraday,
            started_at=context.clock(),
        )
        run = _Import(context, organization_id, file, rules, actor, new, on_progress, Ids(context.clock))
        result = await run.run()
    context.publish_change(organization_id)
    if file.is_intraday:
        return result
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return replace(result, breaks=tuple(await _breaks(tx, run.accounts, result.statements)))


async def preview_import(
    context: Context, organization_id: OrganizationId, file: StatementFile, *, on_progress: OnProgress | None = None
) -> ImportResult:
    """What `import_statement` would do; writes nothing. Raises as it does, but waits for no other import."""
    database = context.database
    with TemporaryFile() as temporary:
        spool = StatementSpool(temporary)
        async with database.transaction(organization_id, read_only=True) as tx:
            rules = await read_rules(tx, file)
        spooled = await asyncio.to_thread(spool_file, file, rules, spool, on_progress)
        async with database.transaction(organization_id, read_only=True) as tx:
            read = await find_accounts(tx, context, file, spool, spooled)
        new_lines = 0
        first_lines: tuple[PreviewLine, ...] = ()
        chunks, ids = spool.chunks(), Ids(context.clock)
        while chunk := await asyncio.to_thread(next, chunks, None):
            first_lines = first_lines or tuple(_preview(line) for line in chunk[:PREVIEW_LINES])
            built = await asyncio.to_thread(build_lines, read, ids, chunk)
            async with database.transaction(organization_id, read_only=True) as tx:
                for lines in distinct_parts(built):
                    new_lines += len(lines) - await count_known(tx, lines)
    async with database.transaction(organization_id, read_only=True) as tx:
        breaks = [] if file.is_intraday else await _breaks(tx, read.accounts, spooled.statements, are_stored=False)
        restated = await _restated(tx, file, read, new_lines)
    return ImportResult(
        import_id=None,
        lines=spooled.line_count,
        new_lines=new_lines,
        statements=spooled.statements,
        breaks=tuple(breaks),
        first_lines=first_lines,
        restated=tuple(restated),
    )


def _preview(line: SpooledLine) -> PreviewLine:
    return PreviewLine(
        booked_on=date.fromordinal(line.booked_on),
        amount=line.amount,
        balance=line.balance,
        bank_reference=line.bank_reference,
        text=line.text,
        codes=tuple(line.codes.split()),
    )


@dataclass(slots=True)
class _Import:
    """One import while the lock is held. `accounts` are the bank accounts by number, once the file is read.

    `ids` are those of its lines alone: they are made in a thread, and those of the context are not.
    """

    context: Context
    organization_id: OrganizationId
    file: StatementFile
    rules: StatementRules
    actor: Actor
    new: NewImport
    on_progress: OnProgress | None
    ids: Ids
    accounts: Mapping[str, UUID] = field(default_factory=dict)

    async def run(self) -> ImportResult:
        """Stage the file and activate it, or record its refusal."""
        await remove_all_ended(self.context, self.organization_id)
        async with self._transaction() as tx:
            await add_import(tx, self.new, self.actor)
        try:
            with TemporaryFile() as temporary:
                read, new_lines = await self._stage(StatementSpool(temporary))
            async with self._transaction() as tx:
                await activate(tx, self.context, self.new.id, "statement_imported", self.actor)
                confirmed = 0 if self.file.is_intraday else await confirm_tentative(tx, self.new.id)
        except (InvalidValue, Refused) as refusal:
            async with self._transaction() as tx:
                await refuse(tx, self.context, self.new.id, refusal.detail, self.actor)
            await remove_all_ended(self.context, self.organization_id)
            raise
        except Exception as error:
            await give_up(self.context, self.organization_id, self.new.id, error)
            raise
        return ImportResult(
            import_id=self.new.id,
            lines=read.spooled.line_count,
            new_lines=new_lines,
            confirmed=confirmed,
            statements=read.spooled.statements,
        )

    async def _stage(self, spool: StatementSpool) -> tuple[ReadStatements, int]:
        """Read the file, then store its lines and statements; returns how many lines no earlier file stated."""
        spooled = await asyncio.to_thread(spool_file, self.file, self.rules, spool, self.on_progress)
        async with self._transaction() as tx:
            read = await find_accounts(tx, self.context, self.file, spool, spooled)
        self.accounts = read.accounts
        stored = new_lines = 0
        chunks = spool.chunks()
        lines = await asyncio.to_thread(self._next_lines, read, chunks)
        while lines:
            # The next chunk is prepared while the database works.
            following = asyncio.ensure_future(asyncio.to_thread(self._next_lines, read, chunks))
            try:
                async with self._transaction() as tx:
                    new_lines += await self._add_chunk(tx, read, lines)
            finally:
                await asyncio.wait({following})
            stored += len(lines)
            if self.on_progress is not None:
                self.on_progress(ImportProgress(spooled.line_count, stored, spooled.line_count))
            lines = following.result()
        async with self._transaction() as tx:
            await add_statements(tx, self.new.id, read.statements)
            await count_chunk(tx, self.new.id, lines=0, new_lines=0, profile=spooled.profile)
            collision = await find_collision(tx, self.new.id)
            restated = await _restated(tx, self.file, read, new_lines)
        if collision is not None:
            raise LinesNotDistinct(
                f"statement {collision} of the file has lines that are equal to lines of the statement that follows it"
                " on the same day and was imported before it; import one statement that states the whole day"
            )
        if restated:
            found = restated[0]
            raise StatementRestated(
                f"the statement of account {found.bank_account_number} from {found.from_day:%d/%m/%Y} to"
                f" {found.to_day:%d/%m/%Y} was imported before with the same balances and number of lines, and the"
                " texts of this file differ, so that its money would count twice; import one kind of file for each"
                " account"
            )
        return read, new_lines

    def _next_lines(self, read: ReadStatements, chunks: Iterator[list[SpooledLine]]) -> list[NewLine]:
        """The lines of the next chunk; none after the last one."""
        return build_lines(read, self.ids, next(chunks, []))

    async def _add_chunk(self, tx: Transaction, read: ReadStatements, chunk: Sequence[NewLine]) -> int:
        new_lines = 0
        for lines in distinct_parts(await drop_codes(tx, self.rules.grammar, chunk)):
            new, repeated = await add_lines(tx, self.new.id, lines, is_tentative=self.file.is_intraday)
            if new + repeated != len(lines):
                raise LinesNotDistinct("two lines of a statement have one key; nothing is imported, report this file")
            new_lines += new
        await count_chunk(tx, self.new.id, lines=len(chunk), new_lines=new_lines, profile=read.spooled.profile)
        return new_lines

    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self.context.database.transaction(self.organization_id)


async def _breaks(
    tx: Transaction, accounts: Mapping[str, UUID], statements: Sequence[Statement], *, are_stored: bool = True
) -> list[ChainBreak]:
    """Gaps and overlaps among the statements of the period of a file."""
    found: list[ChainBreak] = []
    for number, bank_account_id in accounts.items():
        own = [each for each in statements if each.bank_account_number == number]
        found += await find_breaks(
            tx,
            bank_account_id,
            from_day=min(each.from_day for each in own),
            to_day=max(each.to_day for each in own),
            further=() if are_stored else own,
        )
    return found


async def _restated(tx: Transaction, file: StatementFile, read: ReadStatements, new_lines: int) -> list[Statement]:
    """The statements that are stored already although lines of them count as new."""
    if file.is_intraday:
        return []
    found: list[Statement] = []
    for number, bank_account_id in read.accounts.items():
        own = [each for each in read.spooled.statements if each.bank_account_number == number and each.line_count]
        found += await find_stored(tx, bank_account_id, own)
    known_lines = read.spooled.line_count - new_lines
    return found if known_lines < sum(each.line_count for each in found) else []

"""Imports a provider's settlement file: read whole, staged in committed chunks, activated in one short transaction.

The reader is that of the provider account. A repeated import finds the file by its hash and each line by its key.
Statements of banks: `import_statement.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import BinaryIO

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound, NotSupported, Refused
from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Transaction
from billing.organizations.service.context import AccountUnusable, OrganizationContext, ProviderAccount
from billing.organizations.store.organizations import read_account_names
from billing.reconciliation.domain.file_import import ImportId, ImportKind, KeyedSettlementLine, SettlementRefused
from billing.reconciliation.formats.settlement_spool import SettlementSpool, SpooledSettlement
from billing.reconciliation.formats.statement_spool import hash_file
from billing.reconciliation.service.staging import (
    activate,
    count_chunk,
    give_up,
    lock_imports,
    refuse,
    remove_all_ended,
)
from billing.reconciliation.store.imports import NewImport, add_import, find_active_import
from billing.reconciliation.store.settlements import (
    add_payouts,
    add_settlement_lines,
    lock_payouts,
    read_payout_numbers,
    set_paid_out,
    set_payout_numbers,
    state_payout_days,
)
from providers.contract import SettlementFiles, SettlementUnreadable

__all__ = ["SettlementResult", "import_settlement", "list_settlement_accounts", "preview_settlement"]

FIRST_LINES = 10
"""Lines that a preview shows."""


class SettlementNotSupported(NotSupported):
    """The provider of this account reports no settlement files."""

    code = "settlement_not_supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementResult:
    """What an import did, or would do where `import_id` is None.

    `is_repeat`: the file was imported before, and nothing was written. `payouts` counts the payouts that became known,
    `dated` the stored lines whose payout day became known; both are 0 in a preview. `amount` and `fee` are the sums of
    the lines in đồng, money out subtracted. `first_lines` are the first ones of a preview.
    """

    import_id: ImportId | None
    is_repeat: bool = False
    lines: int = 0
    new_lines: int = 0
    payouts: int = 0
    dated: int = 0
    amount: int = 0
    fee: int = 0
    first_lines: Sequence[KeyedSettlementLine] = ()


async def import_settlement(
    context: OrganizationContext,
    organization_id: OrganizationId,
    file: BinaryIO,
    *,
    account_name: str,
    file_name: str,
    actor: Actor,
    on_progress: Callable[[int, int], None] | None = None,
) -> SettlementResult:
    """Import a settlement file of a provider account; the same file again changes nothing. The file is seekable.

    `on_progress` receives the stored lines and all lines. A file that is refused is recorded without lines. Raises
    SettlementRefused, NotFound, SettlementNotSupported, AccountUnusable, ImportUnderWay and ImportDiscarded.
    """
    account = await _find_account(context, organization_id, account_name)
    file_hash = await asyncio.to_thread(hash_file, file)
    async with lock_imports(context, organization_id):
        async with context.database.transaction(organization_id, read_only=True) as tx:
            known = await find_active_import(
                tx, ImportKind.SETTLEMENT, provider_account_id=account.id, file_hash=file_hash
            )
        if known is not None:
            return SettlementResult(import_id=known, is_repeat=True)
        new = NewImport(
            id=ImportId(context.ids.new()),
            kind=ImportKind.SETTLEMENT,
            provider_account_id=account.id,
            file_name=file_name,
            file_hash=file_hash,
            is_intraday=False,
            started_at=context.clock(),
        )
        result = await _Import(context, account, actor, new, on_progress, Ids(context.clock)).run(file)
    context.publish_change(organization_id)
    return result


async def preview_settlement(
    context: OrganizationContext, organization_id: OrganizationId, file: BinaryIO, *, account_name: str
) -> SettlementResult:
    """Read a settlement file whole and write nothing. Raises as `import_settlement` does."""
    account = await _find_account(context, organization_id, account_name)
    with TemporaryFile() as temporary:
        spool = SettlementSpool(temporary)
        read = await asyncio.to_thread(_read, account, file, spool)
        first = await asyncio.to_thread(next, spool.chunks(), _NONE)
    return SettlementResult(
        import_id=None, lines=read.line_count, amount=read.amount, fee=read.fee, first_lines=first[:FIRST_LINES]
    )


async def list_settlement_accounts(context: OrganizationContext, organization_id: OrganizationId) -> list[str]:
    """The names of the provider accounts whose providers report settlement files; those that are unusable left out."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        names = await read_account_names(tx)
    found = []
    for name in names:
        with suppress(AccountUnusable):
            account = await context.accounts.find(organization_id, name)
            if account is not None and isinstance(account.provider, SettlementFiles):
                found.append(name)
    return found


async def _find_account(
    context: OrganizationContext, organization_id: OrganizationId, account_name: str
) -> ProviderAccount:
    account = await context.accounts.find(organization_id, account_name)
    if account is None:
        raise NotFound("no such provider account", field="account")
    if not isinstance(account.provider, SettlementFiles):
        raise SettlementNotSupported("the provider of this account reports no settlement files", field="account")
    return account


def _read(account: ProviderAccount, file: BinaryIO, spool: SettlementSpool) -> SpooledSettlement:
    """Every line of a file; it may take long: call it in a thread. Raises SettlementRefused."""
    assert isinstance(account.provider, SettlementFiles), "checked when the account was found"
    try:
        lines = account.provider.read_settlement(file)
    except SettlementUnreadable as refusal:
        raise SettlementRefused(f"the settlement file is refused: {refusal}; nothing was imported") from refusal
    return spool.read(lines)


@dataclass(slots=True)
class _Import:
    """One import while the lock is held. `ids` are those of its lines alone."""

    context: OrganizationContext
    account: ProviderAccount
    actor: Actor
    new: NewImport
    on_progress: Callable[[int, int], None] | None
    ids: Ids

    async def run(self, file: BinaryIO) -> SettlementResult:
        """Stage the file and activate it, or record its refusal."""
        await remove_all_ended(self.context, self.account.organization_id)
        async with self._transaction() as tx:
            await add_import(tx, self.new, self.actor)
        try:
            with TemporaryFile() as temporary:
                spool = SettlementSpool(temporary)
                read = await asyncio.to_thread(_read, self.account, file, spool)
                new_lines = await self._stage(spool, read)
                async with self._transaction() as tx:
                    await lock_payouts(tx)
                    await activate(tx, self.context, self.new.id, "settlement_imported", self.actor)
                    numbers = await read_payout_numbers(tx, self.account.id, read.paid_out_days)
                    if numbers:
                        await set_payout_numbers(tx, self.new.id, numbers)
                    dated = 0 if new_lines == read.line_count else await set_paid_out(tx, self.new.id, numbers)
                    days = [(self.context.ids.new(), day, numbers.get(day, 1)) for day in read.paid_out_days]
                    payouts = await add_payouts(tx, self.account.id, days)
        except (InvalidValue, Refused) as refusal:
            async with self._transaction() as tx:
                await refuse(tx, self.context, self.new.id, refusal.detail, self.actor)
            await remove_all_ended(self.context, self.account.organization_id)
            raise
        except Exception as error:
            await give_up(self.context, self.account.organization_id, self.new.id, error)
            raise
        return SettlementResult(
            import_id=self.new.id,
            lines=read.line_count,
            new_lines=new_lines,
            payouts=payouts,
            dated=dated,
            amount=read.amount,
            fee=read.fee,
        )

    async def _stage(self, spool: SettlementSpool, read: SpooledSettlement) -> int:
        """Store the lines, and the payout days of lines of earlier reports; returns how many lines are new."""
        new_lines = stored = 0
        chunks = spool.chunks()
        chunk = await asyncio.to_thread(next, chunks, _NONE)
        while chunk:
            # The next chunk is prepared while the database works.
            following = asyncio.ensure_future(asyncio.to_thread(next, chunks, _NONE))
            try:
                async with self._transaction() as tx:
                    ids = self.ids.several(len(chunk))
                    new = await add_settlement_lines(tx, self.new.id, self.account.id, ids, chunk)
                    if new < len(chunk):
                        await state_payout_days(tx, self.new.id, self.account.id, chunk)
                    await count_chunk(tx, self.new.id, lines=len(chunk), new_lines=new, profile=self.account.name)
            finally:
                await asyncio.wait({following})
            new_lines += new
            stored += len(chunk)
            if self.on_progress is not None:
                self.on_progress(stored, read.line_count)
            chunk = following.result()
        return new_lines

    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self.context.database.transaction(self.account.organization_id)


_NONE: list[KeyedSettlementLine] = []
"""After the last chunk."""

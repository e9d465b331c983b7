"""Imports a provider's settlement file: read whole, staged in committed chunks, activated in one short transaction.

The reader is that of the provider account. A repeated import finds the file by its hash and each line by its key.
Statements of banks: `import_statement.py`.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from itertools import islice
from uuid import UUID

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound, NotSupported, Refused
from billing.core.ids import OrganizationId
from billing.db.database import Transaction
from billing.organizations.service.context import OrganizationContext, ProviderAccount
from billing.reconciliation.domain.file_import import (
    ImportId,
    ImportKind,
    SettlementRefused,
    settlement_keys,
)
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
    NewSettlementLine,
    add_payouts,
    add_settlement_lines,
    set_paid_out,
)
from providers.contract import SettlementFiles, SettlementLine, SettlementUnreadable

__all__ = ["SettlementResult", "import_settlement", "preview_settlement"]

CHUNK = 2_000


class SettlementNotSupported(NotSupported):
    """The provider of this account reports no settlement files."""

    code = "settlement_not_supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementResult:
    """What an import did, or would do where `import_id` is None.

    `is_repeat`: the file was imported before, and nothing was written. `payouts` counts the payouts that became known,
    `dated` the stored lines whose payout day became known; both are 0 in a preview. `amount` and `fee` are the sums of
    the lines in đồng, money out subtracted.
    """

    import_id: ImportId | None
    is_repeat: bool = False
    lines: int = 0
    new_lines: int = 0
    payouts: int = 0
    dated: int = 0
    amount: int = 0
    fee: int = 0


async def import_settlement(
    context: OrganizationContext,
    organization_id: OrganizationId,
    content: bytes,
    *,
    account_name: str,
    file_name: str,
    actor: Actor,
    on_progress: Callable[[int, int], None] | None = None,
) -> SettlementResult:
    """Import a settlement file of a provider account; the same file again changes nothing.

    `on_progress` receives the stored lines and all lines. A file that is refused is recorded without lines. Raises
    SettlementRefused, NotFound, SettlementNotSupported, AccountUnusable, ImportUnderWay and ImportDiscarded.
    """
    account = await _find_account(context, organization_id, account_name)
    file_hash = hashlib.sha256(content).digest()
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
        result = await _Import(context, account, actor, new, on_progress).run(content)
    context.publish_change(organization_id)
    return result


async def preview_settlement(
    context: OrganizationContext, organization_id: OrganizationId, content: bytes, *, account_name: str
) -> SettlementResult:
    """Read a settlement file whole and write nothing. Raises as `import_settlement` does."""
    account = await _find_account(context, organization_id, account_name)
    lines = await asyncio.to_thread(_read, account, content)
    return SettlementResult(import_id=None, lines=len(lines), amount=_amount(lines), fee=_fee(lines))


async def _find_account(
    context: OrganizationContext, organization_id: OrganizationId, account_name: str
) -> ProviderAccount:
    account = await context.accounts.find(organization_id, account_name)
    if account is None:
        raise NotFound("no such provider account", field="account")
    if not isinstance(account.provider, SettlementFiles):
        raise SettlementNotSupported("the provider of this account reports no settlement files", field="account")
    return account


def _read(account: ProviderAccount, content: bytes) -> list[SettlementLine]:
    """Every line of a file; it may take long: call it in a thread. Raises SettlementRefused."""
    assert isinstance(account.provider, SettlementFiles), "checked when the account was found"
    try:
        lines = list(account.provider.read_settlement(content))
    except SettlementUnreadable as refusal:
        raise SettlementRefused(f"the settlement file is refused: {refusal}; nothing was imported") from refusal
    for line in lines:
        if line.amount <= 0 or line.fee < 0:
            raise SettlementRefused(f"line {line.number}: an amount is above 0, and a fee is not below 0")
    return lines


def _amount(lines: list[SettlementLine]) -> int:
    return sum(line.amount if line.movement.value == "received" else -line.amount for line in lines)


def _fee(lines: list[SettlementLine]) -> int:
    return sum(line.fee for line in lines)


@dataclass(slots=True)
class _Import:
    """One import while the lock is held."""

    context: OrganizationContext
    account: ProviderAccount
    actor: Actor
    new: NewImport
    on_progress: Callable[[int, int], None] | None

    async def run(self, content: bytes) -> SettlementResult:
        """Stage the file and activate it, or record its refusal."""
        await remove_all_ended(self.context, self.account.organization_id)
        async with self._transaction() as tx:
            await add_import(tx, self.new, self.actor)
        try:
            lines = await asyncio.to_thread(_read, self.account, content)
            new_lines, dated = await self._stage(lines)
            async with self._transaction() as tx:
                await activate(tx, self.context, self.new.id, "settlement_imported", self.actor)
                dates = sorted({line.paid_out_on for line in lines if line.paid_out_on is not None})
                payouts = await add_payouts(tx, self.account.id, [(self.context.ids.new(), day) for day in dates])
                dated_lines = await set_paid_out(tx, self.account.id, dated)
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
            lines=len(lines),
            new_lines=new_lines,
            payouts=payouts,
            dated=dated_lines,
            amount=_amount(lines),
            fee=_fee(lines),
        )

    async def _stage(self, lines: list[SettlementLine]) -> tuple[int, list[tuple[UUID, date]]]:
        """Store the lines; returns how many are new, and the payout days of those that are not."""
        keyed = settlement_keys(lines)
        new_lines = stored = 0
        dated: list[tuple[UUID, date]] = []
        while chunk := [NewSettlementLine(self.context.ids.new(), key, line) for line, key in islice(keyed, CHUNK)]:
            async with self._transaction() as tx:
                added = await add_settlement_lines(tx, self.new.id, self.account.id, chunk)
                await count_chunk(tx, self.new.id, lines=len(chunk), new_lines=len(added), profile=self.account.name)
            new_lines += len(added)
            stored += len(chunk)
            for each in chunk:
                if each.key not in added and each.line.paid_out_on is not None:
                    dated.append((each.key, each.line.paid_out_on))
            if self.on_progress is not None:
                self.on_progress(stored, len(lines))
        return new_lines, dated

    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self.context.database.transaction(self.account.organization_id)

"""Reads imported files, and the gaps and overlaps of statements."""

from datetime import date

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.reconciliation.domain.file_import import ImportedFile, ImportId, ImportKind
from billing.reconciliation.domain.statement_chain import ChainBreak
from billing.reconciliation.service.chain_breaks import find_breaks
from billing.reconciliation.store.imports import read_bank_account_ids, read_imports

__all__ = ["find_import", "list_breaks", "list_imports"]


async def list_imports(
    context: Context, organization_id: OrganizationId, part: ListSlice, *, kind: ImportKind | None = None
) -> list[ImportedFile]:
    """Imported and refused files, the newest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_imports(tx, part, kind=kind)


async def find_import(context: Context, organization_id: OrganizationId, import_id: ImportId) -> ImportedFile:
    """One file with its counts, which grow while it is staged, and its refusal. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await read_imports(tx, ListSlice(limit=1), import_id=import_id)
    if not found:
        raise NotFound("no such import", field="import_id")
    return found[0]


async def list_breaks(
    context: Context, organization_id: OrganizationId, *, from_day: date | None = None, to_day: date | None = None
) -> list[ChainBreak]:
    """Gaps and overlaps among the complete statements of every bank account that touch a period."""
    found: list[ChainBreak] = []
    async with context.database.transaction(organization_id, read_only=True) as tx:
        for bank_account_id in await read_bank_account_ids(tx):
            found += await find_breaks(tx, bank_account_id, from_day=from_day, to_day=to_day)
    return found

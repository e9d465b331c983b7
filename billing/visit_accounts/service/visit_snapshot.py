"""The visit of an account: its newest header with the charges that are not cancelled, as coverage prices it."""

import asyncio
from collections.abc import Mapping

from billing.coverage.formats.visit_input import read_visit
from billing.db.database import Transaction
from billing.visit_accounts.domain.account import VisitAccount
from billing.visit_accounts.domain.charge import VisitContent
from billing.visit_accounts.formats.header_json import write_snapshot
from billing.visit_accounts.store.accounts import read_header
from billing.visit_accounts.store.charges import lock_charges, read_charges
from billing.visits.domain.visit import Visit


async def read_content(tx: Transaction, account: VisitAccount) -> VisitContent:
    """The header and all charges of an account, not locked. An erased header is empty."""
    return VisitContent(
        header=await read_header(tx, account.visit_id) or {}, charges=await read_charges(tx, account.visit_id)
    )


async def lock_content(tx: Transaction, account: VisitAccount) -> VisitContent:
    """The header and all charges of a locked account, the charges locked in line order."""
    charges = await lock_charges(tx, account.visit_id)
    return VisitContent(header=await read_header(tx, account.visit_id) or {}, charges=charges)


def snapshot_document(account: VisitAccount, content: VisitContent) -> dict[str, object]:
    """The visit document of an account, in the form of `visits/formats/visit_json`."""
    return write_snapshot(content, ma_lk=account.ma_lk, facility_code=account.facility_code)


async def build_visit(document: Mapping[str, object]) -> Visit:
    """The visit of a snapshot document, read outside of the event loop. Raises InvalidValue."""
    return await asyncio.to_thread(read_visit, document)

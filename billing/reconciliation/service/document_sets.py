"""Reads the document set of a visit (bộ chứng từ): every voucher of its bills, money and entries. Use case.

Source: docs/reconciliation.md, Document set of a visit; docs/rights.md for keys of some facilities.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.reconciliation.domain.voucher import DocumentSet, Voucher, in_order, subjects_of, within_facilities
from billing.reconciliation.store.bill_vouchers import read_bills, read_ma_lk, read_reductions, read_requests
from billing.reconciliation.store.book_vouchers import (
    find_matches_of_visit,
    read_confirmations,
    read_entries_of_visit,
)
from billing.reconciliation.store.money_vouchers import find_money_of_visit, read_money, read_receipts
from billing.visit_accounts.domain.facility_subject import FacilitySubject, is_reached
from billing.visit_accounts.store.facility_codes import read_facility_codes


async def find_document_set(
    context: Context,
    organization_id: OrganizationId,
    visit_id: VisitId,
    *,
    facility_codes: Collection[str] | None = None,
) -> DocumentSet:
    """Every voucher of a visit in the order of time.

    With `facility_codes`, vouchers of visits of other facilities and of the books are left out and counted.
    Raises NotFound.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        ma_lk = await read_ma_lk(tx, visit_id)
        if ma_lk is None:
            raise NotFound("no such visit", field="visit_id")
        found = await _read_vouchers(tx, visit_id)
        kept = found if facility_codes is None else await _limit(tx, found, facility_codes)
    return DocumentSet(ma_lk=ma_lk, vouchers=tuple(in_order(kept)), left_out=len(found) - len(kept))


async def _read_vouchers(tx: Transaction, visit_id: VisitId) -> list[Voucher]:
    money = await find_money_of_visit(tx, visit_id)
    matches = await find_matches_of_visit(tx, money)
    return [
        *await read_bills(tx, visit_id),
        *await read_reductions(tx, visit_id),
        *await read_requests(tx, visit_id),
        *await read_money(tx, money),
        *await read_receipts(tx, visit_id),
        *await read_confirmations(tx, money, matches),
        *await read_entries_of_visit(tx, visit_id, money, matches),
    ]


async def _limit(tx: Transaction, found: Sequence[Voucher], allowed: Collection[str]) -> list[Voucher]:
    reached: dict[FacilitySubject, set[UUID]] = {}
    for subject, ids in subjects_of(found).items():
        codes = await read_facility_codes(tx, subject, ids)
        reached[subject] = {each for each in codes if is_reached(subject, codes[each], allowed)}
    return within_facilities(found, reached)

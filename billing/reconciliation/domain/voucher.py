"""The vouchers of a visit (chứng từ): every document of its bills, its money and its entries, in the order of time.

Together they are the document set (bộ chứng từ) of the visit. Source: docs/reconciliation.md, Document set of a visit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from billing.visit_accounts.domain.facility_subject import FacilitySubject


class VoucherKind(StrEnum):
    """The kinds of documents. Vouchers of one time are listed in this order."""

    GUARANTEE = "guarantee"
    EXEMPTION = "exemption"
    DEBT = "debt"
    INVOICE = "invoice"
    CORRECTION = "correction"
    FINAL_BILL = "final_bill"
    REOPENING = "reopening"
    DEPOSIT = "deposit"
    DEPOSIT_REQUEST = "deposit_request"
    INTENT = "intent"
    PAYMENT = "payment"
    RECEIPT = "receipt"
    REFUND = "refund"
    CARD_BATCH = "card_batch"
    SETTLEMENT_LINE = "settlement_line"
    PAYOUT = "payout"
    STATEMENT_LINE = "statement_line"
    MATCH = "match"
    ENTRY = "entry"


_ORDER = {kind: position for position, kind in enumerate(VoucherKind)}

_OF_SEVERAL_VISITS = {
    VoucherKind.INTENT: FacilitySubject.INTENT,
    VoucherKind.PAYMENT: FacilitySubject.PAYMENT,
    VoucherKind.REFUND: FacilitySubject.REFUND,
    VoucherKind.RECEIPT: FacilitySubject.RECEIPT,
}
"""Kinds whose documents may be of several visits: a key of some facilities reaches those of these facilities only."""

_OF_ORGANIZATION = frozenset(
    {
        VoucherKind.CARD_BATCH,
        VoucherKind.SETTLEMENT_LINE,
        VoucherKind.PAYOUT,
        VoucherKind.STATEMENT_LINE,
        VoucherKind.MATCH,
        VoucherKind.ENTRY,
    }
)
"""Kinds of the books of the organization, which a key of some facilities does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """One document of a visit. `amount`, in đồng, is that of the whole document, also where it is of several visits.

    `amount` is negative where the document lowers the patient share (a correction) or money left the bank (a statement
    line). `of_id` is the document that it belongs to: the invoice of a correction, the intent of a payment, the match
    of a line. `person_id` is None where a provider or the system made it. `printed` is a receipt as it was printed; it
    is personal and None once erased.
    """

    kind: VoucherKind
    id: UUID
    number: str
    at: datetime
    amount: int
    state: str = ""
    person_id: UUID | None = None
    person: str = ""
    method: str = ""
    provider_reference: str = ""
    bank_reference: str = ""
    reason: str = ""
    of_id: UUID | None = None
    reprints: int = 0
    printed: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSet:
    """The vouchers of a visit, the oldest first. `left_out` counts those that the caller's facilities do not reach."""

    ma_lk: str
    vouchers: tuple[Voucher, ...]
    left_out: int


def in_order(vouchers: Collection[Voucher]) -> list[Voucher]:
    """Vouchers by time, and of one time by kind and id."""
    return sorted(vouchers, key=lambda each: (each.at, _ORDER[each.kind], each.id))


def subjects_of(vouchers: Collection[Voucher]) -> dict[FacilitySubject, list[UUID]]:
    """The rows of several visits among vouchers, by their subject."""
    named: dict[FacilitySubject, list[UUID]] = {}
    for each in vouchers:
        if (subject := _OF_SEVERAL_VISITS.get(each.kind)) is not None:
            named.setdefault(subject, []).append(each.id)
    return named


def within_facilities(
    vouchers: Collection[Voucher], reached: Mapping[FacilitySubject, Collection[UUID]]
) -> list[Voucher]:
    """The vouchers of a visit that a key of some facilities reads; `reached` are those of `subjects_of` it reaches.

    Source: docs/rights.md.
    """
    return [
        each
        for each in vouchers
        if each.kind not in _OF_ORGANIZATION
        and (each.kind not in _OF_SEVERAL_VISITS or each.id in reached.get(_OF_SEVERAL_VISITS[each.kind], ()))
    ]

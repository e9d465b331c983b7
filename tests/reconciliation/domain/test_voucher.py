"""The vouchers of a visit: their order, and those that a key of some facilities reads."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from billing.reconciliation.domain.voucher import Voucher, VoucherKind, in_order, subjects_of, within_facilities
from billing.visit_accounts.domain.facility_subject import FacilitySubject

NOON = datetime(2026, 11, 2, 5, tzinfo=UTC)


def voucher(kind: VoucherKind, number: int, *, minutes: int = 0) -> Voucher:
    return Voucher(kind=kind, id=UUID(int=number), number="", at=NOON + timedelta(minutes=minutes), amount=1)


def test_vouchers_of_one_time_are_in_the_order_of_their_kinds() -> None:
    entry = voucher(VoucherKind.ENTRY, 1)
    payment = voucher(VoucherKind.PAYMENT, 2)
    earlier = voucher(VoucherKind.MATCH, 3, minutes=-1)

    assert in_order([entry, payment, earlier]) == [earlier, payment, entry]


def test_money_of_several_facilities_needs_a_key_of_all_of_them() -> None:
    shared, own = voucher(VoucherKind.PAYMENT, 1), voucher(VoucherKind.PAYMENT, 2)
    invoice, entry = voucher(VoucherKind.INVOICE, 3), voucher(VoucherKind.ENTRY, 4)
    found = [shared, own, invoice, entry]

    kept = within_facilities(found, {FacilitySubject.PAYMENT: {own.id}})

    assert subjects_of(found) == {FacilitySubject.PAYMENT: [shared.id, own.id]}
    assert kept == [own, invoice]

"""The amounts of a further invoice of a visit."""

import pytest

from billing.core.money import Dong, Shares
from billing.invoices.domain.invoice import CorrectionNeeded, NothingToInvoice, shares_still_to_invoice


def shares(patient: int, other: int, insurer: int, private: int = 0) -> Shares:
    return Shares(patient=Dong(patient), other=Dong(other), insurer=Dong(insurer), private=Dong(private))


def test_first_invoice_bills_the_whole_visit() -> None:
    assert shares_still_to_invoice(shares(100, 0, 400), []) == shares(100, 0, 400)


def test_further_invoice_bills_the_visit_so_far_less_its_earlier_invoices() -> None:
    assert shares_still_to_invoice(shares(180, 5, 720), [shares(100, 0, 400), shares(30, 5, 100)]) == shares(50, 0, 220)


def test_private_insurer_is_a_payer_of_its_own_on_every_invoice() -> None:
    # The limit of 150 was reached by the second bill: the patient pays what is above it.
    assert shares_still_to_invoice(shares(50, 0, 800, 150), [shares(0, 0, 400, 100)]) == shares(50, 0, 400, 50)
    with pytest.raises(CorrectionNeeded):
        shares_still_to_invoice(shares(150, 0, 800, 50), [shares(0, 0, 400, 100)])


def test_guaranteed_part_leaves_the_patient_and_the_whole_as_it_is() -> None:
    assert shares(200, 5, 800).guaranteed(Dong(150)) == shares(50, 5, 800, 150)
    assert shares(50, 5, 800, 150).total == 1_005


def test_visit_of_no_cost_is_invoiced_once() -> None:
    assert shares_still_to_invoice(shares(0, 0, 0), []) == shares(0, 0, 0)
    with pytest.raises(NothingToInvoice):
        shares_still_to_invoice(shares(0, 0, 0), [shares(0, 0, 0)])


def test_share_that_fell_below_the_issued_bill_needs_a_correction() -> None:
    with pytest.raises(CorrectionNeeded):
        shares_still_to_invoice(shares(90, 0, 500), [shares(100, 0, 400)])


def test_dong_of_rounding_drift_is_taken_from_the_payer_who_rose() -> None:
    # 1 000.40 + 4 001.40 was 1 000 / 4 002; 100.10 more for the patient makes the whole 1 101 / 4 001.
    assert shares_still_to_invoice(shares(1_101, 0, 4_001), [shares(1_000, 0, 4_002)]) == shares(100, 0, 0)

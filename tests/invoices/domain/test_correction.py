"""Corrections of the invoices of a visit: to the new price to the đồng, and never below zero."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing.core.ids import InvoiceId
from billing.core.money import Dong, Shares, sum_shares
from billing.invoices.domain.correction import (
    CorrectionKind,
    Reduction,
    ShareChanges,
    limit_reductions,
    price_corrections,
    reduction_corrections,
)

_AMOUNTS = st.integers(0, 1_000_000).map(Dong)
_SHARES = st.builds(Shares, patient=_AMOUNTS, other=_AMOUNTS, insurer=_AMOUNTS, private=_AMOUNTS)


def billed(*shares: Shares) -> dict[InvoiceId, Shares]:
    """The shares of invoices 1, 2 …, the oldest first."""
    return {InvoiceId(UUID(int=number)): each for number, each in enumerate(shares, start=1)}


def shares(patient: int, insurer: int) -> Shares:
    return Shares(patient=Dong(patient), other=Dong(0), insurer=Dong(insurer))


def test_share_that_falls_is_taken_from_the_newest_invoice_first() -> None:
    invoices = billed(shares(100, 0), shares(30, 50))

    made = price_corrections(shares(80, 120), invoices)

    assert [(one.invoice_id.int, one.changes) for one in made] == [
        (2, ShareChanges(patient=-30, insurer=70)),
        (1, ShareChanges(patient=-20)),
    ]


@given(_SHARES, st.lists(_SHARES, min_size=1, max_size=4))
def test_corrected_invoices_equal_the_new_price_and_no_share_is_negative(whole: Shares, earlier: list[Shares]) -> None:
    invoices = billed(*earlier)

    changes = {one.invoice_id: one.changes for one in price_corrections(whole, invoices)}

    assert sum_shares(changes.get(key, ShareChanges()).apply_to(each) for key, each in invoices.items()) == whole


@given(st.lists(_SHARES, min_size=1, max_size=3), st.lists(_AMOUNTS, max_size=4))
def test_reductions_are_at_most_the_patient_share_and_repeating_them_changes_nothing(
    earlier: list[Shares], amounts: list[Dong]
) -> None:
    invoices = billed(*earlier)
    reductions = [
        Reduction(kind=CorrectionKind.GUARANTEE, id=UUID(int=number), amount=amount)
        for number, amount in enumerate(amounts, start=1)
    ]

    made = reduction_corrections(invoices, {}, reductions)

    patient = sum(each.patient for each in earlier)
    assert -sum(one.changes.patient for one in made) == min(sum(amounts), patient)
    assert sum(one.amount for one in limit_reductions(patient, reductions)) == min(sum(amounts), patient)
    parts: dict[InvoiceId, dict[UUID, int]] = {}
    for one in made:
        assert one.source is not None
        parts.setdefault(one.invoice_id, {})[one.source.id] = -one.changes.patient
    assert reduction_corrections(invoices, parts, reductions) == []

"""Rows of invoices to domain values."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.core.money import Dong, Shares
from billing.invoices.domain.invoice import Invoice, InvoiceState


def invoice_of(fields: Sequence[Any]) -> Invoice:
    """An invoice from its columns.

    id, visit_id, visit_version, number, state, version, patient_share, other_share, insurer_share, private_share,
    corrections, allocated, issued_at.
    """
    invoice_id, visit_id, visit_version, number, state, version, patient, other, insurer, *rest = fields
    private, corrections, allocated, issued_at = rest
    return Invoice(
        id=invoice_id,
        visit_id=visit_id,
        visit_version=visit_version,
        number=number,
        state=InvoiceState(state),
        version=version,
        shares=Shares(patient=patient, other=other, insurer=insurer, private=private),
        corrections=corrections,
        allocated=allocated,
        issued_at=issued_at,
    )


def shares_of(row: Mapping[str, Any]) -> Shares:
    """The shares of an invoice from columns of these names."""
    return Shares(
        patient=Dong(row["patient_share"]),
        other=Dong(row["other_share"]),
        insurer=Dong(row["insurer_share"]),
        private=Dong(row["private_share"]),
    )

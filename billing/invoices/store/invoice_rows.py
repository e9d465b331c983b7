"""Rows of the view `invoice_state` to domain values: the one reader of an invoice, by column name.

Statements that read an invoice select from the view, so a further payer is a column of the table, of the view
and of `shares_of`. `invoices.py` writes the columns.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg

from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Dong, Shares
from billing.invoices.domain.invoice import Invoice, InvoiceState


def invoice_of(row: asyncpg.Record) -> Invoice:
    """An invoice from its row of the view."""
    return Invoice(
        id=InvoiceId(row["id"]),
        visit_id=VisitId(row["visit_id"]),
        visit_version=row["visit_version"],
        number=row["number"],
        state=InvoiceState(row["state"]),
        version=row["version"],
        shares=shares_of(row),
        guarantor=row["guarantor"],
        corrections=row["corrections"],
        allocated=Dong(row["allocated"]),
        issued_at=row["issued_at"],
    )


def shares_of(row: asyncpg.Record | Mapping[str, Any]) -> Shares:
    """The shares of an invoice from its row of the view."""
    return Shares(
        patient=Dong(row["patient_share"]),
        other=Dong(row["other_share"]),
        insurer=Dong(row["insurer_share"]),
        private=Dong(row["private_share"]),
    )

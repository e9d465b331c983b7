"""Rows to domain values and back: the shapes that several files of this floor read alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.core.ids import InvoiceId, LedgerAccountId
from billing.core.money import Dong, Shares
from billing.invoices.domain.invoice import Invoice, InvoiceState
from billing.ledger.domain.accounts import AccountKey, Entry
from billing.payments.domain.intent import Intent, IntentState


def intent_of(fields: Sequence[Any], invoices: Sequence[InvoiceId]) -> Intent:
    """An intent from its columns.

    id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at.
    """
    intent_id, account_id, reference, state, version, amount, received, created_at, expires_at = fields
    return Intent(
        id=intent_id,
        account_id=account_id,
        reference=reference,
        state=IntentState(state),
        version=version,
        amount=amount,
        received=received,
        invoices=tuple(invoices),
        created_at=created_at,
        expires_at=expires_at,
    )


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


def postings_of(entry: Entry, accounts: Mapping[AccountKey, LedgerAccountId]) -> list[tuple[object, ...]]:
    """The postings of an entry as columns.

    entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, payer.
    """
    return [
        (
            entry.id,
            line,
            accounts[posting.debit],
            accounts[posting.credit],
            posting.amount,
            posting.visit_id,
            posting.invoice_id,
            posting.payment_id,
            posting.payer,
        )
        for line, posting in enumerate(entry.postings, start=1)
    ]


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows turned into the parallel arrays that unnest() takes; no rows give empty arrays."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]

"""Posting rules of payments and outflows. Source: docs/reference/hospital-money.md, section 5."""

from collections.abc import Iterable, Mapping

from billing.core.ids import ProviderAccountId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, Posting, clearing_account
from billing.payments.domain.payment import Allocation, AllocationTarget
from billing.payments.domain.reversal import AllocationReversal

_PATIENT = AccountKey(AccountRole.RECEIVABLE_PATIENT)
ACCOUNT_OF: Mapping[AllocationTarget, AccountKey] = {
    AllocationTarget.INVOICE: _PATIENT,
    AllocationTarget.DEPOSIT: AccountKey(AccountRole.DEPOSIT),
    AllocationTarget.GUARANTEE: AccountKey(AccountRole.RECEIVABLE_GUARANTOR),
    AllocationTarget.CREDIT: AccountKey(AccountRole.PATIENT_CREDIT),
    AllocationTarget.UNALLOCATED: AccountKey(AccountRole.UNALLOCATED),
    AllocationTarget.REFUND: AccountKey(AccountRole.REFUND_IN_TRANSIT),
}


def payment_received(allocations: Iterable[Allocation], *, account_id: ProviderAccountId) -> tuple[Posting, ...]:
    """D 113 of the provider account · C the account of each allocation."""
    clearing = clearing_account(account_id)
    return tuple(
        Posting(
            debit=clearing,
            credit=ACCOUNT_OF[allocation.target],
            amount=allocation.amount,
            visit_id=allocation.visit_id,
            invoice_id=allocation.invoice_id,
            payment_id=allocation.payment_id,
            payer="patient" if allocation.visit_id else "",
        )
        for allocation in allocations
    )


def payment_reversed(reversal: AllocationReversal, *, left_from: AccountKey) -> tuple[Posting, ...]:
    """An outflow without a refund request: D the account of each allocation (the patient owes again) · C 113 it left.

    If it left before its payment was known, `left_from` is the account of unmatched outflows.
    """
    return tuple(
        Posting(
            debit=ACCOUNT_OF[part.allocation.target],
            credit=left_from,
            amount=part.amount,
            visit_id=part.allocation.visit_id,
            invoice_id=part.allocation.invoice_id,
            payment_id=reversal.payment_id,
            payer="patient" if part.allocation.visit_id else "",
        )
        for part in reversal.parts
    )


def unmatched_outflow(amount: Dong, *, account_id: ProviderAccountId) -> tuple[Posting, ...]:
    """An outflow that matches no known payment: D unmatched outflows, until a person decides · C 113."""
    return (
        Posting(
            debit=AccountKey(AccountRole.UNEXPLAINED_OUTFLOW),
            credit=clearing_account(account_id),
            amount=amount,
        ),
    )

"""The accounts that an invoice is posted to. Source: docs/reference/hospital-money.md, section 5."""

from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Shares
from billing.ledger.domain.accounts import AccountKey, AccountRole, Posting

_PATIENT = AccountKey(AccountRole.RECEIVABLE_PATIENT)
_REVENUE = AccountKey(AccountRole.REVENUE)


def invoice_issued(shares: Shares, *, visit_id: VisitId, invoice_id: InvoiceId) -> tuple[Posting, ...]:
    """Charges are recognised when the invoice is issued: D receivable of each payer · C revenue."""
    payers = (
        (_PATIENT, shares.patient, "patient"),
        (AccountKey(AccountRole.RECEIVABLE_INSURER), shares.insurer, "insurer"),
        (AccountKey(AccountRole.RECEIVABLE_OTHER), shares.other, "other"),
        (AccountKey(AccountRole.RECEIVABLE_PRIVATE), shares.private, "private"),
    )
    return tuple(
        Posting(debit=account, credit=_REVENUE, amount=amount, visit_id=visit_id, invoice_id=invoice_id, payer=payer)
        for account, amount, payer in payers
        if amount
    )

"""The accounts that an invoice and its corrections are posted to.

Those of payments are in `payments/domain/posting_rules.py`.

Source: docs/reference/hospital-money.md, section 5.
"""

from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Dong, Shares
from billing.invoices.domain.correction import Correction, CorrectionKind
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


_RECEIVABLES = (
    (_PATIENT, "patient"),
    (AccountKey(AccountRole.RECEIVABLE_INSURER), "insurer"),
    (AccountKey(AccountRole.RECEIVABLE_OTHER), "other"),
    (AccountKey(AccountRole.RECEIVABLE_PRIVATE), "private"),
)


def invoice_corrected(correction: Correction, *, visit_id: VisitId) -> tuple[Posting, ...]:
    """A correction of an invoice.

    Price: D revenue · C receivable of each payer that owes less, the reverse for a payer that owes more. Otherwise
    D receivable of the guarantor, exemption of the fund or bad debt · C receivable of the patient, reversed where it is
    taken back.
    """
    if correction.kind is CorrectionKind.PRICE:
        changes = [(account, _REVENUE, getattr(correction.changes, payer), payer) for account, payer in _RECEIVABLES]
    else:
        changes = [(_PATIENT, _borne_by(correction), correction.changes.patient, "patient")]
    return tuple(
        Posting(
            debit=account if change > 0 else against,
            credit=against if change > 0 else account,
            amount=Dong(abs(change)),
            visit_id=visit_id,
            invoice_id=correction.invoice_id,
            payer=payer,
        )
        for account, against, change, payer in changes
        if change
    )


def _borne_by(correction: Correction) -> AccountKey:
    if correction.kind is CorrectionKind.GUARANTEE:
        return AccountKey(AccountRole.RECEIVABLE_GUARANTOR)
    if correction.kind is CorrectionKind.WRITE_OFF:
        return AccountKey(AccountRole.BAD_DEBT)
    assert correction.source is not None, "an exemption has a fund"
    return AccountKey(AccountRole.EXEMPTION, correction.source.fund)

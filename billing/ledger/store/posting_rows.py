"""Postings of an entry as rows."""

from collections.abc import Mapping

from billing.core.ids import LedgerAccountId
from billing.ledger.domain.accounts import AccountKey, Entry


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

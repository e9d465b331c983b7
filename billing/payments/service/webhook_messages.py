"""Webhook messages of changed invoices and intents: topics and payloads. Ids and amounts only.

`apply_notices.py` writes `payment.received`, `invoices/service/issue.py` writes `invoice.issued`. The list of topics is
in `notifications/domain/webhook.py`; `web/webhook_documents.py` describes the payloads.
"""

from billing.core.money import NOTHING, Dong
from billing.invoices.domain.invoice import Invoice
from billing.payments.domain.amount_due import amount_due
from billing.payments.domain.intent import Intent


def invoice_message(invoice: Invoice) -> tuple[str, dict[str, object]]:
    """Topic and payload of the message that an invoice has changed."""
    return "invoice.updated", {"invoice_id": str(invoice.id), "version": invoice.version, "owed": invoice.owed}


def intent_message(intent: Intent, *, owed: Dong) -> tuple[str, dict[str, object]]:
    """Topic and payload of the message that an intent has changed; `owed` is the amount that its target owes now.

    A standing intent requests no amount.
    Credit does not count here: if there is any, the invoices owe nothing or the code has received its whole amount.
    """
    remaining = NOTHING
    if not intent.is_standing:
        due = amount_due(intent.state, amount=intent.amount, received=intent.received, owed=owed, credit=NOTHING)
        remaining = due.remaining
    return "intent.updated", {
        "intent_id": str(intent.id),
        "version": intent.version,
        "state": intent.state.value,
        "received": intent.received,
        "remaining": remaining,
    }

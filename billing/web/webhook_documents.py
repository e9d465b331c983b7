"""What webhooks carry, by topic: ids, versions and amounts in whole đồng; never a name or what was done.

Whoever receives one reads the thing by its id. `version` grows with every change: an older one that arrives late is
ignored. The envelope and the signature stand in `openapi.py` and `domain/webhook.py`.
"""

from collections.abc import Mapping

from pydantic import with_config
from typing_extensions import TypedDict

from billing.payments.domain.intent import IntentState
from billing.web.schemas import EXACTLY


@with_config(EXACTLY)
class PaymentReceivedDocument(TypedDict):
    """Money was received and booked."""

    payment_id: str
    amount: int


@with_config(EXACTLY)
class InvoiceIssuedDocument(TypedDict):
    """An invoice was issued."""

    invoice_id: str
    version: int
    owed: int


@with_config(EXACTLY)
class InvoiceUpdatedDocument(TypedDict):
    """What an invoice owes has changed."""

    invoice_id: str
    version: int
    owed: int


@with_config(EXACTLY)
class IntentUpdatedDocument(TypedDict):
    """An intent has moved to another state, or more was received under its code.

    `remaining` is what it asks for now, 0 where nothing is due.
    """

    intent_id: str
    version: int
    state: IntentState
    received: int
    remaining: int


WEBHOOKS: Mapping[str, type] = {
    "invoice.issued": InvoiceIssuedDocument,
    "invoice.updated": InvoiceUpdatedDocument,
    "intent.updated": IntentUpdatedDocument,
    "payment.received": PaymentReceivedDocument,
}
"""Every topic that is ever written to the outbox."""

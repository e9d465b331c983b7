"""The payloads of webhooks by topic: ids, versions and amounts in whole đồng; no names and no services.

The receiver reads the resource by its id. `version` grows with every change: the receiver ignores a late older version.
The envelope is in `openapi.py`, the signature in `notifications/domain/webhook.py`.
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
    """The amount owed by an invoice has changed."""

    invoice_id: str
    version: int
    owed: int


@with_config(EXACTLY)
class IntentUpdatedDocument(TypedDict):
    """An intent has changed its state, or a payment was received under its code.

    `remaining` is the amount due under the code, 0 where nothing is due.
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
"""Every topic of the outbox."""

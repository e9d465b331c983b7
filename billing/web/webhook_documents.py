"""The payloads of webhooks by topic: ids, versions and amounts in whole đồng; no names and no services.

The receiver reads the resource by its id. `version` grows with every change: the receiver ignores a late older version.
The envelope is in `openapi.py`, the signature in `notifications/domain/webhook.py`.
"""

from collections.abc import Mapping

from pydantic import with_config
from typing_extensions import TypedDict

from billing.payments.domain.deposit import RequestState
from billing.payments.domain.intent import IntentState
from billing.payments.domain.refund import RefundState
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.guarantee import GuaranteeState
from billing.visit_accounts.domain.hand_over import HandOverState
from billing.visit_accounts.domain.receipt import Direction
from billing.visit_accounts.domain.shift import ShiftState
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


@with_config(EXACTLY)
class DepositRequestUpdatedDocument(TypedDict):
    """A deposit request was made, or has changed its state or the amount received.

    `remaining` is the amount that it still requests, 0 where it requests nothing.
    """

    deposit_request_id: str
    version: int
    state: RequestState
    received: int
    remaining: int


@with_config(EXACTLY)
class ChargeClearedDocument(TypedDict):
    """An ordered line may be performed: paid, or cleared by the policy. `order_number` is the sender's, or empty."""

    visit_id: str
    line: str
    order_number: str


@with_config(EXACTLY)
class ChargeWithdrawnDocument(TypedDict):
    """A line that is not started is not cleared any more: its payment was taken back, or the deposit is used up."""

    visit_id: str
    line: str
    order_number: str


@with_config(EXACTLY)
class ReceiptIssuedDocument(TypedDict):
    """A numbered receipt was issued, for money `in` or `out`."""

    receipt_id: str
    number: str
    direction: Direction
    amount: int


@with_config(EXACTLY)
class ReceiptVoidedDocument(TypedDict):
    """A receipt was voided; its number stays."""

    receipt_id: str
    number: str


@with_config(EXACTLY)
class ShiftUpdatedDocument(TypedDict):
    """A shift was opened, ended or closed."""

    shift_id: str
    version: int
    state: ShiftState


@with_config(EXACTLY)
class HandOverUpdatedDocument(TypedDict):
    """Cash was handed over, and accepted or rejected by another person."""

    hand_over_id: str
    state: HandOverState
    amount: int


@with_config(EXACTLY)
class RefundUpdatedDocument(TypedDict):
    """A refund was requested, or has changed its state."""

    refund_id: str
    version: int
    state: RefundState
    amount: int


@with_config(EXACTLY)
class VisitUpdatedDocument(TypedDict):
    """The account of an open visit has changed; `patient_share` is the cost to date that the patient bears."""

    visit_id: str
    version: int
    state: AccountState
    patient_share: int


@with_config(EXACTLY)
class GuaranteeUpdatedDocument(TypedDict):
    """A guarantee was requested, confirmed, rejected, withdrawn, or has expired."""

    guarantee_id: str
    visit_id: str
    version: int
    state: GuaranteeState
    confirmed_amount: int


@with_config(EXACTLY)
class VisitClosedDocument(TypedDict):
    """A visit has its final bill. `owed` is to be collected, `released` became credit of the patient."""

    visit_id: str
    version: int
    owed: int
    released: int


@with_config(EXACTLY)
class VisitReopenedDocument(TypedDict):
    """A closed visit was opened again."""

    visit_id: str
    version: int


WEBHOOKS: Mapping[str, type] = {
    "invoice.issued": InvoiceIssuedDocument,
    "invoice.updated": InvoiceUpdatedDocument,
    "intent.updated": IntentUpdatedDocument,
    "payment.received": PaymentReceivedDocument,
    "deposit_request.updated": DepositRequestUpdatedDocument,
    "charge.cleared": ChargeClearedDocument,
    "charge.withdrawn": ChargeWithdrawnDocument,
    "visit.updated": VisitUpdatedDocument,
    "receipt.issued": ReceiptIssuedDocument,
    "receipt.voided": ReceiptVoidedDocument,
    "shift.updated": ShiftUpdatedDocument,
    "hand_over.updated": HandOverUpdatedDocument,
    "refund.updated": RefundUpdatedDocument,
    "guarantee.updated": GuaranteeUpdatedDocument,
    "visit.closed": VisitClosedDocument,
    "visit.reopened": VisitReopenedDocument,
}
"""Every topic of the outbox."""

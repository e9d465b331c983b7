"""A manual confirmation (xác nhận thủ công đã báo có): a head cashier states that a transfer has arrived.

It releases the lines of a deposit request, or what an advance is enough for, before a notice or a statement shows the
transfer; of an invoice it only states that the money is on its way. It is no payment. Source: docs/ux.md, Manual
confirmation.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DepositRequestId, InvoiceId
from billing.core.money import Dong
from billing.reconciliation.domain.money_search import compact

_REFERENCE_LENGTHS = range(6, 101)


class ConfirmedAlready(Refused):
    """This transfer was confirmed before, or the request has a confirmation that stands."""

    code = "confirmed_already"


class NothingToConfirm(Refused):
    """The visit has no such request or invoice that still waits for money."""

    code = "nothing_to_confirm"


class TransferHasArrived(Refused):
    """A payment has the bank reference: the money is there, and it is assigned instead."""

    code = "transfer_has_arrived"


class ConfirmationOffline(Refused):
    """The service does not reach the providers, and the facility does not allow a confirmation then."""

    code = "confirmation_offline"


class TargetKind(StrEnum):
    """What a confirmed transfer pays."""

    ORDER_LINES = "order_lines"
    ADVANCE = "advance"
    INVOICE = "invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualConfirmation:
    """A confirmation that stands, in đồng, with the name of its person; for a request or an invoice."""

    id: UUID
    deposit_request_id: DepositRequestId | None
    invoice_id: InvoiceId | None
    exception_id: UUID
    amount: Dong
    person: str
    confirmed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmableTarget:
    """An open request or an issued invoice, in đồng. `remaining` is not paid: what has arrived is confirmed by no one.

    `number` is that of an invoice. `confirmation` is the one that stands, if any.
    """

    id: UUID
    kind: TargetKind
    number: str
    received: Dong
    remaining: Dong
    confirms_offline: bool
    confirmation: ManualConfirmation | None = None


def read_reference(text: str) -> str:
    """A bank reference as it is stored: letters and digits. Raises InvalidValue."""
    reference = compact(text)
    if len(reference) not in _REFERENCE_LENGTHS:
        raise InvalidValue("state the bank's reference as the bank's statement shows it", field="reference")
    return reference

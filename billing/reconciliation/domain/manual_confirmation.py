"""A manual confirmation (xác nhận thủ công đã báo có): a head cashier states that a transfer has arrived.

It releases the lines of a deposit request before a notice or a statement shows the transfer. It is no payment. Source:
docs/ux.md, Manual confirmation.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import DepositRequestId
from billing.core.money import Dong
from billing.reconciliation.domain.money_search import compact

_REFERENCE_LENGTHS = range(6, 101)


class ConfirmedAlready(Refused):
    """This transfer was confirmed before, or the request has a confirmation that stands."""

    code = "confirmed_already"


class NothingToConfirm(Refused):
    """The visit has no open request for orders, which a confirmation could release."""

    code = "nothing_to_confirm"


class TransferHasArrived(Refused):
    """A payment has the bank reference: the money is there, and it is assigned instead."""

    code = "transfer_has_arrived"


class ConfirmationOffline(Refused):
    """The service does not reach the providers, and the facility does not allow a confirmation then."""

    code = "confirmation_offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualConfirmation:
    """A confirmation that stands, in đồng, with the name of its person."""

    id: UUID
    deposit_request_id: DepositRequestId
    exception_id: UUID
    amount: Dong
    person: str
    confirmed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmableRequest:
    """An open request that names orders; `remaining` is not paid. `confirmation` is the one that stands, if any."""

    id: DepositRequestId
    remaining: Dong
    confirms_offline: bool
    confirmation: ManualConfirmation | None = None


def read_reference(text: str) -> str:
    """A bank reference as it is stored: letters and digits. Raises InvalidValue."""
    reference = compact(text)
    if len(reference) not in _REFERENCE_LENGTHS:
        raise InvalidValue("state the bank's reference as the bank's statement shows it", field="reference")
    return reference

"""Refunds and cancellations of payments."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from providers.contract.callbacks import Outcome
from providers.contract.payments import PendingPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A refund of one payment.

    `reference` is our unique code of this refund; `payment` is the refunded payment, with the provider's transaction
    number in `provider_reference`; `paid` is its total amount received.
    """

    reference: str
    amount: int
    paid: int
    payment: PendingPayment
    transaction: str
    reason: str
    requested_at: datetime
    requested_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """The provider's answer to a call that moves money: the outcome, the provider's status and its number.

    UNKNOWN if there was no authentic answer: the operation is queried, and never sent again blindly.
    """

    outcome: Outcome
    provider_status: str
    provider_reference: str = ""
    evidence: bytes = b""


class Refunds(ABC):
    """Refunds by the original payment method. Without it staff refund by a bank transfer."""

    partial_refunds: ClassVar[bool]
    """Whether a part of a payment may be refunded, and another part later."""

    @abstractmethod
    async def refund(self, request: RefundRequest) -> OperationResult:
        """Refund once for each reference. FAILED and SUCCEEDED are final; PENDING and UNKNOWN are queried.

        Never raises for a fault of the network or the provider.
        """

    @abstractmethod
    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """Query the outcome of a refund. NOT_FOUND if the provider does not know it; it is not sent again."""


class Cancellations(ABC):
    """Cancels payment requests. A payer who has scanned the code may still pay: that money is booked."""

    @abstractmethod
    async def cancel_payment(self, known: PendingPayment, *, reason: str) -> OperationResult:
        """Cancel: CANCELLED, SUCCEEDED if it is paid already, UNKNOWN, or the outcome that the provider reports."""

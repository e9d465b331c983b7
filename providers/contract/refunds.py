"""Refunds and cancellations of payments."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from providers.contract.callbacks import Outcome
from providers.contract.payments import PendingPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money to send back of one payment.

    `reference` is our own code of this refund, never used for another; `payment` is what the money came by, with the
    provider's transaction number in `provider_reference`; `paid` is what came by it in all.
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
    """What a provider said of a call that moves money: the outcome, its own word for it, and its number.

    UNKNOWN where no answer came that can be trusted: it is asked about, and never sent again blindly.
    """

    outcome: Outcome
    provider_status: str
    provider_reference: str = ""
    evidence: bytes = b""


class Refunds(ABC):
    """Sends money back the way it came. Without it money goes back by a transfer that people make."""

    partial_refunds: ClassVar[bool]
    """Whether a part of a payment may be sent back, and another part later."""

    @abstractmethod
    async def refund(self, request: RefundRequest) -> OperationResult:
        """Send money back once for each reference. FAILED and SUCCEEDED are final; PENDING and UNKNOWN are asked about.

        Never raises for what the network or the provider does.
        """

    @abstractmethod
    async def query_refund(
        self, request: RefundRequest, *, provider_reference: str, queried_at: datetime
    ) -> OperationResult:
        """What became of a refund. NOT_FOUND where the provider never had it; it is not sent again for that."""


class Cancellations(ABC):
    """Can stop asking for a payment. A payer who has already scanned may pay all the same: that money is booked."""

    @abstractmethod
    async def cancel_payment(self, known: PendingPayment, *, reason: str) -> OperationResult:
        """Stop asking: CANCELLED, SUCCEEDED where it is paid already, UNKNOWN, or what the provider says instead."""

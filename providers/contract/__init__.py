"""The contract between vienphi and a payment provider: shared values and the abilities of a provider.

A provider is one class whose bases are its abilities. It receives its account's settings and HTTP client, stores no
state between calls, sees no invoice and imports nothing of billing. It verifies raw bytes before it reads a field.
Amounts are whole đồng; timestamps carry a zone. Source: docs/design.md §5 and §7.
"""

from providers.contract.callbacks import (
    BadSignature,
    Bill,
    BillInquiry,
    BillState,
    Callback,
    Callbacks,
    Inquiries,
    Movement,
    Notice,
    Notices,
    Outcome,
    Payer,
    Reply,
    Unreadable,
    Verdict,
)
from providers.contract.payments import (
    PURPOSE_LENGTH_MAX,
    Feeds,
    FeedUnavailable,
    LocalQr,
    PaymentInstruction,
    PaymentRefused,
    PaymentRequest,
    PaymentUnknown,
    PendingPayment,
    PollSchedule,
    Provider,
    ProviderUnreachable,
    Queries,
)
from providers.contract.refunds import Cancellations, OperationResult, RefundRequest, Refunds
from providers.contract.settlements import SettlementFiles, SettlementLine, SettlementUnreadable

__all__ = [
    "PURPOSE_LENGTH_MAX",
    "BadSignature",
    "Bill",
    "BillInquiry",
    "BillState",
    "Callback",
    "Callbacks",
    "Cancellations",
    "FeedUnavailable",
    "Feeds",
    "Inquiries",
    "LocalQr",
    "Movement",
    "Notice",
    "Notices",
    "OperationResult",
    "Outcome",
    "Payer",
    "PaymentInstruction",
    "PaymentRefused",
    "PaymentRequest",
    "PaymentUnknown",
    "PendingPayment",
    "PollSchedule",
    "Provider",
    "ProviderUnreachable",
    "Queries",
    "RefundRequest",
    "Refunds",
    "Reply",
    "SettlementFiles",
    "SettlementLine",
    "SettlementUnreadable",
    "Unreadable",
    "Verdict",
]

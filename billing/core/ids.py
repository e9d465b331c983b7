"""Typed ids and the layout of a UUIDv7; the caller supplies the timestamp and the random bits."""

from typing import NewType
from uuid import UUID

OrganizationId = NewType("OrganizationId", int)
FacilityId = NewType("FacilityId", UUID)
PersonId = NewType("PersonId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
ProviderAccountId = NewType("ProviderAccountId", UUID)
LedgerAccountId = NewType("LedgerAccountId", UUID)
VisitId = NewType("VisitId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
IntentId = NewType("IntentId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
PaymentId = NewType("PaymentId", UUID)
AllocationId = NewType("AllocationId", UUID)
EntryId = NewType("EntryId", UUID)
PatientId = NewType("PatientId", UUID)
DepositId = NewType("DepositId", UUID)
DepositRequestId = NewType("DepositRequestId", UUID)
DeskId = NewType("DeskId", UUID)
QueueTicketId = NewType("QueueTicketId", UUID)
ShiftId = NewType("ShiftId", UUID)
ReceiptId = NewType("ReceiptId", UUID)
RefundId = NewType("RefundId", UUID)


def uuid7(unix_ms: int, random_bits: int) -> UUID:
    """A version-7 UUID of a timestamp in milliseconds and 74 random bits (RFC 9562 §5.7)."""
    return UUID(int=uuid7_number(unix_ms, random_bits))


def uuid7_number(unix_ms: int, random_bits: int) -> int:
    """The 128 bits of `uuid7`."""
    high = (unix_ms & 0xFFFF_FFFF_FFFF) << 80
    version = 0x7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    variant = 0b10 << 62 | random_bits & 0x3FFF_FFFF_FFFF_FFFF
    return high | version | variant

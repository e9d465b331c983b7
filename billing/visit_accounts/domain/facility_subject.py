"""What belongs to facilities of an organization: the subjects that a key of some facilities reaches only there.

Source: docs/rights.md.
"""

from collections.abc import Collection
from enum import StrEnum


class FacilitySubject(StrEnum):
    """A kind of row that belongs to one facility, or to the facilities of its visits."""

    VISIT = "visit"
    PATIENT = "patient"
    INVOICE = "invoice"
    INTENT = "intent"
    PAYMENT = "payment"
    REFUND = "refund"
    PAYMENT_ORDER = "payment_order"
    DEPOSIT_REQUEST = "deposit_request"
    GUARANTEE = "guarantee"
    DEBT = "debt"
    APPROVAL = "approval"
    DESK = "desk"
    SHIFT = "shift"
    HAND_OVER = "hand_over"
    RECEIPT = "receipt"
    RECEIPT_BLOCK = "receipt_block"
    CARD_TERMINAL = "card_terminal"
    CARD_BATCH = "card_batch"
    MESSAGE = "message"
    FACILITY_PRICING = "facility_pricing"
    FACILITY_POLICY = "facility_policy"


def is_reached(subject: FacilitySubject, codes: Collection[str], allowed: Collection[str]) -> bool:
    """Whether a key of the `allowed` facilities reaches a row of the facilities `codes`.

    A patient is reached at each facility where a visit is; everything else only where all of it is at allowed
    facilities. A row of no facility (money of an unknown payer) is the organization's: it is not reached.
    """
    if subject is FacilitySubject.PATIENT:
        return not set(codes).isdisjoint(allowed)
    return bool(codes) and set(codes) <= set(allowed)

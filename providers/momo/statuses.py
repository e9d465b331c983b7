"""The outcomes of MoMo's result codes; a code that is not listed is UNKNOWN: queried, never a failure.

Source: MoMo, payment API v2, result codes.
"""

from collections.abc import Mapping

from providers.contract import Outcome

PAID = 0

OUR_FAULT = frozenset({11, 12, 13, 20, 21, 22, 42, 45})
"""Access, version, authentication, format, amount, range, order, item: MoMo refuses the call; nothing was started."""

PAYMENTS: Mapping[int, Outcome] = {
    PAID: Outcome.SUCCEEDED,
    1000: Outcome.PENDING,  # waiting for the payer
    7000: Outcome.PENDING,
    7002: Outcome.PENDING,
    8000: Outcome.PENDING,  # the payer must confirm again
    9000: Outcome.PENDING,  # authorised only; 0 follows
    10: Outcome.UNKNOWN,
    47: Outcome.UNKNOWN,
    98: Outcome.UNKNOWN,
    99: Outcome.UNKNOWN,
    1001: Outcome.FAILED,  # balance
    1002: Outcome.FAILED,  # refused by the issuer
    1003: Outcome.CANCELLED,
    1004: Outcome.FAILED,  # limit
    1005: Outcome.EXPIRED,
    1006: Outcome.FAILED,  # refused by the payer
    1007: Outcome.FAILED,  # inactive account
    1017: Outcome.CANCELLED,  # by the merchant
    1026: Outcome.FAILED,  # promotion
    2019: Outcome.FAILED,
    4001: Outcome.FAILED,
    4100: Outcome.FAILED,
}

NEVER_HAD = 42
"""A query about an order that MoMo does not know."""

REFUSES_THE_QUESTION = OUR_FAULT | {43}
"""As the result of a query these mean that it was not answered; they report nothing of the refund."""

REFUNDS: Mapping[int, Outcome] = {
    PAID: Outcome.SUCCEEDED,
    1000: Outcome.PENDING,
    7000: Outcome.PENDING,
    7002: Outcome.PENDING,
    40: Outcome.PENDING,  # this refund is known already: it is queried
    41: Outcome.PENDING,
    43: Outcome.FAILED,  # another operation is in progress on this order; nothing was started
    1080: Outcome.PENDING,
    1088: Outcome.FAILED,
    **dict.fromkeys(OUR_FAULT, Outcome.FAILED),
}

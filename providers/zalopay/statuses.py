"""The outcomes of ZaloPay's codes; a code that is not listed is UNKNOWN. Source: ZaloPay, payment gateway API v2."""

from providers.contract import Outcome

PAID, REFUSED, PROCESSING = 1, 2, 3
OUR_FAULT = frozenset({-401, -402, -92})
"""Create: data or signature that ZaloPay refuses, so nothing was started."""

_QUERY = {
    -54: Outcome.EXPIRED,
    -63: Outcome.FAILED,  # balance
    -217: Outcome.FAILED,  # bank
    -332: Outcome.FAILED,  # promotion
    -333: Outcome.FAILED,
    **dict.fromkeys(range(-1333, -1329), Outcome.FAILED),  # limits
    **dict.fromkeys(range(-1343, -1339), Outcome.FAILED),
    -101: Outcome.NOT_FOUND,
    -92: Outcome.NOT_FOUND,
}

_REFUND = {
    -23: Outcome.PENDING,  # this refund is known already: it is queried
    -13: Outcome.FAILED,  # too late
    -14: Outcome.FAILED,  # amount
    -32: Outcome.FAILED,  # cannot be refunded
    -101: Outcome.FAILED,  # the payment is not found
}


def outcome_of_payment(code: int, sub: int, *, is_processing: bool) -> Outcome:
    """The outcome of a payment by a query's answer."""
    if code == PROCESSING or is_processing:
        return Outcome.PENDING
    if code == PAID:
        return Outcome.SUCCEEDED
    return _QUERY.get(sub, Outcome.UNKNOWN) if code == REFUSED else Outcome.UNKNOWN


def outcome_of_refund(code: int, sub: int) -> Outcome:
    """The outcome in the answer to a refund; processing is usual."""
    if code == REFUSED:
        return _REFUND.get(sub, Outcome.UNKNOWN)
    return {PAID: Outcome.SUCCEEDED, PROCESSING: Outcome.PENDING}.get(code, Outcome.UNKNOWN)


def outcome_of_refund_query(code: int, sub: object) -> Outcome:
    """The outcome of a refund; a refusal without a reason code is not final."""
    if code == REFUSED:
        ends = {0: Outcome.FAILED, -101: Outcome.NOT_FOUND}
        return ends.get(sub, Outcome.UNKNOWN) if type(sub) is int else Outcome.UNKNOWN
    return {PAID: Outcome.SUCCEEDED, PROCESSING: Outcome.PENDING}.get(code, Outcome.UNKNOWN)

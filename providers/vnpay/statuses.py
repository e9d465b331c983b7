"""The outcomes of VNPAY's codes. Paid only if response and status are both `00`; a code that is not listed is UNKNOWN.

Source: VNPAY, payment gateway interface 2.1.0, tables of vnp_ResponseCode and vnp_TransactionStatus.
"""

from providers.contract import Outcome

PAID = "00"

_RESPONSES = {
    "07": Outcome.REVIEW,  # debited, suspected of fraud
    "09": Outcome.FAILED,  # no internet banking
    "10": Outcome.FAILED,  # verification wrong more than three times
    "11": Outcome.EXPIRED,
    "12": Outcome.FAILED,  # card or account locked
    "13": Outcome.FAILED,  # wrong one-time password
    "24": Outcome.CANCELLED,
    "51": Outcome.FAILED,  # balance too low
    "65": Outcome.FAILED,  # over the limit of the day
    "75": Outcome.FAILED,  # bank under maintenance
    "79": Outcome.FAILED,  # wrong payment password too often
    "99": Outcome.UNKNOWN,  # other: failed only once a query agrees
}

_STATUSES = {
    PAID: Outcome.SUCCEEDED,
    "01": Outcome.PENDING,
    "02": Outcome.FAILED,
    "04": Outcome.REVIEW,  # debited at the bank, not successful at VNPAY
    "05": Outcome.REVIEW,  # it was paid, and a refund is in progress: not reported by a payment's message
    "06": Outcome.REVIEW,
    "07": Outcome.REVIEW,  # suspected of fraud
    "09": Outcome.REVIEW,  # a refund was refused, so it was paid
}

REFUND_ANSWERS = {
    "00": Outcome.PENDING,  # accepted, not done
    "02": Outcome.FAILED,
    "03": Outcome.FAILED,
    "91": Outcome.FAILED,
    "94": Outcome.PENDING,  # a refund is in progress already
    "95": Outcome.FAILED,  # the payment was not successful
    "97": Outcome.FAILED,
}

REFUND_STATUSES = {
    PAID: Outcome.SUCCEEDED,
    "05": Outcome.PENDING,
    "06": Outcome.PENDING,
    "09": Outcome.FAILED,
}


def outcome_of_message(response: str, status: str) -> Outcome:
    """The outcome of an IPN. If the two codes disagree about the payment, it is queried."""
    parsed, stands = _RESPONSES.get(response, Outcome.UNKNOWN), _STATUSES.get(status, Outcome.UNKNOWN)
    if response == PAID:
        return stands
    if status == PAID:
        return Outcome.REVIEW if parsed is Outcome.REVIEW else Outcome.UNKNOWN
    return Outcome.REVIEW if stands is Outcome.REVIEW else parsed


def outcome_of_status(status: str) -> Outcome:
    """The outcome of a payment by a query's status."""
    return _STATUSES.get(status, Outcome.UNKNOWN)

"""The usual benefit digits of cards of a group: used for a warning, never for a refusal.

Source: constants reported to follow Decision 1018/QĐ-BHXH of 2024 (public claim-audit rules), section 1 of our
reference.
"""

from datetime import date

_RAISED_SINCE = date(2026, 1, 1)
_RAISED = frozenset({"CN", "LH"})

_GROUPS = {
    "1": "CC TE",
    "2": "CK CB KC HN DT DK XD BT TS AK CT",
    "3": "HT TC CN PV TG DS HK",
    "4": "DN HX CH NN TK HC XK TB NO XB TN CS XN MS HD TQ TA TY HG LS LH HS SV GB GD ND TH TV TD TU BA",
    "5": "QN CA CY",
}
_DIGIT_OF = {group: digit for digit, groups in _GROUPS.items() for group in groups.split()}


def card_digits(group: str, *, on: date) -> tuple[str, ...]:
    """The digits of a group's cards on a day; empty for an unknown group.

    CN and LH belong to digit 2 since 2026-01-01, but their cards may still carry the old one (B-013).
    """
    digit = _DIGIT_OF.get(group)
    if digit is None:
        return ()
    return ("2", digit) if group in _RAISED and on >= _RAISED_SINCE else (digit,)

"""The reason that a person states for a decision: one rule for every form and operation."""

from billing.core.errors import InvalidValue

REASON_LENGTH_MAX = 1000
_LENGTHS = range(3, REASON_LENGTH_MAX + 1)


def read_reason(text: str, *, field: str = "reason") -> str:
    """A reason in one line of 3 to 1000 printable characters. Raises InvalidValue."""
    reason = " ".join(text.split())
    if len(reason) not in _LENGTHS or not reason.isprintable():
        raise InvalidValue("state the reason in 3 to 1000 printable characters", field=field)
    return reason

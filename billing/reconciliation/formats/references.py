"""References of an entry of MT940 and camt.053: both formats have words for a reference that does not exist."""

from billing.reconciliation.formats.cell_values import read_text

_NO_REFERENCE = frozenset({"", "NONREF", "NOTPROVIDED"})


def read_reference(text: str | None) -> str | None:
    """A reference in NFC with single spaces; None where the bank states that there is none."""
    reference = read_text(text)
    return None if reference.upper() in _NO_REFERENCE else reference


def with_reference(reference: str | None, text: str) -> str:
    """A narrative with the customer's reference in front, unless it contains the reference."""
    return text if reference is None or reference in text else f"{reference} {text}".strip()

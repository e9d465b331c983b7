"""Our reference code as payOS's order code: its first eight characters as one whole number to base 31.

The ninth is a check character and is recomputed, so a number that is not ours becomes a code that was not issued.
Source: docs/design.md §8 (the reference code).
"""

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_BASE = len(ALPHABET)
_LENGTH = 8
_INVERSE_OF_9 = 7  # 9 · 7 = 63 ≡ 1 (mod 31)


def order_code(reference: str) -> int:
    """The order code of a reference code. Raises ValueError for another text."""
    number = 0
    for character in reference[:_LENGTH]:
        number = number * _BASE + ALPHABET.index(character)
    if reference_of(number) != reference:
        raise ValueError("not a reference code of nine characters")
    return number


def reference_of(code: int) -> str | None:
    """The reference code of an order code; None for a number outside the range of eight characters."""
    if not 0 <= code < _BASE**_LENGTH:
        return None
    values: list[int] = []
    for _ in range(_LENGTH):
        code, value = divmod(code, _BASE)
        values.insert(0, value)
    check = -sum(place * value for place, value in enumerate(values, start=1)) * _INVERSE_OF_9 % _BASE
    return "".join(ALPHABET[value] for value in [*values, check])

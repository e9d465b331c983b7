"""The virtual account that the text of a statement line states.

A virtual account is a number of a bank or provider that stands for one payment or payer; its money is booked on the
bank account behind it. The provider accounts of a bank account state the beginnings of its virtual accounts.
"""

import re
from collections.abc import Iterable

LENGTH_MAX = 40
_LENGTH_MIN = 6


class VirtualAccounts:
    """Finds the virtual accounts with certain beginnings; without beginnings it finds none."""

    def __init__(self, prefixes: Iterable[str] = ()) -> None:
        known = sorted({prefix.upper() for prefix in prefixes if prefix}, key=lambda each: (-len(each), each))
        self._pattern = re.compile(
            rf"(?<![0-9A-Z])(?=[0-9A-Z]{{{_LENGTH_MIN},{LENGTH_MAX}}}(?![0-9A-Z]))(?=[A-Z]*[0-9])"
            rf"(?:{'|'.join(map(re.escape, known))})[0-9A-Z]+"
        )
        self._is_empty = not known

    def find(self, *texts: str) -> str:
        """The one virtual account of the texts; empty where they state none, or two different ones.

        A word of letters alone is none, whatever it begins with.
        """
        if self._is_empty:
            return ""
        found = {each for text in texts for each in self._pattern.findall(text.upper())}
        return found.pop() if len(found) == 1 else ""

"""Write rows as CSV for a spreadsheet: UTF-8 with a byte order mark, numbers as numbers, and no text as a formula.

A text that begins like a formula gets an apostrophe in front. Control characters and marks of direction are left out.
Source: OWASP, CSV Injection.
"""

import csv
import io
from collections.abc import Sequence

from billing.core.text import remove_unseen

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(rows: Sequence[Sequence[str | int]]) -> bytes:
    """The bytes of a CSV file; the same rows give the same bytes."""
    content = io.StringIO()
    writer = csv.writer(content, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([[_safe(value) for value in row] for row in rows])
    return b"\xef\xbb\xbf" + content.getvalue().encode()


def _safe(value: str | int) -> str | int:
    if not isinstance(value, str):
        return value
    text = remove_unseen(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

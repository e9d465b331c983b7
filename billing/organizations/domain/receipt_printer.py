"""The printer of a desk: its paper, and the least height of a page of 80 mm. Source: docs/ux.md, Printers."""

from dataclasses import dataclass
from enum import StrEnum

from billing.core.errors import InvalidValue

HEIGHTS_MM = (120, 150, 200, 250, 300, 400)
"""Heights of a page of 80 mm for which print.css has a named page: a browser needs the height."""


class Paper(StrEnum):
    """A size of paper."""

    ROLL = "80mm"
    A5 = "a5"
    A4 = "a4"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPrinter:
    """A printer. Raises InvalidValue for a height without a page."""

    paper: Paper = Paper.ROLL
    height_mm: int = HEIGHTS_MM[0]

    def __post_init__(self) -> None:
        if self.height_mm not in HEIGHTS_MM:
            raise InvalidValue(
                f"a page of 80 mm is one of {', '.join(map(str, HEIGHTS_MM))} mm high", field="height_mm"
            )

    def page_height(self, needed_mm: int) -> int:
        """The height of the page for a receipt: at least that of the printer; the highest page where none is enough."""
        return next((each for each in HEIGHTS_MM if each >= max(needed_mm, self.height_mm)), HEIGHTS_MM[-1])

"""Draws a payment code: as SVG for a page or paper, as PNG for a phone, as text for a terminal.

Does not depend on the content of the code. Error correction is level M and the quiet zone four modules wide, as ISO/IEC
18004 requires. The SVG contains no script, no style and no address, so a page with a strict content policy may include
it.
"""

import io
from html import escape
from itertools import groupby

import segno

from billing.core.errors import InvalidValue

PAYLOAD_LENGTH_MAX = 1_000
QUIET_ZONE = 4

_BLACK_ON_WHITE = "\x1b[38;5;16;48;5;231m"  # fixed colours of the 256: black and white whatever the theme
_RESET = "\x1b[0m"
_HALF_BLOCKS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def qr_svg(payload: str, *, title: str) -> str:
    """Draw a payload as one SVG element; `title` is the text that a screen reader reads.

    One module is one unit of the view box, so the page decides the size. Raises InvalidValue for a payload that is
    empty, not ASCII or longer than PAYLOAD_LENGTH_MAX.
    """
    rows = _modules(payload)
    label = escape(title, quote=True)
    path = "".join(
        f"M{column} {line}h{width}v1h-{width}z" for line, row in enumerate(rows) for column, width in _dark_runs(row)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(rows)} {len(rows)}" role="img" '
        f'aria-label="{label}" shape-rendering="crispEdges"><title>{label}</title>'
        f'<path fill="#fff" d="M0 0h{len(rows)}v{len(rows)}h-{len(rows)}z"/><path fill="#000" d="{path}"/></svg>'
    )


def qr_png(payload: str) -> bytes:
    """Draw a payload as a PNG file, eight pixels a module, for saving to a phone's pictures and scanning from there.

    Raises InvalidValue as `qr_svg` does.
    """
    content = io.BytesIO()
    _code(payload).save(content, kind="png", scale=8, border=QUIET_ZONE)
    return content.getvalue()


def qr_terminal(payload: str, *, is_coloured: bool = True) -> str:
    """Draw a payload in half blocks, two rows of modules on a line, for a dark or a light terminal.

    Colours are explicit, black on white. Without colours (a file, a terminal that supports none) the light modules are
    drawn, which is correct on a dark background. Raises InvalidValue as `qr_svg` does.
    """
    rows = _modules(payload)
    if len(rows) % 2:
        rows.append([False] * len(rows))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        if is_coloured:
            lines.append(_BLACK_ON_WHITE + "".join(_HALF_BLOCKS[pair] for pair in pairs) + _RESET)
        else:
            lines.append("".join(_HALF_BLOCKS[not above, not below] for above, below in pairs))
    return "\n".join(lines) + "\n"


def _modules(payload: str) -> list[list[bool]]:
    """The square of modules with its quiet zone, row by row; True is dark."""
    return [[bool(module) for module in row] for row in _code(payload).matrix_iter(border=QUIET_ZONE)]


def _code(payload: str) -> segno.QRCode:
    if not payload or not payload.isascii() or len(payload) > PAYLOAD_LENGTH_MAX:
        raise InvalidValue(f"a drawn payload has 1 to {PAYLOAD_LENGTH_MAX} ASCII characters", field="payload")
    return segno.make_qr(payload, error="m", boost_error=False)


def _dark_runs(row: list[bool]) -> list[tuple[int, int]]:
    """The start and width of each run of dark modules."""
    runs = []
    column = 0
    for is_dark, run in groupby(row):
        width = len(list(run))
        if is_dark:
            runs.append((column, width))
        column += width
    return runs

import re
import xml.etree.ElementTree as ElementTree

import pytest
import segno
import zxingcpp

from billing.checkout.formats.qr_image import PAYLOAD_LENGTH_MAX, QUIET_ZONE, qr_svg, qr_terminal
from billing.core.errors import InvalidValue

_PAYLOAD = (
    "00020101021238570010A00000072701270006970436011300000000000170208QRIBFTTA53037045405350000"
    "5802VN62150811HPB7K2QF9XA6304E3ED"
)
_PAYLOADS = [_PAYLOAD, "A", "https://example.vn/pay/1-00ff?x=1&y=2", "0123456789" * 60]
_SVG = "{http://www.w3.org/2000/svg}"


def _decoded(rows, *, scale=4):
    """Read a square of modules (True is dark) with a decoder that has nothing in common with the encoder."""
    pixels = b"".join(
        bytes(0 if module else 255 for module in row for _ in range(scale)) for row in rows for _ in range(scale)
    )
    image = memoryview(pixels).cast("B", (len(rows) * scale, len(rows[0]) * scale))
    return [barcode.text for barcode in zxingcpp.read_barcodes(image, try_invert=False)]


def _rows_of_svg(svg):
    root = ElementTree.fromstring(svg)
    side = int(root.attrib["viewBox"].split()[2])
    rows = [[False] * side for _ in range(side)]
    dark = root.findall(f"{_SVG}path")[1]
    for column, line, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", dark.attrib["d"]):
        rows[int(line)][int(column) : int(column) + int(width)] = [True] * int(width)
    return rows


def _rows_of_terminal(text, *, drawn_is_dark):
    upper_of = {"█": True, "▀": True, "▄": False, " ": False}
    lower_of = {"█": True, "▀": False, "▄": True, " ": False}
    rows = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
        rows.append([upper_of[sign] == drawn_is_dark for sign in line])
        rows.append([lower_of[sign] == drawn_is_dark for sign in line])
    return rows


@pytest.mark.parametrize("payload", _PAYLOADS, ids=len)
def test_drawn_svg_is_read_back_by_another_decoder(payload):
    assert _decoded(_rows_of_svg(qr_svg(payload, title="Mã QR"))) == [payload]


@pytest.mark.parametrize("is_coloured", [True, False])
@pytest.mark.parametrize("payload", _PAYLOADS, ids=len)
def test_terminal_drawing_is_read_back_by_another_decoder(payload, is_coloured):
    rows = _rows_of_terminal(qr_terminal(payload, is_coloured=is_coloured), drawn_is_dark=is_coloured)

    assert _decoded(rows) == [payload]


def test_terminal_colours_are_set_outright_and_reset_on_every_line():
    for line in qr_terminal(_PAYLOAD).splitlines():
        assert line.startswith("\x1b[38;5;16;48;5;231m")
        assert line.endswith("\x1b[0m")


def test_error_correction_is_level_m():
    rows = _rows_of_svg(qr_svg(_PAYLOAD, title="Mã QR"))
    inner = [row[QUIET_ZONE:-QUIET_ZONE] for row in rows[QUIET_ZONE:-QUIET_ZONE]]

    # The first two format bits, masked with 10, are 00 for M (ISO/IEC 18004, table 12).
    assert [inner[8][0], inner[8][1]] == [True, False]
    assert segno.make_qr(_PAYLOAD, error="m", boost_error=False).error == "M"


def test_quiet_zone_of_four_modules_is_light():
    rows = _rows_of_svg(qr_svg(_PAYLOAD, title="Mã QR"))

    assert not any(any(row) for row in rows[:QUIET_ZONE] + rows[-QUIET_ZONE:])
    assert not any(any(row[:QUIET_ZONE]) or any(row[-QUIET_ZONE:]) for row in rows)


def test_svg_needs_no_script_and_no_style_and_states_its_title():
    svg = qr_svg(_PAYLOAD, title='Trả "350.000 đ" <cho> A & B')
    root = ElementTree.fromstring(svg)

    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'Trả "350.000 đ" <cho> A & B'
    assert root.findtext(f"{_SVG}title") == 'Trả "350.000 đ" <cho> A & B'
    assert {element.tag for element in root.iter()} == {f"{_SVG}svg", f"{_SVG}title", f"{_SVG}path"}
    assert not any(name in {"style", "class"} or name.startswith("on") for e in root.iter() for name in e.attrib)


@pytest.mark.parametrize("draw", [lambda payload: qr_svg(payload, title="Mã QR"), qr_terminal])
@pytest.mark.parametrize("payload", ["", "Viện phí", "A" * (PAYLOAD_LENGTH_MAX + 1)], ids=["empty", "marks", "long"])
def test_payload_that_cannot_be_drawn_is_refused(draw, payload):
    with pytest.raises(InvalidValue):
        draw(payload)


def test_longest_payload_is_drawn():
    assert _decoded(_rows_of_svg(qr_svg("x" * PAYLOAD_LENGTH_MAX, title="Mã QR")), scale=3) == [
        "x" * PAYLOAD_LENGTH_MAX
    ]

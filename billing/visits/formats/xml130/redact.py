"""Remove visits from a stored claim file; other visits of the same file are still exported with its rows."""

from collections.abc import Collection
from xml.parsers import expat

from billing.visits.formats.xml130.document import decode
from billing.visits.formats.xml130.envelope import SIGNATURE, VISIT
from billing.visits.formats.xml130.reader import read_claim_file


def keep_visits(content: bytes, kept: Collection[str]) -> bytes | None:
    """The file with only the visits of these MA_LK, every other HOSO removed, as UTF-8.

    None where the kept visits would not be read as before. Its signature is no longer valid.
    """
    before = {read.visit.ma_lk: read for read in read_claim_file(content).visits}
    if not all(ma_lk in before for ma_lk in kept):
        return None
    text = decode(content).encode("utf-8")
    numbers = {before[ma_lk].hoso for ma_lk in kept}
    cut = bytearray()
    place = 0
    for number, (start, end) in enumerate(_visit_spans(text), start=1):
        cut += text[place:start]
        if number in numbers:
            cut += text[start:end]
        place = end
    cut += text[place:]
    after = {read.visit.ma_lk: read for read in read_claim_file(bytes(cut)).visits}
    is_same = after.keys() == set(kept) and all(
        (after[ma_lk].visit, after[ma_lk].rows) == (before[ma_lk].visit, before[ma_lk].rows) for ma_lk in kept
    )
    return bytes(cut) if is_same else None


def _visit_spans(text: bytes) -> list[tuple[int, int]]:
    """Start and end of each HOSO, as the envelope counts them: not inside another HOSO or a signature."""
    parser = expat.ParserCreate()
    spans: list[tuple[int, int]] = []
    inside: list[str] = []
    begun = 0

    def start(name: str, _attributes: object) -> None:
        nonlocal begun
        local = name.rpartition(":")[2]
        if local == VISIT and VISIT not in inside and SIGNATURE not in inside and inside:
            begun = parser.CurrentByteIndex
        inside.append(local)

    def end(_name: str) -> None:
        local = inside.pop()
        if local == VISIT and VISIT not in inside and SIGNATURE not in inside and inside:
            closing = text.index(b">", parser.CurrentByteIndex) + 1
            spans.append((begun, closing))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.Parse(text.decode("utf-8"), True)
    return spans

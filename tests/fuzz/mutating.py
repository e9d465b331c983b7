"""Making bytes that are almost valid: flips, cuts, doublings, foreign pieces, other encodings, tables repacked.

Everything follows from the random generator that is passed in, so a number reproduces a case.
"""

import base64
import re
from collections.abc import Sequence
from random import Random

from tests.fuzz.seeds import HURTFUL

LENGTH_MAX = 200_000
_PACKED = re.compile(rb"(<NOIDUNGFILE>)([A-Za-z0-9+/=\s]{20,})(</NOIDUNGFILE>)")
_VALUE = re.compile(rb">([^<>]{0,40})</|\"([^\"]{0,40})\"|([0-9.]{1,20})")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1258", "latin-1", "utf-7")


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after one to six changes."""
    content = random.choice(seeds)
    for _ in range(random.randint(1, 6)):
        content = _inside_a_table(random, content) if random.random() < 0.5 else _changed(random, content)
    return content[:LENGTH_MAX]


def _changed(random: Random, content: bytes) -> bytes:
    change = random.choice((_flip, _delete, _double, _cut, _insert, _replace_value, _replace_value, _recode, _swap))
    return change(random, content)


def _inside_a_table(random: Random, content: bytes) -> bytes:
    """Change what is inside the base64 of one table, and pack it again."""
    found = list(_PACKED.finditer(content))
    if not found:
        return _changed(random, content)
    table = random.choice(found)
    try:
        opened = base64.b64decode(table[2])
    except ValueError:
        return _changed(random, content)
    packed = base64.b64encode(_changed(random, opened))
    return content[: table.start(2)] + packed + content[table.end(2) :]


def _span(random: Random, content: bytes) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + int(random.expovariate(1 / 30)))


def _flip(random: Random, content: bytes) -> bytes:
    if not content:
        return b"\x00"
    at = random.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]


def _delete(random: Random, content: bytes) -> bytes:
    start, end = _span(random, content)
    return content[:start] + content[end:]


def _double(random: Random, content: bytes) -> bytes:
    start, end = _span(random, content)
    return content[:end] + content[start:end] * random.choice((1, 1, 2, 30)) + content[end:]


def _cut(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _insert(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice((*HURTFUL, random.randbytes(random.randint(1, 8)))) + content[at:]


def _replace_value(random: Random, content: bytes) -> bytes:
    """Another value in place of one that stands between tags or quotes, or of a number."""
    found = list(_VALUE.finditer(content))
    if not found:
        return _insert(random, content)
    value = random.choice(found)
    group = next(number for number in (1, 2, 3) if value[number] is not None)
    return content[: value.start(group)] + random.choice(HURTFUL) + content[value.end(group) :]


def _swap(random: Random, content: bytes) -> bytes:
    (first, middle), (_, end) = sorted((_span(random, content), _span(random, content)))
    if middle > end:
        return content
    return content[:first] + content[middle:end] + content[first:middle] + content[end:]


def _recode(random: Random, content: bytes) -> bytes:
    try:
        return content.decode().encode(random.choice(_ENCODINGS), "replace")
    except UnicodeError:
        return content

"""The words of part 3.1 of docs/glossary.md are not used: not in identifiers, comments, documents or messages.

Identifiers are names of Python, of SQL and of files; each is split into words (snake_case and CamelCase), and whole
words are compared. A name that a library, a protocol or a data field prescribes is an exception with a reason.
"""

import io
import re
import token
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"

IDENTIFIER_EXCEPTIONS: Mapping[str, str] = {
    "pg_last_xact_replay_timestamp": "a function of PostgreSQL",
    "get_type_hints": "a function of the standard library",
    "test_utils": "a module of aiohttp",
    "undo": "a method of pytest's MonkeyPatch",
}
"""Identifier → reason."""

PROSE_EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("STYLE.md", "tell"): "the example of a bad commit subject",
    ("STYLE.md", "crowded"): "the example of a bad name of an error",
    ("STYLE.md", "utils"): "the rule that forbids such modules",
    ("STYLE.md", "helpers"): "the rule that forbids such modules",
}
"""(file, word) → reason."""

_CODE = ("billing", "providers", "migrations", "docker", "tests")
_CATALOGUES = (
    "billing/checkout/domain/patient_states.py",
    "billing/cli/demo_messages.py",
    "billing/web/pages/pay/messages.py",
    "providers/sandbox/control_messages.py",
)
_EXEMPT = ("docs/glossary.md", "tests/test_vocabulary.py", "CHANGELOG.md")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SQL_BEGINS = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER)\s")
_SQL_SKIPPED = re.compile(r"--.*|'[^']*'")


def banned_words() -> frozenset[tuple[str, ...]]:
    """The first column of the table of part 3.1: single words, and sequences of words joined by a low line."""
    section = GLOSSARY.read_text("utf-8").partition("## 3.1 ")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")][2:]
    return frozenset(tuple(name.strip().split("_")) for row in rows for name in row.split(","))


BANNED = banned_words()
_FIRST_WORDS = frozenset(words[0] for words in BANNED)


def found_in(words: list[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        if word in _FIRST_WORDS:
            yield from ("_".join(each) for each in BANNED if tuple(words[at : at + len(each)]) == each)


def names_of_python(path: Path) -> Iterator[str]:
    for each in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if each.type == token.NAME:
            yield each.string
        elif each.type == token.STRING and _SQL_BEGINS.match(each.string.strip("rbuRBU\"'")):
            yield from names_of_sql(each.string)


def names_of_sql(text: str) -> list[str]:
    return re.findall(r"\w+", _SQL_SKIPPED.sub("", text))


def names_of(path: Path) -> Iterator[str]:
    """The names in a file of code, its own name among them."""
    yield path.stem
    if path.suffix == ".py":
        yield from names_of_python(path)
    else:
        yield from names_of_sql(path.read_text("utf-8"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def banned_identifiers() -> Iterator[tuple[str, str, str]]:
    """(file, identifier, banned word) of each use."""
    for part in _CODE:
        for path in sorted((ROOT / part).rglob("*")):
            if path.suffix not in (".py", ".sql") or relative(path) in _EXEMPT:
                continue
            banned = {name: found for name in {path.stem, *_names_in(path)} if (found := words_of(name))}
            if not banned:
                continue
            for name in names_of(path):
                yield from ((relative(path), name, word) for word in banned.get(name, ()))


def _names_in(path: Path) -> list[str]:
    """Every word of a file, also of its comments and texts: cheaper than to read its tokens."""
    return re.findall(r"\w+", path.read_text("utf-8"))


@cache
def words_of(name: str) -> tuple[str, ...]:
    """The banned words in an identifier."""
    if name in IDENTIFIER_EXCEPTIONS:
        return ()
    return tuple(found_in([each.lower() for each in _WORD.findall(name)]))


def prose_files() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))
    for part in ("billing", "providers"):
        yield from sorted(each for suffix in ("html", "toml") for each in (ROOT / part).rglob(f"*.{suffix}"))
    yield from (ROOT / each for each in _CATALOGUES if (ROOT / each).exists())


def remarks_of(path: Path) -> Iterator[str]:
    """The comments of a file of code, and of Python its docstrings."""
    text = path.read_text("utf-8")
    if path.suffix == ".sql":
        yield from re.findall(r"--.*", text)
        return
    for each in tokenize.generate_tokens(io.StringIO(text).readline):
        is_docstring = each.type == token.STRING and each.string.startswith('"""')
        if each.type == token.COMMENT or (is_docstring and not _SQL_BEGINS.match(each.string.strip('"'))):
            yield re.sub(r"# type: ignore\[[^]]*\]", "", each.string)  # the codes are mypy's words


def banned_remarks() -> Iterator[tuple[str, str]]:
    """(file, banned word) of each use in a comment or a docstring."""
    for part in _CODE:
        for path in sorted((ROOT / part).rglob("*")):
            if path.suffix not in (".py", ".sql"):
                continue
            for remark in remarks_of(path):
                for word in found_in([each.lower() for each in re.findall(r"[^\W_]+", remark)]):
                    yield relative(path), word


def banned_prose() -> Iterator[tuple[str, str]]:
    """(file, banned word) of each use in a document, a template or a catalogue of messages."""
    for path in prose_files():
        if relative(path) in _EXEMPT:
            continue
        text = re.sub(r"https?://\S+", "", path.read_text("utf-8"))
        for word in found_in([each.lower() for each in re.findall(r"[^\W_]+", text)]):
            if (relative(path), word) not in PROSE_EXCEPTIONS:
                yield relative(path), word


def test_glossary_lists_the_banned_words() -> None:
    assert {("tell",), ("moments",), ("keep", "up"), ("utils",)} <= BANNED


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tell_exceptions", ["tell"]),
        ("PageElsewhere", ["elsewhere"]),
        ("TOLD_URL", ["told"]),
        ("HTTPHeard", ["heard"]),
        ("_keep_up", ["keep_up"]),
        ("keeps_upper", []),
        ("teller", []),
    ],
)
def test_identifier_is_split_into_words(name: str, found: list[str]) -> None:
    assert list(words_of(name)) == found


def test_banned_words_are_in_no_identifier() -> None:
    assert not Counter(banned_identifiers())


def test_banned_words_are_in_no_comment_or_docstring() -> None:
    assert not Counter(banned_remarks())


def test_banned_words_are_in_no_document_template_or_message() -> None:
    assert not Counter(banned_prose())

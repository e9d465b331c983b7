"""Every source the code names is a document of this repository, a law or decision, or a document of a vendor."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_DOCUMENT = re.compile(r"\b((?:docs|tests|migrations)/[\w./-]*\w)")
_LAW = re.compile(
    r"\b(?:Law|Decree|Circular|Decision|Resolution|Directive|Article|Art\.|[Ll]etter)\b.*?\d"
    r"|\d+/[\w.-]*(?:QĐ|NQ|TT|NĐ|QH)"
)
_STANDARD = re.compile(
    r"\b(?:RFC \d+|TCVN \d+|ISO \d+|ISO/IEC \d+|EMV\w*|NAPAS|SWIFT|OpenAPI|PostgreSQL|Unicode|OWASP|IANA|UAX|W3C|"
    r"data standard|XML 130|Decision \d+|OOXML|ECMA-376|Standard Webhooks|"
    r"Stripe|VNPAY|MoMo|ZaloPay|payOS|SePay|vietqr\.vn|VietQR)"
)
_VENDOR = re.compile(r"https?://|\b[\w-]+\.(?:vn|com|org|io|dev)\b|Postman|SDK|specification|page|documentation", re.I)

_PARAGRAPH = r'\n\s*#?\s*\n|"""'
_ENDS = {".py": _PARAGRAPH, ".toml": _PARAGRAPH, ".sql": r"\n(?!--)"}


def _sources() -> Iterator[tuple[str, str]]:
    """The place and the text of each "Source:" up to the end of its paragraph."""
    for top in ("billing", "providers", "migrations"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in _ENDS:
                text = path.read_text("utf-8")
                for found in re.finditer(rf"\bSource: (.+?)(?:{_ENDS[path.suffix]}|\Z)", text, re.S):
                    yield f"{path.relative_to(ROOT)}:{text[: found.start()].count(chr(10)) + 1}", found[1]


SOURCES = list(_sources())


def test_code_names_its_sources() -> None:
    assert len(SOURCES) > 100


@pytest.mark.parametrize(("place", "text"), SOURCES, ids=[place for place, _ in SOURCES])
def test_source_is_a_document_here_a_law_or_of_a_vendor(place: str, text: str) -> None:
    documents = [name.rstrip(".") for name in _DOCUMENT.findall(text)]
    missing = [name for name in documents if not _exists(name)]

    assert missing == []
    assert documents or any(known.search(text) for known in (_LAW, _STANDARD, _VENDOR)), text


def _exists(name: str) -> bool:
    """A file, or a decision named by its number."""
    return (ROOT / name).exists() or any(ROOT.glob(f"{name}-*.md"))


_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
_SKIPPED = ("docs/reference/providers.md",)
"""Pages that quote a regular expression which looks like a link."""


def test_links_of_documents_lead_to_files() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        if str(page.relative_to(ROOT)) not in _SKIPPED
        for link in _LINK.findall(page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]

    assert len(pages) > 20
    assert broken == []

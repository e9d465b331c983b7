"""Names that documents state as code exist: modules, files, identifiers, commands, make targets and API paths."""

import re
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest

from billing.notifications.domain.webhook import TOPICS
from billing.web.routes import API, OPEN
from billing.web.webhook_documents import WEBHOOKS

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "README.vi.md", "STYLE.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
FEATURES = ("", "billing/", "docs/", "billing/web/", "billing/reconciliation/")

EXAMPLES = {
    "STYLE.md": {
        "Crowded", "_bytes", "_helpers", "page_size_max", "prices_by_code", "served_on",
        "test_callback_received_twice_posts_once",
    },  # how names are formed
    "docs/design.md": {
        "uuidv7", "fhir", "hl7", "einvoice", "allowEval", "includeIndicatorStyles", "get_server",
    },  # a later format, or a name of another program
    "docs/operations.md": {"pg_basebackup"},
    "docs/performance.md": {"SO_REUSEPORT"},
    "docs/ux.md": {"alt"},
}  # fmt: skip
"""Names in documents that are no names of this repository, by document."""

_PATH = re.compile(r"[a-z_0-9]+(?:/[a-z_0-9.*-]+)+")
_FOREIGN_PATHS = {"application/json", "bhyt-case/1"}
_DOTTED = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
_IDENTIFIER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\(.*\))?")
_SETTING = "VIENPHI_"


def codes_of(page: str) -> list[str]:
    """The texts of a page that stand as code, without the glossary's table of earlier names."""
    text = (ROOT / page).read_text("utf-8")
    if page == "docs/glossary.md":
        text = text.split("\n# Part 2.")[0]
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


@cache
def words() -> frozenset[str]:
    """Every identifier of code, schema, data and build files."""
    places = ("billing", "providers", "migrations", "tests", "examples", "docker")
    files = [path for place in places for path in (ROOT / place).rglob("*") if path.suffix in _CODE]
    files += [ROOT / name for name in ("Makefile", "pyproject.toml")]
    return frozenset(
        word for path in files if path.name != Path(__file__).name for word in re.findall(r"\w+", _text(path))
    )


_CODE = {".py", ".sql", ".toml", ".html", ".js", ".css", ".json", ".yml", ".yaml", ".conf", ".service"}


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.stat().st_size < 200_000 else ""


def is_file(name: str) -> bool:
    """A file, a module without its ending, a package, or a pattern of files."""
    name = name.rstrip("/")
    found = ((f"{feature}{name}", f"{feature}{name}.py") for feature in FEATURES)
    return any((ROOT / each).exists() for pair in found for each in pair) or any(
        any(ROOT.glob(f"{feature}{name}")) for feature in FEATURES
    )


def is_module(package: str, floor: str, name: str) -> bool:
    """A module of the floor of a package."""
    return (ROOT / "billing" / package / floor / f"{name}.py").is_file()


def expanded(code: str) -> list[str]:
    """`a/{b, c}` as `a/b` and `a/c`; a placeholder in braces (`/v1/visits/{id}`) has one name and no comma."""
    found = re.fullmatch(r"([a-z_/]+)\{([a-z_0-9 ]+(?:,[a-z_0-9 ]+)+)\}([a-z_/.]*)", code)
    return [code] if found is None else [f"{found[1]}{each.strip()}{found[3]}" for each in found[2].split(",")]


@pytest.mark.parametrize("page", PAGES)
def test_chapters_of_a_document_occur_once(page: str) -> None:
    chapters = re.findall(r"^##? .+$", (ROOT / page).read_text("utf-8"), re.MULTILINE)

    assert sorted({each for each in chapters if chapters.count(each) > 1}) == []


@pytest.mark.parametrize("page", PAGES)
def test_paths_of_a_document_exist(page: str) -> None:
    named = {name for code in codes_of(page) for name in expanded(code) if _PATH.fullmatch(name)} - _FOREIGN_PATHS

    assert [name for name in sorted(named) if not is_file(name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_identifiers_of_a_document_exist(page: str) -> None:
    named = {found[1] for code in codes_of(page) if (found := _IDENTIFIER.fullmatch(code))}
    named |= {word for code in codes_of(page) if _DOTTED.fullmatch(code) for word in code.split(".")}
    named = {name for name in named if not name.startswith(_SETTING)} - EXAMPLES.get(page, set())

    assert sorted(named - words()) == []


def test_webhooks_of_the_api_document_are_those_that_are_sent() -> None:
    """A row of the table has one topic or several, and the fields of all of them."""
    table = (ROOT / "docs/api.md").read_text("utf-8").split("\n## Webhooks")[1].split("\n## ")[0]
    rows = [
        (re.findall(r"`([^`]+)`", topics), set(re.findall(r"`([^`]+)`", fields)))
        for topics, _, fields in re.findall(r"(?m)^\| (`.+?) \| (.+?) \| (.+?) \|$", table)
    ]

    assert sorted(topic for topics, _ in rows for topic in topics) == sorted(TOPICS)
    assert [topics for topics, fields in rows if fields != {key for each in topics for key in _fields(each)}] == []


def _fields(topic: str) -> frozenset[str]:
    return frozenset(get_type_hints(WEBHOOKS[topic]))


def test_tree_of_the_design_names_modules() -> None:
    """The lines `package/ floor module module …` of design §3.2; `*` marks what is planned."""
    tree = (ROOT / "docs/design.md").read_text("utf-8").split("### 3.2 The tree")[1].split("    providers/")[0]
    missing, seen = [], 0
    for package, body in re.findall(r"(?m)^ {6}([a-z_]+)/ ((?:.*\n)(?: {16,}.*\n)*)", tree):
        floor = ""
        for part in re.findall(r"[^\s;]+", re.sub(r"\(R\)\*[^·]*|\(.*?\)|\S*\{[^}]*\}", "", body)):
            if part in {"domain", "store", "formats", "service"}:
                floor = part
            elif re.fullmatch(r"[a-z]+(?:_[a-z0-9]+)*", part):
                seen += is_module(package, floor, part)
                missing += [f"{package}/{floor}/{part}"] if "_" in part and not is_module(package, floor, part) else []

    assert seen > 250
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_document_exist(page: str) -> None:
    known = set(re.findall(r"^#+ `vienphi ([a-z -]+)`", (ROOT / "docs/cli.md").read_text("utf-8"), re.MULTILINE))
    nouns = {name.split()[0] for name in known}
    named = {
        tuple(re.findall(r"^[a-z-]+|(?<= )[a-z-]+", found))
        for code in codes_of(page)
        for found in re.findall(r"\bvienphi ([a-z-]+(?: [a-z-]+)?)", code)
    }
    wrong = [each for each in named if each[0] not in nouns]
    wrong += [each for each in named if len(each) > 1 and each[0] not in known and " ".join(each) not in known]

    assert len(known) > 40
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_of_a_document_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(r"`make ([a-z-]+)|^    make ([a-z-]+)", text, re.MULTILINE)
    targets_named = {one or two for one, two in found}

    assert sorted(each for each in targets_named - targets if not each.endswith("-")) == []


@pytest.mark.parametrize("page", PAGES)
def test_operations_of_a_document_exist(page: str) -> None:
    known = {(route.method, re.sub(r"\{[^}]*\}", "{}", route.path)) for route in (*API, *OPEN)}
    named = {
        (method, re.sub(r"\{[^}]*\}", "{}", path).rstrip("/"))
        for code in codes_of(page)
        for method, path in re.findall(r"\b(GET|POST|PUT|DELETE|PATCH) (/v1/[a-z0-9/{}_-]+)", code)
    }

    assert sorted(named - known) == []

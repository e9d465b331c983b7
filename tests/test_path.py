"""docs/path.md names files and what stands in them; each name exists there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "path.md").read_text("utf-8")
_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?"
_NAMED = re.compile(rf"([\w/]+\.py): ({_NAME}(?:, {_NAME})*)")


def defined_in(path: Path) -> set[str]:
    """Functions and classes of a file, and the methods of its classes as Class.method."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inside = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{each.name}" for each in inside}
    return found


def test_every_file_of_the_path_exists() -> None:
    named = set(re.findall(r"[\w/]+/[\w/]+\.(?:py|sql)", PAGE))

    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_name_of_the_path_stands_in_its_file() -> None:
    lines = _NAMED.findall(PAGE)

    assert {path for path, _ in lines} >= {"billing/web/callbacks.py", "billing/payments/domain/apply_events.py"}
    for path, names in lines:
        assert set(names.split(", ")) <= defined_in(ROOT / path), path


def test_every_rule_of_the_database_named_stands_in_a_migration() -> None:
    migrations = "".join(path.read_text("utf-8") for path in (ROOT / "migrations").glob("*.sql"))

    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE))

    assert {"event_key", "parts_sum_to_payment"} <= named
    assert [name for name in sorted(named) if name not in migrations] == []

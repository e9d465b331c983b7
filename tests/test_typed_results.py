"""Services and stores return typed values: no row mapping crosses a function (STYLE.md §4)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_UNTYPED = re.compile(r"\b(?:Mapping|dict)\[str, Any\]|\bRecord\b")


def untyped_results(root: Path) -> Iterator[tuple[str, str]]:
    """File and name of every function, also a private one, that returns a mapping of any values or a row."""
    for path in sorted([*root.glob("*/service/**/*.py"), *root.glob("*/store/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.returns is None:
                continue
            if _UNTYPED.search(ast.unparse(node.returns)):
                yield path.relative_to(root).as_posix(), node.name


def test_services_and_stores_return_typed_values() -> None:
    assert list(untyped_results(ROOT / "billing")) == []


def test_untyped_result_is_found(tmp_path: Path) -> None:
    path = tmp_path / "orders" / "store" / "orders.py"
    path.parent.mkdir(parents=True)
    path.write_text("def read() -> list[dict[str, Any]] | None: ...\ndef count() -> dict[str, int]: ...\n", "utf-8")

    assert list(untyped_results(tmp_path)) == [("orders/store/orders.py", "read")]

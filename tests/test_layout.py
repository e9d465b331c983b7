"""Tests mirror the packages: a folder of tests is a package of billing, a floor of it, or one of a short list."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OTHERS = {
    "bench",
    "browser",
    "cases",
    "chaos",
    "failover",
    "flows",
    "fuzz",
    "model",
    "morning",
    "move",
    "providers",
    "races",
    "vectors",
}
_FLOORS = {"domain", "store", "formats", "service"}


def folders(path: Path) -> set[str]:
    return {each.name for each in path.iterdir() if each.is_dir() and each.name != "__pycache__"}


def test_every_folder_of_tests_is_a_package_or_one_of_the_others() -> None:
    assert folders(ROOT / "tests") <= folders(ROOT / "billing") | _OTHERS


def test_a_feature_has_the_floors_of_its_package() -> None:
    features = {name for name in folders(ROOT / "billing") if (ROOT / "billing" / name / "service").is_dir()}
    for feature in features & folders(ROOT / "tests"):
        assert folders(ROOT / "tests" / feature) <= folders(ROOT / "billing" / feature) & _FLOORS, feature
        assert not [*(ROOT / "tests" / feature).glob("test_*.py")], f"{feature}: a test stands on a floor"


def test_a_function_has_at_most_six_arguments_that_are_given_by_place() -> None:
    """Further arguments are given by name (STYLE.md §9)."""
    functions = [
        (path, node)
        for top in ("billing", "providers")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    many = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path, node in functions
        if len([each for each in node.args.posonlyargs + node.args.args if each.arg not in {"self", "cls"}]) > 6
    ]

    assert len(functions) > 3_000
    assert many == []

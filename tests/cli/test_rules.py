from click.testing import CliRunner

from billing.cli import main


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["rules", *arguments], env={"COLUMNS": "200"})
    return f"{result.exit_code} {result.output}"


def test_rules_are_listed_with_source_period_and_cases() -> None:
    output = _run("B-040", "B-065")

    assert output.startswith("0 B-040")
    assert "01/01/2015 – 31/12/2024" in output
    assert "BHYT-071" in output
    assert "B-044" not in output
    assert "B-101" in _run("--lang", "en")


def test_unknown_rule_is_refused_by_name() -> None:
    assert "no rule B-999" in _run("B-999")

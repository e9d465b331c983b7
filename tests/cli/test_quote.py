import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.cli import quote as quote_module
from billing.cli.quote import quote

CASES = Path(__file__).parents[1] / "cases" / "bhyt"
CLAIMS = Path(__file__).parents[1] / "cases" / "xml130"


def _run(*arguments, columns=None):
    environment = {"COLUMNS": columns, "LINES": "50"}
    return CliRunner().invoke(quote, [str(argument) for argument in arguments], env=environment)


def test_each_file_gives_one_line_of_json():
    result = _run(CASES / "bhyt-001.json", CLAIMS / "several-hoso-one-base64-damaged.xml")

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [list(line) for line in lines] == [["visits", "findings"]] * 2
    assert [len(line["visits"]) for line in lines] == [1, 2]
    assert result.stderr == ""


def test_missing_file_gives_a_finding_and_the_others_go_on(tmp_path):
    result = _run(tmp_path / "none.xml", tmp_path, CASES / "bhyt-001.json")

    missing, folder, read = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert missing["visits"] == folder["visits"] == []
    assert [finding["code"] for finding in missing["findings"]] == ["file-unreadable"]
    assert missing["findings"][0]["file"] == str(tmp_path / "none.xml")
    assert [finding["code"] for finding in folder["findings"]] == ["file-unreadable"]
    assert len(read["visits"]) == 1


@pytest.mark.parametrize("case", ["bhyt-023.json", "bhyt-062.json"])
def test_nothing_priced_ends_with_status_1(case):
    result = _run(CASES / case)

    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"][0]["code"] == "not-supported"


def test_over_long_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(quote_module, "FILE_BYTES_MAX", 10)
    file = tmp_path / "long.json"
    file.write_bytes(b"{" * 11)

    result = _run(file)

    assert json.loads(result.stdout)["findings"][0]["code"] == "file-too-large"


def test_no_file_is_a_usage_error():
    assert _run().exit_code == 2


@pytest.mark.parametrize("columns", ["40", "100", "160"])
def test_explanation_is_never_cut(columns):
    result = _run("--explain", CASES / "bhyt-047.json", columns=columns)

    assert result.exit_code == 0
    assert "…" not in result.stdout
    for text in ("45.000.000", "36.000.000", "28.800.000", "7.200.000", "9.000.000", "16.200.000 đ"):
        assert text in result.stdout


def test_explanation_fits_100_columns():
    result = _run("--explain", CASES / "bhyt-047.json", CASES / "bhyt-053.json", columns="100")

    assert max(len(line) for line in result.stdout.splitlines()) <= 100


def test_explanation_tells_each_amount_its_rule_and_source_in_vietnamese():
    result = _run("--explain", CASES / "bhyt-018.json", columns="400")

    assert "Ratio drug" in result.stdout
    assert "Quỹ BHYT" in result.stdout
    assert (
        "(4) BHYT chỉ tính 50 % chi phí của khoản này; phần còn lại người bệnh tự trả. [B-060: Thông tư 20/2022/TT-BYT"
        in result.stdout
    )
    assert "Người bệnh phải trả: 500.000 đ" in result.stdout


def test_explanation_speaks_english_when_asked():
    result = _run("--explain", "--lang", "en", CASES / "bhyt-018.json", columns="400")

    assert "Insurance counts only 50 % of this item" in result.stdout
    assert "The patient pays: 500.000 đ" in result.stdout


def test_explanation_tells_the_line_of_a_fault(tmp_path):
    file = tmp_path / "claim.xml"
    file.write_text("<GIAMDINHHS>\n<A>&</A></GIAMDINHHS>", "utf-8")

    result = _run("--explain", "--lang", "en", file, columns="200")

    assert "table-not-wellformed · found line 2: not well-formed (invalid token)" in result.stdout


def test_explanation_names_the_rule_a_visit_was_refused_for():
    result = _run("--explain", CASES / "bhyt-014.json", columns="400")

    assert result.exit_code == 1
    assert "Không có lượt khám nào tính được." in result.stdout
    assert "[B-013: Nghị quyết 261/2025/QH15, Điều 2 khoản 1 điểm a]" in result.stdout


def test_explanation_shows_no_control_characters_or_markup_of_a_file(tmp_path):
    case = json.loads((CASES / "bhyt-018.json").read_text("utf-8"))
    case["input"]["visits"][0]["lines"][0]["name"] = "a\x1b[2Jb [bold]x[/bold] :smile:"
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case), "utf-8")

    result = _run("--explain", file, columns="300")

    assert "\x1b" not in result.stdout
    assert "a [2Jb [bold]x[/bold] :smile:" in result.stdout

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.cli import quote as quote_module
from billing.cli.quote import quote
from tests.visits.formats.xml130.claim_files import xml1, xml2, xml3

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


def test_visit_that_was_read_but_not_priced_is_no_failure(tmp_path):
    result = _run(_off_line_without_the_line_of_the_facility(tmp_path))

    assert result.exit_code == 0
    assert json.loads(result.stdout)["findings"][0]["code"] == "not-supported"


def _off_line_without_the_line_of_the_facility(folder):
    case = json.loads((CASES / "bhyt-035.json").read_text("utf-8"))
    del case["input"]["visits"][0]["route"]
    file = folder / "case.json"
    file.write_text(json.dumps(case), "utf-8")
    return file


def test_nothing_read_ends_with_status_1(tmp_path):
    file = tmp_path / "claim.xml"
    file.write_text("hello", "utf-8")

    result = _run(file, tmp_path / "none.xml")

    assert result.exit_code == 1
    assert [json.loads(line)["visits"] for line in result.stdout.splitlines()] == [[], []]


def test_bare_tables_are_joined_and_stand_on_the_lines_of_their_files(tmp_path):
    tables = {"x2.xml": xml2(), "x1.xml": xml1(), "x3.xml": xml3()}
    for name, table in tables.items():
        (tmp_path / name).write_text(table, "utf-8")
    files = [tmp_path / "x2.xml", CASES / "bhyt-001.json", tmp_path / "x1.xml", tmp_path / "x3.xml"]

    result = _run(*files)

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [len(line["visits"]) for line in lines] == [0, 1, 1, 0]
    assert [line["findings"][0]["file"] for line in lines if line["findings"]] == [str(files[i]) for i in (0, 2, 3)]
    assert lines[2]["visits"][0]["totals"]["T_TONGCHI_BV"] == "53600.00"


def test_file_name_that_is_not_utf_8_is_shown_with_a_replacement(tmp_path):
    name = os.fsencode(tmp_path) + b"/ca\xffse.json"
    with open(name, "wb") as file:
        file.write(b"hello")

    for options in ([], ["--explain"]):
        done = _run(*options, os.fsdecode(name))

        assert (done.exit_code, done.stderr) == (1, "")
        assert "ca\ufffdse" in done.stdout


def test_full_disk_is_reported_in_one_line_of_an_explanation_too():
    """Of plain quotes, and of a closed pipe: tests/cli/test_refusals.py."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "billing", "quote", "--explain", CASES / "bhyt-001.json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr


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


def test_explanation_tells_what_a_private_insurer_pays():
    result = _run("--explain", CASES / "bhyt-073.json", columns="400")

    assert "Bảo hiểm tư nhân trả: 3.000.000 đ\nNgười bệnh còn phải trả: 2.000.000 đ" in result.stdout


def test_explanation_is_english_on_request():
    result = _run("--explain", "--lang", "en", CASES / "bhyt-018.json", columns="400")

    assert "Insurance counts only 50 % of this item" in result.stdout
    assert "The patient pays: 500.000 đ" in result.stdout


def test_explanation_ends_with_the_object_code_where_the_code_has_no_name():
    # Case 035 came off line in 2020 with code 3, which is in no table of object codes.
    result = _run("--explain", "--lang", "en", CASES / "bhyt-035.json")

    assert "Visit LK20201110 · Object code 3\n" in result.stdout


def test_explanation_tells_the_line_of_a_fault(tmp_path):
    file = tmp_path / "claim.xml"
    file.write_text("<GIAMDINHHS>\n<A>&</A></GIAMDINHHS>", "utf-8")

    result = _run("--explain", "--lang", "en", file, columns="200")

    assert "table-not-wellformed · found line 2: not well-formed (invalid token)" in result.stdout


def test_explanation_names_the_rule_a_visit_was_refused_for(tmp_path):
    result = _run("--explain", _off_line_without_the_line_of_the_facility(tmp_path), columns="400")

    assert result.exit_code == 0
    assert "Không có lượt khám nào tính được." in result.stdout
    assert "[B-040: Luật 46/2014/QH13, Điều 22 khoản 1, 3, 6]" in result.stdout


def test_explanation_shows_no_control_characters_or_markup_of_a_file(tmp_path):
    case = json.loads((CASES / "bhyt-018.json").read_text("utf-8"))
    case["input"]["visits"][0]["lines"][0]["name"] = "a\x1b[2Jb [bold]x[/bold] :smile:"
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case), "utf-8")

    result = _run("--explain", file, columns="300")

    assert "\x1b" not in result.stdout
    assert "a [2Jb [bold]x[/bold] :smile:" in result.stdout


@pytest.mark.parametrize(
    ("language", "headings"),
    [("vi", ("Dịch vụ kỹ thuật, vật tư y tế", "Thuốc")), ("en", ("Services and supplies", "Drugs"))],
)
def test_explanation_groups_the_lines_by_table(language, headings, tmp_path):
    case = json.loads((CASES / "bhyt-018.json").read_text("utf-8"))
    service, drug = case["input"]["visits"][0]["lines"]
    drug["stt"] = 1
    case["input"]["visits"][0]["lines"] = [drug, {**service, "stt": 2, "name": "Second"}, service]
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case), "utf-8")

    result = _run("--explain", "--lang", language, file, columns="200")
    order = [json.loads(_run(file).stdout)["visits"][0]["lines"][at]["table"] for at in (0, 1, 2)]

    table = result.stdout[: result.stdout.index("\n\n", result.stdout.index(headings[0]))]
    places = [table.index(text) for text in (headings[0], service["name"], "Second", headings[1], drug["name"])]
    assert places == sorted(places)
    assert order == ["XML2", "XML3", "XML3"]


def test_explained_quote_tells_the_arithmetic_and_how_long_a_rule_holds():
    output = _run("--explain", CASES / "bhyt-051.json", columns="200").stdout

    assert "Thuốc 1 Thành tiền bệnh viện: 20 × 100.000 = 2.000.000; Thành tiền BHYT: 20 × 100.000 × 50 %" in output
    assert "Quỹ BHYT: 1.000.000 × 80 % = 800.000; Người bệnh cùng chi trả: 200.000 − 100.000 = 100.000" in " ".join(
        output.split()
    )
    assert "Quyết định 1351/QĐ-BHXH; từ 2015]" in output


def test_visit_that_costs_nothing_has_no_arithmetic():
    output = _run("--explain", CASES / "bhyt-060.json").stdout

    assert "0 đ" in output
    assert "Cách tính" not in output

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
COPAY = EXAMPLES / "ngoai-tru-dong-chi-tra.xml"
FACTS = {
    "facility": {
        "technical_level": "basic",
        "ranking_points": 40,
        "is_provisionally_ranked": False,
        "former_tier": "district",
    },
    "visits": {"MAU2611050002": {"MA_DKBD": "01999", "is_emergency": False}},
}


def _run(*arguments):
    return CliRunner().invoke(main, ["quote", *map(str, arguments)], env={"COLUMNS": "150", "LINES": "50"})


@pytest.fixture
def facts(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(FACTS), "utf-8")
    return path


def test_routes_are_listed_side_by_side_with_the_facts_they_need(facts):
    result = _run("--what-if", "--explain", COPAY, "--facts", facts)

    rows = {line.split()[0]: " ".join(line.split()) for line in result.output.splitlines() if line[:1].isdigit()}
    assert result.exit_code == 0
    assert rows["1.3"].endswith("561.619 đ 717.744 đ nếu có: phiếu chuyển còn giá trị")
    assert rows["1.12"].endswith("(theo dữ kiện) 561.619 đ 717.744 đ phù hợp")
    assert "Hồ sơ ghi đối tượng 1.1: không khớp dữ kiện." in result.output


def test_program_reads_one_line_of_json_a_file(facts):
    result = _run("--what-if", COPAY, EXAMPLES / "noi-tru.xml", "--facts", facts, "--lang", "en")

    first, second = [json.loads(line) for line in result.output.splitlines()]
    route = next(each for each in first["visits"][0]["routes"] if each["code"] == "1.3")
    assert (first["visits"][0]["stated"], first["visits"][0]["chosen"]) == ("1.1", "1.12")
    assert (route["status"], route["facts_named"]) == ("needs_paper", "valid referral paper")
    assert (route["patient"], route["insurer"]) == (561_619, 717_744)
    assert second["visits"][0]["chosen"] == "1.1"


def test_nothing_read_or_facts_alone_are_refused(facts, tmp_path):
    (tmp_path / "none.xml").write_text("hello", "utf-8")

    nothing = _run("--what-if", "--explain", tmp_path / "none.xml")
    missing = _run("--what-if", tmp_path / "missing.xml")
    alone = _run(COPAY, "--facts", facts)

    assert (nothing.exit_code, missing.exit_code, alone.exit_code) == (1, 1, 2)
    assert "Không có lượt khám nào đọc được." in nothing.output
    assert "is no file" in missing.output
    assert "belong to --what-if" in alone.output

"""`vienphi claim`: what a person at the insurance desk reads, what a program reads, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.cli import main
from tests.visits.formats.xml130.claim_files import file_of_tables, service, xml1, xml3
from tests.web.site import claim_file, replaced

EXAMPLES = Path(__file__).parents[2] / "examples"
CASES = Path(__file__).parents[1] / "cases" / "bhyt"
ANNEXES = "annex,codes,except,under_age,since,until,name\nI,C00-C97,,,2025-01-01,,\nII,D61,D61.9,,2025-01-01,,\n"
SEVEN_DAYS = ("<SO_LUONG>6</SO_LUONG>\n<DON_GIA_BV>305500", "<SO_LUONG>7</SO_LUONG>\n<DON_GIA_BV>305500")
FACTS = {
    "facility": {
        "technical_level": "basic",
        "ranking_points": 40,
        "is_provisionally_ranked": False,
        "former_tier": "district",
    }
}


def _run(*arguments, columns="200"):
    return CliRunner().invoke(main, ["claim", *map(str, arguments)], env={"COLUMNS": columns, "LINES": "50"})


@pytest.fixture
def clean_claim(tmp_path):
    """Options for the facility and the annexes, judged on a day before the deadline."""
    facts, annexes = tmp_path / "facts.json", tmp_path / "annexes.csv"
    facts.write_text(json.dumps(FACTS), "utf-8")
    annexes.write_text(ANNEXES, "utf-8")
    return ["--facts", facts, "--annexes", annexes, "--today", "2026-11-10"]


def test_visit_in_order_ends_with_status_0_and_its_deadline(clean_claim):
    result = _run("check", EXAMPLES / "ngoai-tru-dong-chi-tra.xml", *clean_claim)

    assert result.exit_code == 0, result.output
    assert "Lượt khám chữa bệnh MAU2611050002: đủ điều kiện đề nghị thanh toán" in result.output
    assert "chậm nhất ngày 16/11/2026 (7 ngày làm việc sau khi ra). [B-101]" in result.output
    assert "0 lỗi, 0 cảnh báo, 1 thông tin" in result.output


def test_bed_day_too_many_is_an_error_with_the_number_that_the_rule_gives(clean_claim, tmp_path):
    # From 9 to 15 November the stay counts six days; the file has seven.
    claim = _edited(tmp_path, "noi-tru.xml", *SEVEN_DAYS)

    result = _run("check", claim, *clean_claim)

    assert result.exit_code == 1
    (row,) = [line for line in result.output.splitlines() if "[B-066]" in line]
    assert row.split()[:6] == ["Lỗi", "XML3", "SO_LUONG", "7", "6", "Đợt"]
    assert "được tính 6 ngày giường, hồ sơ ghi 7." in row


def test_json_has_severity_field_found_expected_rule_and_sentence(clean_claim, tmp_path):
    claim = _edited(tmp_path, "noi-tru.xml", *SEVEN_DAYS)

    result = _run("check", claim, "--json", "--lang", "en", *clean_claim)

    (visit,) = json.loads(result.output)["visits"]
    assert result.exit_code == 1
    assert (visit["MA_LK"], visit["is_open"], visit["is_ready"]) == ("MAU2611090003", False, False)
    (found,) = [one for one in visit["findings"] if one["rule"] == "B-066"]
    assert {key: found[key] for key in ("severity", "table", "STT", "field", "found", "expected")} == {
        "severity": "error",
        "table": "XML3",
        "STT": None,
        "field": "SO_LUONG",
        "found": "7",
        "expected": "6",
    }
    assert found["sentence"].startswith("The stay from 09/11/2026 to 15/11/2026 counts 6 bed days")


def test_file_states_another_registered_facility(clean_claim, tmp_path):
    claim = _edited(tmp_path, "kham-ngoai-tru.xml", "<MA_DKBD>01001", "<MA_DKBD>01999")

    result = _run("check", claim, *clean_claim)

    assert result.exit_code == 1
    assert "mã đối tượng là 1.12 (khám ngoại trú tại cơ sở cấp cơ bản dưới 50 điểm)" in " ".join(result.output.split())


def test_supplied_facts_go_before_the_file(clean_claim, tmp_path):
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({**FACTS, "visits": {"MAU2611040001": {"MA_DKBD": "01999"}}}), "utf-8")

    result = _run("check", EXAMPLES / "kham-ngoai-tru.xml", *clean_claim)

    assert result.exit_code == 1
    assert "[B-049]" in result.output


def test_case_file_lacks_what_a_claim_needs():
    result = _run("check", CASES / "bhyt-042.json")

    assert result.exit_code == 1
    assert "Thiếu HO_TEN." in result.output
    assert "MUC_HUONG" not in result.output, "what we compute ourselves does not lack"


def test_visit_that_cannot_be_read_is_an_error(tmp_path):
    good = file_of_tables(one=xml1(), three=xml3())
    bad = file_of_tables(one=xml1(), three=xml3(service(PHAM_VI="9")))
    for name, content in (("good.xml", good), ("bad.xml", bad), ("none.xml", b"hello")):
        (tmp_path / name).write_bytes(content)

    refused, nothing = _run("check", tmp_path / "bad.xml"), _run("check", tmp_path / "none.xml")

    assert "Không đọc được theo chuẩn dữ liệu (code-unknown)." in refused.output
    assert "Không có lượt khám nào đọc được." in nothing.output
    assert (refused.exit_code, nothing.exit_code) == (1, 1)
    assert "Không đọc được" not in _run("check", tmp_path / "good.xml").output


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path):
    (tmp_path / "a.xml").write_bytes(file_of_tables(one=xml1(), three=xml3(service(PHAM_VI="\u009b2J"))))

    assert "\u009b" not in _run("check", tmp_path / "a.xml").output


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("{", "line 1"),
        ('{"facility": {"ranking_points": 101}}', "ranking points are 0 to 100"),
        ('{"facility": {"technical_level": "top"}}', "facility.technical_level"),
        ('{"visits": {"LK": {"is_emergency": "yes"}}}', "visits.LK.is_emergency"),
        ('{"visits": {"LK": {"emergency": true}}}', "visits.LK.emergency"),
        (
            '{"lists": {"stents": [{"since": "2026-01-01", "codes": ["S1"], "ceilings": []}]}}',
            "lists.stents[0].ceilings",
        ),
        ('{"lists": {"holidays": ["2/9"]}}', "lists.holidays"),
    ],
)
def test_facts_that_cannot_be_are_refused_by_their_path(tmp_path, facts, expected):
    (tmp_path / "facts.json").write_text(facts, "utf-8")

    result = _run("check", EXAMPLES / "noi-tru.xml", "--facts", tmp_path / "facts.json")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert expected in result.output


def test_annexes_are_counted_and_bad_rows_named(tmp_path):
    (tmp_path / "good.csv").write_text(ANNEXES, "utf-8")
    (tmp_path / "bad.csv").write_text(ANNEXES + "IV,C00,,,2025-01-01,,\n", "utf-8")

    good, bad = _run("check-annexes", tmp_path / "good.csv"), _run("check-annexes", tmp_path / "bad.csv")

    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "annex I: 1 rows, annex II: 1 rows, annex III: 0 rows" in good.output
    assert "line 4: annex 'IV' is none of I, II, III" in bad.output


def _edited(tmp_path, example, old, new):
    """An example with one text changed in each of its tables."""
    path = tmp_path / example
    path.write_bytes(claim_file(example, edit=replaced(old, new)))
    return path

"""What the pages of finance compute for display: marked texts, inert texts, charts, changes of a proposal."""

from billing.web.screens.finance.approvals import changes_of
from billing.web.screens.finance.dashboard import draw
from billing.web.screens.finance.work_rows import mark
from billing.web.screens.rendering import inert


def test_code_is_marked_in_whatever_case_it_is_written() -> None:
    pieces = mark("nop tien zz738ugx kham", ["ZZ738UGX", ""])

    assert [(each.text, each.is_marked) for each in pieces] == [
        ("nop tien ", False),
        ("zz738ugx", True),
        (" kham", False),
    ]


def test_text_without_the_word_is_one_piece() -> None:
    assert [each.text for each in mark("Nộp tiền", ["ZZ738UGX"])] == ["Nộp tiền"]
    assert list(mark("", ["ZZ738UGX"])) == []


def test_marks_of_direction_and_control_characters_are_left_out() -> None:
    assert inert("a\u202eb\u0000c\u200d\u2066d") == "abcd"
    assert inert("dòng 1\ndòng 2\t3") == "dòng 1 dòng 2 3"
    assert inert("Nguyễn Văn Ân – 1958 ₫") == "Nguyễn Văn Ân – 1958 ₫"


def test_chart_has_a_round_scale_and_a_bar_for_each_value() -> None:
    chart = draw([("today", [0, 136_000], "a"), ("former", [90_000, 0], "b")], ["8", "9"])

    assert [amount for _, amount in chart.scale] == [0, 50_000, 100_000, 150_000]
    assert len(chart.bars) == 4
    highest = next(each for each in chart.bars if each.tone == "a" and each.height > 1)
    assert highest.height == round(135 * 136_000 / 150_000, 1)
    assert all(each.y >= 0 and each.y + each.height <= 151 for each in chart.bars)


def test_chart_of_nothing_is_flat() -> None:
    assert draw([("today", [], "a")], []).bars == []


def test_proposal_shows_former_values_and_hides_ids() -> None:
    payload = {
        "visit_id": "x",
        "amount": 5,
        "former_amount": 3,
        "settings": {"url": "new", "same": 1},
        "settings_before": {"url": "old", "same": 1},
        "balances": [{"a": 1}, {"b": 2}],
        "reason": "tăng hạn mức",
        "valid_from": "2026-12-01",
    }

    assert [(each.name, each.before, each.after) for each in changes_of(payload)] == [
        ("amount", 3, 5),
        ("url", "old", "new"),
        ("balances", None, 2),
        ("valid_from", None, "01/12/2026"),
    ]

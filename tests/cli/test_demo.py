"""The demo, run as a newcomer runs it."""

import pytest

from tests.cli.commands import run, run_process


def test_demo_prints_every_step_and_ends_with_status_0() -> None:
    done = run_process("demo", "--lang", "en")

    assert done.returncode == 0, done.stderr
    story = done.stdout
    for expected in (
        "the insurance pays 717.744 đ; the patient pays 561.619 đ",
        "Amlodipin",
        "B-060",
        "200 ok",
        "200 duplicate",
        "fully paid. Received 561.619 đ in 1 payment(s)",
        "Debits 1.840.982 đ = credits 1.840.982 đ",
        "401 (bad_signature); nothing was written: still 1 payment(s), 561.619 đ",
        "The books hold: 29 checks, no mismatch",
    ):
        assert expected in story
    assert "Traceback" not in done.stderr


def test_demo_prints_vietnamese() -> None:
    done = run("demo", LANG="vi_VN.UTF-8")

    assert done.returncode == 0, done.stderr
    assert "người bệnh phải trả 561.619 đ" in done.stdout
    assert "Sổ đúng: 29 phép kiểm tra đều khớp" in done.stdout
    assert "the books" not in done.stdout
    assert "Ai trả bao nhiêu cho từng dòng, và vì sao" in done.stdout


@pytest.mark.parametrize("command", [["migrate"], ["ledger", "verify"]])
def test_command_without_its_address_names_the_missing_setting(command: list[str]) -> None:
    done = run(*command)

    assert done.returncode == 1
    assert "VIENPHI_" in done.stderr
    assert "Traceback" not in done.stderr


def test_command_on_an_unreachable_server_reports_it_in_one_line() -> None:
    done = run("ledger", "verify", VIENPHI_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert done.returncode == 1
    assert "database cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr

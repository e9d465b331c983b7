"""Every profile reads the sample of its bank in every format, and every bank's sample is recognised as its own."""

from importlib import resources

import pytest

from billing.reconciliation.domain.statement import Counterparty, LineKind, line_key
from billing.reconciliation.formats.profile import shipped_profiles
from tests.reconciliation.formats.bank_samples import (
    ACCOUNT,
    CLOSING,
    MOVEMENTS,
    OPENING,
    SAMPLES,
    SECOND_ACCOUNT,
    bidv_english,
)
from tests.reconciliation.formats.reading import read
from tests.reconciliation.formats.statement_files import WRITERS, as_xls, as_xlsx

AMOUNTS = [move.amount for move in MOVEMENTS]
TECHCOMBANK_AMOUNTS = [350_000, -48_900, -1_000, -100, 120_000, 120_000]


def test_every_profile_has_a_sample_and_the_name_of_its_file() -> None:
    folder = resources.files("billing.reconciliation.formats").joinpath("statement_profiles")

    assert set(shipped_profiles()) == set(SAMPLES)
    assert {each.name for each in folder.iterdir()} == {f"{name}.toml" for name in SAMPLES}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("profile", SAMPLES)
def test_sample_is_recognised_and_read(profile: str, writer: str) -> None:
    first, *others = read(WRITERS[writer](SAMPLES[profile]()))

    assert first.whole.profile == profile
    assert first.whole.bank_account_number == ACCOUNT
    assert (first.whole.opening, first.whole.closing) == (OPENING, CLOSING)
    assert (first.whole.from_day, first.whole.to_day) == (MOVEMENTS[0].day, MOVEMENTS[-1].day)
    if profile == "techcombank":
        assert first.amounts == TECHCOMBANK_AMOUNTS
    else:
        assert sorted(first.amounts) == sorted(AMOUNTS)
    assert {line.text for line in first.lines} >= {MOVEMENTS[0].text} or profile in ("agribank", "bidv")
    assert len(others) == (profile == "vietcombank_cashup")


@pytest.mark.parametrize("profile", [name for name in SAMPLES if name not in ("techcombank", "vietinbank_marked")])
def test_lines_have_day_text_and_balance_of_their_row(profile: str) -> None:
    lines = read(as_xlsx(SAMPLES[profile]()))[0].lines

    for line, move in zip(lines, MOVEMENTS, strict=True):
        assert (line.booked_on, line.amount) == (move.day, move.amount)
        assert move.text in line.text
        assert line.balance in (move.balance, None)


@pytest.mark.parametrize("profile", SAMPLES)
def test_every_edition_of_a_file_has_the_same_line_keys(profile: str) -> None:
    editions = [
        [line_key(ACCOUNT, line) for line in read(writer(SAMPLES[profile]()))[0].lines] for writer in WRITERS.values()
    ]

    assert all(sorted(keys) == sorted(editions[0]) for keys in editions)
    assert len(set(editions[0])) == len(editions[0])


def test_second_account_of_a_sheet_has_its_own_statement() -> None:
    first, second = read(as_xlsx(SAMPLES["vietcombank_cashup"]()))

    assert (first.whole.position, second.whole.position) == (1, 2)
    assert (second.whole.bank_account_number, second.lines) == (SECOND_ACCOUNT, [])
    assert (second.whole.opening, second.whole.closing) == (3_000_000, 3_000_000)


def test_document_number_is_split_from_its_day() -> None:
    lines = read(as_xls(SAMPLES["vietcombank_cashup"]()))[0].lines

    assert [line.bank_reference for line in lines] == [move.reference for move in MOVEMENTS]


def test_reference_is_found_in_the_text() -> None:
    lines = read(as_xls(SAMPLES["agribank"]()))[0].lines

    assert [line.bank_reference for line in lines] == [move.reference for move in MOVEMENTS]


def test_row_with_fee_and_tax_is_three_lines() -> None:
    lines = read(as_xlsx(SAMPLES["techcombank"]()))[0].lines

    assert [(line.kind, line.amount, line.balance, line.row) for line in lines[1:4]] == [
        (LineKind.MOVEMENT, -48_900, 10_301_100, 19),
        (LineKind.FEE, -1_000, 10_300_100, 19),
        (LineKind.TAX, -100, 10_300_000, 19),
    ]
    assert lines[0].counterparty == Counterparty(name="NGUYEN VAN THU", account="0099", bank="Ngân hàng Ví Dụ")


def test_english_edition_is_read_by_the_same_profile() -> None:
    [found] = read(as_xls(bidv_english()))

    assert (found.whole.profile, found.amounts) == ("bidv", AMOUNTS)


def test_profiles_are_marked_as_unverified() -> None:
    assert [profile.name for profile in shipped_profiles().values() if profile.verified] == []

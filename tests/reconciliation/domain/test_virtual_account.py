"""Virtual accounts in the texts of statement lines."""

import pytest

from billing.reconciliation.domain.virtual_account import VirtualAccounts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CT DEN VQRQ0000123456 NOP VIEN PHI", "VQRQ0000123456"),
        ("ct den vqrq0000123456.", "VQRQ0000123456"),
        ("9704VQRQ0000123456", ""),  # inside of a longer word
        ("VQRQ", ""),
        ("VQRQABCDEFG", ""),  # no digit
        ("VQRQ0000123456 VQRQ0000123456", "VQRQ0000123456"),
        ("VQRQ0000123456 VQRQ0000999999", ""),  # which of the two is not guessed
        ("NOP VIEN PHI", ""),
        (f"VQRQ{'1' * 40}", ""),
    ],
)
def test_one_virtual_account_is_found_and_nothing_is_guessed(text: str, found: str) -> None:
    assert VirtualAccounts(["VQRQ", "CAS"]).find(text) == found


def test_account_of_the_counterparty_counts_too() -> None:
    assert VirtualAccounts(["CAS"]).find("", "CAS123456") == "CAS123456"


def test_nothing_is_found_without_beginnings() -> None:
    assert VirtualAccounts().find("VQRQ0000123456") == ""

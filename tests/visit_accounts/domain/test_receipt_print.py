"""The stored form of a receipt and the masked number of a card."""

import pytest

from billing.visit_accounts.domain.desk_visit import mask_card
from billing.visit_accounts.domain.receipt_print import read_printed


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("", ""),
        ("GD4170123452291", "GD 4 17 •••••• 2291"),
        ("0123452291", "•••••• 2291"),
    ],
)
def test_card_is_masked(code: str, shown: str) -> None:
    assert mask_card(code) == shown


def test_receipt_of_an_earlier_version_is_read_without_the_later_keys() -> None:
    stored = {
        "number": "PT2026-000001",
        "issued_at": "2026-11-28T02:41:00+00:00",
        "direction": "in",
        "purpose": "deposit",
        "amount": 136_000,
        "parts": [{"method": "cash", "amount": 136_000}],
        "patient": "Nguyễn Văn Thử",
        "later": "ignored",
    }

    form = read_printed(stored)

    assert (form.patient, form.slips, form.change, form.parts[0].amount) == ("Nguyễn Văn Thử", (), None, 136_000)

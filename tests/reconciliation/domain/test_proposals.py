"""The ranking of proposals: what agrees, how much it counts, and what is too unlike to count."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from billing.reconciliation.domain.match_rules import ItemKind, OpenLine
from billing.reconciliation.domain.proposals import ProposedItem, rank_proposals

DAY = date(2026, 11, 2)


def _line(reference: str = "") -> OpenLine:
    return OpenLine(
        id=UUID(int=1),
        bank_account_id=UUID(int=1),
        key=UUID(int=1),
        booked_on=DAY,
        amount=100_000,
        bank_reference=reference,
        virtual_account="",
        codes=(),
        is_tentative=False,
    )


def _item(code: str = "VP7K3M9QX", *, expected: int = 1, reference: str = "", days: int = 5) -> ProposedItem:
    return ProposedItem(
        item_kind=ItemKind.PAYMENT,
        item_id=UUID(int=2),
        expected=expected,
        day=DAY - timedelta(days=days),
        bank_reference=reference,
        code=code,
    )


@pytest.mark.parametrize(
    ("text", "reasons", "score"),
    [
        ("NOP VP7K3M9QX", ["code"], 30),
        ("nop vp7k3m9qx", ["code"], 30),
        ("NOP VP7K3 M9QX", ["code"], 30),  # split by a space
        ("NOP VP7K3M9QA", ["similar_code"], 27),  # 8 of 9 letters: 30 × 16/18
        ("NOP VP7K3M9AA", ["similar_code"], 23),  # 7 of 9 letters: 30 × 14/18
        ("NOP VP7K3MAAA", [], None),  # 6 of 9 letters: 0.67
        ("NOP VP7K3M9QXAAAA", [], None),  # four letters longer
        ("", [], None),
    ],
)
def test_code_counts_as_much_as_it_resembles_a_word(text: str, reasons: list[str], score: int | None) -> None:
    proposals = rank_proposals(_line(), text, [_item()])

    assert [(list(each.reasons), each.score) for each in proposals] == ([(reasons, score)] if score else [])


def test_amount_reference_and_day_add_up() -> None:
    item = _item("", expected=100_000, reference="FT-1", days=1)

    [found] = rank_proposals(_line("FT-1"), "NOP TIEN", [item])

    assert (list(found.reasons), found.score, found.difference) == (["amount", "reference", "day"], 70, 0)


def test_items_without_names_are_compared_by_amount_alone() -> None:
    [found] = rank_proposals(_line(), "", [_item("", expected=100_000), _item("", expected=99_999)])

    assert (list(found.reasons), found.score) == (["amount"], 50)

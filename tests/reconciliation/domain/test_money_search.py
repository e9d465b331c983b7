"""The ranking of money by what a person knows of a transfer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.core.errors import InvalidValue
from billing.core.money import Dong
from billing.reconciliation.domain.money_search import Money, MoneyKind, MoneyQuestion, Why, rank_money

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
MONEY = Money(
    kind=MoneyKind.PAYMENT,
    id=UUID(int=1),
    amount=Dong(350_000),
    occurred_at=AT,
    bank_reference="FT26306123",
    text="MBVCB.123. K7ABCDEFR VIEN PHI",
    payer_name="NGUYEN VAN AN",
    payer_account="0011223344",
    reference_code="",
    unallocated=Dong(350_000),
    exception_id=None,
)
DAYS = {"since": AT - timedelta(days=1), "until": AT + timedelta(days=1)}


def _why(money: Money = MONEY, **known: object) -> list[Why]:
    found = rank_money(MoneyQuestion(**DAYS, **known), [money], at_most=9)  # type: ignore[arg-type]
    return [reason for each in found for reason in each.why]


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"amount": 350_000}, [Why.AMOUNT]),
        ({"amount": 350_001}, []),
        ({"fragment": "k7 abcd"}, [Why.CODE]),
        ({"fragment": "K7ABCDEER"}, [Why.SIMILAR_CODE]),
        ({"fragment": "K7ABCXXFR"}, []),
        ({"fragment": "6306123"}, [Why.CODE]),
        ({"payer": "Nguyễn Văn An"}, [Why.PAYER]),
        ({"payer": "Nguyễn Văn Bình"}, [Why.PART_OF_PAYER]),
        ({"payer": "Trần An"}, []),
        ({"account": "3344"}, [Why.ACCOUNT]),
        ({"account": "2233"}, []),
        ({"amount": 350_000, "paid_at": AT + timedelta(minutes=59)}, [Why.AMOUNT, Why.TIME]),
        ({"amount": 350_000, "paid_at": AT + timedelta(minutes=61)}, [Why.AMOUNT]),
        ({"amount": 1, "paid_at": AT}, []),
    ],
    ids=str,
)
def test_reasons_state_what_agrees(known: dict[str, object], why: list[Why]) -> None:
    assert _why(**known) == why


def test_money_that_agrees_in_more_comes_first() -> None:
    other = replace(MONEY, id=UUID(int=2), text="", payer_name="TRAN THI B")
    question = MoneyQuestion(**DAYS, amount=Dong(350_000), payer="Nguyễn Văn An")  # type: ignore[arg-type]

    found = rank_money(question, [other, MONEY], at_most=1)

    assert [(each.money.id, each.score) for each in found] == [(MONEY.id, 70)]


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"paid_at": AT},
        {"fragment": "K7A"},
        {"account": "344"},
        {"payer": "123"},
        {"payer": "x" * 101},
        {"amount": 1, "until": AT + timedelta(days=31)},
        {"amount": 1, "until": AT - timedelta(days=1)},
    ],
    ids=str,
)
def test_question_without_content_or_over_too_many_days_is_refused(known: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        MoneyQuestion(**{**DAYS, **known})  # type: ignore[arg-type]

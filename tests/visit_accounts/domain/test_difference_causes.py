"""Likely causes of a cash difference, each from the facts that make it likely."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.core.ids import ReceiptId
from billing.visit_accounts.domain.difference_causes import (
    CashReceipt,
    CauseKind,
    DifferenceFacts,
    OtherMoney,
    find_causes,
)
from billing.visit_accounts.domain.receipt import Direction, PartMethod

AT = datetime(2026, 11, 28, 3, 12, tzinfo=UTC)


def receipt(number: int, *, amount: int, cash: int, **changes: object) -> CashReceipt:
    values: dict[str, object] = {
        "id": ReceiptId(UUID(int=number)),
        "number": f"PT2026-{number:06d}",
        "direction": Direction.IN,
        "issued_at": AT,
        "methods": frozenset({PartMethod.CASH if cash else PartMethod.CARD}),
        "amount": amount,
        "cash": cash,
        "change": 0,
        **changes,
    }
    return CashReceipt(**values)  # type: ignore[arg-type]


def kinds(difference: int, *receipts: CashReceipt, money: tuple[OtherMoney, ...] = ()) -> list[CauseKind]:
    facts = DifferenceFacts(difference=difference, counted={"50000": 5}, receipts=receipts, unallocated=money)
    return [cause.kind for cause in find_causes(facts)]


def test_no_difference_has_no_cause() -> None:
    assert kinds(0, receipt(1, amount=50_000, cash=50_000)) == []


def test_receipt_of_the_missing_amount_with_unallocated_money_of_that_minute_comes_first() -> None:
    receipts = [
        receipt(1, amount=50_000, cash=50_000, issued_at=AT - timedelta(hours=2)),
        receipt(2, amount=50_000, cash=50_000),
    ]
    facts = DifferenceFacts(
        difference=-50_000,
        counted={"50000": 5},
        receipts=receipts,
        unallocated=[OtherMoney(amount=50_000, received_at=AT + timedelta(minutes=1))],
    )

    first = find_causes(facts)[0]

    assert (first.kind, first.receipts, first.has_unallocated_money) == (
        CauseKind.OTHER_MONEY_RECORDED_AS_CASH,
        (receipts[1],),
        True,
    )


@pytest.mark.parametrize(
    ("difference", "found", "kind"),
    [
        (-50_000, receipt(1, amount=30_000, cash=30_000, change=70_000), CauseKind.TOO_MUCH_CHANGE),
        (-50_000, receipt(1, amount=1_000, cash=1_000), CauseKind.NOTE_MISCOUNTED),
        (-27_000, receipt(1, amount=1_000, cash=1_000), CauseKind.DIGITS_EXCHANGED),
        (64_000, receipt(1, amount=136_000, cash=136_000, change=64_000), CauseKind.CHANGE_NOT_GIVEN),
        (70_000, receipt(1, amount=70_000, cash=0), CauseKind.CASH_RECORDED_AS_OTHER),
        (23_500, receipt(1, amount=23_500, cash=23_500, direction=Direction.OUT), CauseKind.RECEIPT_WITHOUT_CASH),
        (1_300, receipt(1, amount=70_000, cash=70_000), CauseKind.CASH_WITHOUT_RECEIPT),
    ],
)
def test_cause_is_named_from_its_facts(difference: int, found: CashReceipt, kind: CauseKind) -> None:
    assert kind in kinds(difference, found)


def test_two_receipts_of_the_missing_amount_may_be_one() -> None:
    same = [receipt(number, amount=45_500, cash=45_500) for number in (1, 2)]

    assert CauseKind.AMOUNT_RECORDED_TWICE in kinds(-45_500, *same)


def test_shortage_that_nothing_explains_has_no_cause() -> None:
    assert kinds(-1_300, receipt(1, amount=70_000, cash=70_000)) == []

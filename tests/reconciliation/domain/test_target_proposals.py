"""Proposals for received money: a fault of one character leads to its code; each has its reasons."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.core.ids import InvoiceId, VisitId
from billing.core.money import Dong
from billing.core.reference_code import reference_code
from billing.reconciliation.domain.target_proposals import (
    PaymentTarget,
    ReceivedMoney,
    TargetReason,
    rank_targets,
    similar_codes,
)

CODE = reference_code("ZZ", 123_456_789)
OTHER = reference_code("ZZ", 500_000_000)
NOON = datetime(2026, 11, 28, 5, tzinfo=UTC)
MONEY = ReceivedMoney(
    id=UUID(int=1), amount=Dong(124_620), day=NOON.date(), occurred_at=NOON, text="CHUYEN TIEN", payer_name=""
)
TARGET = PaymentTarget(
    intent_id=UUID(int=2),
    code=CODE,
    visit_id=VisitId(UUID(int=3)),
    ma_lk="LK1",
    invoice_id=InvoiceId(UUID(int=4)),
    deposit_request_id=None,
    owed=Dong(124_620),
    opened_at=NOON - timedelta(minutes=2),
    patient="Nguyễn Văn An",
    birth_year="1958",
)
ELSE = "2" if CODE[4] != "2" else "3"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (CODE, TargetReason.CODE),
        (CODE[:4] + ELSE + CODE[5:], TargetReason.WRONG_CHARACTER),
        (CODE[:-1], TargetReason.MISSING_CHARACTER),
        (CODE[:3] + "7" + CODE[3:], TargetReason.FURTHER_CHARACTER),
        (CODE[:6] + CODE[7] + CODE[6] + CODE[8], TargetReason.EXCHANGED_CHARACTERS),
    ],
)
def test_word_with_one_fault_leads_to_its_code(word: str, reason: TargetReason) -> None:
    found = similar_codes(f"nguyen van an chuyen tien {word.lower()} kham benh")

    assert found[CODE] == (word, reason)


def test_two_wrong_characters_lead_nowhere() -> None:
    assert CODE not in similar_codes(f"{CODE[:2]}{ELSE}{ELSE}{CODE[4:]}Q")


def test_proposal_has_score_reasons_and_minutes() -> None:
    text = f"MBVCB.3312.NGUYEN VAN AN chuyen tien {CODE[:-1]} kham benh"

    [found] = rank_targets(replace(MONEY, text=text), [TARGET])

    assert found.reasons == (
        TargetReason.AMOUNT,
        TargetReason.MISSING_CHARACTER,
        TargetReason.NEAR_TIME,
        TargetReason.PAYER,
    )
    assert (found.score, found.minutes, found.read_code) == (40 + 35 + 8 + 10, 2, CODE[:-1])


def test_amount_that_two_patients_owe_is_worth_less() -> None:
    rival = replace(TARGET, code=OTHER, patient="Vàng A Sử", opened_at=NOON - timedelta(minutes=31))

    found = rank_targets(MONEY, [TARGET, rival])

    assert [each.target.code for each in found] == [CODE, OTHER]
    assert all(TargetReason.SHARED in each.reasons and TargetReason.NO_CODE in each.reasons for each in found)
    assert [each.score for each in found] == [40 + 8 - 15, 40 + 4 - 15]


def test_target_of_another_amount_and_without_likeness_is_no_proposal() -> None:
    assert rank_targets(replace(MONEY, amount=Dong(1)), [TARGET]) == []


def test_similar_code_of_another_amount_is_proposed_below_an_equal_amount() -> None:
    text = f"TT {CODE[:-1]}"

    [found] = rank_targets(replace(MONEY, text=text, amount=Dong(100_000)), [TARGET])

    assert found.reasons[0] is TargetReason.MISSING_CHARACTER
    assert found.score < 50


def test_name_inside_of_another_word_is_no_payer() -> None:
    [found] = rank_targets(replace(MONEY, text="NGUYEN VAN ANH NOP"), [TARGET])

    assert TargetReason.PAYER not in found.reasons

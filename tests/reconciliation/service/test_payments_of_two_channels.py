"""A payment that two channels of a bank account report under one bank reference: its line is matched once, rightly."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.payments.service.intake import Intake
from tests.conftest import DatabaseAddress
from tests.flow import ACCOUNT_NAME, OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import add_second_channel

_CLEARING = """
    SELECT DISTINCT match.clearing_subject = payment.provider_account_id AS is_of_payment, match.rule
    FROM match CROSS JOIN payment WHERE match.state = 'live'
"""


@pytest.fixture
async def own(flow: PaymentFlow, database: DatabaseAddress) -> MatchingFlow:
    await add_second_channel(flow, database)
    return MatchingFlow(flow)


async def pay_by_two_channels(own: MatchingFlow, reference: str, *, days: int = 0) -> None:
    """One payment; only the notice of the first channel, which may be a day earlier, has its code."""
    flow, now = own.flow, own.flow.context.clock()
    started = await flow.start_intent()
    for transaction, name, text, at in (
        ("A1", ACCOUNT_NAME, f"{started.code} VIEN PHI", now - timedelta(days=days)),
        ("B1", "second", "VIEN PHI", now),
    ):
        keys = frozenset({f"transaction:{transaction}", f"bank:{reference}"})
        notice = flow.notice(transaction, text, movement_keys=keys, bank_reference=reference)
        account = await flow.context.accounts.find(flow.hospital.organization_id, name)
        async with Intake(flow.context) as intake:
            await intake.submit(flow.delivery(replace(notice, occurred_at=at), account=account))
    assert len(await own.fetch("SELECT id FROM payment")) == 1


@pytest.mark.parametrize("reference", ["FT-1", "000 ＦＴ1"], ids=["plain", "read by the service"])
@pytest.mark.parametrize("days", [0, 1], ids=["same day", "second channel is of the day of the line"])
async def test_line_of_a_payment_of_two_channels_leaves_the_clearing_account_of_the_payment(
    own: MatchingFlow, days: int, reference: str
) -> None:
    await pay_by_two_channels(own, reference, days=days)
    await own.statement(own.line(OWED, reference=reference))

    await own.match()

    assert [dict(row) for row in await own.fetch(_CLEARING)] == [{"is_of_payment": True, "rule": "bank_reference"}]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("reference", ["FT-1", "000 ＦＴ1"], ids=["plain", "read by the service"])
async def test_line_under_another_code_is_not_the_payment_though_one_channel_states_no_code(
    own: MatchingFlow, reference: str
) -> None:
    await pay_by_two_channels(own, reference)
    other = await own.flow.start_intent("LK0002")
    await own.statement(own.line(OWED, f"{other.code} VIEN PHI", reference))

    await own.match()

    assert [rule for rule, _, items in await own.matches() if rule == "bank_reference"] == []

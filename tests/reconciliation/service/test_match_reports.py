"""Settlement lines, payouts and deposits matched in a real database, each next to its refusal."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.ids import PersonId
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def paid(own: MatchingFlow, transaction: str, *, ma_lk: str = "LK0001", **changes: object) -> str:
    started = await own.flow.start_intent(ma_lk)
    await own.flow.deliver(own.flow.notice(transaction, f"{started.code} VIEN PHI", **changes))
    return started.code


REPORTED = ("!transaction", "live", (f"payment {OWED}", f"settlement_line {OWED}"))
ALL_THREE = (f"payment {OWED}", f"settlement_line {OWED}", f"statement_line {OWED}")


@pytest.mark.parametrize("order", ["srp", "spr", "rsp", "rps", "psr", "prs"])
async def test_three_sides_are_one_match_in_every_order_of_arrival(own: MatchingFlow, order: str) -> None:
    """s: statement, r: report, p: callback."""
    for side in order:
        if side == "s":
            await own.statement(own.line(OWED, reference="FT-T1"))
        elif side == "r":
            await own.report(own.report_row("T1", OWED))
        else:
            await paid(own, "T1")
        await own.match()

    [(_, state, items)] = await own.matches()
    assert (state, items) == ("live", ALL_THREE)
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize(("transaction", "amount"), [("T", OWED), ("T12", OWED), ("T1", OWED - 1)])
async def test_report_of_another_transaction_or_amount_stays_open(
    own: MatchingFlow, transaction: str, amount: int
) -> None:
    await paid(own, "T1")
    await own.report(own.report_row(transaction, amount))

    await own.match()

    assert await own.matches() == []


async def test_line_that_a_report_states_twice_is_matched_once(own: MatchingFlow) -> None:
    await paid(own, "T1")
    await own.report(own.report_row("T1", OWED), own.report_row("T1", OWED))

    await own.match()
    await own.match()

    assert await own.matches() == [REPORTED]


async def test_payout_is_one_credit_net_of_fees(own: MatchingFlow) -> None:
    for number in range(2):
        await paid(own, f"T{number}", ma_lk=f"LK{number}", bank_reference="")
    await own.report(*(own.report_row(f"T{number}", OWED, fee=1_500, paid_out_on=own.today) for number in range(2)))
    net = 2 * (OWED - 1_500)
    await own.statement(own.line(net, "THANH TOAN GIAO DICH", "PO1"))

    await own.match()

    assert await own.matches() == [REPORTED, REPORTED, ("payout", "live", (f"payout {net}", f"statement_line {net}"))]
    assert await own.balances("bank", "payment_fees", "clearing") == [net, 3_000, 0]
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("is_known", [False, True], ids=["a new line", "a line whose day becomes known"])
async def test_line_that_a_report_adds_to_a_matched_payout_is_a_further_payout(
    own: MatchingFlow, is_known: bool
) -> None:
    """The provider pays it with a credit of its own; a third one of the day as well."""
    for number in range(3):
        await paid(own, f"T{number}", ma_lk=f"LK{number}", bank_reference="")
    first, second, third = (own.report_row(f"T{each}", OWED, fee=500, paid_out_on=own.today) for each in range(3))
    net = OWED - 500
    await own.report(first, *([own.report_row("T1", OWED, fee=500)] if is_known else []))
    await own.statement(own.line(net, "THANH TOAN", "PO1"))
    await own.match()

    await own.report(first, second)
    await own.statement(own.line(net, "THANH TOAN", "PO2"))
    await own.match()

    payout = ("payout", "live", (f"payout {net}", f"statement_line {net}"))
    assert [each for each in await own.matches() if each != REPORTED] == [payout, payout]
    assert await own.balances("bank", "payment_fees", "clearing") == [2 * net, 1_000, OWED]
    await own.report(first, second, third)
    await own.statement(own.line(net, "THANH TOAN", "PO3"))
    await own.match()
    assert [each for each in await own.matches() if each != REPORTED] == [payout] * 3
    assert await own.balances("bank", "payment_fees", "clearing") == [3 * net, 1_500, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_lines_that_reports_add_before_the_bank_shows_a_payout_are_parts_of_it(own: MatchingFlow) -> None:
    for number in range(2):
        await paid(own, f"T{number}", ma_lk=f"LK{number}", bank_reference="")
        await own.report(own.report_row(f"T{number}", OWED, paid_out_on=own.today))
    await own.statement(own.line(2 * OWED, "THANH TOAN", "PO1"))

    await own.match()

    assert await own.balances("bank", "clearing") == [2 * OWED, 0]


@pytest.mark.parametrize(
    ("difference", "days", "text"),
    [(-1, 0, ""), (1, 0, ""), (0, -1, ""), (0, 8, ""), (0, 0, "code")],
    ids=["less", "more", "before the payout", "eight days later", "under a code"],
)
async def test_credit_that_is_not_the_payout_stays_open(
    own: MatchingFlow, difference: int, days: int, text: str
) -> None:
    code = await paid(own, "T1", bank_reference="")
    await own.report(own.report_row("T1", OWED, fee=1_500, paid_out_on=own.today - timedelta(days=8)))
    await own.statement(own.line(OWED - 1_500 + difference, code if text else "", days=days - 8))

    await own.match()

    assert await own.matches() == [REPORTED]


async def test_two_credits_of_the_amount_of_a_payout_decide_nothing(own: MatchingFlow) -> None:
    await paid(own, "T1", bank_reference="")
    await own.report(own.report_row("T1", OWED, paid_out_on=own.today))
    await own.statement(own.line(OWED, "A"), own.line(OWED, "B"))

    await own.match()

    assert await own.matches() == [REPORTED]


async def person(own: MatchingFlow) -> Actor:
    """A person and its key, as an actor."""
    [row] = await own.fetch("SELECT id, person_id FROM api_key LIMIT 1")
    return Actor.key(row["id"], acting_for=PersonId(row["person_id"]))


async def bank_account(own: MatchingFlow) -> UUID:
    found: UUID = (await own.fetch("SELECT id FROM bank_account"))[0]["id"]
    return found


async def write(own: MatchingFlow, statement: str, *arguments: object) -> None:
    async with own.flow.context.database.transaction(own.flow.hospital.organization_id, posting=True) as tx:
        await tx.execute(statement, *arguments)


_DEPOSIT = """
    INSERT INTO bank_deposit (organization_id, id, bank_account_id, amount, slip, recorded_by, recorded_at)
    SELECT 1, $1, $2, $3, $4, person.id, $5 FROM person LIMIT 1
"""


@pytest.mark.parametrize(
    ("slip", "text", "reference", "is_matched"),
    [
        ("1", "NOP TIEN MAT 1", "", True),
        ("1", "NOP TIEN MAT 2019", "", False),
        ("1", "NOP TIEN 11 12 01", "", False),
        ("GN-001", "NOP TIEN GN-001 QUAY 3", "", True),
        ("GN-001", "NOP TIEN GN-0012", "", False),
        ("GN-001", "NOP TIEN", "gn-001", True),
        ("GN-001", "NOP TIEN", "GN-002", False),
        ("GN-001", "", "", False),
    ],
)
async def test_deposit_is_matched_by_the_whole_number_of_its_slip(
    own: MatchingFlow, slip: str, text: str, reference: str, is_matched: bool
) -> None:
    bank = await bank_account(own)
    await write(own, _DEPOSIT, own.flow.context.ids.new(), bank, 500_000, slip, own.flow.context.clock())
    await own.statement(own.line(500_000, text, reference))

    await own.match()

    items = ("bank_deposit 500000", "statement_line 500000")
    assert await own.matches() == ([("named", "live", items)] if is_matched else [])


async def test_deposit_of_another_amount_is_not_matched(own: MatchingFlow) -> None:
    bank = await bank_account(own)
    await write(own, _DEPOSIT, own.flow.context.ids.new(), bank, 500_000, "GN-1", own.flow.context.clock())
    await own.statement(own.line(499_999, "NOP TIEN GN-1"))

    await own.match()

    assert await own.matches() == []

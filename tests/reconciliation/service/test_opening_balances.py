"""Opening balances at go-live: by two persons, once, before every entry, and equal to the statements."""

from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded, SecondPersonRequired
from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.db.context import utc_now
from billing.ledger.service.balances import read_balances
from billing.ops.approval_kinds import approve_proposal
from billing.organizations.service.approvals import ProposalWaiting
from billing.reconciliation.domain.opening_balance import BooksHaveBegun, OpeningNotStated, OpeningUnbalanced
from billing.reconciliation.formats.opening_balances import read_opening_balances
from billing.reconciliation.service.opening_balances import propose_opening_balances
from tests.builders import add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.persons import actors
from tests.reconciliation.service.days.days import accounts_of, close, listed, state
from tests.reconciliation.statement_file import Line

FILE = """role;subject;number;amount
bank;0110000001;;5000000
receivable_insurer;;;2000000
deposit;;;-3000000
revenue;;;-4000000
"""
TODAY = business_date(utc_now())
A_DAY = timedelta(days=1)


@pytest.fixture
async def persons(flow: PaymentFlow, database: DatabaseAddress) -> tuple[Actor, Actor]:
    one, two = await actors(database, flow.context, ("so-mot", "Trần Thị Bình"), ("so-hai", "Lê Văn Cường"))
    return one, two


async def propose(flow: PaymentFlow, actor: Actor, text: str = FILE, *, first_day: date = TODAY) -> Any:
    rows = read_opening_balances(text.encode())
    return await propose_opening_balances(
        flow.context, flow.hospital.organization_id, rows, first_day=first_day, actor=actor
    )


async def balances(flow: PaymentFlow, on: date) -> dict[str, int]:
    rows = await read_balances(flow.context, flow.hospital.organization_id, on=on)
    return {each.role: each.debit - each.credit for each in rows if each.debit or each.credit}


async def test_another_person_approves_and_every_account_has_its_balance(
    flow: PaymentFlow, persons: tuple[Actor, Actor]
) -> None:
    one, two = persons
    organization_id = flow.hospital.organization_id
    with pytest.raises(PersonNeeded):
        await propose(flow, Actor.system())
    proposal = await propose(flow, one)
    with pytest.raises(ProposalWaiting):
        await propose(flow, two)
    with pytest.raises(SecondPersonRequired):
        await approve_proposal(flow.context, organization_id, proposal, actor=one)
    assert await balances(flow, TODAY) == {}

    await approve_proposal(flow.context, organization_id, proposal, actor=two)

    expected = {"bank": 5_000_000, "receivable_insurer": 2_000_000, "deposit": -3_000_000, "revenue": -4_000_000}
    assert await balances(flow, TODAY - A_DAY) == expected
    assert await balances(flow, TODAY - 2 * A_DAY) == {}
    await assert_books_are_right(flow.context.database)
    with pytest.raises(BooksHaveBegun):
        await propose(flow, one)
    with pytest.raises(BooksHaveBegun):
        await propose(flow, one, first_day=TODAY - 10 * A_DAY)


async def test_opening_day_closes_with_the_statement_that_opens_with_the_same_balance(
    flow: PaymentFlow, persons: tuple[Actor, Actor]
) -> None:
    await state(flow, Line(amount=70, day=TODAY), opening=5_000_000)
    proposal = await propose(flow, persons[0])
    await approve_proposal(flow.context, flow.hospital.organization_id, proposal, actor=persons[1])

    await close(flow, TODAY - A_DAY)

    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    bank, _ = await accounts_of(flow, TODAY)
    assert [item.amount for item in bank.items] == [70]
    assert (bank.statement_closing, bank.ledger_balance, bank.residual) == (5_000_070, 5_000_000, 0)
    assert listed(bank)[0][0] == "line_unmatched"


async def test_bank_account_opens_as_its_statement_does(flow: PaymentFlow, persons: tuple[Actor, Actor]) -> None:
    await state(flow, Line(amount=70, day=TODAY), opening=4_999_999)

    with pytest.raises(OpeningNotStated, match="5000000 đồng, and its statement with 4999999"):
        await propose(flow, persons[0])
    with pytest.raises(OpeningNotStated):
        await propose(flow, persons[0], FILE.replace("bank;0110000001", "safe;"))

    right = FILE.replace("5000000", "4999999").replace("-4000000", "-3999999")
    await propose(flow, persons[0], right)


async def test_statement_that_arrives_after_the_proposal_stops_its_approval(
    flow: PaymentFlow, persons: tuple[Actor, Actor]
) -> None:
    proposal = await propose(flow, persons[0])
    await state(flow, Line(amount=70, day=TODAY), opening=1)

    with pytest.raises(OpeningNotStated):
        await approve_proposal(flow.context, flow.hospital.organization_id, proposal, actor=persons[1])

    assert await balances(flow, TODAY) == {}


async def test_books_with_an_entry_take_no_opening(flow: PaymentFlow, persons: tuple[Actor, Actor]) -> None:
    proposal = await propose(flow, persons[0])
    await flow.start_intent()

    with pytest.raises(BooksHaveBegun):
        await approve_proposal(flow.context, flow.hospital.organization_id, proposal, actor=persons[1])

    assert "bank" not in await balances(flow, TODAY)


@pytest.mark.parametrize(
    ("changed", "refusal", "problem"),
    [
        (("-4000000", "-4000001"), OpeningUnbalanced, "less credits are -1 đồng"),
        (("bank;0110000001", "bank;0110000002"), InvalidValue, "line 2: 0 accounts are named 0110000002"),
        (("revenue;;", "revenue;x;"), InvalidValue, "line 5: there is no account revenue x"),
        (("revenue;;", "nothing;;"), InvalidValue, "line 5: there is no role nothing"),
        (("revenue;;;", ";;131;"), InvalidValue, "accounts have the number 131"),
        (("revenue;;", "deposit;;"), InvalidValue, "deposit is stated twice"),
        (("revenue;;", "cash_drawer;;"), InvalidValue, "a drawer and opens with its first shift"),
        (("2000000", "0"), InvalidValue, "is 0"),
        (("2000000", "2.000.000"), InvalidValue, 'line 3, column "amount": "2.000.000" is not a whole amount'),
        (("revenue;;;", "revenue;;531;"), InvalidValue, "the role of the account, or its number"),
        (("role;subject", "account;subject"), InvalidValue, "the first line names the columns"),
        (("revenue;;;-4000000", "revenue;-4000000"), InvalidValue, "line 5: 2 columns"),
    ],
)
async def test_row_that_is_wrong_is_refused_with_its_line(
    flow: PaymentFlow,
    persons: tuple[Actor, Actor],
    changed: tuple[str, str],
    refusal: type[Exception],
    problem: str,
) -> None:
    with pytest.raises(refusal, match=problem):
        await propose(flow, persons[0], FILE.replace(*changed))


async def test_account_is_found_by_its_number(flow: PaymentFlow, persons: tuple[Actor, Actor]) -> None:
    proposal = await propose(flow, persons[0], FILE.replace("revenue;;;", ";;711;"))

    await approve_proposal(flow.context, flow.hospital.organization_id, proposal, actor=persons[1])

    assert (await balances(flow, TODAY))["cash_rounding"] == -4_000_000


async def test_first_day_may_not_be_in_the_future(flow: PaymentFlow, persons: tuple[Actor, Actor]) -> None:
    with pytest.raises(InvalidValue, match="has not begun"):
        await propose(flow, persons[0], first_day=TODAY + 2 * A_DAY)

    await propose(flow, persons[0], first_day=TODAY + A_DAY)


async def test_database_refuses_an_opening_that_nobody_approved(
    flow: PaymentFlow, persons: tuple[Actor, Actor]
) -> None:
    await propose(flow, persons[0])
    insert = (
        "INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind)"
        " VALUES (1, $1, 'opening_balances', now(), now(), $2, 'system')"
    )

    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await tx.execute(
            "INSERT INTO business_day (organization_id, day, state, opened_at) VALUES (1, $1, 'open', now())",
            TODAY - A_DAY,
        )
    with pytest.raises(asyncpg.RestrictViolationError, match="approved by two persons"):
        async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
            await tx.execute(insert, flow.context.ids.new(), TODAY - A_DAY)


async def test_other_organization_is_not_touched(
    flow: PaymentFlow, persons: tuple[Actor, Actor], database: DatabaseAddress
) -> None:
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="79002")
    proposal = await propose(flow, persons[0])
    with pytest.raises(InvalidValue, match="0 accounts are named"):
        await propose(flow, persons[0], FILE.replace("0110000001", "0110000002"))

    await approve_proposal(flow.context, flow.hospital.organization_id, proposal, actor=persons[1])

    rows = await read_balances(flow.context, other.organization_id, on=TODAY)
    assert [each for each in rows if each.debit or each.credit] == []

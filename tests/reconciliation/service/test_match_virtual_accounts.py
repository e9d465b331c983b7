"""The rule of virtual accounts: a line is matched by account and amount, if no other line is as good."""

import asyncpg
import pytest

from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow

_ACCOUNT = "VQRQ0000123456"
_MATCHED = """
    SELECT line.amount, match.rule FROM match
    JOIN match_item AS item ON item.match_id = match.id AND item.item_kind = 'statement_line'
    JOIN statement_line AS line ON line.id = item.item_id
"""


@pytest.fixture
async def own(flow: PaymentFlow, database: DatabaseAddress) -> MatchingFlow:
    """A payment that was requested to a virtual account; its callback names no bank reference."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(
        """SET vienphi.organization = '1';
        UPDATE provider_account SET settings = settings || '{"virtual_account_prefixes": ["VQRQ"]}'"""
    )
    await owner.close()
    started = await flow.start_intent()
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await tx.execute(
            "UPDATE intent SET instruction = instruction || jsonb_build_object('account_number', $1::text)", _ACCOUNT
        )
    await flow.deliver(flow.notice("T1", f"{started.code} VIEN PHI", bank_reference=""))
    return MatchingFlow(flow)


@pytest.mark.parametrize("amount", [OWED, OWED + 1])
async def test_line_of_the_virtual_account_is_matched_by_its_exact_amount(own: MatchingFlow, amount: int) -> None:
    await own.statement(own.line(amount, f"CT DEN {_ACCOUNT}"))

    await own.match()

    expected = [(OWED, "virtual_account")] if amount == OWED else []
    assert [tuple(row) for row in await own.fetch(_MATCHED)] == expected
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("account", [_ACCOUNT, "VQRQ0000999999"], ids=["same account", "another account"])
async def test_line_of_another_import_that_fits_as_well_decides_nothing(own: MatchingFlow, account: str) -> None:
    await own.statement(own.line(OWED, f"CT DEN {account}"))
    second = await own.statement(own.line(OWED, f"CT DEN {_ACCOUNT} LAN 2"))

    await own.match(second)

    expected = [] if account == _ACCOUNT else [(OWED, "virtual_account")]
    assert [tuple(row) for row in await own.fetch(_MATCHED)] == expected

"""Foreign is what never belonged to the organization: money to its old account or merchant is booked."""

from typing import Any

import pytest

from billing.ops.approval_kinds import approve_proposal
from billing.organizations.service.account_changes import ProposedChange, propose_change
from billing.organizations.service.api_keys import authenticate
from providers.contract import Verdict
from tests.builders import ACCOUNT_NAME, add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.persons import give_keys

NEW_PAYEE = ("970422", "0110999999", "BENH VIEN MOI")


async def change(flow: PaymentFlow, database: DatabaseAddress, **wanted: Any) -> None:
    """Two persons change the account; the flow's account stays as it was read before."""
    context, organization_id = flow.context, flow.hospital.organization_id
    keys = await give_keys(database, context, ("one", "Nguyễn Văn Một"), ("two", "Trần Thị Hai"))
    one, two = [(await authenticate(context, key)).actor for key in keys]
    terms: dict[str, Any] = {"settings": {}, "payee": None, "is_active": None, **wanted}
    change_id = await propose_change(context, organization_id, ACCOUNT_NAME, ProposedChange(**terms), actor=one)
    await approve_proposal(context, organization_id, change_id, actor=two)


def foreign(flow: PaymentFlow, name: str, text: str, **payee: str) -> Any:
    return flow.notice(name, text, names_other_account=True, payee=tuple(payee.items()))


async def reasons(flow: PaymentFlow) -> list[str]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return [row["reason"] for row in await tx.fetch("SELECT reason FROM exception_case")]


async def test_money_to_the_account_before_an_approved_change_is_booked(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await flow.start_intent()
    old = flow.hospital.settings.account_number
    await change(flow, database, payee=NEW_PAYEE)

    [answer] = await flow.deliver(foreign(flow, "T1", started.code, account_number=old))

    assert answer.verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).state == "succeeded"
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        paid_into = await tx.fetchval(
            "SELECT account_number FROM bank_account JOIN payment ON payment.bank_account_id = bank_account.id"
        )
    assert paid_into == old
    await assert_books_are_right(flow.context.database)


async def test_money_to_the_new_account_is_booked_by_a_process_that_has_not_read_the_change(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await flow.start_intent()
    await change(flow, database, payee=NEW_PAYEE)

    [answer] = await flow.deliver(foreign(flow, "T1", started.code, account_number=NEW_PAYEE[1]))

    assert answer.verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).received == OWED


async def test_money_of_the_merchant_before_an_approved_change_is_booked(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await flow.start_intent()
    await change(flow, database, settings={"merchant_id": "hospital-new"})
    own = flow.hospital.settings

    await flow.deliver(
        foreign(flow, "T1", started.code, account_number=own.account_number, merchant_id=own.merchant_id)
    )

    assert (await flow.read(started.intent_id)).received == OWED
    assert await reasons(flow) == []


@pytest.mark.parametrize("payee", [{}, {"account_number": "0999"}, {"merchant_id": "x"}, {"account_number": "970422"}])
async def test_money_of_a_payee_that_never_was_ours_is_foreign(flow: PaymentFlow, payee: dict[str, str]) -> None:
    started = await flow.start_intent()

    [answer] = await flow.deliver(foreign(flow, "T1", started.code, **payee))

    assert answer.verdict is Verdict.STORED
    assert (await flow.read(started.intent_id)).received == 0
    assert await reasons(flow) == ["foreign_account"]


async def test_our_account_under_the_merchant_of_another_is_foreign(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    own = flow.hospital.settings.account_number

    await flow.deliver(foreign(flow, "T1", started.code, account_number=own, merchant_id="hospital-of-another"))

    assert await reasons(flow) == ["foreign_account"]


async def test_account_of_another_organization_is_foreign(flow: PaymentFlow, database: DatabaseAddress) -> None:
    started = await flow.start_intent()
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="79002")

    await flow.deliver(foreign(flow, "T1", started.code, account_number=other.settings.account_number))

    assert await reasons(flow) == ["foreign_account"]


async def test_message_stored_as_foreign_is_booked_once_the_account_is_ours(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await flow.start_intent()
    notice = foreign(flow, "T1", started.code, account_number=NEW_PAYEE[1])
    await flow.deliver(notice)
    await change(flow, database, payee=NEW_PAYEE)

    [answer] = await flow.deliver(notice)

    assert answer.verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).received == OWED

"""Recovery after a restore: providers are polled again, and nothing is booked twice."""

from datetime import timedelta

import pytest

from billing.checkout.service.expire import expire_once
from billing.core.errors import InvalidValue
from billing.ops.recovery import Recovery, describe_steps, recover
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.flow import OWED, assert_books_are_right
from tests.worker.polling_flow import PollingFlow


async def run(flow: PollingFlow, *, hours: float = 2) -> Recovery:
    since = flow.clock() - timedelta(hours=hours)
    return await recover(flow.context, flow.hospital.organization_id, since=since)


async def test_lost_callbacks_are_polled_and_booked_once(polling_flow: PollingFlow) -> None:
    """An open intent and an expired one whose polls had ended; the callback of the first is delivered again later."""
    expired = await polling_flow.flow.start_intent("LK1")
    polling_flow.bank.transfer(await polling_flow.qr_of(expired.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=31)
    await expire_once(polling_flow.context, polling_flow.hospital.organization_id)
    async with polling_flow.context.database.transaction(polling_flow.hospital.organization_id) as tx:
        await tx.execute("UPDATE status_poll SET due_at = NULL, last_outcome = 'unknown'")
    opened = await polling_flow.flow.start_intent("LK2")
    message = polling_flow.bank.transfer(await polling_flow.qr_of(opened.intent_id), Behaviour.EXACT)

    recovery = await run(polling_flow)

    assert (recovery.scheduled, recovery.polled, recovery.waiting) == (2, 2, 0)
    for each in (expired, opened):
        intent = await polling_flow.flow.read(each.intent_id)
        assert (intent.state, intent.received) == ("succeeded", OWED)
    await polling_flow.call_back(message)
    again = await run(polling_flow)
    assert (again.scheduled, again.polled) == (0, 0)
    assert len(await polling_flow.rows("SELECT id FROM payment")) == 2
    await assert_books_are_right(polling_flow.context.database)


async def test_intent_that_expired_before_is_not_polled(polling_flow: PollingFlow) -> None:
    await polling_flow.flow.start_intent()
    polling_flow.clock.turn(minutes=31)
    await expire_once(polling_flow.context, polling_flow.hospital.organization_id)
    polling_flow.clock.turn(minutes=180)

    assert (await run(polling_flow, hours=1)).scheduled == 0
    assert (await run(polling_flow, hours=5)).scheduled == 1


async def test_next_steps_name_files_and_redeliveries(polling_flow: PollingFlow) -> None:
    since = polling_flow.clock() - timedelta(hours=2)

    lines = describe_steps(await run(polling_flow), since)

    number = polling_flow.hospital.settings.account_number
    assert lines[:2] == ["polled providers about 0 of 0 intents", "read 0 notices from feeds"]
    assert any(line.startswith(f"import again: statements of bank account {number} from 20") for line in lines)
    assert any(line.startswith(f"import again: reports of {ACCOUNT_NAME} from 20") for line in lines)
    assert any(line.startswith(f"request redelivery: callbacks of {ACCOUNT_NAME} since 20") for line in lines)


async def test_time_of_the_restored_state_is_not_in_the_future(polling_flow: PollingFlow) -> None:
    with pytest.raises(InvalidValue, match="in the future"):
        await run(polling_flow, hours=-1)


async def test_other_organization_is_not_polled(polling_flow: PollingFlow, database: DatabaseAddress) -> None:
    await polling_flow.flow.start_intent()
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="79002")

    since = polling_flow.clock() - timedelta(hours=2)

    assert (await recover(polling_flow.context, other.organization_id, since=since)).scheduled == 0
    assert (await run(polling_flow)).scheduled == 1

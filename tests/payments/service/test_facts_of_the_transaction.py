"""What decides money is read in the transaction: prefixes and channels that are newer than a process's memory."""

from dataclasses import replace

import asyncpg
import pytest

from billing.core.ids import ProviderAccountId
from billing.core.reference_code import reference_code
from tests.builders import build_context
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.payments.service.test_strong_and_weak_names import deliver, owed, payments, reasons, rows
from tests.payments.service.test_two_channels import _ITS_CLEARING_ACCOUNT, _SECOND_CONTRACT

NEW_PREFIX = "ZZ"


@pytest.fixture
async def new_code(flow: PaymentFlow, database: DatabaseAddress) -> str:
    """A code under a prefix that another process gives out while this one remembers the prefixes of before."""
    await flow.deliver(flow.notice("T0", "chuyen tien", amount=1))
    started = await flow.start_intent()
    code = reference_code(NEW_PREFIX, 7)
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    await owner.execute("INSERT INTO organization_prefix VALUES ($1, 1, now())", NEW_PREFIX)
    await owner.execute("UPDATE intent SET reference_code = $1 WHERE id = $2", code, started.intent_id)
    await owner.close()
    return code


@pytest.mark.parametrize("form", ["{} VIEN PHI", "MBVCB.100.{}", "ct den {}"])
async def test_code_of_a_new_prefix_is_booked_at_once(flow: PaymentFlow, new_code: str, form: str) -> None:
    await flow.deliver(flow.notice("T1", form.format(new_code)))

    assert await owed(flow) == [0]
    assert "no_reference" not in (await reasons(flow))[1:]
    await assert_books_are_right(flow.context.database)


async def test_mangled_code_of_a_new_prefix_is_booked_at_once(flow: PaymentFlow, new_code: str) -> None:
    await flow.deliver(flow.notice("T1", f"{new_code[:4]} {new_code[4:]}"))

    assert await owed(flow) == [0]


async def test_code_of_a_prefix_of_another_is_no_code_of_ours(flow: PaymentFlow) -> None:
    await flow.start_intent()

    await flow.deliver(flow.notice("T1", reference_code("YY", 7)))

    assert await owed(flow) == [OWED]
    assert await reasons(flow) == ["no_reference"]


@pytest.mark.parametrize("batched", [False, True])
async def test_second_channel_that_was_added_meanwhile_is_a_channel(
    flow: PaymentFlow, database: DatabaseAddress, batched: bool
) -> None:
    """Both accounts are remembered as the only channel of their bank account."""
    assert flow.account.channels == 1
    second_id = ProviderAccountId(flow.context.ids.new())
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    await owner.execute(_SECOND_CONTRACT, second_id)
    await owner.execute(_ITS_CLEARING_ACCOUNT, flow.context.ids.new(), str(second_id))
    await owner.close()
    second = await build_context(flow.context.database).accounts.find(flow.hospital.organization_id, "second")
    assert second is not None
    notices = [
        flow.notice(name, "chuyen tien", movement_keys=frozenset({f"transaction:{name}"}), bank_reference="")
        for name in ("T1", "B1")
    ]
    await deliver(flow, (notices[0], flow.account), (notices[1], replace(second, channels=1)), batched=batched)

    assert await payments(flow) == [OWED, OWED]
    assert len(await rows(flow, "SELECT FROM payment_hold")) == 1

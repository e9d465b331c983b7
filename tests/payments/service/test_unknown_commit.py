"""A connection that is lost at COMMIT: no success is reported, and a second delivery is exact in both cases.

Source: docs/design.md §5, point 6.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from billing.core.errors import CommitUnknown, Unavailable
from billing.db.database import Database, DatabaseLimits
from billing.payments.service.intake import Intake, IntakeLimits
from billing.payments.service.payment_events import Answer
from providers.contract import Notice, Verdict
from tests.builders import ACCOUNT_NAME, build_context
from tests.conftest import DatabaseAddress
from tests.db.proxy import Proxy
from tests.flow import OWED, PaymentFlow, assert_books_are_right


@dataclass(frozen=True, slots=True)
class CutFlow:
    """The flow with an intake whose connections pass a proxy; the day is open, so the next COMMIT is a batch's."""

    flow: PaymentFlow
    intake: Intake
    proxy: Proxy

    async def deliver(self, notices: list[Notice]) -> list[Answer | BaseException]:
        """All at once, so that they are one batch."""
        return await asyncio.gather(
            *(self.intake.submit(self.flow.delivery(notice)) for notice in notices), return_exceptions=True
        )


@pytest.fixture
async def cut(flow: PaymentFlow, database: DatabaseAddress) -> AsyncIterator[CutFlow]:
    async with Proxy(database.app_url) as proxy:
        pool = await Database.open(proxy.url, limits=DatabaseLimits(connections_max=2, commit_timeout_s=0.5))
        context = build_context(pool)
        account = await context.accounts.find(flow.hospital.organization_id, ACCOUNT_NAME)
        assert account is not None
        passing = PaymentFlow(context, flow.hospital, account)
        async with Intake(context, IntakeLimits(queues=1)) as intake:
            await intake.submit(passing.delivery(passing.notice("DAY", "opens the day", amount=1_000)))
            yield CutFlow(passing, intake, proxy)
        await pool.close()


async def booked(flow: PaymentFlow) -> dict[str, int]:
    """Amounts by provider reference, as the books have them; a payment that stood twice would fail."""
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        rows = await tx.fetch("SELECT provider_reference, amount FROM payment WHERE provider_reference <> 'DAY'")
    assert len({row["provider_reference"] for row in rows}) == len(rows)
    return {row["provider_reference"]: row["amount"] for row in rows}


@pytest.mark.parametrize("reaches_server", [True, False], ids=["committed", "not-committed"])
async def test_commit_of_unknown_fate_is_not_acknowledged_and_delivered_again_is_exact(
    cut: CutFlow, flow: PaymentFlow, reaches_server: bool
) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in (1, 2, 3)]
    notices = [flow.notice(f"T{number}", started.code) for number, started in enumerate(intents)]
    once = {f"T{number}": OWED for number in range(3)}

    cut.proxy.cut_at(b"COMMIT", after_sending=reaches_server)
    unknown = await cut.deliver(notices)

    assert [type(answer) for answer in unknown] == [Unavailable] * 3
    assert all(isinstance(answer.__cause__, CommitUnknown) for answer in unknown if isinstance(answer, Unavailable))
    assert await booked(flow) == (once if reaches_server else {})

    again = await cut.deliver(notices)
    and_again = await cut.deliver(notices)

    expected = Verdict.DUPLICATE if reaches_server else Verdict.ACCEPTED
    assert [answer.verdict for answer in again if isinstance(answer, Answer)] == [expected] * 3
    assert [answer.receipt_id for answer in and_again if isinstance(answer, Answer)] == [
        answer.receipt_id for answer in again if isinstance(answer, Answer)
    ]
    assert await booked(flow) == once
    assert [(await flow.read(started.intent_id)).received for started in intents] == [OWED] * 3
    await assert_books_are_right(flow.context.database)


async def test_delivered_again_by_another_process_while_the_first_commit_hangs_is_booked_once(
    cut: CutFlow, flow: PaymentFlow
) -> None:
    """The answer to COMMIT never comes; the provider's next delivery goes to a healthy process."""
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)

    cut.proxy.swallow_at(b"payment_received")
    hanging = asyncio.create_task(cut.deliver([notice]))
    await asyncio.wait_for(cut.proxy.swallowing.wait(), timeout=60)
    (other_process,) = await flow.deliver(notice)
    (unknown,) = await hanging

    assert isinstance(unknown, Unavailable)
    assert other_process.verdict in {Verdict.ACCEPTED, Verdict.DUPLICATE}
    assert await booked(flow) == {"T1": OWED}
    await assert_books_are_right(flow.context.database)

"""Organizations with few waiting deliveries share a commit: each sees and writes its own rows, and fails alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from billing.core.errors import CommitUnknown, Unavailable
from billing.core.ids import DeliveryId
from billing.db.database import Database, DatabaseLimits
from billing.payments.service import intake as intake_module
from billing.payments.service.apply_single import apply_singles
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake, IntakeLimits
from billing.payments.service.payment_events import Answer, Delivery
from providers.contract import Verdict
from tests.builders import DemoHospital, add_demo_hospital
from tests.conftest import DatabaseAddress
from tests.db.proxy import Proxy
from tests.flow import OWED, PaymentFlow, StartedIntent, assert_books_are_right, open_flow

ORGANIZATIONS = 3


@pytest.fixture
async def flows(database: DatabaseAddress, hospital: DemoHospital, app_database: Database) -> list[PaymentFlow]:
    """Three hospitals; the day of each is open, its reference data are cached in the context of the first."""
    hospitals = [hospital] + [
        await add_demo_hospital(database.owner_url, organization=number) for number in range(2, ORGANIZATIONS + 1)
    ]
    made = [await open_flow(app_database, each) for each in hospitals]
    return [PaymentFlow(made[0].context, each.hospital, each.account) for each in made]


@asynccontextmanager
async def opened(flows: Sequence[PaymentFlow], context: PaymentContext | None = None) -> AsyncIterator[Intake]:
    """An intake of one queue that has opened the day of every organization."""
    async with Intake(context or flows[0].context, IntakeLimits(queues=1)) as intake:
        for flow in flows:
            await intake.submit(flow.delivery(flow.notice("DAY", "opens the day", amount=1_000)))
        yield intake


async def submit(intake: Intake, deliveries: Sequence[Delivery]) -> list[Answer | BaseException]:
    """All at once, so that they wait together."""
    return await asyncio.gather(*(intake.submit(delivery) for delivery in deliveries), return_exceptions=True)


def verdicts(answers: Sequence[Answer | BaseException]) -> list[Verdict]:
    return [answer.verdict for answer in answers if isinstance(answer, Answer)]


async def started(flows: Sequence[PaymentFlow], name: str = "LK0001") -> list[StartedIntent]:
    return [await flow.start_intent(name) for flow in flows]


async def received(flows: Sequence[PaymentFlow], intents: Sequence[StartedIntent]) -> list[int]:
    return [(await flow.read(each.intent_id)).received for flow, each in zip(flows, intents, strict=True)]


async def transaction_ids(flows: Sequence[PaymentFlow], reference: str) -> list[list[str]]:
    """The transactions that booked a reference, by organization."""
    found = []
    for flow in flows:
        async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
            rows = await tx.fetch(
                "SELECT transaction_id::text AS id FROM payment WHERE provider_reference = $1", reference
            )
            found.append([row["id"] for row in rows])
    return found


async def test_organizations_share_a_commit_and_each_has_its_own_payment(flows: list[PaymentFlow]) -> None:
    intents = await started(flows)

    async with opened(flows) as intake:
        pairs = zip(flows, intents, strict=True)
        answers = await submit(intake, [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs])

    assert verdicts(answers) == [Verdict.ACCEPTED] * ORGANIZATIONS
    assert await received(flows, intents) == [OWED] * ORGANIZATIONS
    ids = await transaction_ids(flows, "T1")
    assert [len(each) for each in ids] == [1] * ORGANIZATIONS
    assert len({each[0] for each in ids}) == 1
    await assert_books_are_right(flows[0].context.database)


async def test_group_takes_two_round_trips(flows: list[PaymentFlow], database: DatabaseAddress) -> None:
    first, second = await started(flows, "LK1"), await started(flows, "LK2")
    async with Proxy(database.app_url) as proxy:
        pool = await Database.open(proxy.url, limits=DatabaseLimits(connections_max=1))
        context = (await open_flow(pool, flows[0].hospital)).context
        async with opened(flows, context) as intake:
            for name, intents in (("A", first), ("B", second)):  # the first prepares the statements
                proxy.requests = 0
                pairs = zip(flows, intents, strict=True)
                answers = await submit(intake, [flow.delivery(flow.notice(name, each.code)) for flow, each in pairs])
                assert verdicts(answers) == [Verdict.ACCEPTED] * ORGANIZATIONS
            requests = proxy.requests
        await pool.close()

    assert requests == 2


async def test_duplicate_and_second_payment_of_a_group_are_decided_as_if_they_were_alone(
    flows: list[PaymentFlow],
) -> None:
    intents = await started(flows)
    one, two, three = flows
    known, paid, third = (each.code for each in intents)

    async with opened(flows) as intake:
        await intake.submit(one.delivery(one.notice("T1", known)))
        answers = await submit(
            intake,
            [
                one.delivery(one.notice("T1", known)),
                two.delivery(two.notice("T1", paid, amount=1_000)),
                two.delivery(two.notice("T2", paid, amount=2_000)),
                three.delivery(three.notice("T1", third)),
                three.delivery(three.notice("T1", third)),
            ],
        )

    differs = Verdict.AMOUNT_DIFFERS
    assert verdicts(answers) == [Verdict.DUPLICATE, differs, differs, Verdict.ACCEPTED, Verdict.DUPLICATE]
    assert await received(flows, intents) == [OWED, 3_000, OWED]
    await assert_books_are_right(flows[0].context.database)


async def test_code_of_another_organization_of_the_group_is_no_target(flows: list[PaymentFlow]) -> None:
    intents = await started(flows)
    one, two, three = flows

    async with opened(flows) as intake:
        answers = await submit(
            intake,
            [
                one.delivery(one.notice("T1", intents[0].code)),
                two.delivery(two.notice("T1", intents[0].code)),
                three.delivery(three.notice("T1", intents[2].code)),
            ],
        )

    assert len(verdicts(answers)) == 3
    assert await received(flows, intents) == [OWED, 0, OWED]
    await assert_books_are_right(flows[0].context.database)


async def test_organization_is_forgotten_after_a_group_with_a_refusal(flows: list[PaymentFlow]) -> None:
    intents = await started(flows)
    pairs = list(zip(flows, intents, strict=True))
    async with opened(flows):
        first = pairs[0][0].delivery(pairs[0][0].notice("T1", intents[0].code))
        repeat = pairs[0][0].delivery(pairs[0][0].notice("T1", intents[0].code))
        others = [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs[1:]]
        answers = await apply_singles([first, repeat, *others], flows[0].context)

    assert set(answers) == {first.id, *(each.id for each in others)}
    async with flows[0].context.database.system_transaction() as reader:
        assert await reader.fetchval("SELECT NULLIF(current_setting('vienphi.organization', true), '')") is None
        assert await reader.fetchval("SELECT current_setting('lock_timeout')") == "5s"
        assert await reader.fetchval("SELECT count(*) FROM payment") == 0


async def test_delivery_that_cannot_be_written_is_a_dead_letter_of_its_organization_alone(
    flows: list[PaymentFlow],
) -> None:
    intents = await started(flows)
    pairs = zip(flows, intents, strict=True)
    deliveries = [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs]
    one = flows[0]
    deliveries[0] = one.delivery(one.notice("T1", intents[0].code, provider_reference="nul \0 is no text"))

    async with opened(flows) as intake:
        answers = await submit(intake, deliveries)
        assert intake.dead_letters == 1

    assert verdicts(answers) == [Verdict.STORED, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert await received(flows, intents) == [0, OWED, OWED]


@pytest.mark.parametrize("held", ["invoice", "day"])
async def test_lock_of_one_organization_holds_back_no_other(
    flows: list[PaymentFlow], database: DatabaseAddress, held: str
) -> None:
    intents = await started(flows)
    pairs = zip(flows, intents, strict=True)
    deliveries = [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs]
    owner = await asyncpg.connect(database.owner_url)
    async with opened(flows) as intake:
        async with owner.transaction():
            await owner.execute("SET LOCAL vienphi.organization = '1'")
            if held == "invoice":
                await owner.execute("SELECT FROM invoice WHERE id = $1 FOR UPDATE", intents[0].invoice_id)
            else:
                await owner.execute("SELECT pg_advisory_xact_lock(1, 1)")
            tasks = [asyncio.create_task(intake.submit(delivery)) for delivery in deliveries]
            await asyncio.gather(*tasks[1:])
            assert not tasks[0].done()
            assert await received(flows, intents) == [0, OWED, OWED]
        await tasks[0]
    await owner.close()

    assert await received(flows, intents) == [OWED] * ORGANIZATIONS
    await assert_books_are_right(flows[0].context.database)


async def test_closed_day_of_one_organization_refuses_it_alone(
    flows: list[PaymentFlow], database: DatabaseAddress
) -> None:
    intents = await started(flows)
    pairs = zip(flows, intents, strict=True)
    owner = await Database.open(database.owner_url)
    async with opened(flows) as intake:
        async with owner.transaction(flows[1].hospital.organization_id) as tx:
            await tx.execute("UPDATE business_day SET state = 'closed', closed_at = now()")
        answers = await submit(intake, [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs])
    await owner.close()

    assert [type(answer) for answer in answers] == [Answer, type(answers[1]), Answer]
    assert (await received(flows, intents))[::2] == [OWED, OWED]


@pytest.mark.parametrize("reaches_server", [True, False], ids=["committed", "not-committed"])
async def test_lost_answer_acknowledges_none_and_second_deliveries_are_exact(
    flows: list[PaymentFlow], database: DatabaseAddress, reaches_server: bool
) -> None:
    intents = await started(flows)
    pairs = list(zip(flows, intents, strict=True))
    async with Proxy(database.app_url) as proxy:
        pool = await Database.open(proxy.url, limits=DatabaseLimits(connections_max=2, commit_timeout_s=0.5))
        context = (await open_flow(pool, flows[0].hospital)).context
        async with opened(flows, context) as intake:
            proxy.cut_at(b"payment_received", after_sending=reaches_server)
            unknown = await submit(intake, [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs])
            again = await submit(intake, [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs])
        await pool.close()

    assert all(isinstance(each, Unavailable) and isinstance(each.__cause__, CommitUnknown) for each in unknown)
    assert verdicts(again) == [Verdict.DUPLICATE if reaches_server else Verdict.ACCEPTED] * ORGANIZATIONS
    assert await received(flows, intents) == [OWED] * ORGANIZATIONS
    await assert_books_are_right(flows[0].context.database)


async def test_fault_of_the_shared_commit_leaves_each_organization_to_itself(
    flows: list[PaymentFlow], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reject(_deliveries: Sequence[Delivery], _context: PaymentContext) -> dict[DeliveryId, Answer]:
        raise asyncpg.DataError("a value that the general path books")

    monkeypatch.setattr(intake_module, "apply_singles", reject)
    intents = await started(flows)
    pairs = zip(flows, intents, strict=True)

    async with opened(flows) as intake:
        answers = await submit(intake, [flow.delivery(flow.notice("T1", each.code)) for flow, each in pairs])

    assert verdicts(answers) == [Verdict.ACCEPTED] * ORGANIZATIONS
    assert len({each[0] for each in await transaction_ids(flows, "T1")}) == ORGANIZATIONS
    await assert_books_are_right(flows[0].context.database)


async def test_two_processes_with_the_same_deliveries_book_each_once(flows: list[PaymentFlow]) -> None:
    for number in range(5):
        intents = await started(flows, f"LK{number}")
        pairs = list(zip(flows, intents, strict=True))
        async with opened(flows) as one, opened(flows) as other:
            first, second = await asyncio.gather(
                submit(one, [flow.delivery(flow.notice(f"T{number}", each.code)) for flow, each in pairs]),
                submit(other, [flow.delivery(flow.notice(f"T{number}", each.code)) for flow, each in pairs[::-1]]),
            )
        for answers in zip(verdicts(first), verdicts(second)[::-1], strict=True):
            assert sorted(answers) == [Verdict.ACCEPTED, Verdict.DUPLICATE]
        assert await received(flows, intents) == [OWED] * ORGANIZATIONS

    await assert_books_are_right(flows[0].context.database)

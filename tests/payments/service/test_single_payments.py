"""A delivery that pays one invoice is booked in two round trips, with the rows of the general path; else not at all."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from billing.core.clock import business_date
from billing.core.errors import CommitUnknown, Unavailable
from billing.core.ids import OrganizationId
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.context import ProviderAccount
from billing.payments.service import apply_single as apply_single_module
from billing.payments.service import intake as intake_module
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.apply_single import apply_single
from billing.payments.service.intake import Intake, IntakeLimits
from billing.payments.service.payment_events import Answer, Delivery
from billing.payments.store.single_payments import SingleTarget, TargetRequest, read_single_targets
from providers.contract import Movement, Notice, Outcome, Verdict
from tests.builders import ACCOUNT_NAME, build_context
from tests.conftest import DatabaseAddress
from tests.db.proxy import Proxy
from tests.flow import OWED, PaymentFlow, assert_books_are_right

_WRITTEN = (
    *("event_key", "movement_key", "bank_reference", "delivery", "delivery_body", "payment", "payment_position"),
    *("payment_origin", "allocation", "invoice", "intent", "journal_entry", "posting", "exception_case", "outbox"),
    "audit",
)
_DIFFERENT = (
    *("transaction_id", "recorded_at", "received_at", "effective_at", "occurred_at", "created_at", "issued_at"),
    *("expires_at", "number", "instruction"),
)


@pytest.fixture(autouse=True)
async def _known(flow: PaymentFlow) -> None:
    """The day is open and the reference data of the organization are cached."""
    await flow.deliver(flow.notice("DAY", "opens the day", amount=1_000))


async def rows_of(flow: PaymentFlow) -> dict[str, list[dict[str, Any]]]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return {table: [dict(row) for row in await tx.fetch(f"SELECT * FROM {table}")] for table in _WRITTEN}


def added(before: Mapping[str, list[dict[str, Any]]], after: Mapping[str, list[dict[str, Any]]]) -> list[Any]:
    """The rows that were added or changed, with numbers in place of ids and without times.

    Rows of a table are sorted by what is not an id: the server returns them in any order.
    """
    numbers: dict[str, int] = {}

    def plain(value: object, number: Callable[[str], int]) -> object:
        if isinstance(value, dict):
            return {key: plain(each, number) for key, each in value.items() if key not in _DIFFERENT}
        text = str(value)
        return number(text) if len(text) == 36 and text.count("-") == 4 else value

    return [
        (table, plain(row, lambda text: numbers.setdefault(text, len(numbers))))
        for table in _WRITTEN
        for row in sorted(after[table], key=lambda row: repr(plain(row, lambda text: 0)))
        if row not in before[table]
    ]


async def general(flow: PaymentFlow, delivery: Delivery) -> Answer:
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        return (await apply_deliveries(tx, [delivery], flow.context))[delivery.id]


@pytest.mark.parametrize("amount", [OWED, OWED - 1_000, 1], ids=["whole", "part", "least"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bank_reference": "", "movement_keys": frozenset({"transaction:T1"})},
        {"movement_keys": frozenset({"transaction:T1", "order:7", "bank:FT-T1"})},
        {"occurred_at": "yesterday"},
    ],
    ids=["named", "no bank reference", "three names", "yesterday"],
)
async def test_rows_are_those_of_the_general_path(flow: PaymentFlow, amount: int, changes: dict[str, Any]) -> None:
    if "occurred_at" in changes:
        changes = {"occurred_at": flow.context.clock() - timedelta(days=1)}
    made = []
    for way, name in ((general, "A"), (_alone, "B")):
        started = await flow.start_intent(f"LK{name}")
        before = await rows_of(flow)
        notice = flow.notice("T1" if name == "A" else "T2", f"{started.code} NGUYEN VAN A", amount=amount)
        notice = _with(notice, changes, name)
        answer = await way(flow, flow.delivery(notice))
        found = added(before, await rows_of(flow))
        made.append((answer.verdict, _neutral(found, started.code)))

    assert made[0][0] == made[1][0]
    assert made[0][1] == made[1][1]
    await assert_books_are_right(flow.context.database)


def _with(notice: Notice, changes: dict[str, Any], name: str) -> Notice:
    number = {"A": "T1", "B": "T2"}[name]
    keys = changes.get("movement_keys")
    if keys is not None:
        changes = {**changes, "movement_keys": frozenset(key.replace("T1", number).replace("7", name) for key in keys)}
    return replace(notice, **changes)


def _neutral(found: list[Any], code: str) -> list[str]:
    text = "\n".join(map(repr, found))
    for word, to in ((code, "CODE"), ("T2", "T1"), ("LKB", "LKA"), ("order:B", "order:A")):
        text = text.replace(word, to)
    return text.split("\n")


async def _alone(flow: PaymentFlow, delivery: Delivery) -> Answer:
    answer = await apply_single(delivery, flow.context)
    assert answer is not None, "this is the plain case"
    return answer


async def test_single_payment_takes_two_round_trips(flow: PaymentFlow, database: DatabaseAddress) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in range(3)]
    async with Proxy(database.app_url) as proxy:
        pool = await Database.open(proxy.url, limits=DatabaseLimits(connections_max=1))
        passing = await _passing(flow, pool)
        async with Intake(passing.context, IntakeLimits(queues=1)) as intake:
            for number, started in enumerate(intents):  # the first opens the day, the second prepares the statements
                proxy.requests = 0
                await intake.submit(passing.delivery(passing.notice(f"R{number}", started.code)))
            requests = proxy.requests
        await pool.close()

    assert requests == 2


async def _passing(flow: PaymentFlow, pool: Database) -> PaymentFlow:
    context = build_context(pool)
    account: ProviderAccount | None = await context.accounts.find(flow.hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return PaymentFlow(context, flow.hospital, account)


@pytest.mark.parametrize(
    "changes",
    [
        {"transfer_text": "no code"},
        {"outcome": Outcome.FAILED, "status": "FAILED"},
        {"movement": Movement.REVERSED},
        {"amount": OWED + 1},
        {"movement_keys": frozenset()},
        {"names_other_account": True},
    ],
    ids=["no code", "failed", "outflow", "too much", "no name", "other account"],
)
async def test_other_cases_are_left_to_the_general_path(flow: PaymentFlow, changes: dict[str, Any]) -> None:
    started = await flow.start_intent()
    before = await rows_of(flow)

    answer = await apply_single(flow.delivery(flow.notice("T1", started.code, **changes)), flow.context)

    assert answer is None
    assert await rows_of(flow) == before
    await flow.deliver(flow.notice("T1", started.code, **changes))
    await assert_books_are_right(flow.context.database)


async def test_known_event_known_name_and_known_reference_are_left_to_the_general_path(flow: PaymentFlow) -> None:
    first, second = await flow.start_intent("LK1"), await flow.start_intent("LK2")
    notice = flow.notice("T1", first.code)
    await flow.deliver(notice)
    before = await rows_of(flow)

    for repeat in (
        notice,
        flow.notice("T1", second.code, event_key="another event of T1"),
        flow.notice("T2", second.code, movement_keys=frozenset({"transaction:T2", "bank:FT-T1"})),
    ):
        assert await apply_single(flow.delivery(repeat), flow.context) is None

    assert await rows_of(flow) == before


@pytest.mark.parametrize(
    "meanwhile",
    [
        *("paid", "polled", "corrected", "closed day", "second channel", "confirmed transfer"),
        *("outflow", "outflow by name", "outflow by reference"),
    ],
)
async def test_nothing_is_written_if_something_changed_after_reading(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch, database: DatabaseAddress, meanwhile: str
) -> None:
    started = await flow.start_intent()
    write = apply_single_module.write_single_payment

    async def change_and_write(*arguments: Any) -> bool:
        await _change(flow, database, started.code, meanwhile)
        before.append(await rows_of(flow))
        return await write(*arguments)

    before: list[object] = []
    monkeypatch.setattr(apply_single_module, "write_single_payment", change_and_write)

    answer = await apply_single(flow.delivery(flow.notice("T1", started.code)), flow.context)

    assert answer is None
    assert await rows_of(flow) == before[0]


_OUTFLOW = """
    INSERT INTO unmatched_outflow (organization_id, id, provider_account_id, delivery_id, amount, keys, code,
        occurred_at, recorded_at)
    SELECT organization_id, gen_random_uuid(), id, gen_random_uuid(), 1, ARRAY[{}], '', now(), now()
    FROM provider_account WHERE name = $1
"""


async def _change(flow: PaymentFlow, database: DatabaseAddress, code: str, meanwhile: str) -> None:
    organization_id = flow.hospital.organization_id
    if meanwhile == "paid":
        await general(flow, flow.delivery(flow.notice("T9", code, amount=1_000)))
        return
    today = business_date(flow.context.clock())
    statements = {
        "polled": ("UPDATE intent SET state = 'unknown', version = version + 1 WHERE reference_code = $1", code),
        "corrected": (
            "UPDATE invoice SET version = version + 1 WHERE id IN (SELECT invoice_id FROM intent_invoice"
            " JOIN intent ON intent.id = intent_id WHERE reference_code = $1)",
            code,
        ),
        "closed day": ("UPDATE business_day SET state = 'closed', closed_at = now() WHERE day = $1", today),
        "second channel": (
            "INSERT INTO provider_account (organization_id, id, name, provider, bank_account_id, settings)"
            " SELECT organization_id, gen_random_uuid(), 'second', provider, bank_account_id, settings"
            " FROM provider_account WHERE name = $1",
            ACCOUNT_NAME,
        ),
        "confirmed transfer": (
            "INSERT INTO payment (organization_id, id, method, amount, provider_reference, bank_reference, occurred_at,"
            " recorded_at, bank_account_id) SELECT organization_id, gen_random_uuid(), 'transfer', 1, '', 'FT-9',"
            " now(), now(), bank_account_id FROM provider_account WHERE name = $1",
            ACCOUNT_NAME,
        ),
        "outflow by name": (_OUTFLOW.format("id || '/transaction:T1'"), ACCOUNT_NAME),
        "outflow by reference": (_OUTFLOW.format("bank_account_id || '/own:FT-T1'"), ACCOUNT_NAME),
        "outflow": (
            "INSERT INTO unmatched_outflow (organization_id, id, provider_account_id, delivery_id, amount, keys, code,"
            " occurred_at, recorded_at) SELECT organization_id, gen_random_uuid(), provider_account_id,"
            " gen_random_uuid(), 1, '{}', reference_code, now(), now() FROM intent WHERE reference_code = $1",
            code,
        ),
    }
    owner = await Database.open(database.owner_url)
    async with owner.transaction(organization_id) as tx:
        await tx.execute(*statements[meanwhile])
    await owner.close()


async def test_two_processes_with_one_delivery_book_it_once(flow: PaymentFlow) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in range(10)]

    for number, started in enumerate(intents):
        notice = flow.notice(f"T{number}", started.code)
        async with Intake(flow.context, IntakeLimits(queues=1)) as one, Intake(flow.context) as other:
            answers = await asyncio.gather(one.submit(flow.delivery(notice)), other.submit(flow.delivery(notice)))
        assert sorted(answer.verdict for answer in answers) == [Verdict.ACCEPTED, Verdict.DUPLICATE]
        assert len({answer.receipt_id for answer in answers}) == 1

    assert len((await rows_of(flow))["payment"]) == len(intents) + 1
    await assert_books_are_right(flow.context.database)


async def test_payments_of_one_invoice_at_once_are_all_booked(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    intakes = [Intake(flow.context, IntakeLimits(queues=1)) for _ in range(4)]
    for intake in intakes:
        await intake.__aenter__()

    answers = await asyncio.gather(
        *(
            intake.submit(flow.delivery(flow.notice(f"T{number}", started.code, amount=1_000)))
            for number, intake in enumerate(intakes)
        )
    )
    for intake in intakes:
        await intake.__aexit__()

    assert len(answers) == 4
    assert (await flow.read(started.intent_id)).received == 4_000
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("reaches_server", [True, False], ids=["committed", "not-committed"])
async def test_lost_answer_is_not_acknowledged_and_a_second_delivery_is_exact(
    flow: PaymentFlow, database: DatabaseAddress, reaches_server: bool
) -> None:
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)
    async with Proxy(database.app_url) as proxy:
        pool = await Database.open(proxy.url, limits=DatabaseLimits(connections_max=2, commit_timeout_s=0.5))
        passing = await _passing(flow, pool)
        async with Intake(passing.context, IntakeLimits(queues=1)) as intake:
            await intake.submit(passing.delivery(passing.notice("DAY2", "opens the day", amount=1_000)))
            proxy.cut_at(b"payment_received", after_sending=reaches_server)
            (unknown,) = await asyncio.gather(intake.submit(passing.delivery(notice)), return_exceptions=True)
            again = await intake.submit(passing.delivery(notice))
        await pool.close()

    assert isinstance(unknown, Unavailable)
    assert isinstance(unknown.__cause__, CommitUnknown)
    assert again.verdict is (Verdict.DUPLICATE if reaches_server else Verdict.ACCEPTED)
    assert (await flow.read(started.intent_id)).received == OWED
    await assert_books_are_right(flow.context.database)


async def test_fault_of_the_single_payment_alone_makes_no_dead_letter(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reject(*_: object) -> None:
        raise asyncpg.DataError("a value that the general path books")

    monkeypatch.setattr(intake_module, "apply_single", reject)
    started = await flow.start_intent()

    [answer] = await flow.deliver(flow.notice("T1", started.code))

    assert answer.verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).received == OWED
    await assert_books_are_right(flow.context.database)


async def test_single_statement_leaves_no_organization_set(flow: PaymentFlow) -> None:
    pool = flow.context.database
    started = await flow.start_intent()
    await _alone(flow, flow.delivery(flow.notice("T1", started.code)))

    async with pool.system_transaction() as reader:
        assert await reader.fetchval("SELECT NULLIF(current_setting('vienphi.organization', true), '')") is None
        assert await reader.fetchval("SELECT count(*) FROM payment") == 0


async def test_code_of_another_organization_is_not_read(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    day = business_date(flow.context.clock())

    async def read(organization: int) -> SingleTarget | None:
        organization_id = OrganizationId(organization)
        request = TargetRequest(organization_id=organization_id, code=started.code, first_day=day, last_day=day)
        (target,) = await read_single_targets(flow.context.database, [request])
        return target

    assert await read(flow.hospital.organization_id) is not None
    assert await read(flow.hospital.organization_id + 1) is None

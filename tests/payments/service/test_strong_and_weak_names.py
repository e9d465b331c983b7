"""Bank references are weak names: what they link, what they never hide, over the database and every channel.

Source: docs/design.md §5, Strong and weak names.
"""

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.core.clock import business_date
from billing.core.ids import DeliveryId, ProviderAccountId
from billing.ledger.store.journal import open_day
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.event import Source
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.intake import Intake, IntakeLimits
from billing.payments.service.payment_events import Answer
from providers.contract import Notice, Verdict
from providers.payos.order_codes import order_code
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.payments.service.test_two_channels import _ITS_CLEARING_ACCOUNT, _SECOND_CONTRACT
from tests.providers import payos_samples

PLACEHOLDERS = ["-", "0", "000000", "NONREF", "nonref", "null", "Null", "N/A", "n/a", "none", "  ", "--", "NOTPROVIDED"]


@pytest.fixture
async def second(flow: PaymentFlow, database: DatabaseAddress) -> ProviderAccount:
    """Another provider's contract on the same bank account."""
    second_id = ProviderAccountId(flow.context.ids.new())
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
    await owner.execute(_SECOND_CONTRACT, second_id)
    await owner.execute(_ITS_CLEARING_ACCOUNT, flow.context.ids.new(), str(second_id))
    await owner.close()
    found = await flow.context.accounts.find(flow.hospital.organization_id, "second")
    assert found is not None
    flow.account = replace(flow.account, channels=2)
    return found


def notice_of(
    flow: PaymentFlow, name: str, text: str, *, reference: str = "FT1", amount: int = OWED, **changes: Any
) -> Notice:
    """Money under its provider's id and a bank reference."""
    keys = frozenset({f"transaction:{name}", f"bank:{reference}"})
    return flow.notice(name, text, amount=amount, movement_keys=keys, bank_reference=reference, **changes)


async def deliver(
    flow: PaymentFlow,
    *received: tuple[Notice, ProviderAccount],
    batched: bool = False,
    source: Source = Source.CALLBACK,
) -> list[Answer]:
    """Apply notices of several accounts, each in a transaction of its own or all in one."""
    deliveries = [replace(flow.delivery(notice, account=account), source=source) for notice, account in received]
    answers: dict[DeliveryId, Answer] = {}
    now = flow.context.clock()
    database, organization_id = flow.context.database, flow.hospital.organization_id
    async with database.transaction(organization_id, posting=True) as tx:
        await open_day(tx, business_date(now), at=now)
    for batch in [deliveries] if batched else [[one] for one in deliveries]:
        async with database.transaction(organization_id, posting=True) as tx:
            answers |= await apply_deliveries(tx, batch, flow.context)
    return [answers[one.id] for one in deliveries]


async def rows(flow: PaymentFlow, query: str) -> list[tuple[Any, ...]]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return [tuple(row) for row in await tx.fetch(query)]


async def owed(flow: PaymentFlow) -> list[int]:
    return [row[0] for row in await rows(flow, "SELECT owed FROM invoice ORDER BY id")]


async def payments(flow: PaymentFlow) -> list[int]:
    return [row[0] for row in await rows(flow, "SELECT amount FROM payment ORDER BY id")]


async def reasons(flow: PaymentFlow) -> list[str]:
    return sorted(row[0] for row in await rows(flow, "SELECT reason FROM exception_case"))


def from_account(account: ProviderAccount, notices: Iterable[Notice]) -> list[tuple[Notice, ProviderAccount]]:
    return [(notice, account) for notice in notices]


@pytest.mark.parametrize("batched", [False, True], ids=["apart", "one-batch"])
@pytest.mark.parametrize("reference", ["9051", "FT26002000001", *PLACEHOLDERS])
async def test_two_transfers_of_one_account_with_one_bank_reference_are_both_booked(
    flow: PaymentFlow, reference: str, batched: bool
) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in (1, 2)]
    notices = [notice_of(flow, f"T{started.code}", started.code, reference=reference) for started in intents]

    answers = await deliver(flow, *from_account(flow.account, notices), batched=batched)

    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert await payments(flow) == [OWED, OWED]
    assert await owed(flow) == [0, 0]
    assert await reasons(flow) == []
    again = await deliver(flow, *from_account(flow.account, notices), batched=batched)
    assert [answer.verdict for answer in again] == [Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert await payments(flow) == [OWED, OWED]
    assert await reasons(flow) == []
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("batched", [False, True], ids=["apart", "one-batch"])
@pytest.mark.parametrize("first_is_second", [False, True], ids=["ours-first", "second-first"])
@pytest.mark.parametrize("texts", ["both", "ours", "theirs", "neither"])
async def test_one_transfer_of_two_channels_is_one_payment(
    flow: PaymentFlow, second: ProviderAccount, texts: str, first_is_second: bool, batched: bool
) -> None:
    started = await flow.start_intent()
    ours = notice_of(flow, "T1", started.code if texts in {"both", "ours"} else "chuyen tien", reference="FT26-1")
    theirs = notice_of(flow, "B1", started.code if texts in {"both", "theirs"} else "chuyen tien", reference="ft26-1")
    pair = [(ours, flow.account), (theirs, second)]

    answers = await deliver(flow, *(reversed(pair) if first_is_second else pair), batched=batched)

    assert answers[1].verdict is Verdict.DUPLICATE
    assert await payments(flow) == [OWED]
    again = await deliver(flow, *pair, batched=batched)
    assert {answer.verdict for answer in again} <= {Verdict.DUPLICATE, Verdict.UNKNOWN_REFERENCE}
    assert await payments(flow) == [OWED]
    assert await rows(flow, "SELECT FROM payment_hold") == []
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("batched", [False, True], ids=["apart", "one-batch"])
async def test_two_channels_with_different_codes_are_two_payments_and_a_person_looks(
    flow: PaymentFlow, second: ProviderAccount, batched: bool
) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in (1, 2)]
    pair = [(notice_of(flow, "T1", intents[0].code), flow.account), (notice_of(flow, "B1", intents[1].code), second)]

    await deliver(flow, *pair, batched=batched)

    assert await owed(flow) == [0, 0]
    assert await reasons(flow) == ["bank_reference_repeated"]
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("batched", [False, True], ids=["apart", "one-batch"])
async def test_two_channels_with_different_amounts_are_two_payments_and_a_person_looks(
    flow: PaymentFlow, second: ProviderAccount, batched: bool
) -> None:
    started = await flow.start_intent()
    pair = [
        (notice_of(flow, "T1", started.code, amount=100_000), flow.account),
        (notice_of(flow, "B1", started.code, amount=36_000), second),
    ]

    await deliver(flow, *pair, batched=batched)

    assert await payments(flow) == [100_000, 36_000]
    assert await owed(flow) == [0]
    assert await reasons(flow) == ["bank_reference_repeated"]


MIDNIGHT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""Of the Vietnamese clock."""


@pytest.mark.parametrize(
    ("first", "other", "number"),
    [
        (MIDNIGHT - timedelta(seconds=1), MIDNIGHT + timedelta(seconds=1), 1),
        (MIDNIGHT + timedelta(seconds=1), MIDNIGHT - timedelta(seconds=1), 1),
        (MIDNIGHT, MIDNIGHT + timedelta(hours=47, minutes=59), 1),
        (MIDNIGHT - timedelta(seconds=1), MIDNIGHT + timedelta(hours=24), 2),
    ],
)
async def test_reference_links_within_a_day_of_the_booking_day(
    flow: PaymentFlow, second: ProviderAccount, first: datetime, other: datetime, number: int
) -> None:
    pair = [
        (notice_of(flow, "T1", "chuyen tien", occurred_at=first), flow.account),
        (notice_of(flow, "B1", "chuyen tien", occurred_at=other), second),
    ]

    await deliver(flow, *pair)

    assert len(await payments(flow)) == number
    await assert_books_are_right(flow.context.database)


async def test_reference_that_restarts_daily_never_hides_the_transfer_of_the_next_day(
    flow: PaymentFlow, second: ProviderAccount
) -> None:
    """Both channels report every transfer; the reference and the amount are the same each day."""
    intents = [await flow.start_intent(f"LK{number}") for number in range(4)]
    now = flow.context.clock()
    for number, started in enumerate(intents):
        at = now - timedelta(days=len(intents) - number)
        pair = [
            (notice_of(flow, f"T{number}", started.code, reference="0001", occurred_at=at), flow.account),
            (notice_of(flow, f"B{number}", started.code, reference="0001", occurred_at=at), second),
        ]
        await deliver(flow, *(pair if number % 2 else reversed(pair)))

    assert await payments(flow) == [OWED] * 4
    assert await owed(flow) == [0] * 4
    assert await reasons(flow) == []
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("batched", [False, True], ids=["apart", "one-batch"])
async def test_second_id_of_a_linked_channel_is_booked_and_a_person_looks(
    flow: PaymentFlow, second: ProviderAccount, batched: bool
) -> None:
    """By the weak name it is the same money, by the strong name it is not."""
    pair = [(notice_of(flow, "T1", "chuyen tien"), flow.account)]
    pair += [(notice_of(flow, name, "chuyen tien"), second) for name in ("B1", "B2")]

    await deliver(flow, *pair, batched=batched)

    assert await payments(flow) == [OWED, OWED]
    assert await reasons(flow) == ["bank_reference_repeated", "no_reference", "no_reference"]
    assert await rows(flow, "SELECT FROM payment_hold") == []


async def test_callback_and_feed_of_one_transfer_are_one_payment(flow: PaymentFlow) -> None:
    """The list names the bank reference that the callback did not have yet."""
    started = await flow.start_intent()
    called = replace(
        notice_of(flow, "T1", started.code),
        movement_keys=frozenset({"transaction:T1"}),
        bank_reference="",
        fingerprint=b"T1",
    )
    listed = replace(notice_of(flow, "T1", started.code), fingerprint=b"T1")

    await deliver(flow, (called, flow.account))
    await deliver(flow, (listed, flow.account), source=Source.FEED)

    assert await payments(flow) == [OWED]
    found = await rows(flow, "SELECT reference, payment_id = (SELECT id FROM payment) FROM bank_reference")
    assert found == [("FT1", True)]


@pytest.mark.parametrize("polled_first", [False, True])
async def test_poll_without_an_id_describes_the_transfer_that_was_called_back(
    flow: PaymentFlow, polled_first: bool
) -> None:
    started = await flow.start_intent()
    called = notice_of(flow, "T1", started.code)
    polled = replace(notice_of(flow, "Q1", started.code), movement_keys=frozenset({"bank:FT1"}), provider_reference="")
    both = [(called, Source.CALLBACK), (polled, Source.QUERY)]

    for notice, source in reversed(both) if polled_first else both:
        await deliver(flow, (notice, flow.account), source=source)

    assert await payments(flow) == [OWED]
    assert await reasons(flow) == []
    await assert_books_are_right(flow.context.database)


async def test_transfers_without_an_id_are_distinguished_by_their_events(flow: PaymentFlow) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in (1, 2)]
    notices = [
        replace(
            notice_of(flow, f"E{number}", started.code), movement_keys=frozenset({"bank:FT1"}), provider_reference=""
        )
        for number, started in enumerate(intents)
    ]

    await deliver(flow, *from_account(flow.account, [*notices, *notices]))

    assert await payments(flow) == [OWED, OWED]
    assert await owed(flow) == [0, 0]
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
async def test_money_named_by_placeholders_alone_is_each_time_for_a_person(flow: PaymentFlow, placeholder: str) -> None:
    keys = frozenset({f"transaction:{placeholder}", f"bank:{placeholder}"})
    notices = [
        replace(notice_of(flow, "-", text), movement_keys=keys, event_key="-:SUCCEEDED", bank_reference=placeholder)
        for text in ("mot", "hai")
    ]

    answers = await deliver(flow, *from_account(flow.account, notices))

    assert [answer.verdict for answer in answers] == [Verdict.STORED, Verdict.STORED]
    assert await reasons(flow) == ["no_transaction_id", "no_transaction_id"]


async def test_placeholders_of_two_channels_rule_out_no_probable_duplicate(
    flow: PaymentFlow, second: ProviderAccount
) -> None:
    pair = [
        (notice_of(flow, "T1", "chuyen tien", reference="-"), flow.account),
        (notice_of(flow, "B1", "chuyen tien", reference="FT9"), second),
    ]

    await deliver(flow, *pair)

    assert await payments(flow) == [OWED, OWED]
    assert len(await rows(flow, "SELECT FROM payment_hold")) == 1


async def test_many_processes_with_one_repeated_reference_book_each_transfer_once(flow: PaymentFlow) -> None:
    intents = [await flow.start_intent(f"LK{number}") for number in range(12)]
    notices = [notice_of(flow, f"T{number}", started.code, reference="1") for number, started in enumerate(intents)]
    limits = IntakeLimits(queues=1, batch_max=3)

    async with Intake(flow.context, limits) as one, Intake(flow.context, limits) as other:
        await asyncio.gather(*(intake.submit(flow.delivery(notice)) for notice in notices for intake in (one, other)))

    assert await payments(flow) == [OWED] * 12
    assert await owed(flow) == [0] * 12
    numbers = await rows(flow, "SELECT number FROM bank_reference ORDER BY number")
    assert numbers == [(number,) for number in range(1, 13)]
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("polled_first", [False, True])
async def test_payos_poll_that_writes_another_time_describes_the_same_transfer(
    flow: PaymentFlow, polled_first: bool
) -> None:
    """payOS gives a transfer no id; its answer may differ from its callback by a second or by the zone."""
    started = await flow.start_intent()

    def read(timestamp: str) -> Notice:
        changes = {"orderCode": order_code(started.code), "amount": OWED, "transactionDateTime": timestamp}
        found = payos_samples.one(payos_samples.channel().read_callback(payos_samples.signed_callback(**changes)))
        return replace(found, names_other_account=False, payee=())

    day = flow.context.clock().strftime("%Y-%m-%d")
    ways = [(read(f"{day} 09:15:30"), Source.CALLBACK), (read(f"{day}T02:15:31Z"), Source.QUERY)]
    for notice, source in reversed(ways) if polled_first else ways:
        await deliver(flow, (notice, flow.account), source=source)

    assert await payments(flow) == [OWED]
    assert await owed(flow) == [0]


@pytest.mark.parametrize("has_codes", [True, False])
@pytest.mark.parametrize("batched", [False, True], ids=["apart", "one-batch"])
async def test_two_transfers_of_one_reference_by_two_channels_are_two_payments_in_any_order(
    flow: PaymentFlow, second: ProviderAccount, batched: bool, has_codes: bool
) -> None:
    intents = [await flow.start_intent("LK1"), await flow.start_intent("LK2")]
    for number, order in enumerate(itertools.permutations(range(4))):
        texts = [started.code if has_codes else "tien vien phi" for started in intents]
        events = [
            (notice_of(flow, f"{name}{number}", text, reference=f"FT{number}", amount=1_000 + number), account)
            for text, pair in zip(texts, ("AB", "CD"), strict=True)
            for name, account in zip(pair, (flow.account, second), strict=True)
        ]
        await deliver(flow, *(events[place] for place in order), batched=batched)

        assert await payments(flow) == [1_000 + each for each in range(number + 1) for _ in range(2)], order
    await assert_books_are_right(flow.context.database)

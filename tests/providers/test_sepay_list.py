"""SePay's list of transactions: it reports a lost webhook's transaction as the webhook reports it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx

from providers.contract import (
    FeedUnavailable,
    Notices,
)
from tests.providers.network_faults import AFTER_SENDING
from tests.providers.sepay_samples import AT, LIST, TOKEN, account, one, signed

ROW = {
    "id": "92704",
    "transaction_date": "2026-01-02 09:15:30",
    "account_number": "0000000000017",
    "amount_in": "350000.00",
    "amount_out": "0.00",
    "transaction_content": "MBVCB.1.K7ABCDEFR VIEN PHI",
    "reference_number": "FT26002000001",
    "code": None,
    "sub_account": None,
}


@pytest.fixture
def world() -> Iterator[respx.Route]:
    with respx.mock(assert_all_called=False) as mocked:
        yield mocked.get(LIST)


async def read(cursor: str = "", **settings: Any) -> tuple[Notices, str]:
    async with httpx.AsyncClient() as client:
        return await account(client, api_token=TOKEN, **settings).read_since(cursor, now=AT)


def rows(*ids: int, **changed: object) -> httpx.Response:
    return httpx.Response(200, json={"status": 200, "transactions": [{**ROW, "id": str(i), **changed} for i in ids]})


async def test_row_is_reported_as_its_webhook_reports_it(world):
    world.return_value = rows(92704)

    notices, cursor = await read()

    ours, theirs = one(notices), one(account().read_callback(signed()))
    assert (ours.event_key, ours.movement_keys, ours.fingerprint) == (
        theirs.event_key,
        theirs.movement_keys,
        theirs.fingerprint,
    )
    assert cursor == "92704"
    assert world.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"
    assert world.calls.last.request.url.params["transaction_date_min"]


async def test_rows_after_the_cursor_come_oldest_first_whatever_their_order(world):
    world.return_value = rows(12, 11, 10, 9)

    notices, cursor = await read("9")

    assert [notice.provider_reference for notice in notices.notices] == ["10", "11", "12"]
    assert cursor == "12"
    assert world.calls.last.request.url.params["since_id"] == "9"


async def test_nothing_new_leaves_the_cursor_and_money_out_moves_it(world):
    world.return_value = rows()
    assert await read("9") == (Notices((), world.return_value.content), "9")

    world.return_value = rows(10, amount_in="0.00", amount_out="5000.00")
    notices, cursor = await read("9")
    assert (notices.notices, cursor) == ((), "10")


async def test_full_page_that_is_not_in_order_is_refused_before_money_is_skipped(world):
    world.return_value = rows(12, 11)

    with pytest.raises(FeedUnavailable):
        await read("1", feed_rows_max=2)

    world.return_value = rows(11, 12)
    assert (await read("1", feed_rows_max=2))[1] == "12"


@pytest.mark.parametrize(
    "changed",
    [{"amount_in": "1.50"}, {"amount_in": "x"}, {"amount_out": "1"}, {"amount_in": "0"}, {"transaction_date": ""}],
)
async def test_page_with_one_row_of_nonsense_is_not_read(world, changed):
    world.return_value = rows(92704, **changed)

    with pytest.raises(FeedUnavailable):
        await read("1")


async def test_list_without_an_answer_is_not_read_and_shows_no_secret(world, caplog):
    world.side_effect = AFTER_SENDING["timeout after sending"]

    with pytest.raises(FeedUnavailable) as raised:
        await read("1")

    assert TOKEN not in f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"


async def test_account_without_a_token_has_no_feed():
    assert account().feeds_per_minute == 0
    with pytest.raises(FeedUnavailable):
        await account().read_since("", now=AT)

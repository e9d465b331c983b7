"""Everyday flows of the cash desk over HTTP, named after their situations; after each, the books and views agree."""

from datetime import timedelta

import pytest

from tests.flows.hospital_day import Day, cash, open_day
from tests.web.site import Site


@pytest.fixture
async def day(site: Site) -> Day:
    return await open_day(site)


async def test_server_is_away_for_an_hour_and_the_paper_block_is_entered_afterwards(day: Day) -> None:
    visit_id = await day.admit("LK-08")
    block = await day.reserve_paper(2)
    later = await day.collect(visit_id, cash(10_000), amount=10_000)
    assert int(later["number"].rsplit("-")[-1]) == block["last_number"] + 1
    written_at = day.site.context.clock() - timedelta(milliseconds=1)
    await day.send(
        "POST",
        f"/receipt-blocks/{block['id']}/receipts",
        {
            "number": block["first_number"],
            "issued_at": written_at.isoformat(),
            "visit_id": visit_id,
            "amount": 70_000,
            "parts": [cash(70_000)],
        },
    )
    await day.send("POST", f"/receipt-blocks/{block['id']}/unused", {"numbers": [block["last_number"]]})

    assert (await day.account(visit_id))["account"]["deposit"]["held"] == 80_000
    await day.check()


async def test_receipt_of_another_shift_is_not_voided(day: Day) -> None:
    visit_id = await day.admit("LK-09")
    receipt = await day.collect(visit_id, cash(50_000), amount=50_000)
    await day.send("POST", f"/shifts/{day.shift_id}/end", {"counted": {"50000": 1}})

    refused = await day.call("POST", f"/receipts/{receipt['id']}/void", {"reason": "nhầm người"}, by="head")

    assert refused.status_code == 409, refused.text
    assert (await day.account(visit_id))["account"]["deposit"]["held"] == 50_000
    await day.check()

"""Connections are cut while cashiers take money: every receipt that was meant exists once, and the drawer agrees.

`make cuts CUTS=10000` makes many more cuts.
"""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from random import Random

import httpx
import pytest

from billing.core.actor import Role
from tests.flow import assert_books_are_right
from tests.visit_accounts.ordered import order_visit
from tests.web.cash_day import send
from tests.web.screens.cut_connections import Cashier, Cut, CuttingGate, Taken
from tests.web.screens.desk_day import DeskDay
from tests.web.screens.live import live_visit
from tests.web.screens.morning import FLOAT as NOTES
from tests.web.screens.morning import staffed
from tests.web.site import Site
from tests.web.staff import add_desk, location, signed_in

CASHIERS = 3
LINES = 6
FLOAT = 500_000
CUTS = int(os.environ.get("VIENPHI_CUTS", "600"))

_RECEIPTS = """
    SELECT receipt.visit_id, part.method, receipt.amount, receipt.series, receipt.number
    FROM receipt JOIN receipt_part AS part ON part.receipt_id = receipt.id
"""
_SLIPS = "SELECT approval_code, amount FROM card_slip"


async def open_desk(site: Site, gate: CuttingGate, stack: AsyncExitStack, number: int, terminal_id: str) -> Cashier:
    desk_id = await add_desk(site, f"Quầy {number}")
    staff = await stack.enter_async_context(signed_in(site, Role.CASHIER, desk_id=desk_id))
    day = DeskDay(site, staff, desk_id)
    await day.open_shift(FLOAT)
    cookies = {"vienphi": staff.cookie}
    client = httpx.AsyncClient(base_url=gate.address, cookies=cookies, timeout=30)
    return Cashier(day, await stack.enter_async_context(client), Random(number), terminal_id)


async def work(site: Site, gate: CuttingGate, cashier: Cashier, number: int) -> None:
    """Serve visit after visit until all cuts were made."""
    served = 0
    while not gate.is_done:
        served += 1
        lines = {f"L{line}": (f"PK-{line}", f"Dịch vụ {line}", str(50_000 * line), 13) for line in range(3, 3 + LINES)}
        visit_id = await order_visit(site.context, f"LK{number}-{served}", lines=lines)
        for line in lines:
            await cashier.collect(visit_id, line)
        await cashier.take_advance(visit_id)


async def cut_connections(site: Site, cuts: int, *, seed: int) -> None:
    (bank,) = await site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
    terminal = await send(
        site.client,
        "/v1/card-terminals",
        {
            "facility_code": site.hospital.facility_code,
            "name": "POS 1",
            "terminal_number": "T01",
            "bank_account_id": str(bank["id"]),
        },
    )
    async with CuttingGate(site.address, Random(seed), share=0.8, cuts_max=cuts) as gate, AsyncExitStack() as stack:
        cashiers = [await open_desk(site, gate, stack, number, terminal["id"]) for number in range(1, CASHIERS + 1)]
        await asyncio.gather(*(work(site, gate, each, number) for number, each in enumerate(cashiers)))

    assert gate.cuts.total() == cuts
    assert gate.cuts.keys() == set(Cut)
    await compare(site, cashiers)


async def compare(site: Site, cashiers: list[Cashier]) -> None:
    """What was meant, and what is recorded: receipts, their numbers, slips of cards, drawers, ledger."""
    meant = [taken for cashier in cashiers for taken in cashier.taken]
    rows = await site.as_owner(_RECEIPTS)
    slips = {row["approval_code"]: row["amount"] for row in await site.as_owner(_SLIPS)}
    shifts = await site.as_owner("SELECT id, desk_id FROM shift")
    drawers = {str(row["desk_id"]): (await site.read(f"/v1/shifts/{row['id']}"))["cash"] for row in shifts}
    balances = {
        each["account"]["role"]: each["balance"] for each in (await site.read("/v1/ledger/balances"))["accounts"]
    }

    assert Counter(Taken(str(row["visit_id"]), row["method"], row["amount"]) for row in rows) == Counter(meant)
    assert sorted(row["number"] for row in rows) == [*range(1, len(meant) + 1)]
    assert slips == {code: amount for cashier in cashiers for code, amount in cashier.slips.items()}
    assert drawers == {str(cashier.day.desk_id): FLOAT + cash_of(cashier) for cashier in cashiers}
    assert balances["deposit"] == sum(each.amount for each in meant)
    await assert_books_are_right(site.context.database)


def cash_of(cashier: Cashier) -> int:
    return sum(each.amount for each in cashier.taken if each.method == "cash")


@pytest.mark.short
async def test_no_receipt_is_lost_or_doubled_where_connections_are_cut(site: Site) -> None:
    await cut_connections(site, 200, seed=1)


@pytest.mark.slow
async def test_no_receipt_is_lost_or_doubled_where_many_connections_are_cut(site: Site) -> None:
    await cut_connections(site, CUTS, seed=2)


async def test_form_that_is_sent_while_it_still_runs_gets_the_first_result(site: Site) -> None:
    desk_id = await add_desk(site)
    async with signed_in(site, Role.CASHIER, desk_id=desk_id) as staff:
        await DeskDay(site, staff, desk_id).open_shift(FLOAT)
        visit_id = await order_visit(site.context)
        fields = {"due": "100000", "method": "cash", "line": ["L1", "L2"]}

        answers = await asyncio.gather(
            *(staff.post(f"/desk/visits/{visit_id}/collect", key="pressed-again-0001", **fields) for _ in range(4))
        )

    assert [answer.status_code for answer in answers] == [303] * 4
    assert len({answer.headers["Location"].partition("&")[0] for answer in answers}) == 1


async def test_forms_of_shift_refund_and_discharge_that_still_run_get_the_first_result(site: Site) -> None:
    async with staffed(site) as morning:

        async def press(path: str, **fields: str) -> set[str]:
            presses = (morning.cashier.post(path, key="pressed-again-0001", **fields) for _ in range(4))
            return {location(answer) for answer in await asyncio.gather(*presses)}

        opened = await press("/shift", issued_float="100000", **NOTES)
        refunded, billed = await live_visit(morning), await live_visit(morning, "LK26-104290", state="performed")
        await refunded.collect("XML3-1", "XML3-2", "XML3-3", "XML2-1")
        refund = f"/desk/visits/{refunded.id}/refund"
        requested = await press(refund, line="XML3-3", reason="Người bệnh không làm", room="Phòng xét nghiệm: KTV Lan")
        await billed.advance(200_000)
        closed = await press(f"/desk/visits/{billed.id}/discharge")

    assert len(opened) == 1
    assert requested == {f"{refund}?requested=20000"}
    assert closed == {f"/desk/visits/{billed.id}/discharge?closed"}

"""Every page of finance opens, with rows and without, as a page and as a fragment, for readers and for deciders."""

import re

from billing.core.actor import Role
from tests.web.screens.finance_day import open_finance_day
from tests.web.site import Site
from tests.web.staff import signed_in

PAGES = (
    "/finance",
    "/finance/reconciliation",
    "/finance/statements",
    "/finance/exceptions",
    "/finance/traces",
    "/finance/payouts",
    "/finance/days",
    "/finance/reports",
    "/finance/reports/daily-collection",
    "/finance/reports/journal",
    "/finance/reports/unallocated",
    "/finance/reports/day-results",
    "/approvals",
    "/finance/journal",
    "/finance/ledger",
    "/finance/ledger/account?role=clearing",
    "/finance/prices",
    "/finance/inbox",
    "/finance/differences",
    "/finance/wards",
)


async def test_pages_open_without_any_row(site: Site) -> None:
    async with signed_in(site, Role.FINANCE) as staff:
        for path in PAGES:
            if "account?" not in path:
                await staff.page(path)


async def test_pages_open_with_the_rows_of_a_day(site: Site) -> None:
    await open_finance_day(site)
    async with signed_in(site, Role.FINANCE) as staff, signed_in(site, Role.AUDITOR, language="en") as auditor:
        for path in PAGES:
            if "account?" not in path:
                page = await staff.page(path)
                assert "<html" in page
                part = await auditor.client.get(path, headers={"HX-Request": "true"})
                assert (part.status_code, "<html" in part.text) == (200, False), path
        rows = re.findall(r"/finance/exceptions/([0-9a-f-]{36})", await staff.page("/finance/exceptions"))
        for exception_id in set(rows):
            await staff.page(f"/finance/exceptions/{exception_id}")
            for action in ("assign", "match", "refund", "open_trace", "no_action", "book_payment"):
                await staff.page(f"/finance/exceptions/{exception_id}/decide?action={action}")
        entries = re.findall(r"/finance/ledger/entries/([0-9a-f-]{36})", await staff.page("/finance/reports/journal"))
        await staff.page(f"/finance/ledger/entries/{entries[0]}")
        accounts = re.findall(r'href="(/finance/ledger/account[^"]+)"', await staff.page("/finance/ledger"))
        for address in accounts:
            await staff.page(address.replace("&amp;", "&"))
        messages = re.findall(r"/finance/inbox/([0-9a-f-]{36})", await staff.page("/finance/inbox"))
        for message_id in set(messages):
            await staff.page(f"/finance/inbox/{message_id}")
        visits = (await site.read("/v1/visits"))["items"]
        await staff.page(f"/finance/visits/{visits[0]['id']}/documents")
        await staff.page("/finance/statements/new")

"""Every page of finance opens, with rows and without, as a page and as a fragment, for readers and for deciders."""

import re

import httpx

from billing.core.actor import Role
from tests.web.cash_day import spend_cash_day
from tests.web.conftest import HOOKS
from tests.web.live_visit import header
from tests.web.screens.finance_day import open_finance_day
from tests.web.site import Site, key_of
from tests.web.staff import signed_in, text_of

PAGES = (
    "/finance",
    "/finance/reconciliation",
    "/finance/reconciliation/bridge",
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


async def test_documents_of_a_visit_are_one_print_with_its_receipts(site: Site) -> None:
    headers = await key_of(site, Role.FINANCE, Role.HEAD_CASHIER, Role.TREASURER)
    async with httpx.AsyncClient(base_url=site.address, headers=headers, timeout=20, event_hooks=HOOKS) as head:
        await spend_cash_day(site.client, head, site)
    [row] = await site.as_owner("SELECT visit_id FROM receipt WHERE visit_id IS NOT NULL LIMIT 1")
    async with signed_in(site, Role.FINANCE) as staff, signed_in(site, Role.CASHIER) as cashier:
        page = await staff.page(f"/finance/visits/{row['visit_id']}/documents")
        paper = await staff.page(f"/print/visits/{row['visit_id']}/documents")
        await cashier.page(f"/print/visits/{row['visit_id']}/documents", status=403)

    receipts = (await site.read(f"/v1/visits/{row['visit_id']}/documents"))["documents"]
    printed = [each for each in receipts if each["kind"] == "receipt" and each["printed"]]
    assert printed
    assert all(each["number"] in page for each in printed)
    assert paper.count('class="paper a5"') == len(printed)


async def test_inbox_names_senders_and_endpoints_without_an_answer(site: Site) -> None:
    facility = site.hospital.facility_code
    await site.client.put(f"/v1/facilities/{facility}/visits/LK-LOI", json=header(1) | {"surprise": "x"})
    endpoint_id = site.context.ids.new()
    await site.as_owner(
        "INSERT INTO webhook_endpoint (organization_id, id, url, secret_names, created_at) "
        "VALUES (1, $1, 'https://lis.example/hook', '{secret}', now())",
        endpoint_id,
    )
    await site.as_owner(
        "INSERT INTO webhook_delivery (organization_id, endpoint_id, message_id, topic, payload, state, attempts, "
        "due_at, last_problem) VALUES (1, $1, $2, 'x', '{}', 'waiting', 3, now(), 'timeout')",
        endpoint_id,
        site.context.ids.new(),
    )
    async with signed_in(site, Role.FINANCE) as staff:
        words = text_of(await staff.page("/finance/inbox"))

    assert f"{facility} · API 1 1" in words
    assert "lis.example 1 0 timeout" in words

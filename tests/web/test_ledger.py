"""The ledger over HTTP: balances and entries."""

from datetime import timedelta

from billing.core.clock import business_date
from billing.db.context import utc_now
from providers.sandbox.bank_simulator import Behaviour
from tests.web.site import UNKNOWN_ID, Site, every_page, problem


async def test_books_balance_and_entries_can_be_read(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)

    balances = await site.read("/v1/ledger/balances")
    [[newest], [oldest]] = await every_page(site, "/v1/ledger/entries", limit=1)

    assert balances["debit"] == balances["credit"] == 736_000  # 600 000 charged, 136 000 received
    assert (newest["kind"], oldest["kind"]) != (oldest["kind"], newest["kind"])
    assert await site.read(f"/v1/ledger/entries/{newest['id']}") == newest
    assert sum(posting["amount"] for posting in newest["postings"]) == 136_000
    problem(await site.client.get("/v1/ledger/balances?on=2026-13-01"), 400, "invalid_query")
    problem(await site.client.get(f"/v1/ledger/entries/{UNKNOWN_ID}"), 404, "not_found")


async def test_entries_are_listed_by_kind_and_day_of_creation(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    today = business_date(utc_now())

    async def kinds(query: str) -> list[str]:
        return [entry["kind"] for entry in (await site.read(f"/v1/ledger/entries?{query}"))["items"]]

    assert await kinds("") == ["payment_received", "invoice_issued"]
    assert await kinds("kind=invoice_issued") == ["invoice_issued"]
    assert await kinds(f"kind=invoice_issued&from={today}&to={today}") == ["invoice_issued"]
    assert await kinds(f"from={today + timedelta(days=1)}") == []
    assert await kinds(f"to={today - timedelta(days=1)}") == []

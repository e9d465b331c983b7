"""Months over HTTP: closed once, refused by name."""

from billing.core.actor import Role
from billing.core.clock import business_date
from tests.web.site import Site, key_of, problem


async def test_month_is_closed_once_and_listed(site: Site) -> None:
    await site.as_owner("INSERT INTO business_day VALUES (1, '2026-03-05', 'open', now(), NULL)")
    problem(await site.client.post("/v1/months/2026-03/close"), 409, "month_open")
    assert (await site.client.post("/v1/ledger/days/2026-03-05/close")).status_code == 200

    closed = await site.client.post("/v1/months/2026-03/close")
    again = await site.client.post("/v1/months/2026-03/close")

    assert closed.status_code == 200, closed.text
    assert (closed.json()["month"], closed.json()["days"], closed.json()["entries"]) == ("2026-03", 1, 0)
    assert (await site.read("/v1/months"))["months"] == [closed.json()]
    problem(again, 409, "month_already_closed")


async def test_month_that_cannot_close_is_refused_by_name(site: Site) -> None:
    today = business_date(site.context.clock())
    cashier = await key_of(site, Role.CASHIER)

    problem(await site.client.post(f"/v1/months/{today:%Y-%m}/close"), 409, "month_open")
    problem(await site.client.post("/v1/months/2025-01/close"), 404, "not_found")
    problem(await site.client.get("/v1/months/2025-01/certificate"), 404, "not_found")
    for text in ("2026-13", "2026-1", "march"):
        problem(await site.client.post(f"/v1/months/{text}/close"), 422, "invalid_value")
    problem(await site.client.post("/v1/months/2025-01/close", headers=cashier), 403, "not_permitted")

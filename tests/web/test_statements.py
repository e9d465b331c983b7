"""The statement of an account over HTTP: it opens, moves and closes, page by page."""

from typing import Any

import pytest

from billing.core.clock import business_date
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import DemoHospital
from tests.web.site import Site, problem

RECEIVABLE = "/v1/ledger/accounts/receivable_patient/statement"


async def pay(site: Site, ma_lk: str = "LK0001") -> dict[str, Any]:
    intent = await site.open_intent(ma_lk=ma_lk)
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    return intent


async def test_statement_opens_moves_and_closes_as_the_balances_do(site: Site) -> None:
    """A bill of 136 000 and its payment: the receivable rises and falls, the clearing account holds the money."""
    intent = await pay(site)
    today = business_date(site.context.clock()).isoformat()

    statement = await site.read(f"{RECEIVABLE}?first_day={today}&last_day={today}")
    balances = await site.read("/v1/ledger/balances")

    assert (statement["opening"], statement["closing"], statement["number"]) == (0, 0, "131")
    assert [(line["debit"], line["credit"]) for line in statement["lines"]] == [(136_000, 0), (0, 136_000)]
    assert {line["invoice_id"] for line in statement["lines"]} == {intent["invoice_ids"][0]}
    assert statement["next_cursor"] is None
    [clearing] = [one for one in balances["accounts"] if one["account"]["role"] == "clearing"]
    subject = clearing["account"]["subject"]
    held = await site.read(f"/v1/ledger/accounts/clearing/statement?subject={subject}")
    assert (held["closing"], held["account"]) == (clearing["balance"], clearing["account"])
    assert held["lines"][0]["other"] == {"role": "receivable_patient", "subject": ""}


async def test_statement_is_read_page_by_page_with_the_same_ends(site: Site) -> None:
    for number in range(3):
        await pay(site, f"LK{number}")
    whole = await site.read(RECEIVABLE)

    lines, cursor = [], ""
    while True:
        page = await site.read(f"{RECEIVABLE}?limit=2{cursor}")
        assert (page["opening"], page["closing"]) == (whole["opening"], whole["closing"])
        lines += page["lines"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(lines) == 6
    assert lines == whole["lines"]


@pytest.mark.parametrize(
    "query",
    ["first_day=2026-13-01", "last_day=x", "limit=0", "limit=201", "cursor=x", "cursor=AAAA", "from=1", "subject="],
)
async def test_statement_refuses_what_it_does_not_know(site: Site, query: str) -> None:
    problem(await site.client.get(f"{RECEIVABLE}?{query}"), 400, "invalid_query")


async def test_statement_of_no_account_or_of_a_turned_period_is_refused(
    site: Site, other_organization: DemoHospital
) -> None:
    foreign = f"/v1/ledger/accounts/clearing/statement?subject={other_organization.account_id}"

    problem(await site.client.get("/v1/ledger/accounts/treasure/statement"), 404, "not_found")
    problem(await site.client.get(foreign), 404, "not_found")
    problem(await site.client.get(f"{RECEIVABLE}?first_day=2026-11-02&last_day=2026-11-01"), 422, "invalid_value")


async def test_cursor_of_a_forger_is_refused_or_harmless(site: Site) -> None:
    await pay(site)
    page = await site.read(f"{RECEIVABLE}?limit=1")

    cursor = page["next_cursor"]
    problem(await site.client.get(f"{RECEIVABLE}?cursor={cursor[:-1]}"), 400, "invalid_query")
    problem(await site.client.get(f"{RECEIVABLE}?cursor={'_' * 32}"), 400, "invalid_query")

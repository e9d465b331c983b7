"""Business days over HTTP: results, closing, certificate; and opening balances that two persons approve."""

from datetime import timedelta

from billing.core.actor import Role
from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.ledger.service.seal_rows import seal_once
from tests.reconciliation.service.test_day_certificates import verify_day
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.site import Site, key_of, problem

A_DAY = timedelta(days=1)
_OPEN = "INSERT INTO business_day VALUES (1, $1, 'open', now(), NULL) ON CONFLICT DO NOTHING"
BALANCES = [{"role": "safe", "amount": 700}, {"role": "revenue", "amount": -700}]


async def test_day_is_read_closed_and_certified(site: Site) -> None:
    day = business_date(site.context.clock()) - A_DAY
    address = f"/v1/ledger/days/{day}"
    problem(await site.client.get(address), 404, "not_found")
    await site.as_owner(_OPEN, day)
    statement = statement_csv(Line(amount=900, day=day), account=site.hospital.settings.account_number)
    headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": "statement"}
    imported = await site.client.post("/v1/bank-statements?file_name=a.csv", content=statement, headers=headers)
    assert imported.is_success, imported.text

    read = await site.read(address)
    problem(await site.client.get(f"{address}/certificate"), 404, "not_found")
    cashier = await key_of(site, Role.CASHIER)
    problem(await site.anonymous_client.post(f"{address}/close", headers=cashier), 403, "not_permitted")
    closed = await site.client.post(f"{address}/close")

    assert (read["state"], read["result"], read["reasons"]) == ("open", "breaks", [])
    [bank] = read["accounts"]
    assert (bank["account_kind"], bank["statement_closing"], bank["ledger_balance"], bank["residual"]) == (
        "bank_account",
        900,
        0,
        0,
    )
    assert [(item["kind"], item["amount"]) for item in bank["items"]] == [("line_unmatched", 900)]
    assert closed.json() == {**read, "state": "closed"}
    problem(await site.client.post(f"{address}/close"), 409, "day_already_closed")
    problem(await site.client.get(f"{address}/certificate"), 409, "day_not_sealed")
    await seal_once(site.context, OrganizationId(1))
    certificate = await site.client.get(f"{address}/certificate")
    assert verify_day.check(certificate.text)["content"]["day"] == day.isoformat()


async def test_day_that_is_not_over_stays_open(site: Site) -> None:
    today = business_date(site.context.clock())
    await site.open_intent()
    problem(await site.client.post(f"/v1/ledger/days/{today}/close"), 409, "day_not_over")
    problem(await site.client.get("/v1/ledger/days/2026-13-01"), 422, "invalid_value")

    day = await site.read(f"/v1/ledger/days/{today}")

    assert day["state"] == "open"


async def test_opening_balances_are_posted_when_another_person_approves(site: Site) -> None:
    other = await key_of(site, Role.FINANCE)
    today = business_date(site.context.clock()).isoformat()
    body = {"first_day": today, "balances": BALANCES}
    unbalanced = {**body, "balances": [BALANCES[0], {"role": "revenue", "amount": -1}]}
    problem(await site.client.post("/v1/ledger/opening-balances", json=unbalanced), 422, "opening_unbalanced")

    unknown = {**body, "balances": [BALANCES[0], {"role": "nothing", "amount": -700}]}
    problem(await site.client.post("/v1/ledger/opening-balances", json=unknown), 422, "invalid_body")

    answer = await site.client.post("/v1/ledger/opening-balances", json=body)

    assert answer.status_code == 201, answer.text
    address = f"/v1/approvals/{answer.json()['id']}/approve"
    problem(await site.client.post(address), 409, "second_person_required")
    approved = await site.anonymous_client.post(address, headers=other)
    assert approved.json()["state"] == "approved"
    assert (await site.read("/v1/ledger/balances"))["debit"] == 700
    problem(await site.client.post("/v1/ledger/opening-balances", json=body), 409, "books_have_begun")

"""Runs, matches and proposals over HTTP: each operation next to its refusals, with isolation."""

from typing import Any

from billing.core.actor import Role
from billing.core.clock import business_date
from tests.builders import add_demo_hospital
from tests.flows.hospital_day import Day
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.import_day import BYTES
from tests.web.match_day import send
from tests.web.site import Site, key_of, problem

PAID = 20_000


async def line_and_payment(site: Site, *, amount: int = PAID) -> tuple[dict[str, Any], dict[str, Any]]:
    """An open line and an unallocated payment that no name links."""
    day = Day(site=site, head={}, desk_id="", shift_id="")
    await day.transfer("khong co ma", PAID)
    payment = (await site.read("/v1/payments"))["items"][0]
    line = Line(amount=amount, text="CHUYEN TIEN", day=business_date(site.context.clock()))
    imported = await site.client.post("/v1/bank-statements", content=statement_csv(line), headers=BYTES)
    assert imported.status_code == 201, imported.text
    run = await send(site.client, "/v1/match-runs", {})
    assert (run["state"], run["matches"], run["import_id"]) == ("done", 0, None)
    [found] = (await site.read("/v1/statement-lines"))["items"]
    return found, payment


def manual(line: dict[str, Any], payment: dict[str, Any], reason: str = "sao kê giấy") -> dict[str, Any]:
    return {"line_id": line["id"], "items": [{"kind": "payment", "id": payment["id"]}], "reason": reason}


async def test_line_is_proposed_matched_by_hand_and_reverted(site: Site) -> None:
    line, payment = await line_and_payment(site)
    [proposal] = (await site.read(f"/v1/statement-lines/{line['id']}/proposals"))["proposals"]
    assert (proposal["id"], proposal["reasons"], proposal["difference"]) == (payment["id"], ["amount", "day"], 0)

    match = await send(site.client, "/v1/matches", manual(line, payment))

    assert (match["rule"], match["state"], match["reason"]) == ("manual", "live", "sao kê giấy")
    assert [(item["kind"], item["amount"]) for item in match["items"]] == [("payment", PAID), ("statement_line", PAID)]
    assert (await site.read(f"/v1/matches?item_id={payment['id']}"))["items"] == [match]
    assert (await site.read("/v1/statement-lines"))["items"] == []

    reverted = await send(site.client, f"/v1/matches/{match['id']}/revert", {"reason": "khớp nhầm"})

    assert (reverted["state"], reverted["ended_reason"]) == ("reverted", "khớp nhầm")
    assert (await site.read("/v1/matches?state=live"))["items"] == []
    assert [each["id"] for each in (await site.read("/v1/statement-lines"))["items"]] == [line["id"]]


async def test_match_of_another_amount_twice_or_without_reason_is_refused(site: Site) -> None:
    line, payment = await line_and_payment(site, amount=PAID + 1)

    refused = await site.client.post("/v1/matches", json=manual(line, payment))
    assert problem(refused, 409, "amounts_differ")["detail"].startswith(f"the line is {PAID + 1} đồng")
    problem(await site.client.post("/v1/matches", json=manual(line, payment, reason="x")), 422, "invalid_value")
    unknown = {**payment, "id": line["id"]}
    problem(await site.client.post("/v1/matches", json=manual(line, unknown)), 404, "not_found")


async def test_reverted_match_is_reverted_once(site: Site) -> None:
    line, payment = await line_and_payment(site)
    match = await send(site.client, "/v1/matches", manual(line, payment))
    await send(site.client, f"/v1/matches/{match['id']}/revert", {"reason": "khớp nhầm"})

    again = await site.client.post(f"/v1/matches/{match['id']}/revert", json={"reason": "khớp nhầm"})

    problem(again, 409, "match_ended")


async def test_period_of_a_run_has_two_days_and_no_import(site: Site) -> None:
    for body in ({"rematch_from": "2026-11-01"}, {"rematch_from": "2026-13-01", "rematch_to": "2026-11-02"}):
        problem(await site.client.post("/v1/match-runs", json=body), 422, "invalid_value")
    unknown = {"import_id": "01a22840-b5b8-70d7-bb45-ec5790602d87"}
    problem(await site.client.post("/v1/match-runs", json=unknown), 404, "not_found")
    run = await send(site.client, "/v1/match-runs", {"rematch_from": "2026-11-01", "rematch_to": "2026-11-30"})

    assert (run["superseded"], (await site.read(f"/v1/match-runs/{run['id']}"))["state"]) == (0, "done")


async def test_only_finance_matches_and_auditors_read(site: Site) -> None:
    line, payment = await line_and_payment(site)
    auditor, cashier = await key_of(site, Role.AUDITOR), await key_of(site, Role.CASHIER)

    for headers in (auditor, cashier):
        for address, body in (("/v1/matches", manual(line, payment)), ("/v1/match-runs", {})):
            problem(await site.client.post(address, json=body, headers=headers), 403, "not_permitted")
    assert (await site.client.get("/v1/matches", headers=auditor)).status_code == 200
    problem(await site.client.get("/v1/matches", headers=cashier), 403, "not_permitted")


async def test_another_organization_sees_and_changes_nothing(site: Site) -> None:
    line, payment = await line_and_payment(site)
    match = await send(site.client, "/v1/matches", manual(line, payment))
    other = (await add_demo_hospital(site.database.owner_url, organization=2, facility_code="02001")).authorization

    assert (await site.client.get("/v1/matches", headers=other)).json()["items"] == []
    assert (await site.client.get("/v1/match-runs", headers=other)).json()["items"] == []
    problem(await site.client.get(f"/v1/matches/{match['id']}", headers=other), 404, "not_found")
    address = f"/v1/matches/{match['id']}/revert"
    problem(await site.client.post(address, json={"reason": "khớp nhầm"}, headers=other), 404, "not_found")
    problem(await site.client.post("/v1/matches", json=manual(line, payment), headers=other), 404, "not_found")

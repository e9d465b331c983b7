"""Deposit requests over HTTP: ticked lines, advances, what is refused, and withdrawal."""

from typing import Any

import pytest

from billing.core.actor import Role
from billing.payments.domain.deposit import DepositState
from billing.payments.store.deposits import update_deposits
from tests.payments.visit_deposits import ORGANIZATION, VisitWithDeposit, open_visit
from tests.web.site import UNKNOWN_ID, Site, key_of, problem


@pytest.fixture
async def visit(site: Site) -> VisitWithDeposit:
    return await open_visit(site.context)


async def _post(site: Site, visit: VisitWithDeposit, body: dict[str, Any]) -> dict[str, Any]:
    answer = await site.client.post(f"/v1/visits/{visit.visit_id}/deposit-requests", json=body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/v1/deposit-requests/{document['id']}"
    return document


async def _refused(site: Site, visit: VisitWithDeposit, body: dict[str, Any], status: int, code: str) -> str:
    answer = await site.client.post(f"/v1/visits/{visit.visit_id}/deposit-requests", json=body)
    detail: str = problem(answer, status, code)["detail"]
    return detail


async def _set(site: Site, statement: str) -> None:
    async with site.context.database.transaction(ORGANIZATION) as tx:
        await tx.execute(statement)


async def _states(site: Site, visit: VisitWithDeposit) -> dict[str, str]:
    async with site.context.database.transaction(ORGANIZATION) as tx:
        return await visit.states(tx)


async def test_lines_are_requested_with_their_patient_amounts(site: Site, visit: VisitWithDeposit) -> None:
    made = await _post(site, visit, {"lines": ["A", "B"]})

    assert made["lines"] == [{"line": "A", "amount": 60_000}, {"line": "B", "amount": 40_000}]
    assert (made["kind"], made["state"], made["amount"], made["remaining"]) == (
        "order_lines",
        "requested",
        100_000,
        100_000,
    )
    assert (made["visit_id"], made["ma_lk"]) == (str(visit.visit_id), "LK0001")
    assert await site.read(f"/v1/deposit-requests/{made['id']}") == made


async def test_amounts_of_lines_sum_to_the_rounded_sum(site: Site, visit: VisitWithDeposit) -> None:
    await _set(site, "UPDATE charge_item SET patient_amount = 10000.50")

    made = await _post(site, visit, {"lines": ["A", "B"]})

    assert made["amount"] == 20_001  # 20 000,00 + 2 × 0,50 = 20 001; each line alone would be 10 001
    assert [line["amount"] for line in made["lines"]] == [10_001, 10_000]


async def test_requested_line_is_refused_by_name_until_its_request_is_withdrawn(
    site: Site, visit: VisitWithDeposit
) -> None:
    first = await _post(site, visit, {"lines": ["A"]})

    detail = await _refused(site, visit, {"lines": ["B", "A"]}, 409, "line_already_requested")
    assert first["id"] in detail
    withdrawn = await site.client.post(f"/v1/deposit-requests/{first['id']}/withdraw")
    assert (withdrawn.json()["state"], withdrawn.json()["remaining"]) == ("withdrawn", 0)
    problem(await site.client.post(f"/v1/deposit-requests/{first['id']}/withdraw"), 409, "deposit_request_not_open")
    assert (await _post(site, visit, {"lines": ["B", "A"]}))["amount"] == 100_000


async def test_line_without_a_share_waits_while_a_request_names_it(site: Site) -> None:
    """The patient pays nothing for B. C is performed and uses more than the deposit, which covers no line then."""
    visit = await open_visit(site.context, lines={"A": 60_000, "B": 0, "C": 90_000})
    await _set(site, "UPDATE charge_item SET state = 'performed', performed_at = now() WHERE line = 'C'")

    await _post(site, visit, {"amount": 5})
    assert await _states(site, visit) == {"A": "ordered", "B": "cleared", "C": "performed"}
    made = await _post(site, visit, {"lines": ["A", "B"]})
    assert (await _states(site, visit))["B"] == "ordered"
    await site.client.post(f"/v1/deposit-requests/{made['id']}/withdraw")
    assert (await _states(site, visit))["B"] == "cleared"


async def test_unknown_cancelled_and_unpriced_lines_are_refused_by_name(site: Site, visit: VisitWithDeposit) -> None:
    other = await open_visit(site.context, "LK0002", lines={"Z": 5_000})
    await _refused(site, visit, {"lines": ["Z"]}, 404, "unknown_charge")
    assert other.lines == {"Z": 5_000}

    await _set(site, "UPDATE charge_item SET patient_amount = NULL WHERE line = 'B'")
    await _refused(site, visit, {"lines": ["A", "B"]}, 409, "line_not_priced")
    await _set(site, "UPDATE charge_item SET patient_amount = 0 WHERE line = 'B'")
    await _refused(site, visit, {"lines": ["B"]}, 422, "nothing_to_request")
    await _set(site, "UPDATE charge_item SET state = 'cancelled', cancelled_at = now() WHERE line = 'A'")
    await _refused(site, visit, {"lines": ["A"]}, 409, "line_cancelled")
    await _refused(site, visit, {"lines": ["A", "A"]}, 422, "invalid_value")
    await _refused(site, visit, {"lines": ["A"], "amount": 5}, 422, "invalid_value")


async def test_advance_without_an_amount_is_the_proposal(site: Site, visit: VisitWithDeposit) -> None:
    await _set(
        site,
        "UPDATE visit_account SET hospital_amount = 900000, patient_share = 300000, insurer_share = 600000, "
        "priced_at = now()",
    )
    await _post(site, visit, {"lines": ["A"]})

    proposal = await site.read(f"/v1/visits/{visit.visit_id}/deposit-proposal")
    made = await _post(site, visit, {})

    assert proposal == {
        "cost_to_date": 900_000,
        "patient_share": 300_000,
        "held": 0,
        "paid": 0,
        "requested": 60_000,
        "borne_by_others": 0,
        "threshold": 0,
        "amount": 240_000,
    }
    assert (made["kind"], made["amount"], made["proposed_amount"], made["lines"]) == ("advance", 240_000, 240_000, [])
    await _refused(site, visit, {}, 422, "nothing_to_request")


async def test_new_advance_supersedes_the_open_one(site: Site, visit: VisitWithDeposit) -> None:
    first = await _post(site, visit, {"amount": 1_000_000})
    second = await _post(site, visit, {"amount": 2_000_000, "supersedes": first["id"]})

    superseded = await site.read(f"/v1/deposit-requests/{first['id']}")
    assert (superseded["state"], superseded["superseded_by"], superseded["remaining"]) == (
        "superseded",
        second["id"],
        0,
    )
    body = {"amount": 5, "supersedes": first["id"]}
    await _refused(site, visit, body, 409, "deposit_request_not_open")
    body = {"lines": ["A"], "supersedes": second["id"]}
    await _refused(site, visit, body, 409, "deposit_request_not_replaceable")
    other = await open_visit(site.context, "LK0002")
    body = {"amount": 5, "supersedes": second["id"]}
    await _refused(site, other, body, 409, "deposit_request_not_replaceable")
    listed = await site.read(f"/v1/deposit-requests?visit_id={visit.visit_id}&state=requested")
    assert [one["id"] for one in listed["items"]] == [second["id"]]


async def test_closed_visit_and_closed_deposit_take_no_request(site: Site, visit: VisitWithDeposit) -> None:
    async with site.context.database.transaction(ORGANIZATION) as tx:
        await update_deposits(tx, [(await visit.deposit(tx)).with_state(DepositState.CLOSED)])
    await _refused(site, visit, {"amount": 5}, 409, "deposit_closed")
    await _set(site, "UPDATE visit_account SET state = 'closed', ended_at = now()")
    await _refused(site, visit, {"amount": 5}, 409, "visit_closed")


async def test_unknown_visit_request_and_wrong_role_are_refused(site: Site) -> None:
    problem(await site.client.post(f"/v1/visits/{UNKNOWN_ID}/deposit-requests", json={"amount": 5}), 404, "not_found")
    problem(await site.client.get(f"/v1/visits/{UNKNOWN_ID}/deposit-proposal"), 404, "not_found")
    problem(await site.client.get(f"/v1/deposit-requests/{UNKNOWN_ID}"), 404, "not_found")
    problem(await site.client.post(f"/v1/deposit-requests/{UNKNOWN_ID}/withdraw"), 404, "not_found")
    finance = await key_of(site, Role.FINANCE)
    answer = await site.client.post(f"/v1/visits/{UNKNOWN_ID}/deposit-requests", json={"amount": 5}, headers=finance)
    problem(answer, 403, "not_permitted")


async def test_repeated_request_is_made_once(site: Site, visit: VisitWithDeposit) -> None:
    headers = {"Idempotency-Key": "slip-1"}
    address = f"/v1/visits/{visit.visit_id}/deposit-requests"
    answers = [await site.client.post(address, json={"amount": 5_000}, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert len((await site.read("/v1/deposit-requests"))["items"]) == 1


async def test_proposal_leaves_out_what_a_payer_has_confirmed(site: Site, visit: VisitWithDeposit) -> None:
    await _set(
        site,
        "UPDATE visit_account SET hospital_amount = 900000, patient_share = 300000, insurer_share = 600000, "
        "priced_at = now()",
    )
    body = {"payer": "Công ty A", "reference": "BL-1", "limit": 250_000}
    made = await site.client.post(f"/v1/visits/{visit.visit_id}/guarantees", json=body)
    assert made.status_code == 201, made.text
    waiting = await site.read(f"/v1/visits/{visit.visit_id}/deposit-proposal")
    confirmed = await site.client.post(f"/v1/guarantees/{made.json()['id']}/confirm", json={"amount": 200_000})
    assert confirmed.is_success, confirmed.text

    proposal = await site.read(f"/v1/visits/{visit.visit_id}/deposit-proposal")

    assert (waiting["borne_by_others"], waiting["amount"]) == (0, 300_000)
    assert (proposal["borne_by_others"], proposal["amount"]) == (200_000, 100_000)

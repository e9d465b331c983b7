"""Codes for deposits over HTTP: for a request, and standing for a stay; their QR, their page, and their money."""

from typing import Any
from uuid import UUID

import pytest

from billing.checkout.formats.vietqr import read_vietqr
from billing.payments.domain.deposit import DepositState
from billing.payments.store.deposits import update_deposits
from providers.contract import LocalQr, PaymentRequest
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.payments.visit_deposits import ORGANIZATION, VisitWithDeposit, open_visit
from tests.web.site import UNKNOWN_ID, Site, problem

_DRAFT = """
    INSERT INTO invoice (organization_id, id, visit_id, visit_version, number, state, version, patient_share,
        other_share, insurer_share, private_share, guarantor, owed)
    SELECT 1, $2, visit_id, visit_version, 'NHAP-1', 'draft', 1, patient_share, other_share, insurer_share,
        private_share, guarantor, owed
    FROM invoice WHERE id = $1
"""


@pytest.fixture
async def visit(site: Site) -> VisitWithDeposit:
    return await open_visit(site.context)


async def _request(site: Site, visit: VisitWithDeposit, body: dict[str, Any]) -> dict[str, Any]:
    answer = await site.client.post(f"/v1/visits/{visit.visit_id}/deposit-requests", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _open(site: Site, body: dict[str, Any]) -> dict[str, Any]:
    answer = await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, **body})
    assert answer.status_code == 201, answer.text
    intent: dict[str, Any] = answer.json()
    return intent


async def _standing(site: Site, visit: VisitWithDeposit) -> dict[str, Any]:
    return await _open(site, {"visit_id": str(visit.visit_id), "is_standing": True})


async def _page(site: Site, intent: dict[str, Any]) -> str:
    answer = await site.anonymous_client.get(intent["pay_url"])
    assert answer.status_code == 200
    return answer.text


async def _pay(site: Site, intent: dict[str, Any], amount: int | None = None) -> None:
    """Pay by the code, or type an amount where the code has none."""
    payload = intent["instruction"]["qr_payload"]
    if amount is not None:
        account = await site.context.accounts.find(ORGANIZATION, ACCOUNT_NAME)
        assert account is not None
        assert isinstance(account.provider, LocalQr)
        request = PaymentRequest(
            reference=intent["reference_code"],
            amount=amount,
            purpose=intent["instruction"]["transfer_text"],
            expires_at=None,
            requested_at=site.context.clock(),
        )
        payload = account.provider.qr_for(request).qr_payload
    await site.bank().pay(payload, Behaviour.EXACT)


async def test_code_of_a_request_collects_what_remains_and_clears_its_lines(
    site: Site, visit: VisitWithDeposit
) -> None:
    other = await open_visit(site.context, "LK0002")
    request = await _request(site, visit, {"lines": ["A", "B"]})
    intent = await _open(site, {"deposit_request_id": request["id"]})

    assert (intent["amount"], intent["remaining"], intent["invoice_ids"]) == (100_000, 100_000, [])
    assert (intent["visit_id"], intent["deposit_request_id"]) == (str(visit.visit_id), request["id"])
    page = await _page(site, intent)
    assert "100.000" in page
    assert "LK0001" in page
    assert "Tạm ứng viện phí" in page

    await _pay(site, intent)

    paid = await site.read(f"/v1/deposit-requests/{request['id']}")
    assert (paid["state"], paid["received"]) == ("paid", 100_000)
    seen = await site.read(f"/v1/intents/{intent['id']}")
    assert (seen["state"], seen["state_label"]["state"], seen["remaining"]) == ("succeeded", "paid", 0)
    async with site.context.database.transaction(ORGANIZATION) as tx:
        assert await visit.states(tx) == {"A": "cleared", "B": "cleared"}
        assert await other.states(tx) == {"A": "ordered", "B": "ordered"}
        assert ((await visit.deposit(tx)).held, (await other.deposit(tx)).held) == (100_000, 0)
    await assert_books_are_right(site.context.database)
    body = {"account": ACCOUNT_NAME, "deposit_request_id": request["id"]}
    problem(await site.client.post("/v1/intents", json=body), 409, "deposit_request_paid")
    listed = await site.read(f"/v1/intents?deposit_request_id={request['id']}")
    assert [one["id"] for one in listed["items"]] == [intent["id"]]
    assert len((await site.read("/v1/intents?ma_lk=LK0001"))["items"]) == 1


async def test_nothing_is_due_under_the_code_of_a_withdrawn_request(site: Site, visit: VisitWithDeposit) -> None:
    request = await _request(site, visit, {"lines": ["A"]})
    intent = await _open(site, {"deposit_request_id": request["id"], "amount": 10_000})
    await site.client.post(f"/v1/deposit-requests/{request['id']}/withdraw")

    seen = await site.read(f"/v1/intents/{intent['id']}")
    assert (seen["state_label"]["state"], seen["remaining"], seen["instruction"]["qr_payload"]) == ("closed", 0, "")
    assert "Không cần nộp" in await _page(site, intent)
    problem(await site.client.get(f"/v1/intents/{intent['id']}/qr.svg"), 404, "not_found")

    await _pay(site, intent)  # with the code saved before: the money is booked all the same

    async with site.context.database.transaction(ORGANIZATION) as tx:
        assert (await visit.deposit(tx)).held == 10_000
    await assert_books_are_right(site.context.database)


async def test_standing_code_has_no_amount_and_takes_money_until_the_visit_closes(
    site: Site, visit: VisitWithDeposit
) -> None:
    intent = await _standing(site, visit)
    decoded = read_vietqr(intent["instruction"]["qr_payload"])
    assert decoded is not None
    assert (decoded.amount, intent["amount"], intent["remaining"], intent["expires_at"]) == (None, 0, 0, None)
    assert intent["reference_code"] in intent["instruction"]["transfer_text"]
    assert (intent["is_standing"], intent["state_label"]["state"]) == (True, "standing")
    assert (await site.client.get(f"/v1/intents/{intent['id']}/qr.svg")).status_code == 200
    page = await _page(site, intent)
    assert "Tùy ý" in page
    assert "<svg" in page
    assert "0 đ" not in page

    await _pay(site, intent, 200_000)
    await _pay(site, intent, 300_000)

    seen = await site.read(f"/v1/intents/{intent['id']}")
    assert (seen["state"], seen["received"], seen["state_label"]["state"]) == ("pending", 500_000, "standing")
    assert "500.000" in await _page(site, intent)
    async with site.context.database.transaction(ORGANIZATION) as tx:
        deposit = await visit.deposit(tx)
        assert deposit.held == 500_000
        await update_deposits(tx, [deposit.with_state(DepositState.CLOSED)])
    seen = await site.read(f"/v1/intents/{intent['id']}")
    assert (seen["state_label"]["state"], seen["instruction"]["qr_payload"]) == ("closed", "")
    assert "Không cần nộp" in await _page(site, intent)
    await _pay(site, intent | {"instruction": intent["instruction"]}, 50_000)
    async with site.context.database.transaction(ORGANIZATION) as tx:
        assert (await visit.deposit(tx)).held == 500_000
    await assert_books_are_right(site.context.database)


async def test_visit_has_one_standing_code(site: Site, visit: VisitWithDeposit) -> None:
    first = await _standing(site, visit)

    body = {"account": ACCOUNT_NAME, "visit_id": str(visit.visit_id), "is_standing": True}
    refused = problem(await site.client.post("/v1/intents", json=body), 409, "standing_code_exists")
    assert first["reference_code"] in refused["detail"]
    await site.client.post(f"/v1/intents/{first['id']}/cancel")
    assert (await site.read(f"/v1/intents/{first['id']}"))["state_label"]["state"] == "cancelled"
    assert (await _standing(site, visit))["id"] != first["id"]


async def test_nothing_is_collected_for_a_closed_deposit_or_an_invoice_that_is_not_issued(
    site: Site, visit: VisitWithDeposit
) -> None:
    request = await _request(site, visit, {"amount": 100_000})
    invoice = await site.issue_invoice(MA_LK="LK0009")
    await site.as_owner(_DRAFT, UUID(invoice["id"]), UUID(UNKNOWN_ID))
    async with site.context.database.transaction(ORGANIZATION) as tx:
        await update_deposits(tx, [(await visit.deposit(tx)).with_state(DepositState.CLOSED)])

    for body, code in (
        ({"deposit_request_id": request["id"]}, "deposit_closed"),
        ({"visit_id": str(visit.visit_id), "is_standing": True}, "deposit_closed"),
        ({"invoice_ids": [UNKNOWN_ID]}, "invoice_not_issued"),
    ):
        answer = await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, **body})
        problem(answer, 409, code)


async def test_target_is_exactly_one(site: Site, visit: VisitWithDeposit) -> None:
    visit_id = str(visit.visit_id)
    for body in (
        {},
        {"visit_id": visit_id},
        {"is_standing": True},
        {"visit_id": visit_id, "is_standing": True, "deposit_request_id": UNKNOWN_ID},
    ):
        answer = await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, **body})
        problem(answer, 422, "invalid_body")
    standing = {"visit_id": visit_id, "is_standing": True, "amount": 5}
    for body, status, code in (
        ({"deposit_request_id": UNKNOWN_ID}, 404, "not_found"),
        ({"visit_id": UNKNOWN_ID, "is_standing": True}, 404, "not_found"),
        (standing, 422, "invalid_value"),
    ):
        answer = await site.client.post("/v1/intents", json={"account": ACCOUNT_NAME, **body})
        problem(answer, status, code)


async def test_advance_type_of_the_facility_is_kept_with_the_intent(site: Site, visit: VisitWithDeposit) -> None:
    request = await _request(site, visit, {"amount": 5_000})
    first = await _open(site, {"deposit_request_id": request["id"]})
    address = f"/v1/facilities/{FACILITY_CODE}/deposit-settings"
    answer = await site.client.put(address, json={"advance_type": "prepayment"})
    assert answer.json() == {"advance_type": "prepayment", "threshold": 0, "return_days": None}
    second = await _open(site, {"deposit_request_id": request["id"]})

    assert (first["advance_type"], second["advance_type"]) == ("guarantee_deposit", "prepayment")
    problem(await site.client.put(address, json={"advance_type": "gift"}), 422, "invalid_body")
    unknown = "/v1/facilities/99999/deposit-settings"
    problem(await site.client.put(unknown, json={"advance_type": "prepayment"}), 404, "not_found")

"""Exceptions over HTTP."""

import re
from datetime import timedelta
from typing import Any

import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from providers.sandbox.bank_simulator import Behaviour
from tests.web.site import Site, key_of, problem


async def test_exception_has_reason_age_and_due(site: Site) -> None:
    intent = await site.open_intent()
    bank = site.bank()
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    await bank.pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    opened = (await site.read("/v1/exceptions"))["items"]
    now = site.context.clock()
    site.context.clock = lambda: now + timedelta(days=2)
    headers = await key_of(site, Role.FINANCE)

    [late] = (await site.client.get("/v1/exceptions", headers=headers)).json()["items"]

    assert [one["reason"] for one in opened] == [late["reason"]]
    assert (late["is_overdue"], late["age_s"] > 86_400, late["owner_id"]) == (True, True, None)
    assert (await site.client.get("/v1/exceptions?state=closed", headers=headers)).json()["items"] == []


async def _already_paid(site: Site) -> dict[str, Any]:
    """The exception of money that came twice."""
    intent = await site.open_intent()
    for _ in range(2):
        await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
    [opened] = (await site.read("/v1/exceptions"))["items"]
    exception: dict[str, Any] = opened
    return exception


async def test_second_decision_is_refused_with_person_time_and_version(site: Site) -> None:
    opened = await _already_paid(site)
    headers = await key_of(site, Role.FINANCE)
    address = f"/v1/exceptions/{opened['id']}/decide"
    body = {"version": 1, "action": "no_action", "reason": "đã hoàn tại quầy"}

    decided = await site.client.post(address, json=body, headers=headers)
    late = await site.client.post(address, json=body)

    assert decided.status_code == 200, decided.text
    assert (decided.json()["state"], decided.json()["version"]) == ("closed", 2)
    document = problem(late, 409, "exception_changed")
    assert document["version"] == 2
    assert re.search(r"closed at [0-9-]+ [0-9:]+ UTC by Người finance", document["detail"])
    [closed] = (await site.read("/v1/exceptions?state=closed"))["items"]
    assert closed["id"] == opened["id"]


async def test_exception_has_a_sentence_and_one_action(site: Site) -> None:
    opened = await _already_paid(site)

    read = await site.read(f"/v1/exceptions/{opened['id']}")

    assert read["sentence"] == "Bảng kê đã thu đủ mà tiền vẫn về; hoàn lại khoản này."
    assert (read["proposed_action"], read["decisions"], read["version"]) == ("refund", [], 1)


async def test_cashier_and_auditor_decide_nothing(site: Site) -> None:
    opened = await _already_paid(site)
    body = {"version": 1, "action": "no_action", "reason": "không cần"}
    cashier, auditor = await key_of(site, Role.CASHIER), await key_of(site, Role.AUDITOR)
    address = f"/v1/exceptions/{opened['id']}"

    for headers in (cashier, auditor):
        problem(await site.client.post(f"{address}/decide", json=body, headers=headers), 403, "not_permitted")
    problem(await site.client.get(address, headers=cashier), 403, "not_permitted")

    assert (await site.client.get(address, headers=auditor)).json()["version"] == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"action": "cause_gone"}, 422, "invalid_value"),
        ({"action": "burn"}, 422, "invalid_body"),
        ({"reason": ""}, 422, "invalid_value"),
        ({"version": 7}, 409, "exception_changed"),
        ({"action": "assign"}, 422, "invalid_value"),
        ({"action": "release_hold"}, 409, "action_not_possible"),
        ({"action": "declare_duplicate"}, 409, "action_not_possible"),
        ({"action": "refund"}, 422, "invalid_value"),
        ({"amount": -1}, 422, "invalid_value"),
    ],
    ids=str,
)
async def test_decision_that_does_not_fit_changes_nothing(
    site: Site, change: dict[str, Any], status: int, code: str
) -> None:
    opened = await _already_paid(site)
    body = {"version": 1, "action": "no_action", "reason": "đã kiểm tra", **change}

    async with site.nothing_written():
        problem(await site.client.post(f"/v1/exceptions/{opened['id']}/decide", json=body), status, code)


async def test_money_is_found_with_its_payer_shortened(site: Site) -> None:
    opened = await _already_paid(site)
    payment = await site.read(f"/v1/payments/{opened['payment_id']}")
    await site.as_owner(
        "UPDATE payment_origin SET payer_name = 'LUONG THI XUAN DAO', payer_account = '0011223344', "
        "transfer_text = 'NOP TIEN' WHERE payment_id = $1",
        payment["id"],
    )
    cashier = await key_of(site, Role.CASHIER)
    today = business_date(site.context.clock()).isoformat()
    question = {"first_day": today, "last_day": today, "payer": "Lương Thị Xuân Đào", "amount": payment["amount"]}

    answer = await site.client.post("/v1/money-searches", json=question, headers=cashier)

    assert answer.status_code == 200, answer.text
    best, other = answer.json()["found"]
    assert (best["id"], best["why"], best["score"]) == (payment["id"], ["amount", "payer"], 70)
    assert (best["payer"], best["account_ending"], best["exception_id"]) == ("LUONG T. X. DAO", "3344", opened["id"])
    assert other["why"] == ["amount"]
    assert "0011223344" not in answer.text
    [audit] = await site.as_owner("SELECT acting_for, subject_id FROM audit WHERE action = 'money_searched'")
    assert audit["acting_for"] == audit["subject_id"]
    auditor = await key_of(site, Role.AUDITOR)
    problem(await site.client.post("/v1/money-searches", json=question, headers=auditor), 403, "not_permitted")
    wrong = {"first_day": today, "last_day": today}
    problem(await site.client.post("/v1/money-searches", json=wrong, headers=cashier), 422, "invalid_value")

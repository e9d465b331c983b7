"""Messages and voids that cannot be applied, over HTTP: each has its name, nothing is lost, and the inbox shows it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.builders import FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.flows.hospital_day import Day, cash, open_day
from tests.web.live_visit import VISIT, charge, header
from tests.web.site import Site, problem

_INBOX = ("integration_message of 1", "integration_document of 1")
"""What a refused message writes: itself."""


@pytest.fixture
async def day(site: Site) -> Day:
    return await open_day(site)


async def _nothing(_day: Day) -> None:
    """The visit is as it was opened."""


def _sent(*messages: dict[str, Any]) -> Callable[[Day], Awaitable[None]]:
    """These messages about line L1 were accepted before."""

    async def send(day: Day) -> None:
        for message in messages:
            answer = await day.site.client.put(f"{VISIT}/charges/L1", json=message)
            assert answer.is_success, answer.text

    return send


async def _close(day: Day) -> None:
    await day.site.client.put(VISIT, json=header(2, NGAY_RA="202611021700"))
    visit_id = (await day.site.client.put(VISIT, json=header(2, NGAY_RA="202611021700"))).json()["id"]
    await day.send("POST", f"/visits/{visit_id}/final-bill", {})


@dataclass(frozen=True)
class Case:
    """A message that is refused after what was sent before, and the name of the refusal."""

    name: str
    before: Callable[[Day], Awaitable[None]]
    body: dict[str, Any]
    status: int
    code: str
    address: str = f"{VISIT}/charges/L1"
    method: str = "PUT"
    version: int | None = None
    refused_lines: tuple[tuple[str, str], ...] = ()


def _batch(*charges: dict[str, Any]) -> dict[str, Any]:
    return {"charges": list(charges)}


CASES = (
    Case("a performed order is reported as ordered", _sent(charge(state="performed")), charge(2), 409,
         "wrong_state_order"),
    Case("a started order is reported as ordered", _sent(charge(state="started")), charge(2), 409, "wrong_state_order"),
    Case("an older version of a charge", _sent(charge(1), charge(2)), charge(1), 409, "stale_version", version=2),
    Case("an older version of the header", _close, header(1), 409, "stale_version", address=VISIT, version=2),
    Case("a known version with other content", _sent(charge()), charge(price="1"), 409, "version_conflict", version=1),
    Case("a charge of an unknown visit", _nothing, charge(), 404, "unknown_visit",
         address=f"/v1/facilities/{FACILITY_CODE}/visits/LK-9/charges/L1"),
    Case("a visit of an unknown facility", _nothing, header(), 404, "unknown_facility",
         address="/v1/facilities/99999/visits/LK-9"),
    Case("a charge of a closed visit", _close, charge(), 409, "visit_closed"),
    Case("a header of a closed visit", _close, header(3), 409, "visit_closed", address=VISIT),
    Case("a performed order is cancelled", _sent(charge(state="performed")), charge(2, state="cancelled"), 409,
         "order_performed"),
    Case("a started order is cancelled", _sent(charge(state="started")), charge(2, state="cancelled"), 409,
         "order_started"),
    Case("a cancelled order is performed", _sent(charge(state="cancelled")), charge(2, state="performed"), 409,
         "order_cancelled"),
    Case("a batch with two wrong lines", _sent(charge(2, state="performed")),
         _batch({"line": "L0", **charge()}, {"line": "L1", **charge(1)}, {"line": "L2", **charge(), "version": 0}),
         409, "charges_rejected", address=f"{VISIT}/charges", method="POST",
         refused_lines=(("L1", "stale_version"), ("L2", "invalid_value"))),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_message_that_cannot_be_applied_is_named_kept_and_shown(day: Day, case: Case) -> None:
    opened = await day.site.client.put(VISIT, json=header())
    day.visit_ids.add(opened.json()["id"])
    await case.before(day)
    before = await day.site.content()
    known = await _messages(day)

    answer = await day.site.client.request(case.method, case.address, json=case.body)

    refused = problem(answer, case.status, case.code)
    assert refused.get("version") == case.version
    after = await day.site.content()
    assert [table for table in before if after[table] != before[table] and table not in _INBOX] == []
    shown, *earlier = await _messages(day)
    assert earlier == known
    assert (shown["outcome"], shown["error_code"]) == ("rejected", case.code)
    message = await day.send("GET", f"/integration-messages/{shown['id']}")
    assert json.loads(message["document"]) == case.body, "what was sent is kept as it was sent"
    assert message["detail"]
    assert [(each["line"], each["error_code"]) for each in message["difference"]] == list(case.refused_lines)
    retried = await day.call("POST", f"/integration-messages/{shown['id']}/retry", {})
    assert retried.json()["code"] == case.code, "a retry without a change is refused by the same name"
    await day.check()


async def _messages(day: Day) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await day.send("GET", "/integration-messages"))["items"]
    return items


async def test_refused_message_is_applied_by_a_retry_once_its_cause_is_gone(day: Day) -> None:
    problem(await day.site.client.put(f"{VISIT}/charges/L1", json=charge()), 404, "unknown_visit")
    [rejected] = await _messages(day)
    day.visit_ids.add((await day.site.client.put(VISIT, json=header())).json()["id"])

    retried = await day.send("POST", f"/integration-messages/{rejected['id']}/retry")

    assert retried["shares"]["total"] == 450_000
    again = await day.call("POST", f"/integration-messages/{rejected['id']}/retry", {})
    problem(again, 409, "not_retryable")
    assert (await day.send("GET", f"/integration-messages/{rejected['id']}"))["retried_by"] is not None
    await day.check()


async def test_performed_order_is_cancelled_by_a_person_after_its_message_was_refused(day: Day) -> None:
    visit_id = (await day.site.client.put(VISIT, json=header())).json()["id"]
    day.visit_ids.add(visit_id)
    await _sent(charge(state="performed"))(day)
    refused = await day.site.client.put(f"{VISIT}/charges/L1", json=charge(2, state="cancelled"))
    assert "a person cancels it" in problem(refused, 409, "order_performed")["detail"]

    await day.send("POST", f"/facilities/{FACILITY_CODE}/visits/LK0001/charges/L1/cancel", {"reason": "làm nhầm người"})

    assert await day.states(visit_id) == {"L1": "cancelled"}
    assert (await day.account(visit_id))["account"]["shares"]["total"] == 0
    await day.check()


async def test_receipt_of_another_shift_keeps_its_number_and_money_and_is_returned_by_a_refund(day: Day) -> None:
    visit_id = await day.admit("LK-09")
    receipt = await day.collect(visit_id, cash(50_000), amount=50_000)
    await day.send("POST", f"/shifts/{day.shift_id}/end", {"counted": {"50000": 1}})
    await day.send("POST", "/shifts", {"desk_id": day.desk_id, "opening_float": 50_000})
    before = await day.site.content()

    refused = await day.call("POST", f"/receipts/{receipt['id']}/void", {"reason": "nhầm người"}, by="head")

    problem(refused, 409, "shift_not_open")
    assert await day.site.content() == before
    kept = await day.send("GET", f"/receipts/{receipt['id']}")
    assert (kept["state"], kept["number"]) == ("valid", receipt["number"])
    refund = await day.refund(visit_id, 50_000, way="cash")
    assert refund["state"] == "requested"
    await assert_books_are_right(day.site.context.database)

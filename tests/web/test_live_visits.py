"""Open visits over HTTP: headers, charges, versions, states, and the account that they make."""

import asyncio
from typing import Any

import httpx
import pytest

from billing.visit_accounts.service import visit_messages
from tests.web.live_visit import VISIT, charge, drug, header, item
from tests.web.site import Site


async def open_visit(site: Site, **changes: object) -> dict[str, Any]:
    answer = await site.client.put(VISIT, json=header(**changes))
    assert answer.status_code == 201, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


async def account_of(site: Site, visit_id: str) -> dict[str, Any]:
    answer = await site.client.get(f"/v1/visits/{visit_id}/account")
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def inbox(site: Site, **filters: str) -> list[dict[str, Any]]:
    answer = await site.client.get("/v1/integration-messages", params=filters)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_header_opens_an_account_with_an_empty_deposit(site: Site) -> None:
    opened = await open_visit(site)

    assert (opened["state"], opened["version"], opened["sender_version"]) == ("open", 1, 1)
    assert opened["shares"]["total"] == 0
    assert opened["deposit"]["held"] == 0
    [message] = await inbox(site)
    assert (message["outcome"], message["kind"], message["ma_lk"]) == ("accepted", "visit", "LK0001")


async def test_each_charge_is_priced_with_the_whole_visit(site: Site) -> None:
    opened = await open_visit(site)
    first = await site.client.put(
        f"{VISIT}/charges/L1", json=charge(price="50000", item=item("Khám", "50000", group=13))
    )
    second = await site.client.put(f"{VISIT}/charges/L2", json=charge())
    third = await site.client.put(f"{VISIT}/charges/L3", json=charge(item=drug()))

    # 50 000 is below 15 % of the base salary: free of co-payment. With 580 000 the patient pays 20 %.
    assert first.json()["account"]["shares"]["patient"] == 0
    assert second.json()["account"]["shares"]["patient"] == 100_000
    assert third.json()["account"]["shares"] == {
        "patient": 116_000, "insurer": 464_000, "other": 0, "private": 0, "total": 580_000
    }  # fmt: skip
    view = await account_of(site, opened["id"])
    assert [(each["line"], each["kind"], each["stt"], each["patient_amount"]) for each in view["charges"]] == [
        ("L1", "service", 1, "10000.00"),
        ("L3", "drug", 1, "16000.00"),
        ("L2", "service", 2, "90000.00"),
    ]


async def test_equal_content_is_unchanged_and_other_content_of_the_version_is_a_conflict(site: Site) -> None:
    await open_visit(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge(2))

    again = await site.client.put(f"{VISIT}/charges/L1", json=charge(2))
    conflict = await site.client.put(f"{VISIT}/charges/L1", json=charge(2, price="1"))
    header_again = await site.client.put(VISIT, json=header())
    header_conflict = await site.client.put(VISIT, json=header(MA_LOAI_KCB="03"))

    assert (again.status_code, again.json()["is_unchanged"], again.json()["charges"]) == (200, True, [])
    assert code_of(conflict) == (409, "version_conflict")
    assert (header_again.status_code, header_again.json()["version"]) == (200, 2)
    assert code_of(header_conflict) == (409, "version_conflict")
    assert [message["outcome"] for message in await inbox(site)] == [
        "rejected", "unchanged", "rejected", "unchanged", "accepted", "accepted"
    ]  # fmt: skip


async def test_an_older_version_is_stale_and_names_the_newer(site: Site) -> None:
    await open_visit(site, version=7)
    await site.client.put(f"{VISIT}/charges/L1", json=charge(5))

    stale = await site.client.put(f"{VISIT}/charges/L1", json=charge(4))
    stale_header = await site.client.put(VISIT, json=header(6))

    assert (*code_of(stale), stale.json()["version"]) == (409, "stale_version", 5)
    assert (*code_of(stale_header), stale_header.json()["version"]) == (409, "stale_version", 7)


async def test_a_skipped_version_is_a_gap_until_it_arrives(site: Site) -> None:
    opened = await open_visit(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge(1))
    newer = await site.client.put(f"{VISIT}/charges/L1", json=charge(3, state="performed"))
    assert newer.json()["charges"][0]["gap_since"] is not None

    late = await site.client.put(f"{VISIT}/charges/L1", json=charge(2, state="started"))

    assert code_of(late) == (409, "stale_version")
    [stored] = (await account_of(site, opened["id"]))["charges"]
    assert (stored["version"], stored["state"], stored["gap_since"]) == (3, "performed", None)


async def test_a_skipped_header_version_is_a_gap_until_it_arrives(site: Site) -> None:
    opened = await open_visit(site)
    newer = await site.client.put(VISIT, json=header(4, NGAY_RA="202611021700"))
    assert (newer.status_code, newer.json()["gap_since"] is None) == (200, False)
    [accepted, _] = await inbox(site)
    shown = await site.read(f"/v1/integration-messages/{accepted['id']}")
    assert {"field": "missing_versions", "before": [], "after": [2, 3]} in shown["difference"]
    gap = (await account_of(site, opened["id"]))["account"]["gap_since"]
    blocked = await site.read(f"/v1/visits/{opened['id']}/discharge-clearance")
    assert [(each["kind"], each["line"], each["since"]) for each in blocked["blockers"]] == [
        ("header_version_gap", opened["id"], gap)
    ]
    refused = await site.client.post(f"/v1/visits/{opened['id']}/final-bill", json={})
    assert code_of(refused) == (409, "discharge_blocked")

    late = [await site.client.put(VISIT, json=header(version)) for version in (3, 3, 2)]

    assert [code_of(each) for each in late] == [(409, "stale_version")] * 3
    filled = [await site.read(f"/v1/integration-messages/{each['id']}") for each in (await inbox(site))[:3]]
    assert [each["difference"] for each in filled] == [
        [{"field": "missing_versions", "before": [2], "after": []}],
        [],
        [{"field": "missing_versions", "before": [2, 3], "after": [2]}],
    ]
    account = (await account_of(site, opened["id"]))["account"]
    assert (account["sender_version"], account["gap_since"]) == (4, None)
    assert (await site.read(f"/v1/visits/{opened['id']}/discharge-clearance"))["blockers"] == []


async def test_unknown_facility_visit_and_closed_visit_are_named_and_in_the_inbox(site: Site) -> None:
    await open_visit(site)
    no_facility = await site.client.put("/v1/facilities/99999/visits/LK0001", json=header())
    no_visit = await site.client.put("/v1/facilities/01001/visits/LK9/charges/L1", json=charge())
    await site.as_owner("UPDATE visit_account SET state = 'closed', ended_at = now() WHERE organization_id = 1")
    closed = await site.client.put(f"{VISIT}/charges/L1", json=charge())
    closed_header = await site.client.put(VISIT, json=header(2))
    repeated = await site.client.put(VISIT, json=header(1))

    assert code_of(no_facility) == (404, "unknown_facility")
    assert code_of(no_visit) == (404, "unknown_visit")
    assert code_of(closed) == (409, "visit_closed")
    assert code_of(closed_header) == (409, "visit_closed")
    assert repeated.status_code == 200
    rejected = await inbox(site, outcome="rejected")
    assert [message["error_code"] for message in rejected] == [
        "visit_closed", "visit_closed", "unknown_visit", "unknown_facility"
    ]  # fmt: skip


async def test_an_unreadable_message_is_in_the_inbox_too(site: Site) -> None:
    broken = await site.client.put(VISIT, content=b'{"version": ', headers={"Content-Type": "application/json"})
    wrong = await site.client.put(VISIT, json=header(MA_LOAI_KCB="77"))

    assert code_of(broken) == (400, "message_unreadable")
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "MA_LOAI_KCB"
    assert [(message["error_code"], message["field"]) for message in await inbox(site)] == [
        ("invalid_value", "MA_LOAI_KCB"),
        ("message_unreadable", ""),
    ]


async def test_an_order_not_started_is_cancelled_by_its_sender_a_started_one_by_a_person(site: Site) -> None:
    opened = await open_visit(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge())
    cancelled = await site.client.put(f"{VISIT}/charges/L1", json=charge(2, state="cancelled"))
    revived = await site.client.put(f"{VISIT}/charges/L1", json=charge(3, state="started"))
    await site.client.put(f"{VISIT}/charges/L2", json=charge(state="started"))
    by_message = await site.client.put(f"{VISIT}/charges/L2", json=charge(2, state="cancelled"))
    by_person = await site.client.post(f"{VISIT}/charges/L2/cancel", json={"reason": "máy hỏng"})
    again = await site.client.post(f"{VISIT}/charges/L2/cancel", json={"reason": "máy hỏng"})

    assert cancelled.json()["charges"][0]["state"] == "cancelled"
    assert code_of(revived) == (409, "order_cancelled")
    assert code_of(by_message) == (409, "order_started")
    assert by_person.json()["account"]["shares"]["total"] == 0
    assert again.json()["is_unchanged"] is True
    view = await account_of(site, opened["id"])
    assert [each["state"] for each in view["charges"]] == ["cancelled", "cancelled"]
    [row] = await site.as_owner(
        "SELECT line, from_state, reason, acting_for IS NOT NULL AS named FROM charge_cancellation"
    )
    assert tuple(row) == ("L2", "started", "máy hỏng", True)


async def test_a_performed_order_is_not_cancelled_by_a_message_and_does_not_go_back(site: Site) -> None:
    await open_visit(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge(state="performed"))

    cancelled = await site.client.put(f"{VISIT}/charges/L1", json=charge(2, state="cancelled"))
    back = await site.client.put(f"{VISIT}/charges/L1", json=charge(2, state="started"))

    assert code_of(cancelled) == (409, "order_performed")
    assert code_of(back) == (409, "wrong_state_order")


async def test_a_batch_is_stored_as_a_whole_or_not_at_all(site: Site) -> None:
    opened = await open_visit(site)
    lines = [{"line": f"L{number}", **charge()} for number in range(1, 4)]
    broken = [*lines, {"line": "L4", **charge(item={**item(), "SO_LUONG": "x"})}, {"line": "L5", **charge(0)}]

    refused = await site.client.post(f"{VISIT}/charges", json={"charges": broken})
    assert code_of(refused) == (409, "charges_rejected")
    assert [each["field"] for each in refused.json()["errors"]] == [
        "charges[3].item.SO_LUONG", "charges[4].version"
    ]  # fmt: skip
    assert (await account_of(site, opened["id"]))["charges"] == []

    taken = await site.client.post(f"{VISIT}/charges", json={"charges": lines})
    assert [each["stt"] for each in taken.json()["charges"]] == [1, 2, 3]
    assert taken.json()["account"]["shares"]["total"] == 1_350_000
    [message, *_] = await inbox(site, outcome="rejected")
    detail = (await site.client.get(f"/v1/integration-messages/{message['id']}")).json()
    assert [each["line"] for each in detail["difference"]] == ["L4", "L5"]


async def test_a_rejected_message_is_retried_once_with_success(site: Site) -> None:
    await site.client.put(f"{VISIT}/charges/L1", json=charge())
    await open_visit(site)
    [rejected] = await inbox(site, outcome="rejected")
    address = f"/v1/integration-messages/{rejected['id']}/retry"

    retried = await site.client.post(address)
    again = await site.client.post(address)

    assert retried.status_code == 200
    assert retried.json()["shares"]["total"] == 450_000
    assert code_of(again) == (409, "not_retryable")
    detail = (await site.client.get(f"/v1/integration-messages/{rejected['id']}")).json()
    assert detail["retried_by"] is not None


async def test_ma_lk_is_unique_for_its_facility_only(site: Site) -> None:
    first = await open_visit(site)
    await site.as_owner(
        "INSERT INTO facility SELECT (f).* FROM (SELECT jsonb_populate_record(facility, jsonb_build_object("
        "'id', gen_random_uuid(), 'code', '01009')) AS f FROM facility WHERE organization_id = 1) t"
    )
    second = await site.client.put("/v1/facilities/01009/visits/LK0001", json=header(patient={"is_unknown": True}))

    assert second.status_code == 201
    assert second.json()["id"] != first["id"]


async def test_a_visit_that_cannot_be_priced_is_accepted_with_the_reason(site: Site) -> None:
    await open_visit(site, MA_DOITUONG_KCB="77.7")
    answer = await site.client.put(f"{VISIT}/charges/L1", json=charge())

    assert answer.status_code == 200
    assert answer.json()["account"]["price_error"] != ""
    assert answer.json()["charges"][0]["patient_amount"] is None
    corrected = await site.client.put(VISIT, json=header(2))
    assert (corrected.json()["price_error"], corrected.json()["shares"]["total"]) == ("", 450_000)


async def test_a_provisional_visit_costs_less_when_the_paper_comes(site: Site) -> None:
    opened = await open_visit(site, MA_DOITUONG_KCB="9", cards=[], is_provisional=True)
    before = await site.client.put(f"{VISIT}/charges/L1", json=charge())
    after = await site.client.put(VISIT, json=header(2))

    assert opened["is_provisional"] is True
    assert before.json()["account"]["shares"]["patient"] == 450_000
    assert (after.json()["is_provisional"], after.json()["shares"]["patient"]) == (False, 90_000)


async def test_messages_at_once_lose_no_charge(site: Site) -> None:
    opened = await open_visit(site)
    answers = await asyncio.gather(
        *(site.client.put(f"{VISIT}/charges/L{number}", json=charge()) for number in range(12))
    )

    assert {answer.status_code for answer in answers} == {200}
    view = await account_of(site, opened["id"])
    assert sorted(each["stt"] for each in view["charges"]) == list(range(1, 13))
    assert view["account"]["shares"]["total"] == 12 * 450_000


async def test_two_headers_at_once_open_one_account(site: Site) -> None:
    answers = await asyncio.gather(*(site.client.put(VISIT, json=header()) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await site.as_owner("SELECT id FROM patient")) == 1


async def test_an_appointment_becomes_its_visit_with_its_deposit(site: Site) -> None:
    booked = await site.client.put("/v1/facilities/01001/visits/HEN-7", json=header())
    arrived = await site.client.put(VISIT, json=header(1, appointment="HEN-7"))
    unknown = await site.client.put("/v1/facilities/01001/visits/LK2", json=header(1, appointment="HEN-8"))

    assert (arrived.status_code, arrived.json()["id"], arrived.json()["ma_lk"]) == (200, booked.json()["id"], "LK0001")
    assert arrived.json()["deposit"]["id"] == booked.json()["deposit"]["id"]
    assert code_of(unknown) == (422, "appointment_not_usable")


async def test_collected_lines_that_change_are_listed(site: Site) -> None:
    opened = await open_visit(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge())
    await site.client.put(f"{VISIT}/charges/L2", json=charge())
    await site.as_owner(
        "INSERT INTO deposit_request (organization_id, id, deposit_id, kind, state, version, amount, proposed_amount,"
        " requested_at)"
        " SELECT 1, gen_random_uuid(), id, 'order_lines', 'requested', 1, 90000, 90000, now() FROM deposit"
    )
    await site.as_owner(
        "INSERT INTO deposit_request_line SELECT 1, r.id, d.visit_id, 'L1', 90000 FROM deposit_request r, deposit d"
    )
    await site.as_owner("UPDATE deposit_request SET received = 90000, state = 'paid'")
    await site.client.put(f"{VISIT}/charges/L1", json=charge(2, price="100000", item=item(price="100000")))
    await site.client.put(f"{VISIT}/charges/L2", json=charge(2, state="performed"))

    rows = await site.as_owner("SELECT line, collected, patient_amount_before, patient_amount_after FROM charge_change")
    assert [(row[0], row[1], str(row[2]), str(row[3])) for row in rows] == [("L1", 90_000, "90000.00", "20000.00")]
    assert (await account_of(site, opened["id"]))["requests"] == []


async def test_a_live_visit_is_read_at_its_usual_address_with_its_price(site: Site) -> None:
    opened = await open_visit(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge())

    visit = (await site.client.get(f"/v1/visits/{opened['id']}")).json()

    assert [line["stt"] for line in visit["document"]["lines"]] == [1]
    assert visit["price"]["shares"]["patient"] == 90_000
    assert "patient" not in visit["document"]


async def test_messages_in_several_processes_lose_no_charge(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the turn of this process, only the comparison of the priced visit excludes the others."""
    monkeypatch.setattr(visit_messages, "_turn", lambda _: asyncio.Lock())
    opened = await open_visit(site)

    answers = await asyncio.gather(
        *(site.client.put(f"{VISIT}/charges/L{number}", json=charge()) for number in range(6))
    )

    assert {answer.status_code for answer in answers} == {200}
    view = await account_of(site, opened["id"])
    assert sorted(each["stt"] for each in view["charges"]) == list(range(1, 7))
    assert view["account"]["shares"]["total"] == 6 * 450_000
    assert view["account"]["version"] == 7

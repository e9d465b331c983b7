"""The balances of visits over HTTP: who owes what, the threshold of a facility, the filters and who may read."""

from typing import Any

from billing.core.actor import Role
from tests.builders import FACILITY_CODE, DemoHospital
from tests.web.bill_day import approve_latest, collect, open_charged, open_shift
from tests.web.cash_day import send
from tests.web.live_visit import charge, header
from tests.web.site import UNKNOWN_ID, Site, every_page, key_of, problem

WARD = "/v1/ward-accounts"


async def _uninsured(site: Site, ma_lk: str, department: str = "K01", *, kind: str = "03") -> str:
    """An uninsured visit, of an inpatient, with one performed test of 450 000; returns its id."""
    address = f"/v1/facilities/{FACILITY_CODE}/visits/{ma_lk}"
    patient = {"HO_TEN": f"Bệnh nhân {ma_lk}", "NGAY_SINH": "19800101"}
    body = header(
        MA_LOAI_KCB=kind,
        MA_DOITUONG_KCB="9",
        cards=[],
        patient=patient,
        departments=[{"code": department, "from": "202611020800"}],
    )
    account = await send(site.client, address, body, method="PUT")
    await send(site.client, f"{address}/charges/L1", charge(state="performed"), method="PUT")
    visit_id: str = account["id"]
    return visit_id


async def _balance(site: Site, visit_id: str) -> dict[str, Any]:
    found: dict[str, Any] = await site.read(f"/v1/visits/{visit_id}/balance")
    return found


def _amounts(found: dict[str, Any]) -> dict[str, int]:
    return {one["aggregate"]: one["amount"] for one in found["balance"]}


async def _listed(site: Site, query: str = "", **headers: str) -> list[str]:
    answer = await site.client.get(f"{WARD}{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [one["ma_lk"] for one in answer.json()["items"]]


async def test_balance_names_patient_insurance_and_total_with_the_payers_in_order(site: Site) -> None:
    visit_id = await open_charged(site.client, "LK-1")
    guarantee = {"payer": "Bảo hiểm Tư", "reference": "BL-1", "limit": 50_000}
    made = await send(site.client, f"/v1/visits/{visit_id}/guarantees", guarantee)

    requested = await _balance(site, visit_id)
    await send(site.client, f"/v1/guarantees/{made['id']}/confirm", {"amount": 36_000})
    confirmed = await _balance(site, visit_id)

    bill = await site.read(f"/v1/visits/{visit_id}/final-bill")
    insurer = bill["shares"]["insurer"]
    assert _amounts(requested) == {"patient": 136_000, "insurance": insurer, "total": 136_000 + insurer}
    assert _amounts(confirmed) == {"patient": 100_000, "insurance": insurer + 36_000, "total": 136_000 + insurer}
    assert {(one["term"], one["estimate"]) for one in confirmed["balance"]} == {("current", True)}
    assert [(one["priority"], one["kind"], one["amount"], one["state"]) for one in requested["coverage"]] == [
        (1, "insurer", insurer, None),
        (2, "guarantee", 0, "requested"),
    ]
    assert confirmed["coverage"][1]["amount"] == 36_000
    assert confirmed["coverage"][1]["payer"] == "Bảo hiểm Tư"
    account = (await site.read(f"/v1/visits/{visit_id}/account"))["account"]
    assert confirmed["guarantor"] == [{"kind": "patient", "id": account["patient_id"]}]
    assert confirmed["cost_to_date"] == account["shares"]["total"]
    assert (confirmed["status"], confirmed["service_period"]["end"]) == ("active", None)


async def test_every_view_of_a_visit_shows_the_same_balance_until_it_is_reopened(site: Site) -> None:
    await open_shift(site.client)
    visit_id = await open_charged(site.client, "LK-1")
    await collect(site.client, visit_id, 150_000)
    body = {"fund": "poor_patients", "amount": 6_000, "reason": "hộ nghèo"}
    await send(site.client, f"/v1/visits/{visit_id}/exemptions", body)

    async def agree() -> dict[str, Any]:
        bill, found = await site.read(f"/v1/visits/{visit_id}/final-bill"), await _balance(site, visit_id)
        assert _amounts(found)["patient"] == bill["to_collect"] - bill["to_return"]
        assert _amounts(found)["insurance"] == sum(
            bill["shares"][payer] for payer in ("insurer", "other", "private")
        ) + int(bill["guaranteed"])
        assert found["cost_to_date"] == bill["shares"]["total"]
        assert found["deposits_held"] == bill["deposit"]
        assert await site.read(f"/v1/visits/{visit_id}/deposit-proposal") == found["proposal"]
        listed = (await site.read(WARD))["items"]
        assert [{**one, "calculated_at": ""} for one in listed] == [{**found, "calculated_at": ""}]
        return found

    assert _amounts(await agree())["patient"] == -14_000
    site.anonymous_client.headers.update(await key_of(site, Role.FINANCE, Role.AUDITOR))
    await approve_latest(site.anonymous_client, "exemption")
    assert _amounts(await agree())["patient"] == -20_000
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    closed = await agree()
    assert (_amounts(closed)["patient"], closed["status"], closed["deposits_held"]) == (-20_000, "inactive", 0)
    assert {one["estimate"] for one in closed["balance"]} == {False}
    await send(site.client, f"/v1/visits/{visit_id}/reopen", {"reason": "bổ sung thuốc"})
    reopened = await agree()
    assert _amounts(reopened)["patient"] == -20_000
    assert reopened["proposal"]["amount"] == 0, "what the invoice has is not requested again"


async def test_money_of_a_payer_lowers_what_the_insurance_owes(site: Site) -> None:
    await open_shift(site.client)
    visit_id = await open_charged(site.client, "LK-1")
    guarantee = {"payer": "Bảo hiểm Tư", "reference": "BL-1", "limit": 136_000}
    made = await send(site.client, f"/v1/visits/{visit_id}/guarantees", guarantee)
    await send(site.client, f"/v1/guarantees/{made['id']}/confirm", {"amount": 136_000})
    await send(site.client, f"/v1/visits/{visit_id}/final-bill", {})
    before = _amounts(await _balance(site, visit_id))

    paid = {"payer": "Bảo hiểm Tư", "parts": [{"method": "cash", "amount": 36_000}]}
    await send(site.client, "/v1/guarantee-payments", paid)

    after = _amounts(await _balance(site, visit_id))
    assert {name: before[name] - after[name] for name in before} == {"patient": 0, "insurance": 36_000, "total": 36_000}


async def test_ward_requests_more_when_less_than_the_threshold_is_left(site: Site) -> None:
    await open_shift(site.client)
    settings = f"/v1/facilities/{FACILITY_CODE}/deposit-settings"
    visit_id = await _uninsured(site, "LK-NOI-TRU")
    outpatient_id = await open_charged(site.client, "LK-NGOAI-TRU")
    await collect(site.client, visit_id, 900_000)

    enough = await _balance(site, visit_id)
    answer = await send(site.client, settings, {"threshold": 500_000}, method="PUT")
    short = await _balance(site, visit_id)

    assert answer == {"advance_type": "guarantee_deposit", "threshold": 500_000, "return_days": None}
    assert (enough["deposit_left"], enough["is_below_threshold"], enough["proposal"]["amount"]) == (450_000, False, 0)
    assert (short["deposit_left"], short["is_below_threshold"], short["threshold"]) == (450_000, True, 500_000)
    assert short["proposal"]["amount"] == 50_000
    request = await send(site.client, f"/v1/visits/{visit_id}/deposit-requests", {})
    assert request["amount"] == 50_000
    assert (await _balance(site, visit_id))["proposal"] == {**short["proposal"], "requested": 50_000, "amount": 0}
    outpatient = await _balance(site, outpatient_id)
    assert (outpatient["is_below_threshold"], outpatient["proposal"]["threshold"]) == (False, 0)
    changed = await send(site.client, settings, {"advance_type": "prepayment"}, method="PUT")
    assert changed == {"advance_type": "prepayment", "threshold": 500_000, "return_days": None}
    refused = await site.client.put(settings, json={"threshold": -1})
    problem(refused, 422, "invalid_value")


async def test_accounts_are_filtered_and_read_page_by_page(site: Site) -> None:
    await open_shift(site.client)
    first = await _uninsured(site, "LK-1", kind="01")
    await _uninsured(site, "LK-2", "K02")
    await _uninsured(site, "LK-3")
    await collect(site.client, first, 450_000)
    await send(site.client, f"/v1/visits/{first}/final-bill", {})

    assert [[one["ma_lk"] for one in page] for page in await every_page(site, WARD, limit=2)] == [
        ["LK-3", "LK-2"],
        ["LK-1"],
    ]
    assert await _listed(site, "?department=K01") == ["LK-3", "LK-1"]
    assert await _listed(site, "?state=open") == ["LK-3", "LK-2"]
    assert await _listed(site, "?state=closed") == ["LK-1"]
    assert await _listed(site, "?department=K01&state=open") == ["LK-3"]
    assert await _listed(site, f"?facility_code={FACILITY_CODE}&limit=1") == ["LK-3"]
    assert await _listed(site, "?facility_code=99999") == []
    problem(await site.client.get(f"{WARD}?state=xyz"), 400, "invalid_query")
    problem(await site.client.get(f"{WARD}?ward=K01"), 400, "invalid_query")


async def test_key_of_another_facility_sees_no_account_of_this_one(site: Site) -> None:
    visit_id = await _uninsured(site, "LK-1")
    here = await key_of(site, Role.INTEGRATOR, facility_codes=[FACILITY_CODE])
    other = await key_of(site, Role.AUDITOR, facility_codes=["99999"])

    assert await _listed(site, **here) == ["LK-1"]
    assert await _listed(site, **other) == []
    assert await _listed(site, f"?facility_code={FACILITY_CODE}", **other) == []
    assert (await site.client.get(f"/v1/visits/{visit_id}/balance", headers=here)).status_code == 200
    problem(await site.client.get(f"/v1/visits/{visit_id}/balance", headers=other), 404, "not_found")


async def test_another_organization_sees_no_account(site: Site, other_organization: DemoHospital) -> None:
    visit_id = await _uninsured(site, "LK-1")
    headers = other_organization.authorization

    assert await _listed(site, **headers) == []
    problem(await site.client.get(f"/v1/visits/{visit_id}/balance", headers=headers), 404, "not_found")
    problem(await site.client.get(f"/v1/visits/{UNKNOWN_ID}/balance"), 404, "not_found")

"""Patients over HTTP: unknown at night, identified later, merged, children, debts at the next registration."""

from typing import Any
from uuid import UUID

from billing.core.ids import VisitId
from billing.ops.erasure_rows import erase_visits
from tests.builders import visit_document
from tests.web.live_visit import PATIENT, VISIT, charge, header
from tests.web.site import UNKNOWN_ID, Site

REASON = {"reason": "cùng một người"}
OTHER = VISIT.replace("LK0001", "LK0002")


async def opened(site: Site, address: str = VISIT, **changes: object) -> dict[str, Any]:
    answer = await site.client.put(address, json=header(**changes))
    assert answer.is_success, answer.text
    account: dict[str, Any] = answer.json()
    return account


async def found(site: Site, **numbers: str) -> list[dict[str, Any]]:
    answer = await site.client.get("/v1/patients", params=numbers)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_second_visit_finds_the_patient_by_citizen_number(site: Site) -> None:
    first, second = await opened(site), await opened(site, OTHER)

    assert first["patient_id"] == second["patient_id"]


async def test_a_hospital_number_alone_is_not_enough(site: Site) -> None:
    first = await opened(site, patient={"HO_TEN": "Trần An", "MA_BN": "BN-1"})
    second = await opened(site, OTHER, patient={"HO_TEN": "Lê Bình", "MA_BN": "BN-1"})
    third = await opened(site, VISIT.replace("LK0001", "LK3"), patient={"HO_TEN": "Trần An", "MA_BN": "BN-1"})

    assert first["patient_id"] != second["patient_id"]
    assert first["patient_id"] == third["patient_id"]
    assert len(await found(site, hospital_number="BN-1")) == 2


async def test_an_unknown_patient_whom_a_header_identifies_is_merged_into_the_known_one(site: Site) -> None:
    known = await opened(site)
    night = await opened(site, OTHER, patient={"is_unknown": True})
    named = await opened(site, OTHER, version=2)

    assert night["patient_id"] != known["patient_id"] == named["patient_id"]
    merged = (await site.client.get(f"/v1/patients/{night['patient_id']}")).json()
    assert merged["merged_into"] == known["patient_id"]
    assert len(await site.as_owner("SELECT reason FROM patient_merge")) == 1


async def test_an_unknown_patient_is_identified_at_the_desk(site: Site) -> None:
    night = await opened(site, patient={"is_unknown": True})
    address = f"/v1/patients/{night['patient_id']}/identity"

    answer = await site.client.post(address, json={**PATIENT, "nationality": "LA"})
    nobody = await site.client.post(address, json={})

    assert (answer.json()["is_unknown"], answer.json()["identity"]["nationality"]) == (False, "LA")
    assert nobody.status_code == 422
    assert [each["id"] for each in await found(site, citizen_number=PATIENT["SO_CCCD"])] == [night["patient_id"]]


async def test_a_citizen_number_of_another_patient_is_refused_with_the_way_out(site: Site) -> None:
    known = await opened(site)
    night = await opened(site, OTHER, patient={"is_unknown": True})

    answer = await site.client.post(f"/v1/patients/{night['patient_id']}/identity", json=PATIENT)
    merged = await site.client.post(
        f"/v1/patients/{night['patient_id']}/merge", json={"into": known["patient_id"], **REASON}
    )
    again = await site.client.post(
        f"/v1/patients/{night['patient_id']}/merge", json={"into": known["patient_id"], **REASON}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "patient_known")
    assert (merged.status_code, again.status_code) == (200, 200)
    account = (await site.client.get(f"/v1/visits/{night['id']}/account")).json()["account"]
    assert account["patient_id"] == known["patient_id"]


async def test_a_merge_names_what_is_wrong(site: Site) -> None:
    one = (await opened(site))["patient_id"]
    two = (await opened(site, OTHER, patient={"is_unknown": True}))["patient_id"]
    three = (await opened(site, VISIT.replace("LK0001", "LK3"), patient={"is_unknown": True}))["patient_id"]
    await site.client.post(f"/v1/patients/{two}/merge", json={"into": one, **REASON})

    itself = await site.client.post(f"/v1/patients/{one}/merge", json={"into": one, **REASON})
    into_merged = await site.client.post(f"/v1/patients/{three}/merge", json={"into": two, **REASON})
    unknown = await site.client.post(f"/v1/patients/{UNKNOWN_ID}/merge", json={"into": one, **REASON})

    assert [(each.status_code, each.json()["code"]) for each in (itself, into_merged, unknown)] == [
        (422, "invalid_value"),
        (409, "patient_merged"),
        (404, "unknown_patient"),
    ]


async def test_a_child_names_its_guardian(site: Site) -> None:
    mother = await opened(site)
    child = await opened(site, OTHER, patient={"HO_TEN": "Con bà Thử", "child_of": {"SO_CCCD": PATIENT["SO_CCCD"]}})

    patient = (await site.client.get(f"/v1/patients/{child['patient_id']}")).json()
    assert patient["guardian_id"] == mother["patient_id"]


async def test_open_debts_warn_at_the_next_registration(site: Site) -> None:
    visit_id = await site.record_visit(ma_lk="LK-CU", patient=PATIENT)
    invoice = await site.client.post("/v1/invoices", json={"visit_id": visit_id})
    assert invoice.status_code == 201
    await opened(site)

    [patient] = await found(site, citizen_number=PATIENT["SO_CCCD"])

    assert (patient["owed"], patient["has_debt"], patient["held"]) == (invoice.json()["owed"], True, 0)
    assert visit_document()["patient"]["HO_TEN"] == patient["identity"]["HO_TEN"]


async def test_an_erased_patient_leaves_amounts_and_no_person(site: Site) -> None:
    account = await opened(site)
    await site.client.put(f"{VISIT}/charges/L1", json=charge())
    async with site.context.database.transaction(site.hospital.organization_id) as tx:
        erased = await erase_visits(tx, [VisitId(UUID(account["id"]))])

    assert (erased["visit_header"], erased["integration_document"], erased["patient_identity"]) == (1, 2, 1)
    assert await found(site, citizen_number=PATIENT["SO_CCCD"]) == []
    view = (await site.client.get(f"/v1/visits/{account['id']}/account")).json()
    assert view["account"]["shares"]["total"] == 450_000
    [message, _] = (await site.client.get("/v1/integration-messages")).json()["items"]
    assert (await site.client.get(f"/v1/integration-messages/{message['id']}")).json()["document"] is None

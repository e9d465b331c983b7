"""Claims over HTTP: ready or not, and the price by another route; nothing is written, and no other hospital is seen."""

import pytest

from tests.builders import DemoHospital, service_line, visit_document
from tests.web.site import Site, claim_file, problem, replaced

XML = {"Content-Type": "application/xml"}
FACILITY = {
    "technical_level": "basic",
    "ranking_points": 40,
    "is_provisionally_ranked": False,
    "former_tier": "district",
}
TWO_WHOLE = [service_line(1, name="Khám", group=13, price="500000"), service_line(2, name="Khám", group=13, price="1")]


async def test_json_visit_is_checked_with_supplied_facts(site: Site) -> None:
    body = {
        "visit": visit_document(lines=TWO_WHOLE),
        "facts": {"facility": FACILITY, "visits": {"LK0001": {"MA_DKBD": "01999", "has_referral": False}}},
    }

    async with site.nothing_written():
        answer = await site.client.post("/v1/claims/check?lang=en", json=body)

    (visit,) = answer.json()["visits"]
    assert answer.status_code == 200
    assert (visit["MA_LK"], visit["is_open"], visit["is_ready"]) == ("LK0001", False, False)
    (ratio,) = [one for one in visit["findings"] if one["rule"] == "B-061"]
    assert (ratio["severity"], ratio["STT"], ratio["field"]) == ("error", 2, "TYLE_TT_DV")
    assert (ratio["found"], ratio["expected"]) == ("100", "30")
    assert ratio["sentence"] == "Consultation number 2 of a visit is charged at 30 % of its price."


async def test_claim_file_is_checked_with_what_the_facility_is(site: Site) -> None:
    wrong = claim_file("noi-tru.xml", edit=replaced("<T_BHTT>3545697.77<", "<T_BHTT>3545000<"))

    async with site.nothing_written():
        answer = await site.client.post("/v1/claims/check", content=wrong, headers=XML)

    (visit,) = answer.json()["visits"]
    assert [(one["code"], one["field"]) for one in visit["findings"] if one["severity"] == "error"] == [
        ("totals-differ", "T_BHTT")
    ]
    # The hospital of the tests is basic and its former tier is not supplied: 1.1 lacks that one fact.
    (open_code,) = [one for one in visit["findings"] if one["field"] == "MA_DOITUONG_KCB"]
    assert open_code["sentence"].endswith("còn thiếu: tuyến của cơ sở trước 2025.")


async def test_unreadable_visit_is_reported_and_the_others_are_checked(site: Site) -> None:
    answer = await site.client.post("/v1/claims/check", content=b"hello", headers=XML)

    assert answer.status_code == 200
    assert answer.json()["visits"] == []
    assert [one["severity"] for one in answer.json()["findings"]] == ["error"]


async def test_known_visit_is_checked_by_the_claim_file_it_came_in(site: Site) -> None:
    taken = await site.client.post("/v1/visits", content=claim_file("noi-tru.xml"), headers=XML)

    async with site.nothing_written():
        checked = await site.read(taken.headers["Location"] + "/claim-check")

    (visit,) = checked["visits"]
    assert visit["is_ready"], visit["findings"]
    assert not [one for one in visit["findings"] if one["code"] == "field-missing"]


async def test_stored_json_visit_lacks_the_facts_that_its_document_lacks(site: Site) -> None:
    visit_id = await site.record_visit()

    (visit,) = (await site.read(f"/v1/visits/{visit_id}/claim-check?lang=en"))["visits"]

    assert not visit["is_ready"]
    assert "MA_BN is missing." in [one["sentence"] for one in visit["findings"]]


async def test_visit_of_another_hospital_is_not_there(site: Site, other_organization: DemoHospital) -> None:
    visit_id = await site.record_visit()

    answer = await site.client.get(f"/v1/visits/{visit_id}/claim-check", headers=other_organization.authorization)

    problem(answer, 404, "not_found")


async def test_each_route_is_priced(site: Site) -> None:
    supplied = {"MA_DKBD": "01999", "has_referral": False, "has_appointment": False, "is_emergency": False}
    body = {"visit": visit_document(), "facts": {"facility": FACILITY, "visits": {"LK0001": supplied}}}

    async with site.nothing_written():
        answer = await site.client.post("/v1/quotes/what-if?lang=en", json=body)

    (visit,) = answer.json()["visits"]
    routes = {route["code"]: route for route in visit["routes"]}
    assert (visit["stated"], visit["chosen"]) == ("1.1", "1.12")
    assert (routes["1.12"]["status"], routes["1.12"]["patient"], routes["1.12"]["insurer"]) == (
        "fits",
        136_000,
        464_000,
    )
    assert (routes["1.3"]["status"], routes["1.3"]["facts_named"]) == ("needs_paper", "valid referral paper")


async def test_routes_of_a_claim_file_are_priced(site: Site) -> None:
    answer = await site.client.post("/v1/quotes/what-if", content=claim_file("noi-tru.xml"), headers=XML)

    (visit,) = answer.json()["visits"]
    assert {"1.1", "1.3", "1.15"} <= {route["code"] for route in visit["routes"]}


@pytest.mark.parametrize("address", ["/v1/claims/check", "/v1/quotes/what-if"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"facts": {}}, "visit"),
        ({"visit": {}, "more": 1}, "more"),
        ({"visit": visit_document(), "facts": {"facility": {"former_tier": "ward"}}}, "facts.facility.former_tier"),
        (
            {"visit": visit_document(), "facts": {"visits": {"LK0001": {"is_emergency": 1}}}},
            "facts.visits.LK0001.is_emergency",
        ),
        ({"visit": visit_document(MA_LOAI_KCB="99")}, "MA_LOAI_KCB"),
    ],
)
async def test_wrong_body_is_refused_by_its_field(
    site: Site, address: str, body: dict[str, object], field: str
) -> None:
    answer = await site.client.post(address, json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in problem(answer, 422, answer.json()["code"])["errors"]] == [field]


async def test_unknown_language_or_media_type_is_refused(site: Site) -> None:
    language = await site.client.post("/v1/claims/check?lang=fr", json={"visit": visit_document()})
    media_type = await site.client.post("/v1/claims/check", content=b"a", headers={"Content-Type": "text/plain"})
    nobody = await site.anonymous_client.post("/v1/claims/check", json={"visit": visit_document()})

    assert (language.status_code, media_type.status_code, nobody.status_code) == (400, 415, 401)

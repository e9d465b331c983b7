"""A facility's readings over HTTP, by two persons with a key each."""

from tests.builders import FACILITY_CODE, service_line
from tests.web.site import Site, problem
from tests.web.test_tariffs import Persons, approve, persons

__all__ = ["persons"]

SMALL = {"lines": [service_line(1, name="Xét nghiệm", group=1, price="300000")], "MA_DOITUONG_KCB": "1.14"}
BODY = {
    "facility": FACILITY_CODE,
    "valid_from": "2026-07-01",
    "options": {"out_of_route_small_visit_at_full_rate": "False"},
}


async def test_facility_policy_is_proposed_approved_and_applied(site: Site, persons: Persons) -> None:
    before = await site.issue_invoice(ma_lk="LK1", **SMALL)
    proposed = await persons.a.post("/v1/facility-policies", json=BODY)
    address = proposed.headers["Location"]

    problem(await approve(persons.also_a, proposed.json()), 409, "second_person_required")
    await approve(persons.b, proposed.json())
    problem(await approve(persons.b, proposed.json()), 409, "already_decided")
    approved = await persons.b.get(address)
    after = await site.issue_invoice(ma_lk="LK2", **SMALL)

    assert proposed.status_code == 201
    assert (approved.json()["approval"]["decided_by"], approved.json()["options"]) == ("B", BODY["options"])
    assert (await persons.a.get(address)).json() == approved.json()
    listed = (await persons.a.get(f"/v1/facility-policies?facility={FACILITY_CODE}")).json()
    assert listed["items"] == [approved.json()]
    # 300 000 off line at 50 %: of everything, or of the card's 80 %.
    assert (before["owed"], after["owed"]) == (150_000, 180_000)


async def test_cashier_changes_no_facility_policy(persons: Persons) -> None:
    problem(await persons.cashier.post("/v1/facility-policies", json=BODY), 403, "not_permitted")


async def test_invalid_policy_is_rejected_by_name_and_nothing_is_written(site: Site) -> None:
    async with site.nothing_written():
        for change, status, code in (
            ({"options": {"no": "1"}}, 422, "unknown_policy_option"),
            ({"options": {"copay_crossing": "half"}}, 422, "unknown_policy_option"),
            ({"options": {"unstated_route_percent": "101"}}, 422, "invalid_value"),
            ({"options": {"copay_crossing": 1}}, 422, "invalid_body"),
            ({"valid_from": "2026-02-30"}, 422, "invalid_value"),
            ({"facility": "99999"}, 404, "not_found"),
        ):
            problem(await site.client.post("/v1/facility-policies", json=BODY | change), status, code)


async def test_policy_options_list_choices_and_questions(site: Site) -> None:
    readings = {each["name"]: each for each in (await site.read("/v1/policy-options"))["items"]}

    crossing, percents = readings["copay_crossing"], readings["stent_ceiling_percents"]
    assert (crossing["rule"], crossing["default"], list(crossing["choices"])) == ("B-026", "line", ["line", "cap"])
    assert "No text states" in crossing["question"]["en"]
    assert percents["choices"] == {}
    assert "100;50" in percents["form"]["en"]

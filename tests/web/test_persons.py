"""Persons and keys over HTTP: listed without secrets, and keys revoked by an administrator."""

import json

from billing.core.actor import Role
from tests.web.site import UNKNOWN_ID, Site, key_of, problem


async def test_persons_and_keys_are_listed_without_secrets(site: Site) -> None:
    headers = await key_of(site, Role.ADMINISTRATOR, facility_codes=None)
    station = await key_of(site, Role.CASHIER, facility_codes=["01001"])

    persons = (await site.anonymous_client.get("/v1/persons", headers=headers)).json()["items"]
    keys = (await site.anonymous_client.get("/v1/keys", headers=headers)).json()["items"]

    named = {one["name"]: one["roles"] for one in persons}
    assert named == {
        "Thu ngân": sorted(Role),
        "Người administrator": ["administrator"],
        "Người cashier": ["cashier"],
    }
    assert {key["name"]: (key["person_name"], key["facility_codes"], key["revoked_at"]) for key in keys} == {
        "desk": ("Thu ngân", None, None),
        "administrator": ("Người administrator", None, None),
        "cashier": ("Người cashier", ["01001"], None),
    }
    secrets = [each["Authorization"].rsplit("_", 1)[1] for each in (headers, station, site.hospital.authorization)]
    assert not any(secret in json.dumps(keys) for secret in secrets)


async def test_revoked_key_is_refused_and_stays_revoked(site: Site) -> None:
    administrator = await key_of(site, Role.ADMINISTRATOR)
    program = await key_of(site, Role.INTEGRATOR)
    keys = (await site.anonymous_client.get("/v1/keys", headers=administrator)).json()["items"]
    [key_id] = [key["id"] for key in keys if key["name"] == "integrator"]
    revoke = f"/v1/keys/{key_id}/revoke"

    first = await site.anonymous_client.post(revoke, headers=administrator)
    again = await site.anonymous_client.post(revoke, headers=administrator)

    assert first.status_code == again.status_code == 200, first.text
    assert first.json()["revoked_at"] == again.json()["revoked_at"] is not None
    problem(await site.anonymous_client.get("/v1/visits", headers=program), 401, "not_authenticated")
    actions = await site.as_owner("SELECT action FROM audit WHERE subject_id = $1", key_id)
    assert [row["action"] for row in actions] == ["key_revoked"]
    problem(await site.anonymous_client.post(f"/v1/keys/{UNKNOWN_ID}/revoke", headers=administrator), 404, "not_found")


async def test_cashier_and_key_of_some_facilities_read_no_persons(site: Site) -> None:
    cashier = await key_of(site, Role.CASHIER)
    limited = await key_of(site, Role.ADMINISTRATOR, facility_codes=["01001"])

    for headers in (cashier, limited):
        for path in ("/v1/persons", "/v1/keys"):
            problem(await site.anonymous_client.get(path, headers=headers), 403, "not_permitted")

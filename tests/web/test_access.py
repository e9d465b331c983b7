"""Bearer keys: one organization each, believed for a few seconds, refused without saying why."""

from datetime import datetime, timedelta

import pytest

from billing.core.errors import InvalidValue
from billing.db.context import Ids
from billing.db.database import Database
from billing.organizations.domain.api_key import split_key, write_key
from billing.organizations.service.api_keys import BELIEVED
from billing.organizations.service.setup import Setup
from tests.web.site import Site, problem

ADDRESS = "/v1/visits/00000000-0000-7000-8000-000000000000"


async def add_key(site: Site, *, expires_at: datetime | None) -> str:
    database = await Database.open(site.database.owner_url)
    try:
        setup = Setup(database, site.context.clock, Ids(site.context.clock))
        return await setup.add_key(
            site.hospital.organization_id, person_name="Thu ngân 2", name="till", expires_at=expires_at
        )
    finally:
        await database.close()


async def refused(site: Site, authorization: str | bytes) -> None:
    """The same refusal, whatever was wrong."""
    headers = {"Authorization": authorization}
    answer = await site.anonymous_client.get(ADDRESS, headers=headers)  # type: ignore[arg-type]
    document = problem(answer, 401, "not_authenticated")
    assert document["detail"] in {"this key is not valid", "send `Authorization: Bearer vp_…` with your key"}
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vienphi"'


async def test_valid_key_opens_its_organization(site: Site) -> None:
    problem(await site.client.get(ADDRESS), 404, "not_found")


async def test_missing_key_is_rejected_also_at_an_unknown_address(site: Site) -> None:
    for address in (ADDRESS, "/v1/nowhere", "/v1/"):
        async with site.nothing_written():
            answer = await site.anonymous_client.get(address)

        problem(answer, 401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vienphi"'


async def test_key_that_is_not_ours_is_refused(site: Site) -> None:
    _, secret = split_key(site.hospital.key)
    for key in (
        write_key(site.hospital.organization_id, secret[:-1] + ("A" if secret[-1] != "A" else "B")),
        f"vp_2_{secret}",
        f"vp_999999999_{secret}",
        f"vp_0_{secret}",
        f"vp_1_{secret}' OR true",
        secret,
    ):
        await refused(site, f"Bearer {key}")
    await refused(site, "Bearer")
    await refused(site, f"Basic {site.hospital.key}")
    await refused(site, b"Bearer vp_1_\xff\xfe" + b"x" * 20)


async def test_two_keys_in_one_request_are_refused(site: Site) -> None:
    bearer = f"Bearer {site.hospital.key}"

    answer = await site.anonymous_client.get(ADDRESS, headers=[("Authorization", bearer), ("Authorization", bearer)])

    problem(answer, 401, "not_authenticated")


async def test_expired_key_is_refused(site: Site) -> None:
    now = site.context.clock()
    expired = await add_key(site, expires_at=now - timedelta(seconds=1))
    living = await add_key(site, expires_at=now + timedelta(minutes=1))

    await refused(site, f"Bearer {expired}")
    problem(await site.anonymous_client.get(ADDRESS, headers={"Authorization": f"Bearer {living}"}), 404, "not_found")


async def test_revoked_key_is_refused_within_seconds(site: Site) -> None:
    problem(await site.client.get(ADDRESS), 404, "not_found")
    now = site.context.clock()
    await site.as_owner("UPDATE api_key SET revoked_at = $1", now)

    site.context.clock = lambda: now + BELIEVED + timedelta(seconds=1)

    await refused(site, f"Bearer {site.hospital.key}")


async def test_expiry_counts_also_for_a_key_just_used(site: Site) -> None:
    now = site.context.clock()
    key = await add_key(site, expires_at=now + timedelta(minutes=1))
    problem(await site.anonymous_client.get(ADDRESS, headers={"Authorization": f"Bearer {key}"}), 404, "not_found")

    site.context.clock = lambda: now + timedelta(minutes=2)

    await refused(site, f"Bearer {key}")


@pytest.mark.parametrize("key", ["vp_1_", "vp_1_short", "vp_x_" + "a" * 32, "VP_1_" + "a" * 32, "vp_1_" + "a" * 129])
def test_what_is_no_key_is_refused_by_form(key: str) -> None:
    with pytest.raises(InvalidValue):
        split_key(key)


def test_key_is_split_as_it_was_written() -> None:
    assert split_key(write_key(split_key("vp_12_" + "a_-" * 11)[0], "a_-" * 11)) == (12, "a_-" * 11)

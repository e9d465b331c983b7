"""Signed-in persons for the tests of the screens: each with an account, a session and a client that carries both."""

import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from html import unescape
from secrets import token_urlsafe
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from billing.core.actor import Role
from billing.core.ids import DeskId, OrganizationId, PersonId
from billing.organizations.domain.api_key import hash_secret
from billing.organizations.domain.sessions import form_token, write_cookie
from billing.web.screens.texts import MISSING
from tests.web.site import Site

PASSWORD = "Quay ba mo ca sang"
PASSWORD_HASH = "$argon2id$v=19$m=65536,t=3,p=1$"
"""No password has this hash: the account is used through its session."""

_ADD_PERSON = """
    INSERT INTO person (organization_id, id, name, roles) VALUES ($1, $2, $3, $4)
"""
_ADD_ACCOUNT = """
    INSERT INTO sign_in_account (organization_id, person_id, login_name, password_hash, password_set_at,
        must_change_password, facility_codes, language)
    VALUES ($1, $2, $3, $4, $5, false, $6, $7)
"""
_ADD_SESSION = """
    INSERT INTO screen_session (organization_id, id, person_id, secret_hash, desk_id, address, browser, created_at,
        password_at, last_seen_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, '127.0.0.1', 'test', $6, $6, $6, $7)
"""


@dataclass(frozen=True, slots=True)
class Staff:
    """A signed-in person: `client` carries the session cookie, `cookie` its value, `token` that of the forms."""

    person_id: PersonId
    login_name: str
    cookie: str
    token: str
    client: httpx.AsyncClient = field(repr=False)

    async def page(self, path: str, *, status: int = 200) -> str:
        """The text of a page."""
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        assert MISSING[0] not in answer.text, "a text is missing"
        return answer.text

    async def post(self, path: str, *, key: str = "", **fields: object) -> httpx.Response:
        """Send a form with its token and a fresh idempotency key, or the key given."""
        data = {"csrf_token": self.token, "idempotency_key": key or token_urlsafe(18), **fields}
        return await self.client.post(path, data=data)


async def add_desk(site: Site, name: str = "Quầy 1") -> DeskId:
    """A desk of the hospital's facility."""
    answer = await site.client.post("/v1/desks", json={"facility_code": site.hospital.facility_code, "name": name})
    assert answer.status_code == 201, answer.text
    return DeskId(UUID(answer.json()["id"]))


@asynccontextmanager
async def signed_in(
    site: Site,
    *roles: Role,
    desk_id: DeskId | None = None,
    name: str = "",
    facility_codes: Collection[str] | None = None,
    language: str = "vi",
    organization: int | None = None,
) -> AsyncIterator[Staff]:
    """A person with these roles, signed in; of the hospital, or of another organization."""
    organization_id = OrganizationId(organization or site.hospital.organization_id)
    now: datetime = site.context.clock()
    person_id = PersonId(site.context.ids.new())
    login_name = f"nguoi{person_id.hex[-10:]}"
    secret = token_urlsafe(32)
    words = sorted(role.value for role in roles)
    as_owner = partial(site.as_owner, organization=organization_id)
    await as_owner(_ADD_PERSON, organization_id, person_id, name or f"Người {login_name}", words)
    codes = None if facility_codes is None else sorted(facility_codes)
    await as_owner(_ADD_ACCOUNT, organization_id, person_id, login_name, PASSWORD_HASH, now, codes, language)
    values = (organization_id, site.context.ids.new(), person_id, hash_secret(secret), desk_id, now)
    await as_owner(_ADD_SESSION, *values, now + timedelta(hours=13))
    cookie = write_cookie(organization_id, secret)
    async with httpx.AsyncClient(base_url=site.address, timeout=20, cookies={"vienphi": cookie}) as client:
        yield Staff(person_id, login_name, cookie, form_token(secret), client)


def text_of(page: str) -> str:
    """The words of a page without its markup, spaces collapsed."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def location(answer: httpx.Response) -> str:
    """Where an accepted form leads: path and query."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["Location"])
    return parts.path + (f"?{parts.query}" if parts.query else "")

"""The running service as its clients see it: over a real socket, on a real database, with the sandbox bank."""

import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
from aiohttp import web

from billing.core.actor import Role
from billing.db.context import Ids
from billing.db.database import Database
from billing.organizations.service.setup import Setup
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.web.app_state import APP_STATE
from providers.sandbox.bank_simulator import BankSimulator
from providers.sandbox.message import SandboxSettings
from tests.builders import ACCOUNT_NAME, DemoHospital, visit_document
from tests.conftest import DatabaseAddress

EXAMPLES = Path(__file__).parents[2] / "examples"
COPAY_EXAMPLE = "ngoai-tru-dong-chi-tra.xml"
UNKNOWN_ID = "00000000-0000-7000-8000-000000000000"

_SEEDS = count(1)  # each bank makes transactions of its own

_TABLES = """
    SELECT c.relname::text AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
"""

_FINGERPRINT = """
    SELECT '{table}' AS name, count(*) AS rows,
        md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS content FROM {table} AS t
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The service with one hospital; `client` carries the hospital's key, `anonymous_client` carries none."""

    address: str
    application: web.Application
    context: PaymentContext
    intake: Intake
    hospital: DemoHospital
    database: DatabaseAddress
    client: httpx.AsyncClient
    anonymous_client: httpx.AsyncClient

    @property
    def callbacks(self) -> Mapping[str, int]:
        return self.application[APP_STATE].callbacks

    def bank(self, settings: SandboxSettings | None = None, hospital: DemoHospital | None = None) -> BankSimulator:
        """A simulated bank with the account of the hospital, or of another one with forged settings."""
        hospital = hospital or self.hospital
        return BankSimulator(
            self.anonymous_client,
            self.address + hospital.callback_path,
            settings or hospital.settings,
            clock=self.context.clock,
            random=Random(next(_SEEDS)),
            pause=_no_pause,
        )

    async def record_visit(self, **changes: object) -> str:
        answer = await self.client.post("/v1/visits", json=visit_document(**changes))  # type: ignore[arg-type]
        assert answer.status_code == 201, answer.text
        visit_id: str = answer.json()["visits"][0]["id"]
        return visit_id

    async def issue_invoice(self, **changes: object) -> dict[str, Any]:
        visit_id = await self.record_visit(**changes)
        answer = await self.client.post("/v1/invoices", json={"visit_id": visit_id})
        assert answer.status_code == 201, answer.text
        invoice: dict[str, Any] = answer.json()
        return invoice

    async def open_intent(self, **changes: object) -> dict[str, Any]:
        invoice = await self.issue_invoice(**changes)
        answer = await self.client.post("/v1/intents", json={"account": ACCOUNT_NAME, "invoice_ids": [invoice["id"]]})
        assert answer.status_code == 201, answer.text
        intent: dict[str, Any] = answer.json()
        return intent

    async def read(self, address: str) -> Any:
        answer = await self.client.get(address)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def as_owner(
        self, statement: str, *arguments: object, organization: int | None = None
    ) -> list[asyncpg.Record]:
        """Run one statement as the owner, within the hospital's rows or those of another organization."""
        connection = await asyncpg.connect(self.database.owner_url)
        try:
            number = str(organization or self.hospital.organization_id)
            await connection.execute("SELECT set_config('vienphi.organization', $1, false)", number)
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def without_guards(self, table: str, statement: str, *arguments: object) -> None:
        """Run one statement as the owner while the triggers of a table are off: for a state no path leads back to."""
        await self.as_owner(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await self.as_owner(statement, *arguments)
        await self.as_owner(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    async def content(self, *, but: str = "") -> dict[str, Any]:
        """How many rows every table has and a hash of them, for each organization."""
        connection = await asyncpg.connect(self.database.owner_url)
        try:
            tables = [row["name"] for row in await connection.fetch(_TABLES) if row["name"] != but]
            # One statement for all tables: the server plans it once for each organization, not each table.
            statement = " UNION ALL ".join(_FINGERPRINT.format(table=table) for table in tables)
            fingerprints = await connection.prepare(statement)
            found: dict[str, Any] = {}
            for organization in ("1", "2"):
                await connection.execute("SELECT set_config('vienphi.organization', $1, false)", organization)
                for row in await fingerprints.fetch():
                    found[f"{row['name']} of {organization}"] = (row["rows"], row["content"])
            return found
        finally:
            await connection.close()

    @asynccontextmanager
    async def nothing_written(self, *, but: str = "") -> AsyncIterator[None]:
        """What happens inside leaves every row of every table as it was, that of the table `but` left aside."""
        before = await self.content(but=but)
        assert before["api_key of 1"][0] == 1, "the count sees the rows"
        yield
        assert await self.content(but=but) == before


async def key_of(site: Site, *roles: Role, facility_codes: Collection[str] | None = None) -> dict[str, str]:
    """The authorization header of a further key with these roles, at some facilities or at all."""
    database = await Database.open(site.database.owner_url)
    try:
        setup = Setup(database, site.context.clock, Ids(site.context.clock))
        name = "-".join(role.value.replace("_", "-") for role in roles)
        key = await setup.add_key(
            site.hospital.organization_id,
            person_name=f"Người {name}",
            name=name,
            roles=roles,
            facility_codes=facility_codes,
        )
    finally:
        await database.close()
    return {"Authorization": f"Bearer {key}"}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, after checking what all of them have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    document: dict[str, Any] = json.loads(answer.content)
    assert document["code"] == code, document
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == f"urn:uuid:{answer.headers['X-Request-Id']}"
    return document


async def every_page(site: Site, address: str, *, limit: int) -> list[list[dict[str, Any]]]:
    pages, cursor = [], ""
    while True:
        page = await site.read(f"{address}?limit={limit}{cursor}")
        pages.append(page["items"])
        if page["next_cursor"] is None:
            return pages
        cursor = f"&cursor={page['next_cursor']}"


def claim_file(name: str = COPAY_EXAMPLE, *, edit: Callable[[str], str] | None = None) -> bytes:
    """An example claim file; `edit` changes the text of each of its tables."""
    outer = (EXAMPLES / name).read_text("utf-8")
    if edit is None:
        return outer.encode()

    def edited(found: re.Match[str]) -> str:
        inner = edit(base64.b64decode(found[1]).decode())
        return f"<NOIDUNGFILE>{base64.b64encode(inner.encode()).decode()}</NOIDUNGFILE>"

    return re.sub(r"<NOIDUNGFILE>([^<]+)</NOIDUNGFILE>", edited, outer).encode()


def replaced(old: str, new: str) -> Callable[[str], str]:
    """An edit of a claim file: the first `old` of each table becomes `new`."""
    return lambda text: text.replace(old, new, 1)


async def _no_pause(_seconds: float) -> None:
    return None

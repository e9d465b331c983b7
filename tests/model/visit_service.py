"""The running service as the model of visit accounts drives it: persons of a desk over HTTP, their bank, one clock."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from billing.core.actor import Role
from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.ledger.store.check import find_mismatches
from billing.ledger.store.checks import CHECKS
from billing.organizations.service.setup import Setup
from billing.payments.service.intake import Intake
from billing.payments.service.provider_refunds import run_due_refunds
from billing.web.app_state import WebLimits
from billing.web.server import create_application, serving
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.bank_messages import PAYER, bank_message
from tests.builders import SANDBOX_SECRET, DemoHospital, add_demo_hospital, build_context, set_refund_limit
from tests.database_server import DatabaseAddress, Loop
from tests.visit_accounts.refunds import RefundLog, with_refunds

PERSONS: Mapping[str, tuple[Role, ...]] = {
    "cashier": (Role.CASHIER, Role.INTEGRATOR, Role.FINANCE),
    "other": (Role.CASHIER, Role.FINANCE),
    "head": (Role.HEAD_CASHIER, Role.FINANCE, Role.ADMINISTRATOR),
    "treasurer": (Role.TREASURER,),
}
"""Who acts, by the name of the key: two cashiers, their head, and the treasurer."""

_NUMBERS = count(1)


class SteppingClock:
    """The time of the service: no two readings are equal, and a test moves it on."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def move(self, by: timedelta) -> None:
        self._now += by


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an answer and its document."""

    status: int
    document: dict[str, Any]

    @property
    def code(self) -> str:
        """The code of a refusal, "" of a success."""
        return "" if self.status < 400 else str(self.document["code"])


class VisitService:
    """The service on one database, for as many organizations as there are examples."""

    def __init__(self, database: DatabaseAddress, loop: Loop) -> None:
        self.clock = SteppingClock()
        self.refunds = RefundLog()
        self._database = database
        self._loop = loop
        self._stack = AsyncExitStack()
        self.address = loop.run(self._open())

    async def _open(self) -> str:
        opened = await Database.open(self._database.app_url, limits=DatabaseLimits(connections_max=4))
        self._stack.push_async_callback(opened.close)
        self.context = build_context(opened, clock=self.clock, build_provider=with_refunds(self.refunds))
        intake = await self._stack.enter_async_context(Intake(self.context))
        application = create_application(context=self.context, intake=intake, limits=WebLimits())
        return await self._stack.enter_async_context(serving(application))

    def close(self) -> None:
        self._loop.run(self._stack.aclose())

    def new_desk(self) -> "Clinic":
        """An organization without a past, with a desk, a card terminal and its persons."""
        self.refunds.answers.clear()
        number = next(_NUMBERS)
        hospital, keys = self._loop.run(self._add(number))
        return Clinic(self, hospital, keys)

    async def _add(self, number: int) -> tuple[DemoHospital, dict[str, str]]:
        hospital = await add_demo_hospital(
            self._database.owner_url, organization=number, facility_code=f"{number:05d}", clock=self.clock
        )
        owner = await Database.open(self._database.owner_url, limits=DatabaseLimits(connections_max=1))
        try:
            setup = Setup(owner, self.clock, Ids(self.clock))
            keys = {
                name: await setup.add_key(
                    hospital.organization_id, person_name=f"Người {name}", name=name, roles=list(roles)
                )
                for name, roles in PERSONS.items()
            }
            async with owner.transaction(hospital.organization_id) as tx:
                await tx.execute(set_refund_limit(100_000))
        finally:
            await owner.close()
        return hospital, keys

    def send_refunds(self, organization_id: OrganizationId) -> int:
        """Send and query the refunds that are due, as the worker does."""
        return self._loop.run(run_due_refunds(self.context, organization_id))

    def mismatches(self, organization_id: OrganizationId) -> dict[str, list[str]]:
        """The checks of the books of one organization that do not hold."""
        return self._loop.run(self._mismatches(organization_id))

    async def _mismatches(self, organization_id: OrganizationId) -> dict[str, list[str]]:
        found = {}
        async with self.context.database.transaction(organization_id) as tx:
            for check in CHECKS:
                if mismatches := await find_mismatches(tx, check):
                    found[check.name] = [str(each) for each in mismatches]
        return found

    def value(self, organization_id: OrganizationId, query: str, *arguments: object) -> Any:
        """One value as the database has it."""

        async def read() -> Any:
            async with self.context.database.transaction(organization_id) as tx:
                return await tx.fetchval(query, *arguments)

        return self._loop.run(read())


@dataclass(slots=True)
class Clinic:
    """One organization over HTTP: what its persons send, and what its bank reports."""

    service: VisitService
    hospital: DemoHospital
    keys: dict[str, str]
    desk_id: str = ""
    terminal_id: str = ""
    bank_account_id: str = ""
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.service.address, timeout=30)
        code, organization_id = self.hospital.facility_code, self.hospital.organization_id
        bank = self.service.value(organization_id, "SELECT id FROM bank_account WHERE organization_id = $1 LIMIT 1",
                                  organization_id)  # fmt: skip
        self.bank_account_id = str(bank)
        desk = self.do("POST", "/desks", {"facility_code": code, "name": "Quầy 1"}, by="head")
        self.desk_id = desk["id"]
        terminal = {"facility_code": code, "name": "POS 1", "terminal_number": "T01"}
        body = {**terminal, "bank_account_id": self.bank_account_id}
        self.terminal_id = self.do("POST", "/card-terminals", body, by="head")["id"]

    def close(self) -> None:
        self._client.close()

    def number(self) -> int:
        """A number that was not given before."""
        return next(self._numbers)

    def send(
        self, method: str, path: str, body: object = None, *, by: str = "cashier", key: str | None = None
    ) -> Answer:
        """Send a request of a person; a creating one has an idempotency key of its own, or `key`."""
        headers = {"Authorization": f"Bearer {self.keys[by]}"}
        if method == "POST":
            headers["Idempotency-Key"] = key or f"key-{self.number()}"
        answer = self._client.request(method, f"/v1{path}", json=body, headers=headers)
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
        return Answer(answer.status_code, answer.json() if answer.content else {})

    def do(self, method: str, path: str, body: object = None, *, by: str = "cashier") -> dict[str, Any]:
        """The document of a request that must succeed."""
        answer = self.send(method, path, body, by=by)
        assert answer.status < 400, f"{method} {path}: {answer.document}"
        return answer.document

    def read(self, path: str) -> dict[str, Any]:
        """A document as the head cashier reads it."""
        return self.do("GET", path, by="head")

    def items(self, path: str) -> list[dict[str, Any]]:
        """All items of a list."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.read(f"{path}{'&' if '?' in path else '?'}limit=100{cursor}")
            found += page["items"]
            if page.get("next_cursor") is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    def visit_path(self, ma_lk: str) -> str:
        return f"/facilities/{self.hospital.facility_code}/visits/{ma_lk}"

    def message(self, *, amount: int, content: str) -> dict[str, object]:
        """The bank's message about a transfer that it has not reported before."""
        name = f"SB{self.number():08d}"
        message = bank_message(self.hospital.settings, name, amount, content, at=self.service.clock(), payer=PAYER)
        return message.model_dump(mode="json")

    def deliver(self, message: dict[str, object]) -> str:
        """Post a message of the bank; returns the word of the answer."""
        request = self._client.build_request("POST", self.hospital.callback_path, json=message)
        request.headers[SIGNATURE_HEADER] = signature_header(
            SANDBOX_SECRET.encode(), self.service.clock(), request.read()
        )
        answer = self._client.send(request)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["result"])

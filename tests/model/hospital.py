"""The running service as the model drives it: HTTP from outside, and the trial balance from the database."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import count
from typing import Any

import httpx

from billing.app import open_service
from billing.core.clock import business_date
from billing.db.context import utc_now
from billing.ledger.domain.accounts import Side
from billing.ledger.store.journal import read_trial_balance
from billing.web.server import serving
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.bank_messages import bank_message
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET, DemoHospital, add_demo_hospital, service_line, visit_document
from tests.database_server import DatabaseAddress, Loop

COPAY = 116_000
"""What the patient pays of the insured lines of a visit, whatever the line outside the insurer's scope costs."""

_NUMBERS = count(1)


class House:
    """The service on one database, for as many organizations as there are examples."""

    def __init__(self, database: DatabaseAddress, loop: Loop) -> None:
        self._database = database
        self._loop = loop
        self._stack = AsyncExitStack()
        self.address = loop.run(self._open())

    async def _open(self) -> str:
        opened = open_service(self._database.app_url, secret_of=lambda _: SANDBOX_SECRET)
        self._service = await self._stack.enter_async_context(opened)
        return await self._stack.enter_async_context(serving(self._service.application))

    def close(self) -> None:
        self._loop.run(self._stack.aclose())

    def new_hospital(self) -> DemoHospital:
        """An organization without a past."""
        number = next(_NUMBERS)
        return self._loop.run(
            add_demo_hospital(self._database.owner_url, organization=number, facility_code=f"{number:05d}")
        )

    def balances(self, hospital: DemoHospital) -> tuple[dict[str, int], int]:
        """What each account role holds on its normal side, and debits less credits over all accounts."""
        return self._loop.run(self._balances(hospital))

    async def _balances(self, hospital: DemoHospital) -> tuple[dict[str, int], int]:
        async with self._service.context.database.transaction(hospital.organization_id) as tx:
            rows = await read_trial_balance(tx, on=business_date(utc_now()))
        held: dict[str, int] = {}
        for row in rows:
            balance = row.debit - row.credit if row.normal_side is Side.DEBIT else row.credit - row.debit
            held[str(row.role)] = held.get(str(row.role), 0) + balance
        return held, sum(row.debit - row.credit for row in rows)


class Desk:
    """One organization's programs and its bank, over HTTP."""

    def __init__(self, address: str, hospital: DemoHospital) -> None:
        self._hospital = hospital
        self._client = httpx.Client(base_url=address, headers=hospital.authorization, timeout=30)
        self._numbers = count(1)

    def close(self) -> None:
        self._client.close()

    def new_key(self) -> str:
        return f"key-{next(self._numbers)}"

    def create(self, path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        return self._client.post(path, json=body, headers={"Idempotency-Key": key or self.new_key()})

    def read(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def issue_invoice(self, ma_lk: str, *, self_pay: int) -> dict[str, Any]:
        """A new visit with its invoice; the patient owes COPAY and `self_pay`."""
        visit = visit_document(ma_lk=ma_lk, facility_code=self._hospital.facility_code)
        extra = service_line(3, name="Giường theo yêu cầu", group=1, price=str(self_pay))
        visit["lines"] = [*visit["lines"][:2], {**extra, "PHAM_VI": "2"}, *visit["lines"][3:]]
        taken = self.create("/v1/visits", visit)
        assert taken.status_code == 201, taken.text
        issued = self.create("/v1/invoices", {"visit_id": taken.json()["visits"][0]["id"]})
        assert issued.status_code == 201, issued.text
        document: dict[str, Any] = issued.json()
        return document

    def message(self, *, amount: int, content: str, **changes: object) -> dict[str, object]:
        """The bank's message about one transfer that it has not reported before."""
        name, at = f"SB{next(self._numbers):08d}", utc_now() - timedelta(seconds=1)
        message = bank_message(self._hospital.settings, name, amount, content, at=at, **changes)
        return message.model_dump(mode="json")

    def deliver(self, message: dict[str, object], *, key: bytes = SANDBOX_SECRET.encode()) -> tuple[int, str]:
        """Post to the callback address; return the status and the verdict in the bank's word."""
        request = self._client.build_request("POST", f"/callbacks/{self._hospital.organization_id}/{ACCOUNT_NAME}",
                                             json=message)  # fmt: skip
        request.headers[SIGNATURE_HEADER] = signature_header(key, utc_now(), request.read())
        answer = self._client.send(request)
        return answer.status_code, answer.json()["result"]


def close_all(loop: Loop) -> None:
    """End the loop once nothing runs in it."""
    loop.run(asyncio.sleep(0))
    loop.close()

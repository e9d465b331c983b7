"""What a desk, a ward and a bank do over HTTP with one open visit: the words of the flows of a day."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from billing.core.actor import Role
from billing.core.clock import business_date
from tests.bank_messages import PAYER, bank_message
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.flow import assert_books_are_right
from tests.flows.views import assert_views_agree
from tests.web.live_visit import header, item
from tests.web.site import Site, key_of

_HEAD = (Role.HEAD_CASHIER, Role.FINANCE, Role.ADMINISTRATOR)


@dataclass(slots=True)
class Day:
    """A desk with an open shift; `cashier` is the hospital's key, `head` acts for another person."""

    site: Site
    head: dict[str, str]
    desk_id: str
    shift_id: str
    transactions: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    headers: dict[str, dict[str, object]] = field(default_factory=dict)
    visit_ids: set[str] = field(default_factory=set)

    async def send(self, method: str, path: str, body: object = None, *, by: str = "cashier") -> Any:
        """The document of an answer that must succeed."""
        answer = await self.call(method, path, body, by=by)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def call(self, method: str, path: str, body: object = None, *, by: str = "cashier") -> httpx.Response:
        headers = self.head if by == "head" else None
        return await self.site.client.request(method, f"/v1{path}", json=body, headers=headers)

    async def admit(self, ma_lk: str, **changes: object) -> str:
        """Open a visit, or send its header with these changes in the next version; returns its id."""
        version = self.versions[ma_lk] = self.versions.get(ma_lk, 0) + 1
        facts = self.headers[ma_lk] = {**self.headers.get(ma_lk, {}), **changes}
        document = await self.send("PUT", f"/facilities/{FACILITY_CODE}/visits/{ma_lk}", header(version, **facts))
        visit_id: str = document["id"]
        self.visit_ids.add(visit_id)
        return visit_id

    async def order(self, ma_lk: str, line: str, price: int, *, slip: str, **changes: object) -> None:
        """Order a service, or send its line again in the next version."""
        key = f"{ma_lk}/{line}"
        version = self.versions[key] = self.versions.get(key, 0) + 1
        body = {"version": version, "order_number": slip, "item": item(f"Dịch vụ {line}", str(price)), **changes}
        await self.send("PUT", f"/facilities/{FACILITY_CODE}/visits/{ma_lk}/charges/{line}", body)

    async def account(self, visit_id: str) -> dict[str, Any]:
        """The account of a visit."""
        document: dict[str, Any] = await self.send("GET", f"/visits/{visit_id}/account")
        return document

    async def states(self, visit_id: str) -> dict[str, str]:
        """The state of each charge item."""
        return {charge["line"]: charge["state"] for charge in (await self.account(visit_id))["charges"]}

    async def tick(self, visit_id: str, *lines: str) -> dict[str, Any]:
        """Request the patient amounts of order lines."""
        document: dict[str, Any] = await self.send(
            "POST", f"/visits/{visit_id}/deposit-requests", {"lines": list(lines)}
        )
        return document

    async def code(self, **target: object) -> str:
        """The reference code of a new QR for a request, a standing deposit or invoices."""
        intent = await self.send("POST", "/intents", {"account": ACCOUNT_NAME, **target})
        code: str = intent["reference_code"]
        return code

    async def transfer(self, text: str, amount: int) -> None:
        """The bank reports a transfer with a text, which names a code or does not."""
        self.transactions += 1
        await self.report(f"SB{self.transactions:014d}", text, amount, payer=PAYER)

    async def report(self, transaction: str, text: str, amount: int, **changes: object) -> None:
        """The bank reports a movement; a change named after a field of its message changes it."""
        settings, now = self.site.hospital.settings, self.site.context.clock()
        answer = await self.site.bank().deliver(bank_message(settings, transaction, amount, text, at=now, **changes))
        assert answer.status == 200, answer

    async def collect(self, visit_id: str, *parts: dict[str, Any], **target: object) -> dict[str, Any]:
        """Take money at the desk; returns the receipt."""
        document: dict[str, Any] = await self.send(
            "POST", f"/visits/{visit_id}/collections", {**target, "parts": list(parts)}
        )
        return document

    async def is_cleared(self, slip: str) -> bool:
        """Whether an order may be performed."""
        found = await self.send("GET", f"/facilities/{FACILITY_CODE}/orders/{slip}/clearance")
        return bool(found["is_cleared"])

    async def discharge(self, ma_lk: str, visit_id: str) -> dict[str, Any]:
        """State the discharge and issue the final bill."""
        await self.admit(ma_lk, NGAY_RA="202611021700")
        document: dict[str, Any] = await self.send("POST", f"/visits/{visit_id}/final-bill", {})
        return document

    async def bill(self, visit_id: str) -> dict[str, Any]:
        """What the final bill would collect or return now."""
        document: dict[str, Any] = await self.send("GET", f"/visits/{visit_id}/final-bill")
        return document

    async def owe(self, visit_id: str, liable: str, *, reason: str) -> None:
        """Agree that what is owed at discharge is paid within 30 days."""
        due = business_date(self.site.context.clock()) + timedelta(days=30)
        debt = {"due_on": due.isoformat(), "reason": reason, "guarantor": {"name": liable}}
        await self.send("POST", f"/visits/{visit_id}/debts", debt)

    async def override(self, visit_id: str, kind: str, *, reason: str) -> None:
        """The head cashier overrides the blockers of a kind."""
        found = await self.send("GET", f"/visits/{visit_id}/discharge-clearance")
        for blocker in found["blockers"]:
            if blocker["kind"] == kind:
                body = {"kind": kind, "line": blocker["line"], "reason": reason}
                await self.send("POST", f"/visits/{visit_id}/discharge-overrides", body, by="head")

    async def refund(self, visit_id: str, amount: int, *, way: str, **facts: object) -> dict[str, Any]:
        """Request a refund of a visit; another person approves it."""
        body = {"visit_id": visit_id, "amount": amount, "way": way, "reason": "hoàn tiền thừa", **facts}
        refund: dict[str, Any] = await self.send("POST", "/refunds", body)
        waiting = await self.send("GET", "/approvals?kind=refund&state=proposed", by="head")
        for proposal in waiting["items"]:
            await self.send("POST", f"/approvals/{proposal['id']}/approve", {}, by="head")
        return refund

    async def bank_account_id(self) -> str:
        """The bank account of the hospital."""
        [row] = await self.site.as_owner("SELECT id FROM bank_account WHERE organization_id = 1 LIMIT 1")
        return str(row["id"])

    async def perform(self, ma_lk: str, line: str, price: int, *, slip: str) -> None:
        """The room performs an order."""
        await self.order(ma_lk, line, price, slip=slip, state="performed")

    async def reserve_paper(self, count: int) -> dict[str, Any]:
        """Reserve numbers for paper receipts."""
        document: dict[str, Any] = await self.send("POST", "/receipt-blocks", {"desk_id": self.desk_id, "count": count})
        return document

    async def balances(self) -> dict[str, int]:
        """The balances of the ledger that are not 0, by role."""
        sums: dict[str, int] = {}
        for row in (await self.send("GET", "/ledger/balances", by="head"))["accounts"]:
            role = row["account"]["role"]
            sums[role] = sums.get(role, 0) + row["balance"]
        return {role: amount for role, amount in sums.items() if amount}

    async def check(self) -> None:
        """Every check of the books holds, and every view of the visits sums equally."""
        await assert_books_are_right(self.site.context.database)
        await assert_views_agree(self.site, self.visit_ids, self.shift_id)


def cash(amount: int) -> dict[str, Any]:
    """A cash part of a collection."""
    return {"method": "cash", "amount": amount}


async def open_day(site: Site) -> Day:
    """Add a desk and open a shift with an empty drawer."""
    head = await key_of(site, *_HEAD)
    desk = await site.client.post("/v1/desks", json={"facility_code": FACILITY_CODE, "name": "Quầy 1"}, headers=head)
    assert desk.is_success, desk.text
    shift = await site.client.post("/v1/shifts", json={"desk_id": desk.json()["id"], "opening_float": 0})
    assert shift.is_success, shift.text
    return Day(site=site, head=head, desk_id=desk.json()["id"], shift_id=shift.json()["id"])

"""Cashiers who never give up: each repeats a request under its key until the answer is clear, and writes down what was
answered. The checks afterwards compare this record with the database.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import aiohttp

from tests.bench.stock import Stock
from tests.builders import DemoHospital, service_line, set_refund_limit
from tests.web.live_visit import header, without_stt

_ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=8)
_PAUSE_MAX_S = 0.3
_UNCLEAR = frozenset({502, 503, 504})
_FLOAT = 1_000_000
_GUARANTEED = 20_000
_PAYER = "Công ty May"


@dataclass(slots=True)
class DeskVisit:
    """What was answered about one visit, in đồng."""

    organization: int
    id: str
    receipts: list[int] = field(default_factory=list)
    refunds: list[int] = field(default_factory=list)
    lines: int = 0
    requests: int = 0
    final_bills: int = 0
    guaranteed: int = 0
    paid_by_payer: int = 0
    is_finished: bool = False


@dataclass(slots=True)
class DeskRecord:
    """The visits of all desks, and how often requests were answered."""

    visits: list[DeskVisit] = field(default_factory=list)
    desks: dict[int, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)


class Refusal(Exception):
    """A clear answer that no cashier expects here."""


class Desks:
    """One cashier for each organization, over HTTP."""

    def __init__(self, address: str, stock: Stock, random: Random) -> None:
        self._address = address
        self._stock = stock
        self._random = random
        self._numbers = count(1)
        self.record = DeskRecord()

    async def open(self) -> None:
        """Set up a desk with an open shift for each organization; refunds need no second person."""
        connection = await self._stock.connect()
        try:
            await connection.execute(set_refund_limit(1_000_000_000))
        finally:
            await connection.close()
        async with self._session() as session:
            for hospital in self._stock.hospitals:
                cashier = _Cashier(self, session, hospital)
                desk = await cashier.create("/desks", {"facility_code": hospital.facility_code, "name": "Quầy 1"})
                shift = {"desk_id": desk["id"], "opening_float": _FLOAT, "issued_float": _FLOAT}
                await cashier.create("/shifts", shift)
                self.record.desks[int(hospital.organization_id)] = desk["id"]

    async def serve(self, visits: int, *, timeout_s: float) -> None:
        """Each cashier takes so many visits from their opening to their final bill. Raises TimeoutError."""
        async with self._session() as session, asyncio.timeout(timeout_s):
            cashiers = [_Cashier(self, session, hospital) for hospital in self._stock.hospitals]
            await asyncio.gather(*(cashier.serve(visits) for cashier in cashiers))

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(self._address, timeout=_ANSWER_TIMEOUT)

    def number(self) -> int:
        """A number that no other visit or key has."""
        return next(self._numbers)

    def choose(self, things: Sequence[int]) -> int:
        return self._random.choice(things)

    def pause_s(self) -> float:
        return self._random.uniform(0, _PAUSE_MAX_S)


class _Cashier:
    """The cashier of one organization."""

    def __init__(self, desks: Desks, session: aiohttp.ClientSession, hospital: DemoHospital) -> None:
        self._desks, self._session, self._hospital = desks, session, hospital
        self._record = desks.record

    async def serve(self, visits: int) -> None:
        for _ in range(visits):
            try:
                await self._visit()
            except Refusal as refusal:
                self._record.wrongs.append(f"the desk was refused: {refusal}")

    async def _visit(self) -> None:
        """A visit with two or three lines, a request, an advance, a refund of a part of it, and its final bill.

        Some have a guarantee, which its payer pays, or are opened again and billed once more.
        """
        choose = self._desks.choose
        path = f"/facilities/{self._hospital.facility_code}/visits/LK-DESK-{self._desks.number()}"
        account = await self._send("PUT", path, header(1, NGAY_RA="202611021700"))
        visit = DeskVisit(int(self._hospital.organization_id), account["id"])
        self._record.visits.append(visit)
        lines = ["A", "B", "C"][: choose([2, 3])]
        for line in lines:
            price = 450_000 if line == "A" else choose([150_000, 333_333])  # above the line of 15 % the patient pays
            item = without_stt(service_line(1, name=f"Dịch vụ {line}", group=1, price=str(price)))
            await self._send("PUT", f"{path}/charges/{line}", {"version": 1, "state": "performed", "item": item})
            visit.lines += 1
        of_visit = f"/visits/{visit.id}"
        request = await self.create(f"{of_visit}/deposit-requests", {"lines": lines})
        visit.requests += 1
        await self._collect(visit, request["amount"], {"deposit_request_id": request["id"]})
        advance = choose([30_000, 70_000])
        await self._collect(visit, advance, {"amount": advance})
        await self._refund(visit, choose([0, 10_000, advance]))
        guarantee_id = await self._guarantee(visit) if choose([0, 1]) else None
        bill = await self._bill(visit)
        if guarantee_id is not None:
            await self._pay_guarantee(visit, guarantee_id, choose([0, 5_000]))
        if choose([0, 0, 1]):
            await self._reopen(visit)
            bill = await self._bill(visit)
        await self._refund(visit, min(bill["credit"], choose([0, 20_000, advance])))
        visit.is_finished = True

    async def _bill(self, visit: DeskVisit) -> dict[str, Any]:
        bill = await self.create(f"/visits/{visit.id}/final-bill", {})
        visit.final_bills += 1
        return bill

    async def _guarantee(self, visit: DeskVisit) -> str:
        """A payer guarantees a part. Confirming has no key: a repeated one that is refused has been done before."""
        body = {"payer": _PAYER, "reference": f"BL-{self._desks.number()}", "limit": _GUARANTEED}
        made = await self.create(f"/visits/{visit.id}/guarantees", body)
        try:
            await self._send("POST", f"/guarantees/{made['id']}/confirm", {"amount": _GUARANTEED})
        except Refusal:
            [listed] = (await self._send("GET", f"/visits/{visit.id}/guarantees", None))["items"]
            if listed["state"] != "confirmed":
                raise
        visit.guaranteed = _GUARANTEED
        guarantee_id: str = made["id"]
        return guarantee_id

    async def _pay_guarantee(self, visit: DeskVisit, guarantee_id: str, surplus: int) -> None:
        amount = _GUARANTEED + surplus
        body = {
            "payer": _PAYER,
            "guarantee_ids": [guarantee_id],
            "parts": [{"method": "cash", "amount": amount}],
        }
        receipt = await self.create("/guarantee-payments", body)
        visit.paid_by_payer = receipt["amount"]

    async def _reopen(self, visit: DeskVisit) -> None:
        """Reopening has no key: a repeated one that is refused has been done before."""
        try:
            await self._send("POST", f"/visits/{visit.id}/reopen", {"reason": "bổ sung hồ sơ"})
        except Refusal:
            if (await self._send("GET", f"/visits/{visit.id}/final-bill", None))["state"] != "open":
                raise

    async def _collect(self, visit: DeskVisit, amount: int, target: dict[str, Any]) -> None:
        body = {**target, "parts": [{"method": "cash", "amount": amount}]}
        receipt = await self.create(f"/visits/{visit.id}/collections", body)
        visit.receipts.append(receipt["amount"])

    async def _refund(self, visit: DeskVisit, amount: int) -> None:
        """Return cash. Sending has no key: a repeated one that is refused as done has been done before."""
        if not amount:
            return
        body = {"visit_id": visit.id, "amount": amount, "way": "cash", "reason": "hoàn tạm ứng"}
        refund = await self.create("/refunds", body)
        try:
            await self._send("POST", f"/refunds/{refund['id']}/send", {})
        except Refusal:
            if (await self._send("GET", f"/refunds/{refund['id']}", None))["state"] != "done":
                raise
        visit.refunds.append(amount)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create something under one key."""
        return await self._send("POST", path, body, key=f"desk-{self._desks.number()}")

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, *, key: str = "") -> dict[str, Any]:
        """Send a request until its answer is clear. Raises Refusal."""
        headers = {**self._hospital.authorization, **({"Idempotency-Key": key} if key else {})}
        while True:
            try:
                async with self._session.request(method, f"/v1{path}", json=body, headers=headers) as answer:
                    status, document = answer.status, await answer.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self._record.answers[type(error).__name__] += 1
                await asyncio.sleep(self._desks.pause_s())
                continue
            self._record.answers[str(status)] += 1
            if status < 400:
                return dict(document)
            if status not in _UNCLEAR and document.get("code") != "request_still_running":
                raise Refusal(f"{method} {path}: {status} {document.get('code')}: {document.get('detail')}")
            await asyncio.sleep(self._desks.pause_s())


_FOUND = """
    SELECT account.visit_id::text AS id, account.organization_id,
        (SELECT coalesce(array_agg(amount ORDER BY number), '{}') FROM receipt
            WHERE receipt.organization_id = account.organization_id AND receipt.visit_id = account.visit_id
            AND direction = 'in' AND state = 'valid') AS receipts,
        (SELECT coalesce(array_agg(amount ORDER BY number), '{}') FROM receipt
            WHERE receipt.organization_id = account.organization_id AND receipt.visit_id = account.visit_id
            AND direction = 'out') AS refunds,
        (SELECT count(*) FROM refund WHERE refund.organization_id = account.organization_id
            AND refund.visit_id = account.visit_id) AS refunds_requested,
        (SELECT count(*) FROM charge_item WHERE charge_item.organization_id = account.organization_id
            AND charge_item.visit_id = account.visit_id) AS lines,
        (SELECT count(*) FROM deposit_request AS request JOIN deposit
            ON deposit.organization_id = request.organization_id AND deposit.id = request.deposit_id
            WHERE deposit.organization_id = account.organization_id
            AND deposit.visit_id = account.visit_id) AS requests,
        (SELECT count(*) FROM final_bill WHERE final_bill.organization_id = account.organization_id
            AND final_bill.visit_id = account.visit_id) AS final_bills,
        (SELECT coalesce(sum(paid), 0)::bigint FROM guarantee_receivable AS receivable
            WHERE receivable.organization_id = account.organization_id AND receivable.visit_id = account.visit_id
            AND receivable.owed = 0) AS guaranteed,
        (SELECT coalesce(sum(CASE WHEN posting.debit_account_id = ledger_account.id THEN posting.amount
            ELSE -posting.amount END), 0) FROM posting JOIN ledger_account
            ON ledger_account.organization_id = account.organization_id
            AND ledger_account.id IN (posting.debit_account_id, posting.credit_account_id)
            WHERE posting.organization_id = account.organization_id AND posting.visit_id = account.visit_id
            AND ledger_account.role = 'cash_drawer') AS drawer
    FROM visit_account AS account
"""

_DRAWERS = """
    SELECT account.organization_id, sum(CASE WHEN posting.debit_account_id = account.id THEN posting.amount
        ELSE -posting.amount END)::bigint AS cash
    FROM ledger_account AS account
    JOIN posting ON posting.organization_id = account.organization_id
        AND account.id IN (posting.debit_account_id, posting.credit_account_id)
    WHERE account.role = 'cash_drawer' GROUP BY account.organization_id
"""


async def find_desk_wrongs(stock: Stock, record: DeskRecord) -> list[str]:
    """Where the database has more, less or other things than the desks were answered."""
    connection = await stock.connect()
    try:
        found = {row["id"]: dict(row) for row in await connection.fetch(_FOUND)}
        drawers = {row["organization_id"]: row["cash"] for row in await connection.fetch(_DRAWERS)}
    finally:
        await connection.close()
    wrongs = list(record.wrongs)
    expected_cash = dict.fromkeys(record.desks, _FLOAT)
    for visit in record.visits:
        expected_cash[visit.organization] += sum(visit.receipts) + visit.paid_by_payer - sum(visit.refunds)
        row = found.pop(visit.id, None)
        expected = {
            "id": visit.id,
            "organization_id": visit.organization,
            "receipts": visit.receipts,
            "refunds": visit.refunds,
            "refunds_requested": len(visit.refunds),
            "lines": visit.lines,
            "requests": visit.requests,
            "final_bills": visit.final_bills,
            "guaranteed": visit.guaranteed,
            "drawer": sum(visit.receipts) - sum(visit.refunds),
        }
        if row != expected:
            wrongs.append(f"the desk was answered {expected}, the database has {row}")
        if not visit.is_finished:
            wrongs.append(f"visit {visit.id} was not finished")
    wrongs += [f"visit {visit_id} is of no desk" for visit_id in found]
    if drawers != expected_cash:
        wrongs.append(f"the desks have {expected_cash} in their drawers, the ledger {drawers}")
    return wrongs

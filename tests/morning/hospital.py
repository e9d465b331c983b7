"""The hospital's other systems: the HIS that sends visits, and the rooms that wait for the clearance."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe
from time import perf_counter
from typing import Any, Self

import aiohttp
from aiohttp import web

from billing.core.clock import VIETNAM
from billing.db.context import utc_now
from tests.builders import FACILITY_CODE, DemoHospital
from tests.morning.plan import Patient, Service
from tests.morning.record import Record

_VISITS = f"/v1/facilities/{FACILITY_CODE}/visits"
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_READ_AGAIN_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The running service, and the roles with which its database is set up and read."""

    address: str
    hospital: DemoHospital
    owner_url: str
    app_url: str


class Hospital:
    """The programs of the hospital, over the HTTP API. A context manager."""

    def __init__(self, place: Place) -> None:
        self._session = aiohttp.ClientSession(place.address, headers=place.hospital.authorization, timeout=_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request that must succeed; returns the document of the answer."""
        headers = {"Idempotency-Key": token_urlsafe(18)} if method == "POST" else {}
        async with self._session.request(method, path, json=body, headers=headers) as answer:
            assert answer.status < 300, f"{method} {path}: {answer.status} {await answer.text()}"
            return await answer.json()

    async def admit(self, patient: Patient) -> str:
        """Send a visit with its orders; returns its id."""
        at = utc_now()
        address = f"{_VISITS}/{patient.ma_lk}"
        account = await self.send("PUT", address, _header(patient, at))
        charges = [{"line": each.line, **_charge(each, at)} for each in patient.services]
        await self.send("POST", f"{address}/charges", {"charges": charges})
        visit_id: str = account["id"]
        return visit_id

    async def is_cleared(self, order: str) -> bool:
        """Whether a room may perform an order now."""
        answer = await self.send("GET", f"/v1/facilities/{FACILITY_CODE}/orders/{order}/clearance")
        return bool(answer["is_cleared"])

    async def all_cleared(self, patient: Patient) -> bool:
        """Whether the rooms may perform every order of a patient."""
        return all([await self.is_cleared(each) for each in patient.orders])

    async def wait_cleared(self, patient: Patient, *, limit_s: float) -> float | None:
        """The time when every order was seen to be cleared; None where it is not within the limit."""
        ends_at = perf_counter() + limit_s
        waiting = list(patient.orders)
        while waiting:
            if await self.is_cleared(waiting[-1]):
                waiting.pop()
            elif perf_counter() > ends_at:
                return None
            else:
                await asyncio.sleep(_READ_AGAIN_S)
        return perf_counter()


def _header(patient: Patient, at: datetime) -> dict[str, Any]:
    valid = {"valid_from": f"{at:%Y}-01-01", "valid_to": f"{at:%Y}-12-31"}
    card = {"code": f"DN479{patient.citizen[-10:]}", **valid}
    return {
        "version": 1,
        "MA_LOAI_KCB": "01",
        "MA_DOITUONG_KCB": "1.1" if patient.is_insured else "9",
        "NGAY_VAO": f"{at.astimezone(VIETNAM):%Y%m%d%H%M}",
        "cards": [card] if patient.is_insured else [],
        "patient": {
            "HO_TEN": patient.name,
            "NGAY_SINH": patient.born,
            "GIOI_TINH": patient.sex,
            "SO_CCCD": patient.citizen,
        },
    }


def _charge(service: Service, at: datetime) -> dict[str, Any]:
    return {
        "version": 1,
        "order_number": service.order,
        "department": service.department,
        "item": {
            "table": "XML3",
            "name": service.name,
            "MA_NHOM": str(service.group),
            "PHAM_VI": "1",
            "SO_LUONG": "1",
            "DON_GIA_BV": str(service.price),
            "DON_GIA_BH": str(service.price),
            "TYLE_TT_DV": "100",
            "TYLE_TT_BH": "100",
            "MA_KHOA": service.department,
            "NGAY_YL": f"{at.astimezone(VIETNAM):%Y%m%d%H%M}",
        },
    }


@asynccontextmanager
async def listening_rooms(record: Record) -> AsyncIterator[str]:
    """The endpoint of the rooms' system for outgoing messages; yields its address."""

    async def take(request: web.Request) -> web.Response:
        message = json.loads(await request.read())
        if message["type"] == "charge.cleared":
            record.note_message(message["data"]["visit_id"], message["data"]["order_number"])
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()

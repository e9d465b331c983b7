"""The morning of the demo hospital: open visits with ordered charges, and more of them arriving while it runs.

Everything is sent over HTTP, as a hospital information system does. Persons, cards and amounts are invented.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import httpx

from billing.core.clock import VIETNAM
from billing.db.context import Clock

FACILITY = "01001"
_VISITS = f"/v1/facilities/{FACILITY}/visits"
_FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Lý", "Vàng", "Lò", "Hà", "Ngô")
_MIDDLE = ("Văn", "Thị", "Thanh", "Minh", "Ngọc", "Quang", "Hữu", "Kim")
_GIVEN = ("An", "Bích", "Cường", "Dung", "Hạnh", "Hoa", "Khải", "Lan", "Mận", "Nam", "Phước", "Sen", "Tuyền", "Xuân")
_CARD_DIGITS = ("DN4", "HT3", "GD4", "TE1", "CN3")
_MINUTE = timedelta(minutes=1)
_ARRIVAL_S = 25.0


@dataclass(frozen=True, slots=True)
class Slip:
    """An order slip: number, name, department and (name, MA_NHOM, price in đồng) of its services."""

    number: str
    department: str
    services: tuple[tuple[str, int, int], ...]


_SLIPS = (
    Slip("KB", "K01", (("Khám Nội", 13, 50_600),)),
    Slip("XN", "K31", (("Tổng phân tích tế bào máu", 1, 49_700), ("Định lượng Glucose máu", 1, 22_400))),
    Slip("XQ", "K33", (("Chụp X-quang ngực thẳng", 2, 73_300),)),
    Slip("SA", "K33", (("Siêu âm ổ bụng", 2, 58_600),)),
    Slip("DT", "K33", (("Điện tim thường", 3, 39_900),)),
    Slip("CT", "K33", (("Chụp CLVT sọ não", 2, 663_400),)),
    Slip("NS", "K35", (("Nội soi dạ dày", 8, 415_000),)),
)


class Morning:
    """The hospital's side of the day. `client` holds a key with the role integrator."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, random: Random) -> None:
        self._client = client
        self._clock = clock
        self._random = random
        self._number = 0
        self._open: list[str] = []

    async def begin(self, visits: int) -> None:
        """Send the visits of the morning: each with an examination and one to three order slips."""
        for place in range(visits):
            await self.admit(self._clock() - _MINUTE * (visits - place) * 4)

    async def admit(self, at: datetime | None = None) -> str:
        """One more patient with orders; returns the visit's code."""
        self._number += 1
        at = at or self._clock()
        ma_lk = f"LK{at.astimezone(VIETNAM):%y}-{1000 + self._number}"
        await self._put(f"{_VISITS}/{ma_lk}", self._header(at))
        slips = [_SLIPS[0], *self._random.sample(_SLIPS[1:], self._random.choice((2, 2, 3, 4)))]
        for slip in slips:
            await self._order(ma_lk, slip, at)
        self._open.append(ma_lk)
        return ma_lk

    async def arrive(self, stop: asyncio.Event) -> None:
        """Until the end: every half a minute another patient, or another order of a patient who is there."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _ARRIVAL_S)
                return
            with suppress(httpx.HTTPError):  # A visit may have been closed meanwhile; the next message follows.
                if self._random.random() < 0.5:
                    await self.admit()
                else:
                    slip = self._random.choice(_SLIPS[1:])
                    await self._order(self._random.choice(self._open), slip, self._clock())

    def _header(self, at: datetime) -> dict[str, Any]:
        year = self._random.choice((1941, 1958, 1967, 1979, 1985, 1993, 2001, 2021))
        has_card = self._random.random() < 0.6
        insured = f"{self._random.choice(_CARD_DIGITS)}79{self._random.randrange(10**10):010d}"
        valid = {"valid_from": f"{at:%Y}-01-01", "valid_to": f"{at:%Y}-12-31"}
        return {
            "version": 1,
            "MA_LOAI_KCB": "01",
            "MA_DOITUONG_KCB": "1.1" if has_card else "9",
            "NGAY_VAO": f"{at.astimezone(VIETNAM):%Y%m%d%H%M}",
            "cards": [{"code": insured, **valid}] if has_card else [],
            "patient": {
                "HO_TEN": " ".join(self._random.choice(part) for part in (_FAMILY, _MIDDLE, _GIVEN)),
                "NGAY_SINH": f"{year}{self._random.randrange(1, 13):02d}{self._random.randrange(1, 29):02d}",
                "GIOI_TINH": self._random.choice("12"),
                "SO_CCCD": f"0{self._random.randrange(10, 96)}{self._random.randrange(10**9):09d}",
            },
        }

    async def _order(self, ma_lk: str, slip: Slip, at: datetime) -> None:
        self._number += 1
        order = f"{slip.number}-{self._number}"
        for line, service in enumerate(slip.services, 1):
            await self._put(f"{_VISITS}/{ma_lk}/charges/{order}-{line}", _charge(slip, order, service, at))

    async def _put(self, path: str, body: Mapping[str, Any]) -> None:
        answer = await self._client.put(path, json=body)
        answer.raise_for_status()


def _charge(slip: Slip, order: str, service: tuple[str, int, int], at: datetime) -> dict[str, Any]:
    name, group, price = service
    return {
        "version": 1,
        "order_number": order,
        "department": slip.department,
        "item": {
            "table": "XML3",
            "name": name,
            "MA_NHOM": group,
            "PHAM_VI": "1",
            "SO_LUONG": "1",
            "DON_GIA_BV": str(price),
            "DON_GIA_BH": str(price),
            "TYLE_TT_DV": "100",
            "TYLE_TT_BH": "100",
            "MA_KHOA": slip.department,
            "NGAY_YL": f"{at.astimezone(VIETNAM):%Y%m%d%H%M}",
        },
    }

"""Screens that no person stands behind: the kiosk in its states, its paper, and the queue display."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
from playwright.async_api import Page

from billing.core.actor import Role
from billing.visit_accounts.domain.queue_ticket import QueueLine
from providers.sandbox.bank_simulator import Behaviour
from tests.browser.stage import BOARD, KIOSK, Shot, Stage
from tests.visit_accounts.ordered import order_visit
from tests.web.screens.test_kiosk import find
from tests.web.screens.test_queue import device, set_up, take


@dataclass(frozen=True, slots=True)
class Devices:
    """The key of the devices, and the address of the kiosk's page of a visit by its state."""

    key: str
    pages: dict[str, str]


async def prepare(stage: Stage) -> Devices:
    """Visits that wait, have paid a part and have paid; numbers of the queue, two of them called."""
    site, pages = stage.site, {}
    key = await device(site, Role.CASHIER)
    for line in (QueueLine.NORMAL, QueueLine.PRIORITY, *(QueueLine.NORMAL,) * 6):
        await take(site, line)
    await (await stage.staff(Role.CASHIER)).post("/desk/queue/next")
    async with set_up(site, key) as (client, _):
        for name, behaviour in (("waiting1", None), ("part1", Behaviour.SHORT), ("paid1", Behaviour.EXACT)):
            await order_visit(site.context, name)
            address = httpx.URL((await find(client, name, key=f"kiosk-{name}-00000001")).headers["Location"])
            intent = await site.read(f"/v1/intents/{address.params['code']}")
            if behaviour is not None:
                await site.bank().pay(intent["instruction"]["qr_payload"], behaviour)
            pages[name] = str(address.copy_set_param("until", "9999999999"))
    return Devices(key, pages)


async def _unknown(page: Page) -> None:
    await page.fill("#scan", "999999999999")
    await page.press("#scan", "Enter")
    await page.wait_for_selector(".state:not(:empty)")


async def _away(page: Page) -> None:
    await page.route("**/queue?*", lambda route: route.abort())
    await page.wait_for_selector("#away:not([hidden])")


def _of(name: str, screen: str = "visit") -> Callable[[Devices], str]:
    return lambda devices: devices.pages[name].replace("/visit", f"/{screen}")


def _key(devices: Devices) -> str:
    return devices.key


def _kiosk(name: str, path: str | Callable[[Devices], str]) -> Shot:
    return Shot(name=f"kiosk-{name}", role=None, path=path, size=KIOSK, device_key=_key)


SHOTS = (
    Shot(name="device", role=None, path="/device", size=KIOSK),
    _kiosk("start", "/kiosk"),
    Shot(name="kiosk-unknown", role=None, path="/kiosk", size=KIOSK, device_key=_key, act=_unknown),
    _kiosk("part", _of("part1")),
    _kiosk("paid", _of("paid1")),
    _kiosk("ticket", "/kiosk/ticket?number=A001"),
    _kiosk("slip", _of("part1", "slip")),
    Shot(name="queue", role=None, path="/queue", size=BOARD, device_key=_key),
    Shot(name="queue-away", role=None, path="/queue", size=BOARD, device_key=_key, act=_away, is_cut=True),
)

"""The cashier's desk and the customer display in every state."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.async_api import Page

from billing.core.actor import Role
from tests.browser.stage import BOARD, Shot, Stage
from tests.web.screens.desk_day import DeskDay, hidden
from tests.web.staff import location

LINES = ["L1", "L2"]


@dataclass(frozen=True, slots=True)
class Desk:
    """The addresses of visits by the state that they are in, and that of the customer display."""

    visits: dict[str, str]
    display: str


async def prepare(stage: Stage) -> Desk:
    """One visit for each state of the pay panel."""
    day = DeskDay(stage.site, await stage.staff(Role.CASHIER), stage.desk_id)
    await day.open_shift()
    found: dict[str, str] = {}
    names = ("unpaid", "waiting", "short", "over", "part", "paid", "again", "deposit", "covered", "warned")
    for number, name in enumerate(names, start=1):
        changes: dict[str, object] = {}
        if name == "warned":
            changes = {"is_provisional": True, "cards": [{"code": "DN4791234567890", "valid_from": "2026-01-01"}]}
        patient = {"HO_TEN": f"Nguyễn Văn Số {number}", "NGAY_SINH": f"19{30 + number}0312", "GIOI_TINH": "1"}
        visit_id = await day.visit(f"LK26-{number:04}", patient=patient, **changes)
        found[name] = f"/desk/visits/{visit_id}"
    for name, part, paid in (
        ("waiting", 100_000, 0),
        ("short", 100_000, 75_000),
        ("over", 100_000, 175_000),
        ("part", 60_000, 60_000),
    ):
        await day.staff.post(f"{found[name]}/code", due="100000", method="qr", part=str(part), line=LINES)
        if paid:
            await day.pay_code(paid)
    for name in ("paid", "again"):
        fields = {"due": "100000", "method": "cash", "given": "200.000", "line": LINES}
        key = hidden(await day.staff.page(found[name]), "idempotency_key")
        answer = await day.staff.post(f"{found[name]}/collect", key=key, **fields)
        if name == "again":
            answer = await day.staff.post(f"{found[name]}/collect", key=key, **fields)
        found[name] = location(answer)
    await day.staff.post(f"{found['deposit']}/standing-code")
    await day.staff.post(f"{found['covered']}/advance", amount="150000", method="cash")
    return Desk(found, f"/display/{stage.desk_id}")


def _of(name: str, query: str = "") -> Callable[[Desk], str]:
    return lambda desk: desk.visits[name] + query


async def _wrong_cash(page: Page) -> None:
    await page.locator("#given").fill("50.000")
    await page.locator("#given").press("Enter")
    await page.wait_for_selector(".errors")


async def _explained(page: Page) -> None:
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("g")
    await page.wait_for_selector("details[open]")


async def _server_away(page: Page) -> None:
    await page.route("**/desk/alive?refresh", lambda route: route.abort())
    await page.wait_for_selector("#server-away:not([hidden])")


async def _no_answer(page: Page) -> None:
    await page.route("**/collect", lambda route: route.abort())
    await page.click("#pay-form button[type=submit]")
    await page.wait_for_selector("#no-answer:not([hidden])")


async def _other_letters(page: Page) -> None:
    await page.fill("#key-cash", "v")
    await page.press("#key-cash", "Tab")
    await page.wait_for_selector("#keys-kept:not([hidden])")


async def _same_letter(page: Page) -> None:
    await page.fill("#key-cash", "q")
    await page.press("#key-cash", "Tab")
    await page.wait_for_selector("#keys-wrong:not([hidden])")


SHOTS = (
    Shot(name="cashier-idle", role=Role.CASHIER, path="/desk"),
    Shot(name="cashier-search", role=Role.CASHIER, path="/desk/find?q=Nguy%E1%BB%85n"),
    Shot(name="cashier-nothing-found", role=Role.CASHIER, path="/desk/find?q=khong"),
    Shot(name="cashier-unpaid", role=Role.CASHIER, path=_of("unpaid")),
    Shot(name="cashier-explained", role=Role.CASHIER, path=_of("unpaid"), act=_explained),
    Shot(name="cashier-warned", role=Role.CASHIER, path=_of("warned")),
    Shot(name="cashier-qr", role=Role.CASHIER, path=_of("unpaid", "?method=qr")),
    Shot(name="cashier-card", role=Role.CASHIER, path=_of("unpaid", "?method=card")),
    Shot(name="cashier-several", role=Role.CASHIER, path=_of("unpaid", "?method=mixed")),
    Shot(name="cashier-refused", role=Role.CASHIER, path=_of("unpaid"), act=_wrong_cash),
    Shot(name="cashier-waiting", role=Role.CASHIER, path=_of("waiting")),
    Shot(name="customer-display", role=Role.CASHIER, path=lambda desk: desk.display),
    Shot(name="cashier-short", role=Role.CASHIER, path=_of("short")),
    Shot(name="cashier-over", role=Role.CASHIER, path=_of("over")),
    Shot(name="cashier-part", role=Role.CASHIER, path=_of("part")),
    Shot(name="cashier-paid", role=Role.CASHIER, path=_of("paid")),
    Shot(name="customer-display-paid", role=Role.CASHIER, path=lambda desk: desk.display),
    Shot(name="cashier-again", role=Role.CASHIER, path=_of("again")),
    Shot(name="cashier-deposit", role=Role.CASHIER, path=_of("deposit", "/deposit")),
    Shot(name="cashier-covered", role=Role.CASHIER, path=_of("covered", "?chosen=1&line=L1&line=L2")),
    Shot(name="cashier-server-away", role=Role.CASHIER, path=_of("unpaid"), act=_server_away),
    Shot(name="cashier-no-answer", role=Role.CASHIER, path=_of("unpaid"), act=_no_answer, is_cut=True),
    Shot(name="cashier-paper", role=Role.CASHIER, path="/desk/paper"),
    Shot(name="cashier-keys", role=Role.CASHIER, path="/desk/keys"),
    Shot(name="cashier-keys-changed", role=Role.CASHIER, path="/desk/keys", act=_other_letters),
    Shot(name="cashier-keys-refused", role=Role.CASHIER, path="/desk/keys", act=_same_letter),
    Shot(name="cashier-wide", role=Role.CASHIER, path=_of("unpaid"), size=BOARD),
    Shot(name="cashier-narrow", role=Role.CASHIER, path=_of("unpaid"), size=(400, 800)),
)

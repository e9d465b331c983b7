"""Pages of the shift, receipts, money back and discharge: one morning of a cashier, state after state."""

from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.async_api import Page

from billing.core.actor import Role
from billing.organizations.service.passwords import Passwords
from tests.browser.stage import Shot, Stage
from tests.visit_accounts.accounts import open_visit
from tests.web.screens.live import LiveVisit, live_visit
from tests.web.screens.morning import PIN, Morning, client_of
from tests.web.screens.test_moved_receipts import other_shift

_LINE = "/desk/visits/{id}/refund?line=XML3-3"
_STATEMENT = "/print/visits/{id}/statement"
_CONFIRMATION = "/desk/find-money?visit={id}&reference=FT26331999552"
CASHIER, HEAD, TREASURER = Role.CASHIER, Role.HEAD_CASHIER, Role.TREASURER


@dataclass
class Day:
    """What the morning has made so far; paths of later pages are read from it."""

    morning: Morning
    visits: dict[str, LiveVisit] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


_days: list[Day] = []


async def prepare(stage: Stage) -> Day:
    """The persons of the morning; the head cashier has a PIN."""
    cashier, head, treasurer = [await stage.staff(role) for role in (CASHIER, HEAD, TREASURER)]
    pin = await Passwords(time_cost=1, memory_kib=64).hash(PIN)
    await stage.site.as_owner("UPDATE sign_in_account SET pin_hash = $1 WHERE person_id = $2", pin, head.person_id)
    other = await stage.stack.enter_async_context(other_shift(stage.site))
    client = await stage.stack.enter_async_context(client_of(stage.site, "Lê Thị Hoa"))
    visit = await open_visit(stage.site.context)
    day = Day(Morning(stage.site, cashier, head, treasurer, visit, client))
    day.ids["other_shift"] = other
    _days[:] = [day]
    return day


async def _open_wrongly(page: Page) -> None:
    await page.fill("#n100000", "10")
    await page.click("button.primary")


async def _open(page: Page) -> None:
    await page.fill("#n100000", "10")
    await page.fill("#issued_float", "1.000.000")
    await page.click("button.primary")
    await page.wait_for_selector("text=Ca của tôi")


async def _take(page: Page) -> None:
    """A morning's receipts: cash with change, a line visit that is refunded, an advance that is billed."""
    day = _days[0]
    first = await day.morning.take(150_000, tendered=200_000)
    day.ids["receipt"] = first["id"]
    day.ids["other"] = (await day.morning.take(48_500))["id"]
    await day.morning.cashier.post(f"/receipts/{first['id']}/copies/80mm")
    await day.morning.cashier.post(f"/receipts/{first['id']}/copies/80mm")
    day.visits["refund"] = await live_visit(day.morning, "LK26-104288")
    paid = await day.visits["refund"].collect("XML3-1", "XML3-2", "XML3-3", "XML2-1")
    day.ids["slips"] = paid["id"]
    day.ids["token"] = paid["printed"]["token"]
    day.visits["bill"] = await live_visit(day.morning, "LK26-104290", state="performed")
    waiting = await live_visit(day.morning, "LK26-104291")
    day.visits["waiting"] = waiting
    fields = {"due": "20000", "method": "qr", "line": ["XML3-3"]}
    await day.morning.cashier.post(f"/desk/visits/{waiting.id}/code", **fields)
    day.ids["wrong_shift"] = (await day.morning.take(30_000))["id"]
    shift_id = await day.morning.shift_id()
    day.ids["shift"] = shift_id
    await day.morning.cashier.post("/shift/hand-overs", shift_id=shift_id, hand_over_amount="500000", notes="nộp bớt")
    await page.reload()


async def _void_wrongly(page: Page) -> None:
    await page.fill("#void_reason", "nhầm người bệnh")
    await page.fill("#second_secret", "111111")
    await page.click("button.stop")


async def _confirm(page: Page) -> None:
    await page.click("details:has([name=confirm_reason]) > summary")


async def _confirm_wrongly(page: Page) -> None:
    await _confirm(page)
    await page.fill("#confirm_reason", "nội soi cấp, người nhà đã ra về")
    await page.fill("#second_secret", "111111")
    await page.click("form[action$='/confirm-here'] button")
    await page.wait_for_selector(".errors")


async def _move(page: Page) -> None:
    await page.select_option("[name=shift_id]", _days[0].ids["other_shift"])
    await page.fill("#move_reason", "lập nhầm quầy")
    await page.click("form[action$='/move'] button")
    await page.wait_for_url("**moved**")


async def _count(page: Page) -> None:
    for note, number in (("500000", 1), ("200000", 2), ("50000", 1), ("10000", 1), ("2000", 2), ("500", 1)):
        await page.fill(f"#n{note}", str(number))
    await page.press("#n500", "Tab")
    await page.wait_for_selector("#notes-saved:not(:empty)")


async def _finish_count(page: Page) -> None:
    await _count(page)
    await page.click("button.primary")
    await page.wait_for_selector("text=Phiếu không tiền mặt")


async def _tick(page: Page) -> None:
    await page.click("button.primary")
    await page.wait_for_selector("text=Ký chốt ca")


async def _sign(page: Page) -> None:
    await page.select_option("#reason", index=3)
    await page.fill("#notes", "xem lại phiếu sáng")
    await page.fill("#second_secret", PIN)
    await page.click("button.big.primary")
    await page.wait_for_selector("text=Biên bản chốt ca")


async def _refund(page: Page) -> None:
    await page.fill("#room", "Phòng xét nghiệm: KTV Lan")
    await page.click("aside button.primary.big")
    await page.wait_for_selector("text=Đã ghi yêu cầu hoàn")
    [row] = await _days[0].morning.site.as_owner("SELECT id FROM refund ORDER BY id DESC LIMIT 1")
    _days[0].ids["refund"] = str(row["id"])


async def _approve(page: Page) -> None:
    await page.fill("#second_secret", PIN)
    await page.click("button.primary.big")
    await page.wait_for_selector("text=Trả 20.000")


async def _pay(page: Page) -> None:
    await page.click("button.primary.big")
    await page.wait_for_selector("ol.steps li.done:nth-child(3)")


async def _advance(page: Page) -> None:
    await _days[0].visits["bill"].advance(200_000)
    await page.reload()


async def _bill(page: Page) -> None:
    await page.click("aside form button")
    await page.wait_for_selector("text=Đã ghi yêu cầu hoàn")


def _visit(name: str, pattern: str) -> Callable[[Day], str]:
    return lambda day: pattern.format(id=day.visits[name].id)


def _of(pattern: str) -> Callable[[Day], str]:
    return lambda day: pattern.format(**day.ids)


SHOTS = (
    Shot(name="shift-open", role=CASHIER, path="/shift"),
    Shot(name="shift-open-refused", role=CASHIER, path="/shift", act=_open_wrongly),
    Shot(name="shift-own-empty", role=CASHIER, path="/shift", act=_open),
    Shot(name="shift-own", role=CASHIER, path="/shift", act=_take),
    Shot(name="safe", role=TREASURER, path="/safe"),
    Shot(name="shift-waiting", role=HEAD, path="/shift/waiting"),
    Shot(name="shift-force", role=HEAD, path=_of("/shift/waiting/{shift}/force")),
    Shot(name="receipt", role=CASHIER, path=_of("/receipts/{receipt}")),
    Shot(name="receipt-void-refused", role=CASHIER, path=_of("/receipts/{other}"), act=_void_wrongly),
    Shot(name="receipt-move", role=HEAD, path=_of("/receipts/{wrong_shift}")),
    Shot(name="receipt-moved", role=HEAD, path=_of("/receipts/{wrong_shift}"), act=_move),
    Shot(name="print-80mm", role=CASHIER, path=_of("/print/receipts/{slips}/80mm"), size=(420, 760)),
    Shot(name="print-80mm-again", role=CASHIER, path=_of("/print/receipts/{receipt}/80mm"), size=(420, 760)),
    Shot(name="print-a5", role=CASHIER, path=_of("/print/receipts/{slips}/a5"), size=(700, 900)),
    Shot(name="print-a4", role=CASHIER, path=_of("/print/receipts/{slips}/a4"), size=(900, 1000)),
    Shot(name="receipt-public", role=None, path=_of("/receipt/1-{token}"), size=(390, 844)),
    Shot(name="printers", role=Role.ADMINISTRATOR, path="/admin/printers"),
    Shot(name="refund-lines", role=CASHIER, path=_visit("refund", "/desk/visits/{id}/refund")),
    Shot(name="refund-request", role=CASHIER, path=_visit("refund", _LINE)),
    Shot(
        name="refund-requested",
        role=CASHIER,
        path=_visit("refund", "/desk/visits/{id}/refund?line=XML3-3"),
        act=_refund,
    ),
    Shot(name="refund-wait", role=CASHIER, path=_of("/refunds/{refund}")),
    Shot(name="refund-approved", role=CASHIER, path=_of("/refunds/{refund}"), act=_approve),
    Shot(name="refund-paid", role=CASHIER, path=_of("/refunds/{refund}"), act=_pay),
    Shot(name="discharge-blockers", role=CASHIER, path=_visit("refund", "/desk/visits/{id}/discharge")),
    Shot(name="discharge-collect", role=CASHIER, path=_visit("bill", "/desk/visits/{id}/discharge")),
    Shot(name="discharge-return", role=CASHIER, path=_visit("bill", "/desk/visits/{id}/discharge"), act=_advance),
    Shot(
        name="print-01kbcb-draft", role=CASHIER, path=_visit("bill", "/print/visits/{id}/statement"), size=(1160, 800)
    ),
    Shot(name="discharge-billed", role=CASHIER, path=_visit("bill", "/desk/visits/{id}/discharge"), act=_bill),
    Shot(name="discharge-closed", role=CASHIER, path=_visit("bill", "/desk/visits/{id}/discharge")),
    Shot(name="print-01kbcb", role=CASHIER, path=_visit("bill", _STATEMENT), size=(1160, 800)),
    Shot(name="find-money", role=CASHIER, path="/desk/find-money"),
    Shot(name="find-money-nothing", role=CASHIER, path="/desk/find-money?amount=124.620"),
    Shot(name="find-money-confirm", role=CASHIER, path=_visit("waiting", _CONFIRMATION), act=_confirm),
    Shot(name="find-money-confirm-refused", role=CASHIER, path=_visit("waiting", _CONFIRMATION), act=_confirm_wrongly),
    Shot(name="find-money-confirm-head", role=HEAD, path=_visit("waiting", _CONFIRMATION), act=_confirm),
    Shot(name="shift-close-open", role=CASHIER, path="/shift/close"),
    Shot(name="shift-close-count", role=CASHIER, path="/shift/close?step=count", act=_count),
    Shot(name="shift-close-receipts", role=CASHIER, path="/shift/close?step=count", act=_finish_count),
    Shot(name="shift-close-result", role=CASHIER, path="/shift/close", act=_tick),
    Shot(name="shift-minutes", role=CASHIER, path="/shift/close", act=_sign),
    Shot(name="shift-minutes-paper", role=CASHIER, path=_of("/print/shifts/{shift}"), size=(900, 1000)),
    Shot(name="receipt-frozen", role=HEAD, path=_of("/receipts/{receipt}")),
    Shot(name="shift-next", role=CASHIER, path="/shift?closed"),
)

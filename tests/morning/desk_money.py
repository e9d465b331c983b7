"""Acts of a cashier other than collecting: put a code away, void a receipt, refund a line."""

import re

from billing.web.screens.texts import ScreenLanguage, translate
from tests.morning.desk import Desk
from tests.morning.page import words
from tests.morning.record import Visited

BANK_BIN = "970436"
_PAYS = re.compile(translate(ScreenLanguage.VIETNAMESE, "refund.pay", amount=r"([0-9.]+) đ"))


async def put_code_away(desk: Desk) -> None:
    """The code was shown for another patient: it no longer waits at the desk."""
    await desk.send_form("/put-away")


async def void_receipt(desk: Desk, pin: str) -> None:
    """Void the receipt that the page shows; the second person gives the PIN at this screen."""
    found = re.search(r'data-receipt="([0-9a-f-]{36})"', desk.page.text)
    assert found is not None, "the page shows a receipt"
    async with desk.full_page():
        await desk.go(f"/receipts/{found[1]}")
        await desk.submit("/void-here", void_reason="nhầm người bệnh cùng tên", second_secret=pin)
        assert desk.path.endswith("?voided"), desk.path


async def refund_line(desk: Desk, visited: Visited, **fields: str) -> tuple[int, str]:
    """Cancel the last line and request the refund of what that frees; returns the amount and the refund's address."""
    address = f"/desk/visits/{visited.visit_id}/refund"
    async with desk.full_page():
        await desk.go(f"{address}?line={visited.patient.services[-1].line}")
        form = next(each for each in desk.page.forms_to("/refund") if each.attributes.get("method") == "post")
        await desk.post(form.action, form.with_values(**fields))
        found = re.search(r'href="(/refunds/[0-9a-f-]{36})"', desk.page.text)
        assert found is not None, "the page lists the refund"
        return int(desk.path.partition("requested=")[2]), found[1]


async def pay_refund_in_cash(desk: Desk, address: str, pin: str) -> int:
    """A second person approves the refund at this screen, and it is paid from the drawer; returns the cash."""
    async with desk.full_page():
        await desk.go(address)
        await desk.submit("/approve-here", second_secret=pin)
        cash = _PAYS.search(words(desk.page.text))
        assert cash is not None, "the page states what is paid"
        await desk.submit("/pay")
        return int(cash[1].replace(".", ""))
